"""Which differences of a table are real: every row against its reference and against the best of its column.

The arms of a column are tested on the same patients with the same bootstrap draws, so differences are taken draw by
draw. A family, corrected by Holm, is all comparisons with the reference in one column, or in the whole table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from harness.entries import CellRef, Contrast, Entry
from harness.stats import delong, family, noninferiority
from harness.stats.difference import Difference
from harness.stats.paired import paired
from harness.stats.two_way import two_way
from harness.table_model import Row, Spec
from harness.wording import column_label, lower_is_better
from mvmlm.errors import DataError

BUDGET = ("train.epochs", "train.min_steps", "train.accumulate", "train.batch_size", "search.trials", "eval.finetune.")
"""How the names of settings begin whose very question is the training budget where an axis varies them."""


@dataclass(frozen=True)
class CompareOptions:
    """How the rows of a table are compared.

    Attributes
    ----------
    test : str
        ``auto``: seeds and patients where there are two seeds or more; else DeLong's test for an AUC whose components
        were kept, and the paired bootstrap for anything else. Or one of ``two_way``, ``delong``, ``bootstrap``.
    family : str
        ``column`` or ``table``: what Holm corrects over.
    level : float
        Coverage of the intervals of differences, in (0, 1).
    margin : float or None
        Loss against the reference that is accepted; None: no question of non-inferiority.
    trend : str or None
        Level of the rows or columns, an ordered axis, along which slopes are tested.
    overall : bool
        Whether each row is asked for over all columns at once.
    """

    test: str = "auto"
    family: str = "column"
    level: float = 0.95
    margin: float | None = None
    trend: str | None = None
    overall: bool = False


@dataclass(frozen=True)
class _Column:
    """The entries of one column, and how they are compared."""

    rows: Sequence[Row]
    entries: Sequence[Entry]
    spec: Spec
    options: CompareOptions

    def contrast(self, i: int, j: int) -> family.Comparison:
        """Row ``i`` against row ``j``; neither a difference nor a reason where one of them has no number."""
        names = tuple(row_name(self.rows[k], self.spec) for k in (i, j))
        pair = self.entries[i], self.entries[j]
        if any(entry.mean is None for entry in pair):
            return family.Comparison(*names)
        test = partial(difference, *pair, self.spec.metric, self.options)
        return family.compare(*arms(pair, names), test, varied=varied(self.spec))


def arms(entries: tuple[Entry, Entry], names: tuple[str, str]) -> tuple[family.Arm, family.Arm]:
    """Two entries as the sides of a comparison.

    Of budgets, those of stages that both stand on: an arm that has no pretraining has no budget for it.
    """
    both = set.intersection(*(set(cell.shared.get("budget") or ()) for entry in entries for cell in entry.done))

    def of(cell: CellRef) -> dict[str, str | None]:
        budget = cell.shared.get("budget")
        return {**cell.shared, "budget": None if budget is None else " ".join(budget[stage] for stage in sorted(both))}

    one, two = (family.Arm(name, [of(cell) for cell in entry.done]) for entry, name in zip(entries, names))
    return one, two


def varied(spec: Spec) -> frozenset[str]:
    """What cells of a table may differ in, since it is the table's very question."""
    asked = any(path.startswith(BUDGET) for path in (*spec.rows, *spec.columns, *spec.varies))
    return frozenset({"budget"}) if asked else frozenset()


def row_name(row: Row, spec: Spec) -> str:
    """A row in words, outermost first; a bare number with what it counts: ``tokens 16``."""
    return " ".join(column_label(path, value) for path, value in zip(spec.rows, row.values))


def with_contrasts(rows: Sequence[Row], spec: Spec, options: CompareOptions) -> list[Row]:
    """The rows, each entry with its `Contrast` and whether it can be told from the best of its column."""
    if not rows:
        return []
    columns = [_Column(rows, entries, spec, options) for entries in zip(*(row.entries for row in rows), strict=True)]
    found = references(rows, spec)
    judged = _judged([_compared(column, found) for column in columns], spec, options)
    done = [
        [
            replace(entry, contrast=contrasts.get(i), tied=tied)
            for i, (entry, tied) in enumerate(zip(column.entries, _tied(column)))
        ]
        for column, contrasts in zip(columns, judged)
    ]
    return [replace(row, entries=tuple(entries)) for row, entries in zip(rows, zip(*done, strict=True), strict=True)]


def references(rows: Sequence[Row], spec: Spec) -> dict[int, int]:
    """Row to the reference row that it is compared with: the one that agrees with it in all other levels.

    Where there is one reference row alone, every row is compared with it; where there are several, a row that agrees
    with none of them is not compared.
    """
    named = set(spec.reference or {})
    others = [k for k, path in enumerate(spec.rows) if path not in named]
    marked = [j for j, row in enumerate(rows) if row.reference]
    found = {}
    for i, row in enumerate(rows):
        near = [j for j in marked if all(rows[j].values[k] == row.values[k] for k in others)] or marked
        if len(near) == 1 and not row.reference:
            found[i] = near[0]
    return found


