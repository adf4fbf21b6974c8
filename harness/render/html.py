"""A comparison table as one HTML page that needs nothing beside itself."""

from __future__ import annotations

from typing import Any

from harness.caption import caption
from harness.entries import LEVEL, Contrast
from harness.render.pages import PAGES
from harness.table_model import ComparisonTable, Entry, Fact, stub_labels
from harness.wording import SIGNS, measure, number, p_words, percent, plural, signed, value_label


def render(table: ComparisonTable) -> str:
    """The page: table, reading aid, footnotes, and the runs behind every number."""
    return PAGES.get_template("table.html.j2").render(table=table, caption=caption(table), **words())


def words() -> dict[str, Any]:
    """What the templates of ``comparison.html.j2`` call."""
    return {
        "number": number,
        "tip": _tip,
        "fact_tip": _fact_tip,
        "value_label": value_label,
        "stub_labels": stub_labels,
        "signs": SIGNS,
    }


def _tip(entry: Entry) -> str:
    """What a pointer over an entry shows."""
    if entry.quoted is not None:
        return entry.reasons[0] if entry.reasons else "the source has no such number"
    lines = []
    if entry.low is not None:
        lines.append(f"{LEVEL} % interval {entry.shown('low')} to {entry.shown('high')}")
    if entry.contrast is not None:
        lines += _contrast_lines(entry.contrast, entry.digits)
    said = {"n": "test set", "n_patients": "test patients", "n_train": "training set"}
    for name, words in said.items():
        if values := entry.count(name):
            lines.append(f"{words}: {'–'.join(f'{v:,.0f}' for v in dict.fromkeys((values[0], values[-1])))}")
    if shares := entry.count("prevalence"):
        lines.append(f"positive: {'–'.join(percent(v) for v in dict.fromkeys((shares[0], shares[-1])))}")
    for cell in entry.cells:
        outcome = number(cell.value, entry.digits) if cell.value is not None else SIGNS[cell.status][1]
        ids = {"key": cell.key, "run": cell.run_id}
        where = "".join(f", {word} {value}" for word, value in ids.items() if value)
        lines.append(f"seed {value_label('', cell.seed)}: {outcome}{where}")
    return "\n".join(lines)


def _contrast_lines(said: Contrast, digits: int) -> list[str]:
    if said.difference is None:
        return [f"not compared with {said.reference}: {'; '.join(r.words for r in said.refusals)}"]
    found = said.difference
    delta = f"{signed(found.delta, digits)} against {said.reference}"
    if said.p is None:
        return [f"{delta} (not judged: {found.note})"]
    interval = f"{100 * found.level:g} % interval {signed(found.low, digits)} to {signed(found.high, digits)}"
    p = f"p {p_words(found.p)}, adjusted {p_words(said.p)}"
    return [f"{delta} ({interval}; {p}; {found.test})", *filter(None, [found.note])]


def _fact_tip(fact: Fact) -> str:
    """What a pointer over a side column shows."""
    lines = [f"{fact.name}, no test result", measure(fact.name).meaning]
    if fact.cells:
        lines.append(f"mean over {plural(fact.cells, 'cell')} {fact.mean:g}, from {fact.low:g} to {fact.high:g}")
    return "\n".join(filter(None, lines))
