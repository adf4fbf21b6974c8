"""Marked regions: the exam table's ``boxes`` column, in source or store pixels, as boxes, outlines and masks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mvmlm.errors import DataError

if TYPE_CHECKING:
    from mvmlm.data.transform import Transform


@dataclass(frozen=True)
class Region:
    """One marked region of one image.

    Attributes
    ----------
    category : str
        As the data set names it.
    box : tuple of float
        x0, y0, x1, y1 [pixels].
    polygon : ndarray, shape (n, 2), optional
        Outline as x, y [pixels].
    """

    category: str
    box: tuple[float, float, float, float]
    polygon: np.ndarray | None = None

    def mask(self, height: int, width: int) -> np.ndarray:
        """Pixels inside the outline, or inside the box where there is no outline: bool (height, width)."""
        import cv2

        canvas = np.zeros((height, width), np.uint8)
        x0, y0, x1, y1 = self.box
        points = self.polygon if self.polygon is not None else [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        cv2.fillPoly(canvas, [np.rint(np.asarray(points)).astype(np.int32)], 1)
        return canvas.astype(bool)

    def scaled(self, across: float, down: float) -> Region:
        """The same region in an image of another size: factors on x and y."""
        x0, y0, x1, y1 = self.box
        polygon = None if self.polygon is None else self.polygon * [across, down]
        return Region(self.category, (x0 * across, y0 * down, x1 * across, y1 * down), polygon)

    def as_dict(self) -> dict:
        """As the ``boxes`` column holds it."""
        corners = dict(zip(("x0", "y0", "x1", "y1"), self.box))
        outline = {} if self.polygon is None else {"polygon": np.round(self.polygon, 2).tolist()}
        return {"category": self.category, **corners, **outline}

    def to_store(self, transform: Transform) -> Region:
        """The same region in store pixels."""
        polygon = None if self.polygon is None else transform.points_to_store(self.polygon)
        return Region(self.category, tuple(transform.to_store(np.array([self.box]))[0].tolist()), polygon)


def read_regions(text: object, root: Path | None = None, shape: tuple[int, int] | None = None) -> list[Region]:
    """Regions of one image, from its cell of the ``boxes`` column.

    Parameters
    ----------
    text : str or NA
        JSON: a list of ``{category, x0, y0, x1, y1}``, each perhaps with ``polygon``; or of
        ``{category, mask: [files]}``, where the file of the image's own size is the mask (CBIS-DDSM has crops and
        masks swapped in places).
    root : Path, optional
        Where mask files lie; without it, regions that have nothing but a mask are left out.
    shape : (int, int), optional
        Height and width of the image [pixels], to tell a mask from a crop.

    Raises
    ------
    DataError
        When the text is no such list.
    """
    if not isinstance(text, str) or not text:
        return []
    try:
        entries = json.loads(text)
        if not isinstance(entries, list) or not all(isinstance(e, dict) and {"x0", "mask"} & set(e) for e in entries):
            raise ValueError("neither box nor mask")
        found = [_region(entry, root, shape) for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"boxes: no list of regions: {text[:80]!r}") from error
    return [region for region in found if region is not None]


def _region(entry: dict, root: Path | None, shape: tuple[int, int] | None) -> Region | None:
    if "x0" not in entry:
        return _of_masks(entry, root, shape) if root is not None else None
    polygon = np.asarray(entry["polygon"], float) if entry.get("polygon") else None
    return Region(str(entry["category"]), tuple(float(entry[k]) for k in ("x0", "y0", "x1", "y1")), polygon)


def _of_masks(entry: dict, root: Path, shape: tuple[int, int] | None) -> Region | None:
    from mvmlm.data.intake import inside
    from mvmlm.data.pixels import read_image

    for name in entry["mask"]:
        try:
            mask = read_image(inside(root, name), "percentile").stored
        except DataError:
            continue
        if mask.any() and (shape is None or mask.shape == tuple(shape)):
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
            return Region(str(entry["category"]), tuple(map(float, box)))
    return None
