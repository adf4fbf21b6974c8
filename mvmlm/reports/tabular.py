"""Source ``tabular``: one ``key: value`` line a known field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mvmlm.reports.record import Record
from mvmlm.reports.source import SOURCES, Source

_SIDES = {"L": "left", "R": "right"}


@SOURCES.register("tabular")
class Tabular(Source):
    """The record itself, spelt out: no grammar, and nothing of a radiologist's wording."""

    def write(self, records: Sequence[Record]) -> list[str]:
        """One text a record."""
        return ["\n".join(tabular_lines(record)) for record in records]


def tabular_lines(record: Record) -> list[str]:
    """The lines of one record: the kind of examination, then its known fields.

    >>> tabular_lines(Record(density="B", mass=False))
    ['examination: mammography', 'density: B', 'mass: absent']
    """
    known = (f"{field.replace('_', ' ')}: {_said(value)}" for field, value in record.known().items())
    return ["examination: mammography", *known]


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "present" if value else "absent"
    return _SIDES.get(value, str(value))
