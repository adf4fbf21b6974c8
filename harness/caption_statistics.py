"""What the statistics of a comparison table say, in the sentences of its caption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from harness.contrasts import references, row_name
from harness.entries import LEVEL, Contrast
from harness.stats.difference import ALIKE
from harness.stats.family import SHARED
from harness.stats.iqm import Aggregate
from harness.table_model import ComparisonTable, Row
from harness.wording import given, level_name, listed, lower_is_better, number, p_words, plural, signed

ALONE = "there are several reference rows and none shares their other levels"
"""Why a row has no reference."""
SLOPES, ALPHA = 8, 0.05
"""Slopes that a caption tells whatever they are; of more than so many, those with an adjusted p below."""
ROWS = 20
"""That a caption tells of over all columns; of more, report and JSON do."""
NEAR_ONE = 0.95
"""Mean of the row «text only», to the decimals shown, from which the caption warns that the texts tell the label: a
choice of ours."""


def compared(table: ComparisonTable) -> Iterator[str]:
    """Which differences are real: the tests, their family, and what was not compared."""
    entries = [e for row in table.rows for e in row.entries]
    level = f"{100 * (table.spec.compare or {}).get('level', LEVEL / 100):g} % interval"
    if any(e.tied for e in entries):
        why = f"the {level} of the difference holds 0; not corrected"
        yield f"Underlined: not told from the bold one of its column ({why})."
    if unknown := sum(e.tied is None for e in entries):
        yield f"No underline in {plural(unknown, 'entry', 'entries')} that could not be compared with the bold one."
    found = [e.contrast for e in entries if e.contrast is not None]
    tests = list(dict.fromkeys(c.difference.test for c in found if c.difference is not None))
    if tests:
        sizes = sorted({c.family for c in found})
        many = "–".join(f"{n:,}" for n in dict.fromkeys((sizes[0], sizes[-1])))
        over = "of the table" if (table.spec.compare or {}).get("family") == "table" else "of each column"
        yield (
            f"† differs from the reference, adjusted p < .05; ‡ adjusted p < .01 ({'; '.join(tests)}; Holm over the "
            f"{many} {'comparison' if sizes[-1] == 1 else 'comparisons'} {over})."
        )
        if not any(c.mark for c in found):
            yield "No row is shown to differ from the reference."
    if lost := sum(bool(c.difference and c.p is not None and c.difference.note not in ("", ALIKE)) for c in found):
        yield f"In {plural(lost, 'comparison')}, bootstrap draws that leave the metric undefined are left out."
    yield from _trends(table, level)
    yield from _overall(table, level)
    yield from _verdicts(table, [c for c in found if c.verdict])
    yield from _refused(found)
    if alone := without_reference(table):
        yield f"Not compared, as {ALONE}: {listed(alone)}."


def without_reference(table: ComparisonTable) -> list[str]:
    """Rows that are compared with none, though there are reference rows."""
    rows = table.rows
    if not any(row.reference for row in rows):
        return []
    held = references(rows, table.spec)
    return [row_name(row, table.spec) for i, row in enumerate(rows) if not row.reference and i not in held]


def _refused(found: list[Contrast]) -> Iterator[str]:
    """Why entries have no mark, each reason once."""
    reasons: dict[tuple[str, bool], list[str]] = {}
    for said in found:
        for refusal in said.refusals:
            reasons.setdefault((refusal.what, refusal.unknown), []).append(refusal.words)
        if said.difference is not None and said.p is None:
            reasons.setdefault(("test", False), []).append(said.difference.note)
    for (what, unknown), words in reasons.items():
        why = "; ".join(dict.fromkeys(words))
        if len(set(words)) > 1 and what in SHARED:
            why = f"{SHARED[what]} not known" if unknown else f"arm and reference differ in {SHARED[what]}"
        yield f"No mark in {plural(len(words), 'entry', 'entries')}: {why}."


def _trends(table: ComparisonTable, level: str) -> Iterator[str]:
    """Slopes along the axis, and why there are none."""
    digits = table.spec.digits
    tested = [t for t in table.trends if t.is_tested]
    shown = tested if len(tested) <= SLOPES else [t for t in tested if t.p < ALPHA]
    told = []
    for t in shown:
        ends = f"{signed(t.found.low, digits)} to {signed(t.found.high, digits)}"
        said = f"{signed(t.found.delta, digits)} ({level} {ends}, adjusted p {p_words(t.p)})"
        told.append(f"{t.where} {said}".lstrip())
    if rest := len(tested) - len(shown):
        more = "the other " if shown else ""
        told.append(f"{more}{rest} not shown to differ from none (report and JSON have them)")
    if told:
        axis = level_name(table.spec.compare["trend"], (*table.spec.rows, *table.spec.columns))
        over = plural(len(table.trends), "slope")
        yield f"Slope, {table.trends[0].per} of {axis}, Holm over {over}: {'; '.join(told)}."
    lost: dict[str, list[str]] = {}
    for t in table.trends:
        if not t.is_tested:
            lost.setdefault(t.refused or t.found.note, []).append(t.where)
    for why, places in lost.items():
        yield f"No slope{_in_places([place for place in places if place])}: {why}."


def _in_places(names: Sequence[str]) -> str:
    if len(names) > SLOPES:
        return f" in {len(names):,} places"
    return f" in {', '.join(names)}" if names else ""


def _overall(table: ComparisonTable, level: str) -> Iterator[str]:
    """Each row over all columns, and why it is not there."""
    columns, many = plural(len(table.columns), "column"), len(table.overall) > ROWS
    if many and any(o.mean for o in table.overall):
        yield f"Each of {len(table.overall):,} rows over all {columns}: report and JSON."
    means = [f"{o.row} {_aggregate(o.mean, table.spec.digits)}" for o in table.overall if o.mean and not many]
    if means:
        yield f"Interquartile mean over {columns} ({level} over other seeds on these columns): {'; '.join(means)}."
    better = [f"{o.row} {_aggregate(o.better, 2)}" for o in table.overall if o.better and not many]
    if better:
        what = f"Chance that a run beats the reference's of the same seed on one of the {columns}, drawn at random"
        yield f"{what} ({level}): {'; '.join(better)}."
    lost: dict[tuple[str, str], list[str]] = {}
    for o in table.overall:
        if o.refused:
            what = "chance to beat the reference" if o.mean else "number"
            lost.setdefault((what, o.refused), []).append(o.row)
    for (what, why), rows in lost.items():
        all_ = len(rows) == len(table.overall)
        who = "" if all_ else f" for {plural(len(rows), 'row') if len(rows) > ROWS else listed(rows)}"
        yield f"No {what} over all columns{who}: {why}."


def _aggregate(said: Aggregate, digits: int) -> str:
    low, value, high = (number(v, digits) for v in (said.low, said.value, said.high))
    return f"{value} ({low}–{high})"


def _verdicts(table: ComparisonTable, found: list[Contrast]) -> Iterator[str]:
    """What was found of a margin, counted."""
    if not found:
        return
    counts = Counter(c.verdict for c in found)
    said = ", ".join(f"{counts[v]} {v}" for v in ("superior", "non-inferior", "not shown", "inferior") if counts[v])
    margin = given((table.spec.compare or {})["margin"], table.spec.digits)
    side = "above" if lower_is_better(table.spec.metric) else "below"
    each = "each by its own interval, not corrected"
    yield f"Against a margin of {margin} {side} the reference, of {plural(len(found), 'comparison')}: {said} ({each})."


def beaten(table: ComparisonTable) -> Iterator[str]:
    """In which columns no row does better than the best row that sees neither image nor text."""
    columns = []
    for i in range(len(table.columns)):
        ours, blind = _best_shown(table, i, table.rows), _best_shown(table, i, _silent(table))
        if ours is not None and blind is not None and not _better(table, ours, blind):
            columns.append(i)
    if columns:
        where = f" in: {', '.join(_column_names(table, columns))}" if table.spec.columns else ""
        yield f"No row does better than the best row without image and text{where}."


def _silent(table: ComparisonTable) -> list[Row]:
    """Rows that see neither image nor text."""
    return [row for row in table.baselines if row.baseline != "text"]


def _best_shown(table: ComparisonTable, column: int, rows: Sequence[Row]) -> float | None:
    """The best mean of some rows, to the decimals shown; None where none has one."""
    means = [float(row.entries[column].shown("mean")) for row in rows if row.entries[column].mean is not None]
    best = min if lower_is_better(table.spec.metric) else max
    return best(means, default=None)


def _better(table: ComparisonTable, one: float, other: float) -> bool:
    return one < other if lower_is_better(table.spec.metric) else one > other


def _column_names(table: ComparisonTable, columns: Sequence[int]) -> list[str]:
    return [" ".join(table.columns[i].labels) for i in columns]


def told_columns(table: ComparisonTable) -> list[str]:
    """Columns whose label a bag of words reads off the training texts, each with what it reaches.

    A metric of errors does not tell, nor does a number that rows without texts reach as well: an accuracy, say.
    """
    if lower_is_better(table.spec.metric):
        return []
    told = []
    texts = [row for row in table.baselines if row.baseline == "text"]
    for i, name in enumerate(_column_names(table, range(len(table.columns)))):
        best, blind = _best_shown(table, i, texts), _best_shown(table, i, _silent(table))
        if best is not None and best >= NEAR_ONE and (blind is None or best > blind):
            told.append(f"{number(best, table.spec.digits)}{f' for {name}' if table.spec.columns else ''}")
    return told
