"""A comparison table as one HTML page that needs nothing beside itself."""

from __future__ import annotations

from harness.caption import caption
from harness.entries import LEVEL
from harness.render.pages import PAGES
from harness.table_model import ComparisonTable, Entry, Fact, stub_labels
from harness.wording import SIGNS, measure, number, percent, plural, value_label


def render(table: ComparisonTable) -> str:
    """The page: table, reading aid, footnotes, and the runs behind every number."""
    return PAGES.get_template("table.html.j2").render(
        table=table,
        caption=caption(table),
        header=table.header(),
        parts=[(stub_labels(rows), rows) for rows in (table.rows, table.baselines) if rows],
        number=number,
        tip=_tip,
        fact_tip=_fact_tip,
        value_label=value_label,
        signs=SIGNS,
        metric=table.spec.metric,
    )


def _tip(entry: Entry) -> str:
    """What a pointer over an entry shows."""
    lines = []
    if entry.low is not None:
        lines.append(f"{LEVEL} % interval {number(entry.low)} to {number(entry.high)}")
    said = {"n": "test set", "n_patients": "test patients", "n_train": "training set"}
    for name, words in said.items():
        if values := entry.count(name):
            lines.append(f"{words}: {'–'.join(f'{v:,.0f}' for v in dict.fromkeys((values[0], values[-1])))}")
    if shares := entry.count("prevalence"):
        lines.append(f"positive: {'–'.join(percent(v) for v in dict.fromkeys((shares[0], shares[-1])))}")
    for cell in entry.cells:
        outcome = number(cell.value) if cell.value is not None else SIGNS[cell.status][1]
        ids = {"key": cell.key, "run": cell.run_id}
        where = "".join(f", {word} {value}" for word, value in ids.items() if value)
        lines.append(f"seed {value_label('', cell.seed)}: {outcome}{where}")
    return "\n".join(lines)


def _fact_tip(fact: Fact) -> str:
    """What a pointer over a side column shows."""
    lines = [f"{fact.name}, no test result", measure(fact.name).meaning]
    if fact.cells:
        lines.append(f"mean over {plural(fact.cells, 'cell')} {fact.mean:g}, from {fact.low:g} to {fact.high:g}")
    return "\n".join(filter(None, lines))
