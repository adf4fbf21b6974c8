"""The answer to an ablation's question in a few sentences, which never claim more than the tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.caption_statistics import ALONE, ALPHA, beaten, told_columns, without_reference
from harness.entries import CellRef, Contrast
from harness.figures.from_table import reference_name
from harness.figures.words import column_label_of, row_label
from harness.stats.difference import Difference
from harness.stats.family import SHARED, Refusal
from harness.stats.two_way import TwoWay
from harness.table_model import ComparisonTable, Row
from harness.wording import (
    SIGNS,
    given,
    level_name,
    listed,
    lower_is_better,
    metric_title,
    p_words,
    plural,
    signed,
)

CLAIMS = 3
"""Differences, rows or slopes that a sentence names; it counts the others."""


@dataclass(frozen=True)
class Answer:
    """What a table says to its question.

    Attributes
    ----------
    sentences : tuple of str
        Slopes, differences, non-inferiority: those that were asked for.
    caveats : tuple of str
        What they do not say.
    """

    sentences: tuple[str, ...]
    caveats: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """A row's entry in a column, held against the reference."""

    row: Row
    column: int
    contrast: Contrast

    @property
    def is_tested(self) -> bool:
        """Whether there is a difference with a p."""
        return self.contrast.difference is not None and self.contrast.p is not None


def answer(table: ComparisonTable) -> Answer:
    """The answer that a table gives; the same table gives the same words."""
    found = [
        Found(row, i, entry.contrast)
        for row in table.rows
        for i, entry in enumerate(row.entries)
        if entry.contrast is not None
    ]
    sentences = [*_slopes(table), *_sentences(table, found)]
    if table.spec.simulated:
        sentences[0] = f"SIMULATED DATA: {sentences[0]}"
    return Answer(tuple(sentences), tuple(_caveats(table, found)))


def _sentences(table: ComparisonTable, found: Sequence[Found]) -> Iterator[str]:
    cells = _planned(table)
    tested = [f for f in found if f.is_tested]
    if not any(cell.status == "done" for cell in cells):
        yield f"No answer yet: none of {plural(len(cells), 'cell')} has a result ({_counted(cells)})."
    elif len(table.rows) == 1:
        yield "There is one row alone, and so nothing to compare."
    elif not any(row.reference for row in table.rows):
        named = f"the reference ({reference_name(table)}) is not among the rows"
        why = named if table.spec.reference else "the table names none"
        yield f"No row was compared with a reference: {why}."
        yield from _best(table)
    elif not tested:
        yield f"No row could be compared with {reference_name(table)}: {_untested(table, found)}."
        yield from _best(table)
    else:
        yield from _differences(table, tested)
        yield from _margin(table, tested)


def _slopes(table: ComparisonTable) -> Iterator[str]:
    """Along an ordered axis: which slopes differ from none."""
    tested = [t for t in table.trends if t.is_tested]
    if not tested:
        return
    axis = level_name(table.spec.compare["trend"], (*table.spec.rows, *table.spec.columns))
    metric, digits = metric_title(table.spec.metric), table.spec.digits
    shown = sorted((t for t in tested if t.p < ALPHA), key=lambda t: t.p)
    if not shown:
        smallest = p_words(min(t.p for t in tested))
        yield f"{metric} shows no slope along {axis} ({plural(len(tested), 'slope')}, smallest adjusted p {smallest})."
        return
    told = [
        f"{'rises' if t.found.delta > 0 else 'falls'}{f' in {t.where}' if t.where else ''} "
        f"({signed(t.found.delta, digits)} {t.per}, {_interval(t.found, digits)}, adjusted p {p_words(t.p)})"
        for t in shown[:CLAIMS]
    ]
    more = f"; {plural(len(shown) - CLAIMS, 'more slope')} under the table" if len(shown) > CLAIMS else ""
    flat = len(tested) - len(shown)
    rest = f"; {flat} of {plural(len(tested), 'slope')} {'is' if flat == 1 else 'are'} not shown to differ from none"
    yield f"{metric} along {axis} {'; '.join(told)}{more}{rest if flat else ''}."


