"""From a frame of cells to a comparison table: rows × columns, seeds averaged, every gap shown."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from harness.contrasts import CompareOptions, with_contrasts
from harness.early_end import with_early_ends
from harness.entries import COUNTS, CellRef, Entry, cell_refs, make_entry, make_fact
from harness.overall import overall
from harness.stale_code import with_stale_code
from harness.table_model import Column, ComparisonTable, Row, Span, Spec, TableSpec
from harness.trends import trends
from harness.wording import (
    BASELINE_TITLES,
    SIGNS,
    column_label,
    listed,
    lower_is_better,
    percent,
    plain,
    value_label,
)
from mvmlm.errors import ConfigError, DataError

FIELDS = frozenset(
    {"id", "key", "status", "error", "run_id", "draws", "baseline", "notes", "measures", "components", "shared"}
)
LETTERS = "abcdefghijklmnoprstuvwxyz"
"""Of footnotes. There is no superscript q in Unicode."""


def build_table(
    cells: pd.DataFrame,
    baselines: pd.DataFrame | None,
    spec: Spec,
    *,
    coordinates: Sequence[str] | None = None,
) -> ComparisonTable:
    """Make the comparison table of one ablation.

    Parameters
    ----------
    cells : DataFrame
        One row a cell: ``key, status, error, run_id, draws`` (float32 (B,) or None), coordinates and metrics; and
        ``measures``, a dict of what its stages say of themselves.
    baselines : DataFrame or None
        The same for the rows that need no image: ``baseline`` names them, and there are only the coordinates
        that such a row depends on (task, fraction, seed). Along any other column axis a row is repeated.
    spec : Spec
        A :class:`TableSpec` or its like.
    coordinates : sequence of str, optional
        Which columns are coordinates. By default every column that is no field, no count and has no ``@``.

    Raises
    ------
    ConfigError
        When a coordinate or the metric is unknown, or cells would be averaged over more than seeds.
    DataError
        When there are no cells, a status is unknown, or a cell is there twice.
    """
    _check(cells, spec, coordinates)
    _check_status(cells)
    grid = _Grid(cells, spec, _coordinates(cells, coordinates))
    row_keys, column_keys = grid.keys(spec.rows), grid.keys(spec.columns)
    rows = [
        Row(
            values=r,
            labels=tuple(value_label(p, v) for p, v in zip(spec.rows, r)),
            entries=tuple(grid.entry(r, c) for c in column_keys),
            reference=_is_reference(spec, r),
        )
        for r in row_keys
    ]
    below = _baseline_rows(baselines, spec, column_keys, coordinates) if baselines is not None else []
    options = CompareOptions(**(spec.compare or {}))
    rows = with_contrasts(_with_best(rows, spec.metric), spec, options)
    (rows, below), footnotes, common = _with_footnotes(*with_stale_code(with_early_ends(rows), below))
    rows, below = ([_with_facts(row, spec) for row in part] for part in (rows, below))
    across = zip(*(row.entries for row in (*rows, *below)))
    columns = tuple(_column(spec, key, entries) for key, entries in zip(column_keys, across))
    return ComparisonTable(
        spec=spec,
        columns=columns,
        rows=tuple(rows),
        baselines=tuple(below),
        seeds=tuple(grid.seeds) if grid.averaged else (),
        footnotes=footnotes,
        common=common,
        beside=tuple(spec.beside),
        trends=trends(rows, columns, spec, options.trend, level=options.level) if options.trend else (),
        overall=overall(rows, spec, level=options.level) if options.overall else (),
    )


class _Grid:
    """Cells by row and column."""

    def __init__(self, frame: pd.DataFrame, spec: Spec, coordinates: Sequence[str]) -> None:
        self.spec = spec
        self.values = {name: [plain(v) for v in frame[name].tolist()] for name in coordinates}
        self.refs = cell_refs(frame, spec.metric)
        self.size = len(frame)
        named = (*spec.rows, *spec.columns)
        self.averaged = "seed" in self.values and "seed" not in named
        self.seeds = _sorted(set(self.values.get("seed", [])))
        self.groups: dict[tuple, list[int]] = {}
        for i, place in enumerate(zip(self._tuples(spec.rows), self._tuples(spec.columns))):
            self.groups.setdefault(place, []).append(i)
        self._refuse_more_than_seeds([c for c in coordinates if c != "seed" and c not in named])

    def keys(self, levels: Sequence[str]) -> list[tuple]:
        """Value tuples that occur, level by level in the order of their first cell (the YAML's order)."""
        places = [{v: i for i, v in enumerate(dict.fromkeys(self.values[level]))} for level in levels]
        found = dict.fromkeys(self._tuples(levels))
        return sorted(found, key=lambda key: [place[v] for place, v in zip(places, key)])

    def entry(self, row: tuple, column: tuple) -> Entry:
        cells = [self.refs[i] for i in self.groups.get((row, column), ())]
        if not cells:
            return Entry()
        return make_entry(cells, self.seeds if self.averaged else [c.seed for c in cells], self.spec.digits)

    def _tuples(self, levels: Sequence[str]) -> list[tuple]:
        return list(zip(*(self.values[level] for level in levels))) if levels else [()] * self.size

    def _refuse_more_than_seeds(self, others: Sequence[str]) -> None:
        others = [name for name in others if len(set(self.values[name])) > 1]
        for (row, column), members in self.groups.items():
            for name in others:
                found = _sorted({self.values[name][i] for i in members})
                if len(found) > 1:
                    raise ConfigError(
                        f"table: {self._place(row, column)} would average over {name} ({listed(found)}); "
                        f"add {name} to table.rows or table.columns, or pin it with --set {name}=…"
                    )
            seeds = [self.refs[i].seed for i in members]
            if len(set(seeds)) < len(seeds):
                twice = next(s for s in seeds if seeds.count(s) > 1)
                raise DataError(f"table: {self._place(row, column)} has more than one cell for seed {twice}")

    def _place(self, row: tuple, column: tuple) -> str:
        said = zip((*self.spec.rows, *self.spec.columns), (*row, *column))
        return "the entry " + ", ".join(f"{path}={value}" for path, value in said)


def _baseline_rows(
    frame: pd.DataFrame, spec: Spec, columns: Sequence[tuple], coordinates: Sequence[str] | None
) -> list[Row]:
    """Rows of the no-image baselines, in the order of the frame."""
    _check_status(frame)
    rows = []
    for name in dict.fromkeys(frame["baseline"].tolist()):
        mine = frame[frame["baseline"] == name]
        known = [c for c in _coordinates(mine, coordinates) if c in mine and mine[c].notna().any()]
        across = [c for c in spec.columns if c in known]
        down = [c for c in spec.rows if c in known and len({plain(v) for v in mine[c]}) > 1]
        asked = _Asked(down, across, spec.metric, spec.digits)
        grid = _Grid(mine, asked, known)
        where = [spec.columns.index(c) for c in across]
        for key in grid.keys(down):
            values = dict(zip(down, key))
            entries = tuple(grid.entry(key, tuple(c[i] for i in where)) for c in columns)
            labels = _baseline_labels(BASELINE_TITLES.get(name, name), spec.rows, values)
            rows.append(Row(tuple(values.get(p) for p in spec.rows), labels, entries, baseline=name))
    return rows


@dataclass(frozen=True)
class _Asked:
    rows: Sequence[str]
    columns: Sequence[str]
    metric: str
    digits: int


def _baseline_labels(title: str, levels: Sequence[str], values: dict[str, Any]) -> tuple[str, ...]:
    """The title at the first level that the baseline does not depend on, or else beside the value."""
    labels = [value_label(path, values[path]) if path in values else "" for path in levels]
    if "" in labels:
        labels[labels.index("")] = title
    else:
        labels[0] = f"{title}, {labels[0]}"
    return tuple(labels)


def _coordinates(frame: pd.DataFrame, said: Sequence[str] | None) -> list[str]:
    if said is not None:
        return [c for c in said if c in frame and c not in FIELDS]
    return [c for c in frame.columns if c not in FIELDS and c not in COUNTS and "@" not in c]


def _check(cells: pd.DataFrame, spec: Spec, coordinates: Sequence[str] | None) -> None:
    if cells.empty:
        raise DataError(f"the table of {spec.ablation} has no cells")
    if not spec.rows:
        raise ConfigError("table.rows: name at least one coordinate")
    known = _coordinates(cells, coordinates)
    for place, names in (("table.rows", spec.rows), ("table.columns", spec.columns)):
        for name in names:
            if name not in known:
                raise ConfigError(f"{place}: the cells have no coordinate {name}{_hint(name, known)}")
    both = set(spec.rows) & set(spec.columns)
    if both:
        raise ConfigError(f"table: {', '.join(sorted(both))} cannot be in both rows and columns")
    if spec.metric not in cells and (cells["status"] == "done").any():
        metrics = [c for c in cells.columns if "@" in c and "/" not in c]
        raise ConfigError(f"table.metric: no cell has {spec.metric}{_hint(spec.metric, metrics)}")


def _check_status(cells: pd.DataFrame) -> None:
    unknown = set(cells["status"]) - {"done", *SIGNS}
    if unknown:
        raise DataError(f"cells have an unknown status: {', '.join(sorted(map(str, unknown)))}")


def _hint(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else f" (they have: {', '.join(known)})"


def _is_reference(spec: Spec, row: tuple) -> bool:
    values = dict(zip(spec.rows, row))
    asked = {path: plain(v) for path, v in (spec.reference or {}).items() if path in values}
    return bool(asked) and all(values[path] == v for path, v in asked.items())


def _with_best(rows: list[Row], metric: str) -> list[Row]:
    """Mark the best mean of each column, to the decimals shown; an entry alone is not the best."""
    best, better = [], min if lower_is_better(metric) else max
    for entries in zip(*(row.entries for row in rows)):
        shown = [float(e.shown("mean")) for e in entries if e.mean is not None]
        best.append(better(shown) if len(shown) > 1 else None)
    return [
        replace(
            row,
            entries=tuple(
                replace(e, best=b is not None and e.mean is not None and float(e.shown("mean")) == b)
                for e, b in zip(row.entries, best)
            ),
        )
        for row in rows
    ]


def _with_facts(row: Row, spec: Spec) -> Row:
    return replace(row, facts=tuple(make_fact(name, row.entries) for name in spec.beside))


def _with_footnotes(
    *parts: list[Row],
) -> tuple[list[list[Row]], tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Give equal reasons one letter, in reading order; what every entry would carry goes to the caption."""
    said = [set(e.reasons) for rows in parts for row in rows for e in row.entries if e.cells]
    common = set.intersection(*said) if len(said) > 1 else set()
    letters: dict[str, str] = {}

    def lettered(entry: Entry) -> Entry:
        mine = [r for r in entry.reasons if r not in common]
        return replace(entry, footnotes=tuple(letters.setdefault(r, letter(len(letters))) for r in mine))

    done = [[replace(row, entries=tuple(map(lettered, row.entries))) for row in rows] for rows in parts]
    return done, tuple((mark, text) for text, mark in letters.items()), tuple(sorted(common))


def letter(index: int) -> str:
    """The footnote letter of an index: a … z, aa … ."""
    last = LETTERS[index % len(LETTERS)]
    return last if index < len(LETTERS) else letter(index // len(LETTERS) - 1) + last


def _column(spec: Spec, key: tuple, entries: Sequence[Entry]) -> Column:
    labels = tuple(column_label(p, v) for p, v in zip(spec.columns, key)) or (spec.metric,)
    sizes = _sorted({v for e in entries for v in e.count("n")})
    shares = _sorted({v for e in entries for v in e.count("prevalence")})
    return Column(key, labels, _range([f"{v:,.0f}" for v in sizes]), _range([percent(v) for v in shares]))


def _range(texts: Sequence[str]) -> str:
    ends = list(dict.fromkeys((texts[0], texts[-1]))) if texts else []
    return "–".join(ends).replace(" %–", "–")


def _sorted(values: set) -> list:
    def place(value: Any) -> tuple:
        is_number = isinstance(value, int | float)
        return value is None, not is_number, value if is_number else 0, str(value)

    return sorted(values, key=place)


__all__ = ["CellRef", "Column", "ComparisonTable", "Entry", "Row", "Span", "Spec", "TableSpec", "build_table"]