def _compared(column: _Column, found: dict[int, int]) -> dict[int, family.Comparison]:
    """Row to its comparison, where it and its reference are in the grid: that is what was declared."""
    return {i: column.contrast(i, j) for i, j in found.items() if column.entries[i].cells and column.entries[j].cells}


def _judged(
    columns: Sequence[dict[int, family.Comparison]], spec: Spec, options: CompareOptions
) -> list[dict[int, Contrast]]:
    """Correct within each family; a comparison that has no result on one side counts, and is not shown."""
    places = [[(c, i) for i in column] for c, column in enumerate(columns)]
    families = places if options.family == "column" else [[place for column in places for place in column]]
    done: list[dict[int, Contrast]] = [{} for _ in columns]
    for members in families:
        for (c, i), judged in zip(members, family.correct([columns[c][i] for c, i in members])):
            if judged.comparison.difference or judged.comparison.refusals:
                done[c][i] = _contrast(judged, len(members), spec, options)
    return done


def _contrast(judged: family.Judged, size: int, spec: Spec, options: CompareOptions) -> Contrast:
    said = judged.comparison
    verdict = None
    if options.margin is not None and said.difference is not None:
        better = not lower_is_better(spec.metric)
        verdict = noninferiority.judge(said.difference, options.margin, higher_is_better=better).finding
    return Contrast(
        reference=said.reference,
        difference=said.difference,
        p=None if math.isnan(judged.p) else judged.p,
        mark=judged.mark,
        refusals=said.refusals,
        family=size,
        verdict=verdict,
    )


def _tied(column: _Column) -> list[bool | None]:
    """Which entries, beside the best, cannot be told from it: the interval of their difference holds zero.

    None where there is no such interval, and nothing is known.
    """
    best = [i for i, entry in enumerate(column.entries) if entry.best]
    if not best:
        return [False] * len(column.entries)
    tied: list[bool | None] = []
    for i, entry in enumerate(column.entries):
        if entry.mean is None or entry.best:
            tied.append(False)
            continue
        found = column.contrast(i, best[0]).difference
        tied.append(None if found is None or math.isnan(found.low) else bool(found.low <= 0 <= found.high))
    return tied


def difference(one: Entry, two: Entry, metric: str, options: CompareOptions) -> Difference:
    """Difference of two entries by the test that was asked for.

    Raises
    ------
    DataError
        When what the test needs is not there: draws, equal seeds, components.
    """
    pairs = _pairs(one, two)
    test = options.test
    if test == "auto":
        is_delong = len(pairs) == 1 and metric.startswith("auc@") and _components(pairs)
        test = "two_way" if len(pairs) > 1 else "delong" if is_delong else "bootstrap"
    if test == "delong":
        if not (sides := _components(pairs)):
            raise DataError("the structural components that DeLong's test needs were not kept: take test auto")
        return delong.compare(*sides, level=options.level)
    if any(cell.draws is None for pair in pairs for cell in pair):
        raise DataError("bootstrap draws are missing or cannot be read")
    if test == "two_way":
        values = np.array([a.value - b.value for a, b in pairs])
        return two_way(values, np.stack([_difference_of_draws(a, b) for a, b in pairs]), level=options.level)
    means = (np.mean([cell.value for cell in side]) for side in zip(*pairs))
    drawn = (np.mean([cell.draws for cell in side], axis=0, dtype=np.float64) for side in zip(*pairs))
    return paired(*means, *drawn, level=options.level)


def _components(pairs: Sequence[tuple[CellRef, CellRef]]) -> list[list[delong.Components]]:
    """Of either side, a seed each; nothing where some were not kept."""
    sides = [[cell.components and cell.components() for cell in side] for side in zip(*pairs)]
    return sides if all(part is not None for side in sides for part in side) else []


def _pairs(one: Entry, two: Entry) -> list[tuple[CellRef, CellRef]]:
    """Cells of equal seeds; arms are paired by seed, so seeds that one of them lacks are a reason to refuse."""
    sides = [{cell.seed: cell for cell in entry.done} for entry in (one, two)]
    if sides[0].keys() != sides[1].keys():
        raise DataError("their results are of different seeds")
    return [(sides[0][seed], sides[1][seed]) for seed in sides[0]]


def _difference_of_draws(one: CellRef, two: CellRef) -> np.ndarray:
    if len(one.draws) != len(two.draws):
        raise DataError(f"{len(one.draws)} bootstrap draws of one and {len(two.draws)} of the other")
    return one.draws.astype(np.float64) - two.draws
