"""Any image file: its pixels as stored, the table that turns them into grey values, and what its header says."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from mvmlm.errors import DataError

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima", "")
DICOM_PREAMBLE, DICOM_MAGIC = 128, b"DICM"  # files are often named by their UID alone, whose end is no suffix
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".pgm")
#: The largest detectors give 5355×4915 = 26 million pixels; digitised films reach 60 million. More is damage or malice.
MOST_PIXELS = 200_000_000
MOST_BYTES = 2**30  # of a file
WHITE = 65535


@dataclass(frozen=True)
class Meta:
    """What a file's header says; None where it says nothing.

    Attributes
    ----------
    without_window : bool
        A DICOM that was to be shown by its window or VOI table, and has none: its extremes are black and white.
    kind : str
        As `mvmlm.data.header.Header` has it.
    """

    laterality: str | None = None
    view: str | None = None
    without_window: bool = False
    kind: str = "mammogram"


@dataclass(frozen=True)
class Image:
    """One plane of pixels.

    Attributes
    ----------
    stored : ndarray, shape (H, W), uint8 or uint16
        As decoded; bits of signed pixels as they are.
    table : ndarray, shape (256,) or (65536,), float32
        Grey value in [0, 1] of each stored value; 0 is air.
    reduce : int
        How often its resolution was halved while it was decoded.
    full_shape : (int, int), optional
        Height and width of the file's own image, where that is another.
    """

    stored: np.ndarray
    table: np.ndarray
    meta: Meta = field(default_factory=Meta)
    reduce: int = 0
    full_shape: tuple[int, int] | None = None

    @classmethod
    def of_values(cls, values: np.ndarray, meta: Meta | None = None) -> Image:
        """An image of grey values in [0, 1], to the nearest of 65536."""
        stored = np.rint(np.clip(np.nan_to_num(values), 0, 1) * WHITE).astype(np.uint16)
        return cls(stored, identity(np.uint16), meta or Meta())

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width [pixels]."""
        return self.stored.shape

    @property
    def source_shape(self) -> tuple[int, int]:
        """Height and width of the file's image [pixels]."""
        return self.full_shape or self.shape

    @cached_property
    def values(self) -> np.ndarray:
        """Grey values float32 (H, W) in [0, 1]."""
        return self.table[self.stored]


def identity(dtype: type) -> np.ndarray:
    """The table of pictures that are shown as they are."""
    top = np.iinfo(dtype).max
    return (np.arange(top + 1) / top).astype(np.float32)


def read_image(path: Path, intensity: str = "voi", *, target: tuple[int, int] | None = None) -> Image:
    """Read a DICOM, PNG, JPEG or TIFF file.

    Parameters
    ----------
    target : (int, int), optional
        Height and width that the image will be brought to: JPEG 2000 may then be decoded at a half, a quarter, … of its
        resolution, as long as the breast has more pixels than the target.

    Raises
    ------
    DataError
        When it is not there, not readable, or of an unknown kind; one line with the path.
    """
    suffix = path.suffix.lower()
    try:
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: is no regular file")
        with path.open("rb") as file:
            is_dicom = file.read(DICOM_PREAMBLE + len(DICOM_MAGIC)).endswith(DICOM_MAGIC)
    except OSError as error:
        raise DataError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    if suffix in PICTURE_SUFFIXES and not is_dicom:
        return _picture(path)
    if is_dicom or suffix in DICOM_SUFFIXES:
        from mvmlm.data.dicom import read_dicom

        return read_dicom(path, intensity, target=target)
    raise DataError(f"{path}: unknown kind of file {suffix!r} (known: DICOM, {', '.join(PICTURE_SUFFIXES)})")


def _picture(path: Path) -> Image:
    """A picture by its own bit depth: 8 or 16 bits an unsigned value."""
    import cv2

    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"{path}: has more than {MOST_BYTES // 2**20} MiB, as no mammogram has")
    _check_size(path)
    try:
        raw = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_GRAYSCALE)
    except (cv2.error, OSError) as error:
        raise DataError(f"{path}: cannot be decoded ({' '.join(str(error).split())[:120]})") from error
    if raw is None:
        raise DataError(f"{path}: cannot be decoded, truncated perhaps")
    if raw.dtype in (np.uint8, np.uint16):
        return Image(raw, identity(raw.dtype))
    return Image.of_values(raw if raw.dtype.kind == "f" else raw / float(np.iinfo(raw.dtype).max))


def _check_size(path: Path) -> None:
    """Refuse a picture that claims more pixels than any mammogram has, before anything is unpacked."""
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    limit, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
    try:
        with Pillow.open(path) as opened:
            width, height = opened.size
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
        why = " ".join(str(error).replace(str(path), path.name).split())[:120]
        raise DataError(f"{path}: cannot be decoded ({why})") from error
    finally:
        Pillow.MAX_IMAGE_PIXELS = limit
    if height * width > MOST_PIXELS:
        raise DataError(f"{path}: claims {height}×{width} pixels, more than any mammogram has")
