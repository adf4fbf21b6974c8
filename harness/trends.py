"""One answer for an ordered axis of a table's rows, in each column: the slope of the metric along it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.contrasts import arms, row_name, varied
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
        The column, and the other row levels where there are any; '' where the table has neither.
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


def trends(
    rows: Sequence[Row], columns: Sequence[Column], spec: Spec, axis: str, *, level: float = 0.95
) -> tuple[Trend, ...]:
    """The slope along ``axis`` in every column, for every combination of the other row levels.

    Parameters
    ----------
    level : float
        Coverage of the intervals, in (0, 1).

    Raises
    ------
    ConfigError
        When the axis is no level of the rows, or not made of numbers.
    """
    if axis not in spec.rows:
        raise ConfigError(f"table.compare.trend: {axis} is no level of the rows ({', '.join(spec.rows)})")
    place = list(spec.rows).index(axis)
    points = {row.values[place] for row in rows}
    if not all(isinstance(p, int | float) and not isinstance(p, bool) for p in points):
        raise ConfigError(f"table.compare.trend: the values of {axis} are no numbers ({', '.join(map(str, points))})")
    scale, per = ("log2", "a doubling") if min(points) > 0 else ("linear", "a unit")
    found = list(_slopes(rows, columns, spec, _Along(place, scale, level)))
    adjusted = holm([t.found.p if t.found else np.nan for t in found])
    return tuple(
        Trend(t.where, t.found, None if np.isnan(p) else float(p), t.refused, per) for t, p in zip(found, adjusted)
    )


@dataclass(frozen=True)
class _Along:
    """The axis: which level of the rows it is, its scale, and the coverage of a slope's interval."""

    place: int
    scale: str
    level: float


def _slopes(rows: Sequence[Row], columns: Sequence[Column], spec: Spec, axis: _Along) -> Iterator[Trend]:
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(v for i, v in enumerate(row.values) if i != axis.place), []).append(row)
    others = [path for i, path in enumerate(spec.rows) if i != axis.place]
    for i, column in enumerate(columns):
        for values, members in groups.items():
            head = column.labels if spec.columns else ()
            where = " ".join([*head, *(column_label(path, value) for path, value in zip(others, values))])
            try:
                yield Trend(where, _slope(sorted(members, key=lambda row: row.values[axis.place]), i, spec, axis))
            except DataError as error:
                yield Trend(where, None, refused=str(error))


def _slope(rows: Sequence[Row], column: int, spec: Spec, axis: _Along) -> Difference:
    """Of rows in the order of the axis, in one column.

    Raises
    ------
    DataError
        When there is none: one point alone, a result that is missing, points that differ in more than the axis.
    """
    points, entries = [row.values[axis.place] for row in rows], [row.entries[column] for row in rows]
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
    for row, entry in zip(rows[1:], entries[1:]):
        names = row_name(row, spec), row_name(rows[0], spec)
        if refused := family.refusals(*arms((entry, entries[0]), names), varied=varied(spec)):
            raise DataError(refused[0].words)
    values = np.array([[done[s].value for done in cells] for s in range(len(seeds[0]))])
    draws = np.array([[done[s].draws for done in cells] for s in range(len(seeds[0]))])
    return trend(points, values, draws, scale=axis.scale, level=axis.level)
