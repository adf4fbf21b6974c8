"""The caption of a comparison table, made from what the table holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.caption_statistics import beaten, compared, told_columns
from harness.entries import LEVEL
from harness.table_model import ComparisonTable
from harness.wording import DASH, SIGNS, listed, lower_is_better, measure, metric_title, plural, unit

SIMULATED = "SIMULATED DATA: these numbers say nothing of real mammograms."


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
    parts = (_measured, _interval, _heads, _best, compared, _below, _label_told, _published, _beside, _signs, _notes)
    return Caption(
        question=table.spec.question,
        warning=SIMULATED if table.spec.simulated else "",
        sentences=tuple(sentence for part in parts for sentence in part(table)),
    )


def _measured(table: ComparisonTable) -> Iterator[str]:
    spec = table.spec
    axes = f"Rows: {', '.join(table.row_levels)}"
    yield f"{axes}; columns: {', '.join(table.column_levels)}." if table.column_levels else f"{axes}."
    title = metric_title(spec.metric)
    what = f"{title[:1].upper()}{title[1:]} on the test set of {spec.dataset}, profile {spec.profile}"
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


def _below(table: ComparisonTable) -> Iterator[str]:
    if not table.baselines:
        return
    yield "Under the rule: rows that see no image."
    yield from beaten(table)


def _label_told(table: ComparisonTable) -> Iterator[str]:
    if told := told_columns(table):
        yield (
            f"Text only reaches {', '.join(told)}: there, pretraining on these texts is label supervision by "
            "another name."
        )


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
