"""Which numbers come from trainings that ended before the epochs that they were granted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.entries import Entry, with_reason
from harness.table_model import Row

MEASURE = "finetune/ended_early"
WHY = "fine-tuning ended before its last epoch, as the validation loss did not fall any more"


def with_early_ends(rows: Sequence[Row]) -> list[Row]:
    """Give entries that hold such a cell the reason for a footnote; their numbers stay as they are."""
    return [replace(row, entries=tuple(map(_told, row.entries))) for row in rows]


def _told(entry: Entry) -> Entry:
    return with_reason(entry, [cell for cell in entry.done if cell.measures.get(MEASURE)], WHY)
