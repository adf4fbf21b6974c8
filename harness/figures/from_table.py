"""A comparison table as the plain data of figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.entries import Entry
from harness.figures import axis, forest, heatmap
from harness.figures.style import MAX_LINES, NoFigureError
from harness.figures.words import axis_words, column_label_of, label_of, row_label
from harness.table_model import ComparisonTable
from harness.wording import BASELINE_TITLES, listed, lower_is_better, value_label

FEWEST = 3
"""Values that a column level must have to be an axis; a row level is one with two."""
NO_IMAGE = f"{BASELINE_TITLES['metadata']}, no image"


@dataclass(frozen=True)
class Along:
    """The ordered axis of a table: a level of its rows or its columns that is nothing but numbers."""

    path: str
    in_rows: bool
    level: int


@dataclass(frozen=True)
class Shown:
    """Columns of a figure that has one panel a task.

    Attributes
    ----------
    columns : tuple of int
    titles : tuple of str
    said : str
        Which of several columns of a task is shown, or ''.
    """

    columns: tuple[int, ...]
    titles: tuple[str, ...]
    said: str = ""


def along(table: ComparisonTable) -> Along:
    """The axis of a table: its rows' only numeric level, else its columns' only one with three values or more.

    Raises
    ------
    DataError
        When there is none, or more than one.
    """
    rows, spec = _numeric([row.values for row in table.rows], least=2), table.spec
    if len(rows) > 1:
        raise NoFigureError(
            "axis figure", f"the rows run along several numbers ({', '.join(spec.rows[i] for i in rows)})"
        )
    if rows:
        return Along(spec.rows[rows[0]], True, rows[0])
    columns = _numeric([column.values for column in table.columns], least=FEWEST) if spec.columns else []
    if len(columns) == 1:
        return Along(spec.columns[columns[0]], False, columns[0])
    raise NoFigureError(
        "axis figure", f"neither the rows nor, with {FEWEST} values or more, the columns run along one number"
    )


def _numeric(values: Sequence[tuple], *, least: int) -> list[int]:
    found = []
    for level, each in enumerate(zip(*values)):
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in each)
        if numbers and len(set(each)) >= least:
            found.append(level)
    return found


def axis_panels(table: ComparisonTable, way: Along) -> list[axis.Panel]:
    """A panel a task (else a value of the outermost column level), a line for each of what is left."""
    others = [p for p in (*table.spec.columns, *table.spec.rows) if p != way.path]
    apart = "task" if "task" in others else next((p for p in table.spec.columns if p != way.path), None)
    kept = [p for p in others if p != apart]
    points: dict[str, dict[tuple, list[tuple[float, Entry]]]] = {}
    references: set[tuple] = set()
    for row in table.rows:
        for column, entry in zip(table.columns, row.entries):
            at = {**dict(zip(table.spec.columns, column.values)), **dict(zip(table.spec.rows, row.values))}
            title = value_label(apart, at[apart]) if apart else ""
            key = tuple(at[p] for p in kept)
            points.setdefault(title, {}).setdefault(key, []).append((at[way.path], entry))
            if row.reference and not way.in_rows:
                references.add(key)
    keys = list(dict.fromkeys(key for lines in points.values() for key in lines))
    tells = [len({key[i] for key in keys}) > 1 for i in range(len(kept))]
    names = {key: ", ".join(label_of(p, v) for p, v, t in zip(kept, key, tells) if t) for key in keys}
    order = _ordered(points, keys, references, sign=-1 if lower_is_better(table.spec.metric) else 1)
    blind = _no_image(table, way, apart, kept, names)
    return [
        axis.Panel(title, [*(_line(names[key], lines[key]) for key in order if key in lines), *blind.get(title, [])])
        for title, lines in points.items()
    ]


def ticks(table: ComparisonTable, way: Along) -> dict[float, str]:
    """Values of the axis and their labels, rising."""
    values = {row.values[way.level] for row in table.rows} if way.in_rows else set()
    values = values or {column.values[way.level] for column in table.columns}
    return {value: value_label(way.path, value) for value in sorted(values)}


def _ordered(points: dict, keys: list[tuple], references: set[tuple], *, sign: int) -> list[tuple]:
    """In the table's order; where there are too many lines for a panel, the reference and then the best come first."""
    if len(keys) <= MAX_LINES:
        return keys

    def mean(key: tuple) -> float:
        means = [e.mean for lines in points.values() for _, e in lines.get(key, ()) if e.mean is not None]
        return sign * float(np.mean(means)) if means else -math.inf

    return sorted(keys, key=lambda key: (key not in references, -mean(key)))


def _line(name: str, points: Sequence[tuple[float, Entry]]) -> axis.Line:
    return axis.Line(
        name,
        x=[x for x, _ in points],
        y=[_number(e.mean) for _, e in points],
        low=[_number(e.low) for _, e in points],
        high=[_number(e.high) for _, e in points],
        partial=[x for x, e in points if e.status == "partial"],
        lost=[x for x, e in points if e.mean is None and e.cells],
    )


