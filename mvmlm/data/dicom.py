"""One DICOM mammogram: decoded, and its header's rules as a table of grey values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mvmlm.data.intensity import Intensity, grey_table, has_window, pattern_values
from mvmlm.data.pixels import Image, Meta
from mvmlm.errors import DataError

#: Side below which a reduced decoding finds the breast, before it is decided how far the image itself can be reduced.
GLANCE = 700


def read_dicom(path: Path, intensity: Intensity = "voi", *, target: tuple[int, int] | None = None) -> Image:
    """Read one DICOM file.

    Parameters
    ----------
    path : Path
    intensity : {'voi', 'percentile'}
        ``voi`` applies the file's VOI table or its first window; ``percentile`` leaves the rescaled values as they
        are, stretched between their extremes, for a later stretch by the breast's own percentiles.
    target : (int, int), optional
        See `mvmlm.data.pixels.read_image`.

    Raises
    ------
    DataError
        When the file is truncated, no DICOM, no single grey image, or of a transfer syntax that nothing here decodes.
    """
    from mvmlm.data.safe_dicom import open_dataset

    dataset = open_dataset(path, pixels=True)
    try:
        photometric = str(dataset.get("PhotometricInterpretation") or "")
    except Exception as error:  # so does a damaged value, when it is looked at
        raise DataError(f"{path}: its header cannot be read ({_said(error)})") from error
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise DataError(f"{path}: photometric interpretation {photometric!r}; expected MONOCHROME1 or MONOCHROME2")
    try:
        stored, reduce = _stored(dataset, intensity, target)
    except Exception as error:  # decoders fail in many ways
        raise DataError(
            f"{path}: pixel data cannot be decoded, truncated perhaps ({_said(error)})"
        ) from error
    if stored.ndim != 2:
        raise DataError(f"{path}: has {stored.ndim} dimensions of pixels; expected one plane of grey values")
    try:
        return _shown(dataset, stored, reduce, intensity)
    except Exception as error:
        raise DataError(f"{path}: its header cannot be applied ({_said(error)})") from error


def _stored(dataset: Any, intensity: Intensity, target: tuple[int, int] | None) -> tuple[np.ndarray, int]:
    from mvmlm.data.codecs import REDUCIBLE, decode, decode_reduced

    if target and dataset.file_meta.TransferSyntaxUID in REDUCIBLE and dataset.PixelRepresentation == 0:
        from pydicom.encaps import get_frame

        frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
        reduce = _how_far(dataset, frame, intensity, target)
        if reduce:
            return decode_reduced(frame, reduce), reduce
    return decode(dataset), 0


def _how_far(dataset: Any, frame: bytes, intensity: Intensity, target: tuple[int, int]) -> int:
    """How often the resolution can be halved with the breast still larger than the target, from a glance at it."""
    from mvmlm.data.breast import breast_box, breast_mask
    from mvmlm.data.codecs import decode_reduced, levels, reducible

    shape, most = (int(dataset.Rows), int(dataset.Columns)), levels(frame)
    glance = reducible(shape, min(most, np.ceil(np.log2(max(1, max(shape) / GLANCE)))))
    if glance == 0:
        return 0
    small = _shown(dataset, decode_reduced(frame, glance), glance, intensity)
    mask = breast_mask(small.values)
    if not mask.any():
        return 0
    y0, y1, x0, x1 = (edge << glance for edge in breast_box(mask, small.shape))
    shrink = max((y1 - y0) / target[0], (x1 - x0) / target[1])
    return reducible(shape, min(most, np.floor(np.log2(max(1, shrink)))))


def _shown(dataset: Any, stored: np.ndarray, reduce: int, intensity: Intensity) -> Image:
    from mvmlm.data.header import kind_of, laterality_and_view

    bits = 8 * stored.dtype.itemsize
    if bits > 16:
        raise ValueError(f"{bits} bits a pixel; expected 8 or 16")
    if not stored.dtype.isnative:
        stored = stored.astype(stored.dtype.newbyteorder("="))
    stored = stored.view(f"u{stored.dtype.itemsize}")
    values = pattern_values(dataset, bits, _precision(dataset))
    table = grey_table(dataset, values, intensity, lambda: _present(stored, bits))
    laterality, view = laterality_and_view(dataset)
    shown = bool(dataset.get("VOILUTSequence")) or has_window(dataset)
    meta = Meta(laterality, view, intensity == "voi" and not shown, kind_of(dataset))
    return Image(stored, table, meta, reduce, (int(dataset.Rows), int(dataset.Columns)))


def _precision(dataset: Any) -> int | None:
    """Bits of a value by its codec's own account, where it has one; None for uncompressed pixels."""
    from mvmlm.data.codecs import REDUCIBLE, codestream_precision

    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated:
        return None
    if syntax not in REDUCIBLE or dataset.PixelRepresentation == 0:  # of unsigned values all bits count anyway
        return int(dataset.BitsStored)
    from pydicom.encaps import get_frame

    return codestream_precision(get_frame(dataset.PixelData, 0, number_of_frames=1))


def _present(stored: np.ndarray, bits: int) -> np.ndarray:
    """Which bit patterns an image holds, bool (2**bits,)."""
    import cv2

    counts = cv2.calcHist([stored], [0], None, [2**bits], [0, 2**bits])
    return counts.ravel() > 0


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
