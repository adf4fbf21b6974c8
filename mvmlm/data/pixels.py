"""Any image file to grey values between 0 and 1, and what its header says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mvmlm.errors import DataError

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima", "")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".pgm")


@dataclass(frozen=True)
class Meta:
    """What a file's header says; None where it says nothing."""

    laterality: str | None = None
    view: str | None = None
    pixel_spacing: float | None = None
    manufacturer: str | None = None


@dataclass(frozen=True)
class Image:
    """Grey values float32 (H, W) in [0, 1], 0 is air; and the header."""

    values: np.ndarray
    meta: Meta


def read_image(path: Path, intensity: str = "voi") -> Image:
    """Read a DICOM, PNG, JPEG or TIFF file.

    Raises
    ------
    DataError
        When it is not there, not readable, or of an unknown kind; one line with the path.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        return Image(_picture(path), Meta())
    if suffix in DICOM_SUFFIXES:
        from mvmlm.data.dicom import read_dicom

        return read_dicom(path, intensity)
    raise DataError(f"{path}: unknown kind of file {suffix!r} (known: DICOM, {', '.join(PICTURE_SUFFIXES)})")


def _picture(path: Path) -> np.ndarray:
    """A picture by its own bit depth: 8 or 16 bits an unsigned value."""
    import cv2

    raw = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_GRAYSCALE)
    if raw is None:
        raise DataError(f"{path}: cannot be decoded, truncated perhaps")
    if raw.dtype == np.float32:
        return np.clip(raw, 0, 1)
    return raw.astype(np.float32) / float(np.iinfo(raw.dtype).max)
