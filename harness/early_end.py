"""Which numbers come from trainings that ended before the epochs that they were granted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.entries import Entry
from harness.table_model import Row
from harness.wording import listed

MEASURE = "finetune/ended_early"
WHY = "fine-tuning ended before its last epoch, as the validation loss did not fall any more"


def with_early_ends(rows: Sequence[Row]) -> list[Row]:
    """Give entries that hold such a cell the reason for a footnote; their numbers stay as they are."""
    return [replace(row, entries=tuple(map(_told, row.entries))) for row in rows]


def _told(entry: Entry) -> Entry:
    early = [cell for cell in entry.done if cell.measures.get(MEASURE)]
    if not early:
        return entry
    some = len(early) < len(entry.done)
    whose = f"{'seeds' if len(early) > 1 else 'seed'} {listed([cell.seed for cell in early])}: " if some else ""
    return replace(entry, reasons=(*entry.reasons, f"{whose}{WHY}"))
