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
    judged : Judged or None
        The difference, new minus old, corrected by Holm over all entries that do not stand on the same cells, or why
        there is none; None where both stand on the very same cells of the store.
    """

    row: str
    column: str
    old: Entry
    new: Entry
    judged: family.Judged | None

    @property
    def same(self) -> bool:
        """Whether both stand on the very same cells of the store."""
        return self.judged is None


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
    asked = [i for i, (_, _, one, two) in enumerate(pairs) if _keys(one) != _keys(two)]
    compared = [_compared(pairs[i], new.spec.metric, options) for i in asked]
    judged = dict(zip(asked, family.correct(compared)))
    return [Change(*pair, judged.get(i)) for i, pair in enumerate(pairs)]


def _pairs(old: ComparisonTable, new: ComparisonTable) -> Iterator[tuple[str, str, Entry, Entry]]:
    known = {(row.baseline, row.values, column.values): entry for row, column, entry in old.entries()}
    for row, column, entry in new.entries():
        before = known.get((row.baseline, row.values, column.values))
        if before is not None and None not in (before.mean, entry.mean):
            name = row_name(row, new.spec) if row.baseline is None else " ".join(filter(None, row.labels))
            yield name, " ".join(column.labels), before, entry


def _compared(pair: tuple[str, str, Entry, Entry], metric: str, options: CompareOptions) -> family.Comparison:
    row, _, old, new = pair
    arms = (family.Arm(f"{row}, {which}", [c.shared for c in e.done]) for which, e in (("new", new), ("old", old)))
    return family.compare(*arms, lambda: difference(new, old, metric, options), varied=VARIED)


def _keys(entry: Entry) -> list[str | None]:
    return [cell.key for cell in entry.done]
