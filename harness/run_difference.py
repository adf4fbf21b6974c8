"""What changed between two invocations of one ablation: entry by entry, with the table's own tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.contrasts import CompareOptions, difference, row_name
from harness.entries import Entry
from harness.stats import family
from harness.table_model import ComparisonTable
from mvmlm.errors import ConfigError

VARIED = frozenset({"code", "budget"})
"""What may differ between two runs: it is what one asks about."""


@dataclass(frozen=True)
class Change:
    """One entry that both tables have.

    Attributes
    ----------
    row, column : str
    old, new : Entry
    judged : Judged
        The difference, new minus old, corrected by Holm over all entries; or why there is none.
    same : bool
        Whether both stand on the very same cells of the store.
    """

    row: str
    column: str
    old: Entry
    new: Entry
    judged: family.Judged
    same: bool


def changes(old: ComparisonTable, new: ComparisonTable) -> list[Change]:
    """All entries that both tables have a number for, in the order of the new one.

    Raises
    ------
    ConfigError
        When the tables show different metrics, or have no entry in common.
    """
    if old.spec.metric != new.spec.metric:
        both = f"{old.spec.metric} and {new.spec.metric}"
        raise ConfigError(f"the two runs show {both}: two metrics have no difference")
    options = CompareOptions(**(new.spec.compare or {}))
    pairs = list(_pairs(old, new))
    if not pairs:
        raise ConfigError("the two runs have no entry in common: name two runs of one ablation")
    compared = [_compared(row, one, two, new.spec.metric, options) for row, _, one, two in pairs]
    return [
        Change(row, column, one, two, judged, _keys(one) == _keys(two))
        for (row, column, one, two), judged in zip(pairs, family.correct(compared))
    ]


def _pairs(old: ComparisonTable, new: ComparisonTable) -> Iterator[tuple[str, str, Entry, Entry]]:
    known = {(row.baseline, row.values, column.values): entry for row, column, entry in old.entries()}
    for row, column, entry in new.entries():
        before = known.get((row.baseline, row.values, column.values))
        if before is not None and None not in (before.mean, entry.mean):
            name = row_name(row, new.spec) if row.baseline is None else " ".join(filter(None, row.labels))
            yield name, " ".join(column.labels), before, entry


def _compared(row: str, old: Entry, new: Entry, metric: str, options: CompareOptions) -> family.Comparison:
    arms = (family.Arm(f"{row}, {which}", [c.shared for c in e.done]) for which, e in (("new", new), ("old", old)))
    return family.compare(*arms, lambda: difference(new, old, metric, options), varied=VARIED)


def _keys(entry: Entry) -> list[str | None]:
    return [cell.key for cell in entry.done]
