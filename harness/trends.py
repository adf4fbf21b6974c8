"""One answer for an ordered axis of a table: the slope of the metric along it, in each column or for each row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.contrasts import arms, row_name, varied
from harness.entries import Entry
from harness.stats import family
from harness.stats.difference import Difference
from harness.stats.holm import holm
from harness.stats.trend import trend
from harness.table_model import Column, Row, Spec
from harness.wording import column_label
from mvmlm.errors import ConfigError, DataError


@dataclass(frozen=True)
class Trend:
    """A slope along an axis.

    Attributes
    ----------
    where : str
        What the points share: column and other row levels, or other column levels and row; '' where that is nothing.
    found : Difference or None
        ``delta`` is the gain a doubling of the axis, or a unit of it where it holds a number of 0 or less.
    p : float or None
        Adjusted by Holm over the table's trends.
    refused : str
        Why there is none, or ''.
    per : str
        What the slope is a gain of.
    """

    where: str
    found: Difference | None
    p: float | None = None
    refused: str = ""
    per: str = "a doubling"

    @property
    def is_tested(self) -> bool:
        """Whether there is a slope with a p."""
        return self.found is not None and self.p is not None


def trends(
    rows: Sequence[Row], columns: Sequence[Column], spec: Spec, axis: str, *, level: float = 0.95
) -> tuple[Trend, ...]:
    """The slope along ``axis``, for every combination of the other levels of rows and columns.

    Parameters
    ----------
    level : float
        Coverage of the intervals, in (0, 1).

    Raises
    ------
    ConfigError
        When the axis is no level of the rows or columns, or not made of numbers.
    """
    if axis not in (*spec.rows, *spec.columns):
        known = ", ".join((*spec.rows, *spec.columns))
        raise ConfigError(f"table.compare.trend: {axis} is no level of the rows or columns ({known})")
    points = _values(rows, spec.rows, axis) | _values(columns, spec.columns, axis)
    if not all(isinstance(p, int | float) and not isinstance(p, bool) for p in points):
        raise ConfigError(f"table.compare.trend: the values of {axis} are no numbers ({', '.join(map(str, points))})")
    scale, per = ("log2", "a doubling") if not points or min(points) > 0 else ("linear", "a unit")
    found = [_trend(line, spec, scale, level) for line in _lines(rows, columns, spec, axis)]
    adjusted = holm([t.found.p if t.found else np.nan for t in found])
    return tuple(replace(t, p=None if np.isnan(p) else float(p), per=per) for t, p in zip(found, adjusted))


@dataclass(frozen=True)
class _Line:
    """Entries along the axis: what they share, and of each the value of the axis, its name and itself."""

    where: str
    members: Sequence[tuple[float, str, Entry]]


def _values(heads: Sequence[Row] | Sequence[Column], levels: Sequence[str], axis: str) -> set:
    return {head.values[list(levels).index(axis)] for head in heads} if axis in levels else set()


def _lines(rows: Sequence[Row], columns: Sequence[Column], spec: Spec, axis: str) -> Iterator[_Line]:
    """Column by column where the axis is a level of the rows; else columns that differ in it alone, row by row."""
    if axis in spec.rows:
        for i, column in enumerate(columns):
            head = " ".join(column.labels) if spec.columns else ""
            for where, members in _apart(rows, spec.rows, axis):
                yield _line(f"{head} {where}".strip(), [(p, row_name(r, spec), r.entries[i]) for p, r in members])
        return
    places = {id(column): i for i, column in enumerate(columns)}
    for where, members in _apart(columns, spec.columns, axis):
        for row in rows:
            along = [(p, " ".join(c.labels), row.entries[places[id(c)]]) for p, c in members]
            yield _line(f"{where} {row_name(row, spec)}".strip(), along)


def _apart(heads: Sequence, levels: Sequence[str], axis: str) -> Iterator[tuple[str, list[tuple[float, Any]]]]:
    """Rows or columns that share all levels but the axis: what they share in words, and each with its point."""
    place = list(levels).index(axis)
    groups: dict[tuple, list] = {}
    for head in heads:
        groups.setdefault(tuple(v for i, v in enumerate(head.values) if i != place), []).append(head)
    others = [path for path in levels if path != axis]
    for values, members in groups.items():
        where = " ".join(column_label(path, value) for path, value in zip(others, values))
        yield where, [(head.values[place], head) for head in members]


def _line(where: str, members: list[tuple[float, str, Entry]]) -> _Line:
    """In the order of the axis; points that the grid does not have are left out."""
    there = [member for member in members if member[2].cells]
    return _Line(where, sorted(there, key=lambda member: member[0]))


def _trend(line: _Line, spec: Spec, scale: str, level: float) -> Trend:
    try:
        return Trend(line.where, _slope(line, spec, scale, level))
    except DataError as error:
        return Trend(line.where, None, refused=str(error))


def _slope(line: _Line, spec: Spec, scale: str, level: float) -> Difference:
    """Of one line.

    Raises
    ------
    DataError
        When there is none: one point alone, a result that is missing, points that differ in more than the axis.
    """
    points, names, entries = zip(*line.members) if line.members else ((), (), ())
    if len(points) < 2:
        raise DataError("one point alone has no slope")
    seeds = [tuple(cell.seed for cell in entry.done) for entry in entries]
    if not seeds[0] or len(set(seeds)) > 1:
        raise DataError("not every point of the axis has results of the same seeds")
    cells = [entry.done for entry in entries]
    if any(cell.draws is None for done in cells for cell in done):
        raise DataError("bootstrap draws are missing or cannot be read")
    if len({len(cell.draws) for done in cells for cell in done}) > 1:
        raise DataError("the cells have different numbers of bootstrap draws")
    for name, entry in zip(names[1:], entries[1:]):
        if refused := family.refusals(*arms((entry, entries[0]), (name, names[0])), varied=varied(spec)):
            raise DataError(refused[0].words)
    values = np.array([[done[s].value for done in cells] for s in range(len(seeds[0]))])
    draws = np.array([[done[s].draws for done in cells] for s in range(len(seeds[0]))])
    return trend(points, values, draws, scale=scale, level=level)
