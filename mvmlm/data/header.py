"""What a DICOM header says of an image, without its pixels: side, view, size, kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Header:
    """Fields of one file's header; None where it says nothing.

    Attributes
    ----------
    laterality : {'L', 'R'} or None
    view : str or None
        ``CC``, ``MLO``, or another position as the header names it.
    kind : str
        ``mammogram``, ``tomosynthesis``, ``magnification``, ``spot``, ``synthetic``, ``contrast``, ``specimen``.
    implant : bool or None
    """

    laterality: str | None = None
    view: str | None = None
    kind: str = "mammogram"
    implant: bool | None = None
    rows: int | None = None
    columns: int | None = None
    frames: int = 1
    sop_instance_uid: str | None = None
    patient_id: str | None = None
    study_uid: str | None = None
    study_date: str | None = None
    age: float | None = None
    manufacturer: str | None = None
    model: str | None = None
    pixel_spacing: float | None = None
    series_description: str | None = None


def read_header(path: Path) -> Header:
    """Read one file's header.

    Raises
    ------
    DataError
        When the file is missing, no DICOM, or its header cannot be read.
    """
    raise NotImplementedError


def read_headers(
    paths: Sequence[Path], *, threads: int = 8, progress: Callable[[int, int], None] | None = None
) -> list[Header | str]:
    """The header of each file, or the reason why it cannot be read."""
    raise NotImplementedError
