"""DICOM to numbers between 0 and 1: rescale, window or VOI table, MONOCHROME1, padding, 8 to 16 bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from mvmlm.data.pixels import Image, Meta
from mvmlm.errors import DataError

Intensity = Literal["voi", "percentile"]

#: SNOMED-RT and SCT codes of the two standard views, for files without ViewPosition.
VIEW_CODES = {"399162004": "CC", "R-10242": "CC", "399368009": "MLO", "R-10226": "MLO"}


def read_dicom(path: Path, intensity: Intensity = "voi") -> Image:
    """Read one DICOM file.

    Parameters
    ----------
    path : Path
    intensity : {'voi', 'percentile'}
        ``voi`` applies the file's VOI table or its first window; ``percentile`` leaves the rescaled values as they
        are, stretched between their extremes, for a later stretch by the breast's own percentiles.

    Returns
    -------
    Image
        Pixels float32 (H, W) in [0, 1], 0 is air; and what the header says.

    Raises
    ------
    DataError
        When the file is truncated, no DICOM, has no pixels or a transfer syntax that nothing here decodes.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        dataset = pydicom.dcmread(path)
    except InvalidDicomError as error:
        raise DataError(f"{path}: is no DICOM file") from error
    except Exception as error:  # a damaged header fails inside pydicom in many ways
        raise DataError(f"{path}: cannot be read, truncated perhaps ({_first_line(error)})") from error
    if "PixelData" not in dataset:
        raise DataError(f"{path}: has no pixel data")
    try:
        stored = dataset.pixel_array
    except Exception as error:
        raise DataError(
            f"{path}: pixel data cannot be decoded, truncated perhaps ({_first_line(error)})"
        ) from error
    if stored.ndim != 2:
        raise DataError(f"{path}: has {stored.ndim} dimensions of pixels; expected one plane of grey values")
    try:
        return Image(_shown(dataset, stored, intensity), _meta(dataset, intensity))
    except (ArithmeticError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError) as error:
        raise DataError(f"{path}: its header cannot be applied ({_first_line(error)})") from error


def _shown(dataset: Any, stored: np.ndarray, intensity: Intensity) -> np.ndarray:
    padding = _padding(dataset, stored)
    values = _to_unit(dataset, stored, intensity, padding)
    if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
        values = 1.0 - values
    if padding is not None:
        values[padding] = 0.0
    return values


def _to_unit(
    dataset: Any, stored: np.ndarray, intensity: Intensity, padding: np.ndarray | None
) -> np.ndarray:
    """Modality and VOI transforms, scaled so that their output range is [0, 1]."""
    from pydicom.pixels import apply_modality_lut

    values = np.asarray(apply_modality_lut(stored, dataset), np.float32)
    if intensity == "voi" and dataset.get("VOILUTSequence"):
        return _voi_table(dataset, stored)
    if intensity == "voi" and _has_window(dataset):
        return _window(values, dataset)
    there = values if padding is None else values[~padding]
    low, high = (float(there.min()), float(there.max())) if there.size else (0.0, 0.0)
    if high <= low:
        return np.zeros_like(values)
    return np.clip((values - low) / (high - low), 0, 1)


def _has_window(dataset: Any) -> bool:
    return dataset.get("WindowCenter") is not None and dataset.get("WindowWidth") is not None


def _voi_table(dataset: Any, stored: np.ndarray) -> np.ndarray:
    from pydicom.pixels import apply_modality_lut, apply_voi

    item = dataset.VOILUTSequence[0]
    bits = int(item.LUTDescriptor[2])
    shown = apply_voi(apply_modality_lut(stored, dataset), dataset, index=0)
    return np.clip(np.asarray(shown, np.float32) / float(2**bits - 1), 0, 1)


def _window(values: np.ndarray, dataset: Any) -> np.ndarray:
    """The first window, by its function (DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3), with output range [0, 1]."""
    center, width = (float(_first(dataset[name].value)) for name in ("WindowCenter", "WindowWidth"))
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    if width < 1 if function == "LINEAR" else width <= 0:
        raise ValueError(f"window width {width:g}; images.intensity=percentile reads without windows")
    if function == "SIGMOID":
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -60, 60)))
    if function == "LINEAR_EXACT":
        return np.clip((values - center) / width + 0.5, 0, 1)
    return np.clip((values - (center - 0.5)) / max(width - 1.0, 1e-6) + 0.5, 0, 1)


def _padding(dataset: Any, stored: np.ndarray) -> np.ndarray | None:
    """Where the file says that there is no image."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return None
    limit = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted(_signed(int(v), dataset) for v in (value, value if limit is None else limit))
    mask = (stored >= low) & (stored <= high)
    return mask if mask.any() and not mask.all() else None


def _signed(value: int, dataset: Any) -> int:
    """Some writers give the padding of signed pixels as an unsigned number of the same 16 bits."""
    return value - 2**16 if dataset.PixelRepresentation == 1 and value >= 2**15 else value


def _meta(dataset: Any, intensity: Intensity) -> Meta:
    side = str(dataset.get("ImageLaterality") or dataset.get("Laterality") or "").strip().upper()[:1]
    shown = bool(dataset.get("VOILUTSequence")) or _has_window(dataset)
    return Meta(
        laterality=side if side in ("L", "R") else None,
        view=_view(dataset),
        without_window=intensity == "voi" and not shown,
    )


def _view(dataset: Any) -> str | None:
    said = str(dataset.get("ViewPosition") or "").strip().upper()
    if said:
        return said
    for item in dataset.get("ViewCodeSequence") or ():
        if found := VIEW_CODES.get(str(item.get("CodeValue"))):
            return found
    return None


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) or hasattr(value, "__iter__") else value


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