def _differences(table: ComparisonTable, tested: Sequence[Found]) -> Iterator[str]:
    """Those that are marked, or that there is none."""
    marked = sorted((f for f in tested if f.contrast.mark), key=lambda f: f.contrast.p)
    if marked:
        more = len(marked) - CLAIMS
        rest = f"; {plural(more, 'more difference')} {'is' if more == 1 else 'are'} marked in the table"
        yield f"{_claims(table, marked[:CLAIMS])}{rest if more > 0 else ''}."
        if len(marked) < len(tested):
            others = f"the other {len(tested) - len(marked)} of {plural(len(tested), 'comparison')}"
            yield f"In {others} no difference is shown."
        return
    columns = " in any column" if len(table.columns) > 1 else ""
    p = f"{'smallest ' if len(tested) > 1 else ''}adjusted p {p_words(min(f.contrast.p for f in tested))}"
    yield (
        f"No row is shown to differ from {reference_name(table)}{columns} ({plural(len(tested), 'comparison')}, {p}); "
        "that does not show that they are equal."
    )


def _claims(table: ComparisonTable, marked: Sequence[Found]) -> str:
    """``a is better than b in x (…) and in y (…); c is worse than b in x (…)``."""
    groups: dict[tuple[int, str], list[Found]] = {}
    for found in marked:
        groups.setdefault((id(found.row), _direction(table, found.contrast.difference)), []).append(found)
    told = []
    for (_, direction), mine in groups.items():
        where = " and".join(_where(table, f, is_first=f is marked[0]) for f in mine)
        told.append(f"{row_label(table, mine[0].row)} is {direction} than {reference_name(table)}{where}")
    return "; ".join(told)


def _where(table: ComparisonTable, found: Found, *, is_first: bool) -> str:
    said, digits = found.contrast.difference, table.spec.digits
    column = column_label_of(table, found.column)
    what = f" {metric_title(table.spec.metric)}" if is_first else ""
    numbers = f"{signed(said.delta, digits)}{what}, {_interval(said, digits)}, adjusted p {p_words(found.contrast.p)}"
    return f"{f' in {column}' if column else ''} ({numbers})"


def _interval(said: Difference, digits: int) -> str:
    return f"{100 * said.level:g} % interval {signed(said.low, digits)} to {signed(said.high, digits)}"


def _direction(table: ComparisonTable, said: Difference) -> str:
    return "better" if (said.delta > 0) != lower_is_better(table.spec.metric) else "worse"


def _margin(table: ComparisonTable, tested: Sequence[Found]) -> Iterator[str]:
    """What was found of a margin."""
    judged = [f for f in tested if f.contrast.verdict]
    if not judged:
        return
    held = [f for f in judged if f.contrast.verdict in ("superior", "non-inferior")]
    margin = given((table.spec.compare or {})["margin"], table.spec.digits)
    names = list(dict.fromkeys(row_label(table, f.row) for f in held))
    rows = f" ({', '.join(names)})" if 0 < len(names) <= CLAIMS else ""
    yield (
        f"Shown to be worse than {reference_name(table)} by less than {margin}, if at all: {len(held)} of "
        f"{plural(len(judged), 'comparison')}{rows}, each by its own interval, not corrected."
    )


def _best(table: ComparisonTable) -> Iterator[str]:
    """The best of each column, where nothing can be said against a reference."""
    told = []
    for i in range(len(table.columns)):
        best = [row for row in table.rows if row.entries[i].best]
        if best:
            column = column_label_of(table, i)
            names = [row_label(table, row) for row in best]
            names = [*names[:CLAIMS], *([f"{len(names) - CLAIMS} more"] if len(names) > CLAIMS else [])]
            where = f" in {column}" if column else ""
            told.append(f"{' and '.join(names)}{where} ({best[0].entries[i].shown('mean')})")
    if told:
        which = "Lowest" if lower_is_better(table.spec.metric) else "Highest"
        more = f"; {plural(len(told) - CLAIMS, 'more column')} in the table" if len(told) > CLAIMS else ""
        said = "; ".join(told[:CLAIMS])
        yield f"{which} mean {metric_title(table.spec.metric)}: {said}{more}. This is an order, not a test."


