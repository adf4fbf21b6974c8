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
        if self.polygon is None:
            x0, y0, x1, y1 = (max(0, round(edge)) for edge in self.box)
            canvas[y0:y1, x0:x1] = 1
        else:
            cv2.fillPoly(canvas, [np.rint(self.polygon).astype(np.int32)], 1)
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


def list_regions(text: object) -> list[dict]:
    """The entries of a cell of the ``boxes`` column.

    Parameters
    ----------
    text : str or NA
        JSON: a list of ``{category, x0, y0, x1, y1}``, each perhaps with ``polygon``; or of
        ``{category, mask: [files]}``, where the file of the image's own size is the mask (CBIS-DDSM has crops and
        masks swapped in places).

    Raises
    ------
    DataError
        When it is no such list.
    """
    if not isinstance(text, str) or not text:
        return []
    try:
        entries = json.loads(text)
        if not isinstance(entries, list) or not all(isinstance(e, dict) and {"x0", "mask"} & set(e) for e in entries):
            raise ValueError("neither box nor mask")
    except ValueError as error:
        raise DataError(f"boxes: no list of regions: {text[:80]!r}") from error
    return entries


def read_regions(text: object, root: Path | None = None, shape: tuple[int, int] | None = None) -> list[Region]:
    """Regions of one image, from its cell of the ``boxes`` column; see `list_regions` and `read_region`."""
    found = [read_region(entry, root, shape) for entry in list_regions(text)]
    return [region for region in found if region is not None]


def read_region(
    entry: dict, root: Path | None = None, shape: tuple[int, int] | None = None, *, follow_links: bool = False
) -> Region | None:
    """One entry as a region; None where it has nothing but mask files, and none of them can be used.

    Parameters
    ----------
    root : Path, optional
        Where mask files lie.
    shape : (int, int), optional
        Height and width of the image [pixels], to tell a mask from a crop.

    Raises
    ------
    DataError
        When its numbers are none.
    """
    if "x0" not in entry:
        return None if root is None else _of_masks(entry, root, shape, follow_links)
    try:
        polygon = np.asarray(entry["polygon"], float).reshape(-1, 2) if entry.get("polygon") else None
        box = tuple(float(entry[k]) for k in ("x0", "y0", "x1", "y1"))
        return Region(str(entry["category"]), box, polygon)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"boxes: no list of regions: {json.dumps(entry)[:80]!r}") from error


def _of_masks(entry: dict, root: Path, shape: tuple[int, int] | None, follow_links: bool) -> Region | None:
    from mvmlm.data.intake import inside
    from mvmlm.data.pixels import read_image

    for name in entry["mask"]:
        try:
            mask = read_image(inside(root, name, follow_links=follow_links), "percentile").stored
        except DataError:
            continue
        if mask.any() and (shape is None or mask.shape == tuple(shape)):
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            box = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
            return Region(str(entry["category"]), tuple(map(float, box)))
    return None
