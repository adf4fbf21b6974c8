"""Which differences of a table are real: every row against its reference and against the best of its column.

The arms of a column are tested on the same patients with the same bootstrap draws, so differences are taken draw by
draw. A family, corrected by Holm, is all comparisons with the reference in one column, or in the whole table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.entries import CellRef, Contrast, Entry
from harness.stats import delong, family, noninferiority
from harness.stats.difference import Difference
from harness.stats.paired import paired
from harness.stats.two_way import two_way
from harness.table_model import Row, Spec
from harness.wording import lower_is_better, value_label
from mvmlm.errors import DataError

BUDGET = frozenset({"train.epochs", "train.min_steps", "train.accumulate", "train.batch_size", "search.trials"})
"""Axes whose very question is the training budget."""


@dataclass(frozen=True)
class CompareOptions:
    """How the rows of a table are compared.

    Attributes
    ----------
    test : str
        ``auto``: seeds and patients where there are two seeds or more; else DeLong's test for an AUC, and the paired
        bootstrap for any other metric. Or one of ``two_way``, ``delong``, ``bootstrap``.
    family : str
        ``column`` or ``table``: what Holm corrects over.
    level : float
        Coverage of the intervals of differences, in (0, 1).
    margin : float or None
        Loss against the reference that is accepted; None: no question of non-inferiority.
    trend : str or None
        Level of the rows, an ordered axis, along which each column's slope is tested.
    """

    test: str = "auto"
    family: str = "column"
    level: float = 0.95
    margin: float | None = None
    trend: str | None = None


@dataclass(frozen=True)
class _Column:
    """The entries of one column, and how they are compared."""

    rows: Sequence[Row]
    entries: Sequence[Entry]
    spec: Spec
    options: CompareOptions
    varied: frozenset[str] = field(default_factory=frozenset)

    def contrast(self, i: int, j: int) -> family.Comparison:
        """Row ``i`` against row ``j``."""
        one, two = self._arm(i, j), self._arm(j, i)
        pair = self.entries[i], self.entries[j]
        return family.compare(one, two, lambda: difference(*pair, self.spec.metric, self.options), varied=self.varied)

    def _arm(self, i: int, other: int) -> family.Arm:
        """Of budgets, those of stages that both arms stand on: one that has no pretraining has no budget for it."""
        both = set.intersection(*(set(c.shared.get("budget", ())) for k in (i, other) for c in self.entries[k].done))
        cells = []
        for cell in self.entries[i].done:
            budget = cell.shared.get("budget")
            known = None if budget is None else " ".join(budget[stage] for stage in sorted(both))
            cells.append({**cell.shared, "budget": known})
        return family.Arm(row_name(self.rows[i], self.spec), cells)


def row_name(row: Row, spec: Spec) -> str:
    """A row in words: its labels, outermost first."""
    return " ".join(value_label(path, value) for path, value in zip(spec.rows, row.values))


def with_contrasts(rows: Sequence[Row], spec: Spec, options: CompareOptions) -> list[Row]:
    """The rows, each entry with its `Contrast` and whether it can be told from the best of its column."""
    if not rows:
        return []
    varied = frozenset({"budget"}) if BUDGET & {*spec.rows, *spec.columns} else frozenset()
    columns = [
        _Column(rows, entries, spec, options, varied) for entries in zip(*(row.entries for row in rows), strict=True)
    ]
    references = _references(rows, spec)
    judged = _judged([_compared(column, references) for column in columns], spec, options)
    done = [
        [
            replace(entry, contrast=contrasts.get(i), tied=tied)
            for i, (entry, tied) in enumerate(zip(column.entries, _tied(column)))
        ]
        for column, contrasts in zip(columns, judged)
    ]
    return [replace(row, entries=tuple(entries)) for row, entries in zip(rows, zip(*done, strict=True), strict=True)]


def _references(rows: Sequence[Row], spec: Spec) -> dict[int, int]:
    """Row to the reference row that it is compared with: the one that agrees with it in all other levels."""
    named = set(spec.reference or {})
    others = [k for k, path in enumerate(spec.rows) if path not in named]
    marked = [j for j, row in enumerate(rows) if row.reference]
    found = {}
    for i, row in enumerate(rows):
        near = [j for j in marked if all(rows[j].values[k] == row.values[k] for k in others)] or marked
        if len(near) == 1 and not row.reference:
            found[i] = near[0]
    return found


def _compared(column: _Column, references: dict[int, int]) -> dict[int, family.Comparison]:
    """Row to its comparison, where it and its reference have a number."""
    return {
        i: column.contrast(i, j)
        for i, j in references.items()
        if column.entries[i].mean is not None and column.entries[j].mean is not None
    }


def _judged(
    columns: Sequence[dict[int, family.Comparison]], spec: Spec, options: CompareOptions
) -> list[dict[int, Contrast]]:
    """Correct within each family."""
    places = [[(c, i) for i in column] for c, column in enumerate(columns)]
    families = places if options.family == "column" else [[place for column in places for place in column]]
    done: list[dict[int, Contrast]] = [{} for _ in columns]
    for members in families:
        for (c, i), judged in zip(members, family.correct([columns[c][i] for c, i in members])):
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


def _tied(column: _Column) -> list[bool]:
    """Which entries, beside the best, cannot be told from it: the interval of their difference holds zero."""
    best = [i for i, entry in enumerate(column.entries) if entry.best]
    if not best:
        return [False] * len(column.entries)
    tied = []
    for i, entry in enumerate(column.entries):
        found = None if entry.mean is None or entry.best else column.contrast(i, best[0]).difference
        tied.append(found is not None and bool(found.low <= 0 <= found.high))
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
        test = "two_way" if len(pairs) > 1 else "delong" if metric.startswith("auc@") else "bootstrap"
    if test == "delong":
        sides = [[cell.components for cell in side] for side in zip(*pairs)]
        if any(part is None for side in sides for part in side):
            raise DataError("the structural components that DeLong's test needs are missing: run the cells again")
        return delong.compare(*sides, level=options.level)
    if any(cell.draws is None for pair in pairs for cell in pair):
        raise DataError("bootstrap draws are missing or cannot be read")
    if test == "two_way":
        values = np.array([a.value - b.value for a, b in pairs])
        return two_way(values, np.stack([_difference_of_draws(a, b) for a, b in pairs]), level=options.level)
    means = (np.mean([cell.value for cell in side]) for side in zip(*pairs))
    drawn = (np.mean([cell.draws for cell in side], axis=0, dtype=np.float64) for side in zip(*pairs))
    return paired(*means, *drawn, level=options.level)


def _pairs(one: Entry, two: Entry) -> list[tuple[CellRef, CellRef]]:
    """Cells of equal seeds; arms are paired by seed, so seeds that one of them lacks are a reason to refuse."""
    sides = [{cell.seed: cell for cell in entry.done} for entry in (one, two)]
    if sides[0].keys() != sides[1].keys():
        raise DataError("the two do not have results of the same seeds")
    return [(sides[0][seed], sides[1][seed]) for seed in sides[0]]


def _difference_of_draws(one: CellRef, two: CellRef) -> np.ndarray:
    if len(one.draws) != len(two.draws):
        raise DataError(f"{len(one.draws)} bootstrap draws of one and {len(two.draws)} of the other")
    return one.draws.astype(np.float64) - two.draws


