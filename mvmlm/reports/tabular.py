"""Source ``tabular``: one ``key: value`` line a known field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mvmlm.reports.record import Record
from mvmlm.reports.source import SOURCES, Draw, Source

_SIDES = {"L": "left", "R": "right"}
_UNITS = {"mass_size": " mm"}


@SOURCES.register("tabular")
class Tabular(Source):
    """The record itself, spelt out: no grammar, and nothing of a radiologist's wording."""

    def write(self, draws: Sequence[Draw]) -> list[str]:
        """One text a draw."""
        return ["\n".join(tabular_lines(draw.case.record)) for draw in draws]


def tabular_lines(record: Record) -> list[str]:
    """The lines of one record: the kind of examination, then its known fields.

    >>> tabular_lines(Record(density="B", mass=False))
    ['examination: mammography', 'density: B', 'mass: absent']
    """
    known = record.known().items()
    return ["examination: mammography", *(f"{name.replace('_', ' ')}: {_said(name, value)}" for name, value in known)]


def _said(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "present" if value else "absent"
    return f"{_SIDES.get(value, value)}{_UNITS.get(name, '')}"
