"""Any image file to grey values between 0 and 1, and what its header says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mvmlm.errors import DataError

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima", "")
DICOM_PREAMBLE, DICOM_MAGIC = 128, b"DICM"  # files are often named by their UID alone, whose end is no suffix
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".pgm")


@dataclass(frozen=True)
class Meta:
    """What a file's header says; None where it says nothing.

    Attributes
    ----------
    without_window : bool
        A DICOM that was to be shown by its window or VOI table, and has none: its extremes are black and white.
    """

    laterality: str | None = None
    view: str | None = None
    without_window: bool = False


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
    suffix = path.suffix.lower()
    try:
        with path.open("rb") as file:
            is_dicom = file.read(DICOM_PREAMBLE + len(DICOM_MAGIC)).endswith(DICOM_MAGIC)
    except OSError as error:
        raise DataError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    if suffix in PICTURE_SUFFIXES and not is_dicom:
        return Image(_picture(path), Meta())
    if is_dicom or suffix in DICOM_SUFFIXES:
        from mvmlm.data.dicom import read_dicom

        return read_dicom(path, intensity)
    raise DataError(f"{path}: unknown kind of file {suffix!r} (known: DICOM, {', '.join(PICTURE_SUFFIXES)})")


def _picture(path: Path) -> np.ndarray:
    """A picture by its own bit depth: 8 or 16 bits an unsigned value."""
    import cv2

    try:
        raw = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_GRAYSCALE)
    except (cv2.error, OSError) as error:
        raise DataError(f"{path}: cannot be decoded ({' '.join(str(error).split())[:120]})") from error
    if raw is None:
        raise DataError(f"{path}: cannot be decoded, truncated perhaps")
    if raw.dtype.kind == "f":
        return np.nan_to_num(np.clip(raw, 0, 1)).astype(np.float32)
    return np.clip(raw.astype(np.float32) / float(np.iinfo(raw.dtype).max), 0, 1)
