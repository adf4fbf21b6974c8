"""Which numbers of a table come from another version of the code than the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from harness.entries import CellRef, Entry
from harness.table_model import Row
from harness.wording import listed


def with_stale_code(rows: Sequence[Row]) -> list[Row]:
    """Give entries that hold such a cell the reason for a footnote; their numbers stay as they are.

    A cell's code is that of all stages it stands on. What most cells of the table were made by counts as usual; where
    no cell's code is known, or all are of one, nothing is said.
    """
    codes = Counter(code for row in rows for entry in row.entries for cell in entry.done if (code := _code(cell)))
    if len(codes) < 2:
        return list(rows)
    usual = codes.most_common(1)[0][0]
    return [replace(row, entries=tuple(_told(entry, usual) for entry in row.entries)) for row in rows]


def _told(entry: Entry, usual: str) -> Entry:
    strange = [cell for cell in entry.done if _code(cell) not in (None, usual)]
    if not strange:
        return entry
    some = len(strange) < len(entry.done)
    whose = f"{'seeds' if len(strange) > 1 else 'seed'} {listed([cell.seed for cell in strange])} " if some else ""
    return replace(entry, reasons=(*entry.reasons, f"{whose}made by another version of the code than most cells"))


def _code(cell: CellRef) -> str | None:
    return cell.shared.get("code") or None
