"""Which numbers of a table come from another version of the code than the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from harness.entries import CellRef, Entry, with_reason
from harness.table_model import Row
from harness.wording import plural


def with_stale_code(rows: Sequence[Row], below: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Give entries that hold such a cell the reason for a footnote; their numbers stay as they are.

    A cell's code is that of all stages it stands on. What most cells of the grid were made by counts as usual; a row
    ``below``, without images, stands on fewer stages, so that a part of the usual code is enough. Where no cell's code
    is known nothing is said.
    """
    codes = Counter(code for row in rows for entry in row.entries for cell in entry.done if (code := _code(cell)))
    if not codes:
        return list(rows), list(below)
    usual = codes.most_common(1)[0][0]
    parts = set(usual.split())
    return _signed(rows, lambda code: code == usual), _signed(below, lambda code: set(code.split()) <= parts)


def of_another_version(codes: Iterable[str | None], present: str) -> list[str]:
    """A sentence that counts the results which not the present code made, from the code of each; none where all are."""
    known = [set(code.split()) for code in codes if code]
    strange = sum(parts != {present} for parts in known)
    if not strange:
        return []
    many = f"{strange:,} of {plural(len(known), 'result')}" if strange < len(known) else "All results"
    verb = "stands" if strange == 1 < len(known) else "stand"
    why = "a stage is done again only where its own version was raised"
    return [f"{many} {verb} on stages that another version of the code computed than the present one; {why}."]


def _signed(rows: Sequence[Row], is_usual: Callable[[str], bool]) -> list[Row]:
    return [replace(row, entries=tuple(_told(entry, is_usual) for entry in row.entries)) for row in rows]


def _told(entry: Entry, is_usual: Callable[[str], bool]) -> Entry:
    strange = [cell for cell in entry.done if (code := _code(cell)) and not is_usual(code)]
    return with_reason(entry, strange, "made by another version of the code than most cells")


def _code(cell: CellRef) -> str | None:
    return cell.shared.get("code") or None
