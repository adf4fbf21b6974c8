"""Cells without a result: why, and where the traceback lies."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harness.report.sources import Sources, places
from harness.wording import SIGNS

LOGGED = ("failed", "upstream")
"""Statuses of cells whose own stage, or one that they stand on, left a traceback."""


@dataclass(frozen=True)
class Lost:
    """A cell without a result.

    Attributes
    ----------
    log : str
        Path of the traceback, or ''.
    """

    name: str
    key: str
    log: str = ""


@dataclass
class Reason:
    """Cells that have no result for one reason.

    Attributes
    ----------
    sign, meaning : str
        As the table has them.
    error : str
        One line, or ''.
    """

    sign: str
    meaning: str
    error: str
    cells: list[Lost] = field(default_factory=list)


def failures(sources: Sources) -> list[Reason]:
    """Reasons in the order of the table, each with its cells."""
    logs = _logs(sources.logs)
    found: dict[tuple[str, str], Reason] = {}
    for name, cell in places(sources.table):
        if cell.status == "done":
            continue
        error = cell.error or ""
        sign, meaning = SIGNS[cell.status]
        keys = sources.stages.get(cell.key or "", (cell.key,)) if cell.status in LOGGED else ()
        log = next((logs[key] for key in keys if key in logs), "")
        found.setdefault((cell.status, error), Reason(sign, meaning, error)).cells.append(
            Lost(name, cell.key or "", log)
        )
    return list(found.values())


def _logs(folder: Path) -> dict[str, str]:
    """Key of a stage to where its traceback lies: ``<stage>-<key>.txt``."""
    return {path.stem.rpartition("-")[2]: str(path) for path in sorted(folder.glob("*-*.txt"))}