def _untested(table: ComparisonTable, found: Sequence[Found]) -> str:
    """Why nothing was compared with the reference."""
    if found:
        return _why_not(found)
    if all(entry.mean is None for row in table.rows if row.reference for entry in row.entries):
        return "it has no result"
    others = [row for row in table.rows if not row.reference]
    return ALONE if len(without_reference(table)) == len(others) else "no other row has a result where it has one"


def _why_not(found: Sequence[Found]) -> str:
    """Why comparisons were not made, the commonest reason first; each may have several."""
    reasons: Counter[str] = Counter()
    for one in found:
        said = one.contrast.difference
        reasons.update(dict.fromkeys((_reason(refusal) for refusal in one.contrast.refusals), 1))
        if said is not None and said.note:
            reasons[said.note] += 1
    return "; ".join(f"{words} ({count} of {len(found)})" for words, count in reasons.most_common())


def _reason(refusal: Refusal) -> str:
    if refusal.what not in SHARED:
        return refusal.words
    what = SHARED[refusal.what]
    return f"{what} not known" if refusal.unknown else f"different {what}"


def _planned(table: ComparisonTable) -> list[CellRef]:
    """All cells of the grid."""
    return [c for row in table.rows for e in row.entries for c in e.cells if c.status != "absent"]


def _counted(cells: Sequence[CellRef]) -> str:
    """``2 failed, 1 not run``."""
    signs = Counter(SIGNS[cell.status][0] for cell in cells if cell.status != "done")
    return ", ".join(f"{count:,} {sign}" for sign, count in signs.most_common())


def _caveats(table: ComparisonTable, found: Sequence[Found]) -> Iterator[str]:
    tested = [f.contrast.difference for f in found if f.is_tested]
    if len(table.seeds) == 1:
        yield "One seed: this speaks of these checkpoints only."
    elif not all(isinstance(said, TwoWay) for said in tested):
        yield "The test takes the seeds as they are: it speaks of these checkpoints only."
    cells = _planned(table)
    lost = [c for c in cells if c.status != "done"]
    if 0 < len(lost) < len(cells):
        verb = "has" if len(lost) == 1 else "have"
        yield f"{len(lost):,} of {plural(len(cells), 'cell')} {verb} no result ({_counted(lost)})."
    untested = [f for f in found if not f.is_tested]
    if 0 < len(untested) < len(found):
        yield f"{len(untested)} of {plural(len(found), 'comparison')} could not be made: {_why_not(untested)}."
    if tested and (alone := without_reference(table)):
        yield f"Not compared, as {ALONE}: {_named(alone)}."
    yield from _lost_slopes(table)
    yield from beaten(table)
    if told := told_columns(table):
        yield f"The reports tell the label: text only reaches {', '.join(told)}."
    if tested and len(table.columns) > 1 and (table.spec.compare or {}).get("family", "column") == "column":
        yield f"p is adjusted within each column, not over all {len(table.columns)}."


def _named(rows: Sequence[str]) -> str:
    """The first rows by name, the others counted."""
    return f"{listed(rows[:CLAIMS])}{f' and {len(rows) - CLAIMS} more' if len(rows) > CLAIMS else ''}"


def _lost_slopes(table: ComparisonTable) -> Iterator[str]:
    """Slopes that were asked for and could not be tested."""
    lost = [t.refused or t.found.note for t in table.trends if not t.is_tested]
    if lost:
        axis = level_name(table.spec.compare["trend"], (*table.spec.rows, *table.spec.columns))
        all_ = f"{len(lost)} of {len(table.trends)} slopes" if len(table.trends) > 1 else "The slope"
        yield f"{all_} along {axis} {'was' if len(lost) == 1 else 'were'} not tested: {'; '.join(dict.fromkeys(lost))}."
