"""All columns of a table at once: the interquartile mean of each row, and how often it beats its reference.

Both are of Agarwal et al. (NeurIPS 2021), with the seed as the unit, and speak of other seeds on these columns: neither
of other tasks nor of other patients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.contrasts import references, row_name
from harness.entries import Entry
from harness.stats.iqm import SEEDS, TASKS, Aggregate, interquartile_mean, probability_of_improvement
from harness.table_model import Row, Spec
from harness.wording import lower_is_better, plural
from mvmlm.errors import DataError


@dataclass(frozen=True)
class Overall:
    """A row over all columns.

    Attributes
    ----------
    row : str
        In words.
    mean : Aggregate or None
        Interquartile mean over columns and seeds.
    reference : str
        The row that it is held against; '' where it is none, or the reference itself.
    better : Aggregate or None
        Chance that a run of it beats the reference's of the same seed on a column drawn at random.
    refused : str
        Why there is no mean, or no chance; '' where what was asked for is there.
    """

    row: str
    mean: Aggregate | None
    reference: str = ""
    better: Aggregate | None = None
    refused: str = ""


def overall(rows: Sequence[Row], spec: Spec, *, level: float = 0.95) -> tuple[Overall, ...]:
    """Every row over all columns.

    Parameters
    ----------
    rows : sequence of Row
        With their contrasts: what refuses a mark in one column refuses the comparison over all of them.
    level : float
        Coverage of the intervals, in (0, 1).
    """
    return tuple(_overall(rows, spec, level))


def _overall(rows: Sequence[Row], spec: Spec, level: float) -> Iterator[Overall]:
    held = references(rows, spec)
    sign = -1 if lower_is_better(spec.metric) else 1
    for i, row in enumerate(rows):
        name, other = row_name(row, spec), row_name(rows[held[i]], spec) if i in held else ""
        mean, better = None, None
        try:
            ours = _scores(row.entries)
            mean = interquartile_mean(ours, level=level)
            if other:
                theirs = _scores(rows[held[i]].entries, "the reference has ")
                _require_comparable(row.entries)
                better = probability_of_improvement(sign * ours, sign * theirs, level=level)
        except DataError as error:
            yield Overall(name, mean, other, None, str(error))
        else:
            yield Overall(name, mean, other, better)


def _scores(entries: Sequence[Entry], whose: str = "") -> np.ndarray:
    """Value of each seed (rows) in each column.

    Raises
    ------
    DataError
        When a column lacks a seed, as a mean over the others would be of other tasks; when there are too few.
    """
    lost = sum(not entry.cells or len(entry.done) < len(entry.cells) for entry in entries)
    if lost:
        raise DataError(f"{whose}{lost} of {plural(len(entries), 'column')} without a result of every seed")
    if len({tuple(cell.seed for cell in entry.done) for entry in entries}) > 1:
        raise DataError("the columns have different seeds")
    if len(entries) < TASKS or len(entries[0].done) < SEEDS:
        raise DataError(f"that needs {TASKS} columns and {SEEDS} seeds or more")
    return np.array([[cell.value for cell in entry.done] for entry in entries]).T


def _require_comparable(entries: Sequence[Entry]) -> None:
    refused = [entry.contrast.refusals for entry in entries if entry.contrast and entry.contrast.refusals]
    if refused:
        raise DataError(f"not comparable in {plural(len(refused), 'column')}: {refused[0][0].words}")