def _no_image(
    table: ComparisonTable, way: Along, apart: str | None, kept: Sequence[str], names: dict[tuple, str]
) -> dict[str, list[axis.Line]]:
    """Metadata alone, by panel: along the axis where it depends on it, else level."""
    span = list(ticks(table, way))
    found: dict[str, dict[tuple, list[tuple[float, float]]]] = {}
    for row in (row for row in table.baselines if row.baseline == "metadata"):
        for column, entry in zip(table.columns, row.entries):
            at = {**dict(zip(table.spec.columns, column.values)), **dict(zip(table.spec.rows, row.values))}
            title = value_label(apart, at[apart]) if apart else ""
            where = [at[way.path]] if at[way.path] is not None else [span[0], span[-1]]
            series = found.setdefault(title, {}).setdefault(tuple(at[p] for p in kept), [])
            series += [(x, _number(entry.mean)) for x in where]
    return {title: _under(series, names) for title, series in found.items()}


def _under(series: dict[tuple, list[tuple[float, float]]], names: dict[tuple, str]) -> list[axis.Line]:
    """The lines of a panel, each under the line of the grid that it belongs to where there is one such line."""
    distinct: dict[tuple, list[str]] = {}
    for key, points in series.items():
        mine = [name for other, name in names.items() if all(k is None or k == o for k, o in zip(key, other))]
        distinct.setdefault(tuple(points), []).extend(mine)
    lines = []
    for points, mine in distinct.items():
        own = mine[0] if len(distinct) > 1 and len(mine) == 1 else ""
        lines.append(axis.Line(NO_IMAGE, [x for x, _ in points], [y for _, y in points], under=own))
    return lines


def shown_columns(table: ComparisonTable) -> Shown:
    """One column a value of the outermost column level: the last, which has the largest share of the labels."""
    last = {column.labels[0]: i for i, column in enumerate(table.columns)}
    columns = tuple(last.values())
    inner = {table.columns[i].values[1:] for i in columns}
    said = ""
    if len(last) < len(table.columns):
        paths = table.spec.columns[1:]
        each = [", ".join(label_of(p, v) for p, v in zip(paths, values)) for values in sorted(inner, key=str)]
        said = f"Of several columns the last is shown ({'; '.join(each)})."
    titles = tuple(last) if table.spec.columns else ("",)
    return Shown(columns, titles, said)


def differences(table: ComparisonTable) -> list[forest.Effect]:
    """Every row less its reference, column by column, as the table's statistics have it; NaN where they have none."""
    found = []
    for i in range(len(table.columns)):
        for row in table.rows:
            entry = row.entries[i]
            if row.reference or not entry.cells:
                continue
            said = entry.contrast.difference if entry.contrast else None
            numbers = (said.delta, said.low, said.high) if said else (math.nan,) * 3
            p = entry.contrast.p if said else None
            found.append(forest.Effect(row_label(table, row), *numbers, p=p, group=column_label_of(table, i)))
    return found


def reference_name(table: ComparisonTable) -> str:
    """What a row is compared with."""
    return ", ".join(label_of(path, value) for path, value in (table.spec.reference or {}).items()) or "reference"


def heat_maps(table: ComparisonTable, shown: Shown) -> tuple[list[heatmap.Map], dict[str, Any]]:
    """A map a task, and what the axes of all of them are called.

    Raises
    ------
    DataError
        When the rows have not two levels that vary.
    """
    spec = table.spec
    varied = [i for i in range(len(spec.rows)) if len({row.values[i] for row in table.rows}) > 1]
    if len(varied) != 2:
        named = listed([spec.rows[i] for i in varied]) or "nothing"
        raise NoFigureError("heat map", f"the rows vary along {named}, not along two axes")
    down, across = varied
    rows, columns = ([*dict.fromkeys(row.values[i] for row in table.rows)] for i in (down, across))
    if len(columns) > len(rows) and len(shown.columns) > 1:  # narrow maps stand side by side
        down, across, rows, columns = across, down, columns, rows
    maps = []
    for i, title in zip(shown.columns, shown.titles):
        shape = (len(rows), len(columns))
        numbers = {name: np.full(shape, np.nan) for name in ("mean", "low", "high")}
        signs = [["" for _ in columns] for _ in rows]
        references = []
        for row in table.rows:
            r, c = rows.index(row.values[down]), columns.index(row.values[across])
            entry = row.entries[i]
            for name, into in numbers.items():
                into[r, c] = _number(getattr(entry, name))
            signs[r][c] = "" if entry.mean is not None else entry.sign
            references += [(r, c)] if row.reference else []
        maps.append(heatmap.Map(title, numbers["mean"], numbers["low"], numbers["high"], signs, references))
    names = {
        "rows": [value_label(spec.rows[down], v) for v in rows],
        "columns": [value_label(spec.rows[across], v) for v in columns],
        "row_label": axis_words(spec.rows[down], spec.rows),
        "column_label": axis_words(spec.rows[across], spec.rows),
    }
    return maps, names


def _number(value: float | None) -> float:
    return math.nan if value is None else value
