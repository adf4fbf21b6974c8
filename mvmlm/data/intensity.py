"""From stored values to grey values: every rule of a header as one table that is looked up.

A stored value is at most 16 bits wide, so rescale, window, VOI table, inversion and padding are worked out once a value
instead of once a pixel: exact, and a hundred times less work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

Intensity = Literal["voi", "percentile"]
STEEPEST = 60.0  # exponent beyond which a sigmoid is 0 or 1 in float32


def pattern_values(dataset: Any, bits: int, precision: int | None) -> np.ndarray:
    """What each bit pattern of a stored pixel means, int64 (2**bits,).

    Uncompressed pixels may carry overlays or rubbish beside the bits from High Bit down, Bits Stored of them, which
    alone are the value (DICOM PS3.5, 8.1.1). What a codec puts out counts as it is, for some files' Bits Stored is too
    small; but the sign of signed pixels is the highest of the bits that the codec has.

    Parameters
    ----------
    bits : int
        Width of the decoded array: 8 or 16.
    precision : int or None
        Bits of a value by its codec's account; None for uncompressed pixels.
    """
    patterns = np.arange(2**bits, dtype=np.int64)
    stored, signed = int(dataset.BitsStored), dataset.PixelRepresentation == 1
    width = stored if precision is None else max(stored, precision) if signed else bits
    shift = max(0, int(dataset.get("HighBit", stored - 1)) + 1 - stored) if precision is None else 0
    if not 1 <= width <= bits - shift:
        raise ValueError(f"Bits Stored is {width} of {bits}, High Bit {width + shift - 1}")
    values = (patterns >> shift) & (2**width - 1)
    if signed:
        sign = 1 << (width - 1)
        values = (values ^ sign) - sign
    return values


def grey_table(
    dataset: Any, values: np.ndarray, intensity: Intensity, present: Callable[[], np.ndarray]
) -> np.ndarray:
    """Grey value of each bit pattern, float32 in [0, 1], 0 is air.

    Parameters
    ----------
    values : ndarray
        As `pattern_values` gives them.
    intensity : {'voi', 'percentile'}
        ``voi`` applies the VOI table or the first window; without either, and for ``percentile``, the least and the
        greatest value present become 0 and 1.
    present : callable
        Which patterns the image holds, bool; asked only where it matters.
    """
    from pydicom.pixels import apply_modality_lut

    padding = _padding(dataset, values)
    rescaled = np.asarray(apply_modality_lut(values, dataset), np.float64)
    if intensity == "voi" and dataset.get("VOILUTSequence"):
        little = dataset.file_meta.TransferSyntaxUID.is_little_endian
        grey = _voi_table(rescaled, dataset.VOILUTSequence[0], "<" if little else ">")
    elif intensity == "voi" and has_window(dataset):
        grey = _window(rescaled, dataset)
    else:
        there = present() & ~padding if padding is not None else present()
        grey = _stretched(rescaled, rescaled[there])
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        grey = 1.0 - grey
    if padding is not None:
        grey[padding] = 0.0
    return grey.astype(np.float32)


def has_window(dataset: Any) -> bool:
    """Whether the header gives a window."""
    return dataset.get("WindowCenter") is not None and dataset.get("WindowWidth") is not None


def _stretched(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    low, high = (float(there.min()), float(there.max())) if there.size else (0.0, 0.0)
    return np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros_like(values)


def _voi_table(values: np.ndarray, item: Any, order: str) -> np.ndarray:
    """The first VOI table (DICOM PS3.3 C.11.2.1.1), with output range [0, 1].

    Entries are words, or bytes where there are as many bytes as entries; a number of 0 entries means 65536.
    """
    count, first, bits = (int(number) for number in item.LUTDescriptor)
    data, count = item.LUTData, count or 2**16
    if isinstance(data, bytes):
        data = np.frombuffer(data, np.uint8 if len(data) < 2 * count else f"{order}u2")
    entries = np.asarray(data, np.float64)[:count]
    if not 1 <= bits <= 16 or len(entries) < count:
        raise ValueError(f"a VOI table of {len(entries)} entries of {bits} bits; its descriptor says {count}")
    return np.clip(entries[np.clip(np.rint(values) - first, 0, count - 1).astype(int)] / (2**bits - 1), 0, 1)


def _window(values: np.ndarray, dataset: Any) -> np.ndarray:
    """The first window, by its function (DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3), with output range [0, 1]."""
    center, width = (float(_first(dataset[name].value)) for name in ("WindowCenter", "WindowWidth"))
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    if not np.isfinite([center, width]).all() or (width < 1 if function == "LINEAR" else width <= 0):
        raise ValueError(f"window width {width:g}; images.intensity=percentile reads without windows")
    if function == "SIGMOID":
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -STEEPEST, STEEPEST)))
    if function == "LINEAR_EXACT":
        return np.clip((values - center) / width + 0.5, 0, 1)
    if width == 1:
        return (values > center - 0.5).astype(float)
    return np.clip((values - (center - 0.5)) / (width - 1.0) + 0.5, 0, 1)


def _padding(dataset: Any, values: np.ndarray) -> np.ndarray | None:
    """Which patterns say that there is no image; None where the file names none."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    patterns = [int(v) % len(values) for v in (value, value if limit is None else limit)]
    low, high = sorted(values[patterns])  # as the pixels are: masked, and with their sign, whatever the writer thought
    return (values >= low) & (values <= high)


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) or hasattr(value, "__iter__") else value
