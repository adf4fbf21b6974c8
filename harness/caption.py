"""The caption of a comparison table, made from what the table holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from harness.entries import LEVEL, Contrast
from harness.stats.family import SHARED
from harness.table_model import ComparisonTable
from harness.wording import (
    DASH,
    SIGNS,
    level_name,
    listed,
    lower_is_better,
    measure,
    metric_title,
    number,
    plural,
    unit,
)

SIMULATED = "SIMULATED DATA: these numbers say nothing of real mammograms."
NEAR_ONE = 0.95
"""Mean of the row «text only», to the decimals shown, from which the caption warns that the texts tell the label: a
choice of ours."""


@dataclass(frozen=True)
class Caption:
    """The words round a table.

    Attributes
    ----------
    question : str
    warning : str
        :data:`SIMULATED`, or ''.
    sentences : tuple of str
        How to read the numbers.
    """

    question: str
    warning: str
    sentences: tuple[str, ...]


def caption(table: ComparisonTable) -> Caption:
    """Question, warning and reading aid of a table; the same table gives the same words."""
    parts = (_measured, _interval, _heads, _best, _compared, _below, _label_told, _published, _beside, _signs, _notes)
    return Caption(
        question=table.spec.question,
        warning=SIMULATED if table.spec.simulated else "",
        sentences=tuple(sentence for part in parts for sentence in part(table)),
    )


def _measured(table: ComparisonTable) -> Iterator[str]:
    spec = table.spec
    axes = f"Rows: {', '.join(table.row_levels)}"
    yield f"{axes}; columns: {', '.join(table.column_levels)}." if table.column_levels else f"{axes}."
    what = f"{metric_title(spec.metric)} on the test set of {spec.dataset}, profile {spec.profile}"
    if len(table.seeds) > 1:
        yield f"{what}: mean ± sample sd over {plural(len(table.seeds), 'seed')} ({listed(table.seeds)})."
    elif table.seeds:
        yield f"{what}: one seed ({listed(table.seeds)}), so no spread between seeds is known."
    else:
        yield f"{what}."


def _interval(table: ComparisonTable) -> Iterator[str]:
    sizes = sorted({len(e.draws) for _, _, e in table.entries() if e.draws is not None})
    if sizes:
        draws = "–".join(f"{b:,}" for b in dict.fromkeys((sizes[0], sizes[-1])))
        over = " of the mean over seeds" if len(table.seeds) > 1 else ""
        aside = "; it does not hold the spread between seeds" if len(table.seeds) > 1 else ""
        units = unit(table.spec.metric)
        whole = "" if units == "patients" else f", each with all their {units}"
        yield (
            f"Below it the {LEVEL} % interval{over}: percentiles over {draws} bootstrap resamples "
            f"of the test patients{whole}{aside}."
        )
    for reason in table.common:
        yield f"In every entry: {reason}."


def _heads(table: ComparisonTable) -> Iterator[str]:
    if any(c.n for c in table.columns):
        share = "; +: the share of them that is positive" if any(c.positive for c in table.columns) else ""
        yield f"n: test {unit(table.spec.metric)}{share}."
    if any("–" in c.n for c in table.columns):
        yield "A range of n: the entries of that column do not share one test set."


def _best(table: ComparisonTable) -> Iterator[str]:
    if any(e.best for row in table.rows for e in row.entries):
        which = "lowest" if lower_is_better(table.spec.metric) else "highest"
        yield f"Bold: {which} mean of its column, to the decimals shown."
    if any(row.reference for row in table.rows):
        yield "(ref): reference row."
    elif table.spec.reference:
        asked = ", ".join(f"{path}={value}" for path, value in table.spec.reference.items())
        yield f"The reference ({asked}) is not among the rows."


def _compared(table: ComparisonTable) -> Iterator[str]:
    """Which differences are real: the tests, their family, and what was not compared."""
    entries = [e for row in table.rows for e in row.entries]
    if any(e.tied for e in entries):
        yield (
            f"Underlined: not told from the bold one of its column (the {LEVEL} % interval of the difference holds 0; "
            "not corrected)."
        )
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
            yield "No row differs from the reference by that."
    yield from _trends(table)
    yield from _verdicts(table, [c for c in found if c.verdict])
    refused: dict[str, list[str]] = {}
    for refusal in (refusal for c in found for refusal in c.refusals):
        refused.setdefault(refusal.what, []).append(refusal.words)
    for what, words in refused.items():
        said = words[0] if len(set(words)) == 1 else f"arm and reference differ in {SHARED.get(what, what)}"
        said = said if what in SHARED or len(set(words)) == 1 else "; ".join(dict.fromkeys(words))
        yield f"No mark in {plural(len(words), 'entry', 'entries')}: {said}."


def _trends(table: ComparisonTable) -> Iterator[str]:
    found = [t for t in table.trends if t.found is not None]
    if found:
        axis = level_name(table.spec.compare["trend"], table.spec.rows)
        slopes = [
            f"{t.where} {t.found.delta:+.3f} ({t.found.low:+.3f} to {t.found.high:+.3f}"
            f"{f', adjusted p {t.p:.2g}' if t.p is not None else ''})"
            for t in found
        ]
        yield f"Slope, {found[0].per} of {axis}, Holm over {plural(len(found), 'slope')}: {'; '.join(slopes)}."
    for why in dict.fromkeys(t.refused for t in table.trends if t.refused):
        yield f"No slope in {', '.join(t.where for t in table.trends if t.refused == why)}: {why}."


def _verdicts(table: ComparisonTable, found: list[Contrast]) -> Iterator[str]:
    """What was found of a margin, counted."""
    if not found:
        return
    counts = Counter(c.verdict for c in found)
    said = ", ".join(f"{counts[v]} {v}" for v in ("superior", "non-inferior", "not shown", "inferior") if counts[v])
    margin = (table.spec.compare or {}).get("margin")
    yield f"Against a margin of {number(margin)} below the reference, of {plural(len(found), 'comparison')}: {said}."


def _below(table: ComparisonTable) -> Iterator[str]:
    if not table.baselines:
        return
    yield "Under the rule: rows that see no image."
    if beaten := beaten_columns(table):
        yield f"No row does better than the best row without image and text in: {', '.join(beaten)}."


def beaten_columns(table: ComparisonTable) -> list[str]:
    """Columns in which no row does better than the best row that sees neither image nor text."""
    beaten = []
    for i, column in enumerate(table.columns):
        ours = [row.entries[i].mean for row in table.rows if row.entries[i].mean is not None]
        silent = [row.entries[i].mean for row in table.baselines if row.baseline != "text"]
        blind = [mean for mean in silent if mean is not None]
        if ours and blind and float(number(max(blind))) >= float(number(max(ours))):
            beaten.append(" ".join(column.labels))
    return beaten


def _label_told(table: ComparisonTable) -> Iterator[str]:
    if told := told_columns(table):
        yield (
            f"Text only reaches {', '.join(told)}: there, pretraining on these texts is label supervision by "
            "another name."
        )


def told_columns(table: ComparisonTable) -> list[str]:
    """Columns whose label a bag of words reads off the training texts, each with what it reaches."""
    told = []
    for i, column in enumerate(table.columns):
        means = [row.entries[i].mean for row in table.baselines if row.baseline == "text"]
        best = max((mean for mean in means if mean is not None), default=0.0)
        if float(number(best)) >= NEAR_ONE:
            told.append(f"{number(best)} for {' '.join(column.labels)}")
    return told


def _published(table: ComparisonTable) -> Iterator[str]:
    if not table.compared:
        return
    if table.published:
        yield (
            "Under the last rule: numbers of the literature as they were printed, none of them ours; its footnote says "
            "of each why it is not to be compared. They take part in no mark, mean or test."
        )
    else:
        yield "Of the published numbers none belongs in a column of this table."
    if table.unplaced:
        listed_ = "; ".join(table.unplaced)
        yield f"In no column, because their sources do not say which: {listed_}."


def _beside(table: ComparisonTable) -> Iterator[str]:
    if not table.beside:
        return
    known = [measure(name) for name in table.beside]
    meanings = [f"{m.title}: {m.meaning}" for m in known if m.meaning]
    said = "Right of the line: facts about what each row was trained on, not test results"
    yield f"{'; '.join([said, *meanings])}."
    facts = [fact for row in (*table.rows, *table.baselines) for fact in row.facts]
    if any(fact.is_range for fact in facts):
        yield "A range there: the row's cells differ."
    if not all(fact.cells for fact in facts):
        yield f"{DASH} there: not known, or the row was trained on nothing of the kind."


def _signs(table: ComparisonTable) -> Iterator[str]:
    entries = [e for _, _, e in table.entries()]
    if any(e.share for e in entries):
        yield "k/m: only k of m seeds have a result, and the mean is over those k."
    signs = {"absent" for e in entries if not e.cells}
    signs |= {c.status for e in entries if e.cells and not e.done for c in e.cells if c.status != "absent"}
    meanings = dict.fromkeys(SIGNS[s] for s in SIGNS if s in signs)
    if meanings:
        yield "; ".join(f"{sign}: {meaning}" for sign, meaning in meanings) + "."


def _notes(table: ComparisonTable) -> Iterator[str]:
    for note in table.spec.notes:
        sentence = " ".join(note.split())
        sentence = sentence[:1].upper() + sentence[1:]
        yield sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."
