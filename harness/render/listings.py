"""Lists for the terminal: the cells behind a table's numbers, and what changed between two tables."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.run_difference import Change, changes
from harness.table_model import ComparisonTable
from harness.wording import SIGNS, number, p_words, plural, signed, value_label


def print_trace(console: Console, table: ComparisonTable) -> None:
    """Every cell: where it stands in the table, its value, its key in the store and its MLflow run."""
    found = Table(box=None, pad_edge=False, title=None)
    for name in ("row", "column", "seed", table.spec.metric, "key", "MLflow run"):
        found.add_column(name, overflow="fold", no_wrap=name in ("seed", table.spec.metric))
    for row, column, entry in table.entries():
        for cell in entry.cells:
            value = number(cell.value, table.spec.digits) if cell.value is not None else SIGNS[cell.status][0]
            place = " ".join(filter(None, row.labels)), " ".join(column.labels), value_label("", cell.seed)
            found.add_row(*place, value, cell.key or "", cell.run_id or "")
    console.print(found)


def print_changes(console: Console, old: ComparisonTable, new: ComparisonTable) -> None:
    """Entry by entry: old, new, difference with interval and p; entries that stand on the same cells are counted."""
    found = changes(old, new)
    judged = [change for change in found if not change.same]
    over = f"; Holm over {plural(len(judged), 'entry', 'entries')}" if judged else ""
    console.print(Text(f"{new.spec.metric}, new minus old{over}", "bold"))
    listing = Table(box=None, pad_edge=False)
    for name, side in (("row", "left"), ("column", "left"), ("old", "right"), ("new", "right"), ("difference", "left")):
        listing.add_column(name, justify=side, overflow="fold")
    for change in judged:
        listing.add_row(change.row, change.column, change.old.shown("mean"), change.new.shown("mean"), _words(change))
    if judged:
        console.print(listing)
    if same := len(found) - len(judged):
        console.print(f"{same} of {len(found)} entries stand on the very same cells", style="dim")


def _words(change: Change) -> str:
    said = change.judged.comparison
    if said.difference is None:
        return f"not compared: {'; '.join(refusal.words for refusal in said.refusals)}"
    found, digits = said.difference, change.new.digits
    if math.isnan(change.judged.p):
        return f"{signed(found.delta, digits)}, not judged: {found.note}"
    interval = f"{100 * found.level:g} % interval {signed(found.low, digits)} to {signed(found.high, digits)}"
    p = f"adjusted p {p_words(change.judged.p)}{change.judged.mark}"
    return f"{signed(found.delta, digits)} ({interval}), {p}"
