"""From an image of any size to one of the store's, in steps.

1. **show**: stored values become grey values (the file's window, or the breast's own percentiles);
2. **mask**: the breast is found, labels, markers and borders are left out (`mvmlm.data.breast`);
3. **crop**: to the breast's box; the pectoral muscle is part of the breast and is kept, and nothing inside the box is
   blackened;
4. **flip**: the chest wall comes to the left;
5. **resize**: by area, one scale for both directions;
6. **pad**: to the store's size with air, half above and half below, all at the right.

Boxes, outlines and masks travel the same way and back with `mvmlm.data.transform.Transform`. `docs/preprocessing.md`
shows each step on real mammograms.
"""

from __future__ import annotations

import cv2
import numpy as np

from mvmlm.data.breast import breast_box, chest_wall_is_right, glance, inner, is_swapped, small_mask
from mvmlm.data.pixels import WHITE, Image
from mvmlm.data.transform import Transform
from mvmlm.errors import DataError

PERCENTILES = (0.5, 99.5)
MIN_BREAST_SHARE = 0.01


def to_store(
    image: Image | np.ndarray, height: int, width: int, *, intensity: str = "voi", crop: bool = True
) -> tuple[np.ndarray, Transform]:
    """Bring an image to the store's size.

    Parameters
    ----------
    image : Image, or ndarray of grey values, shape (H, W), float32 in [0, 1]
    height, width : int
        Of the result [pixels]. 1520×912 is the paper's.
    intensity : {'voi', 'percentile'}
        ``percentile`` stretches the breast's own 0.5 to 99.5 percentiles, its rim left out, to [0, 1].
    crop : bool
        Crop to the breast's box; outside the breast, but inside the box, pixels stay as they are.

    Returns
    -------
    (ndarray, shape (height, width), uint16; Transform)

    Raises
    ------
    DataError
        When no breast is found, or black and white are swapped.
    """
    if isinstance(image, np.ndarray):
        image = Image.of_values(image)
    seen = glance(image.stored, image.table)
    mask = small_mask(seen)
    if mask.mean() < MIN_BREAST_SHARE:
        raise DataError("no breast found: the image is blank or nearly so")
    if is_swapped(seen):
        raise DataError("black and white are swapped: its PhotometricInterpretation must be wrong")
    table = _stretched(image.table, seen, mask) if intensity == "percentile" else image.table
    box = breast_box(mask, image.shape) if crop else (0, image.shape[0], 0, image.shape[1])
    transform = Transform.fit(box, chest_wall_is_right(mask), height, width)
    return transform.image_to_store(_Shown(image.stored, table), height, width), _in_source(transform, image)


class _Shown:
    """Grey values of an image, worked out for the part that is asked for and no more."""

    def __init__(self, stored: np.ndarray, table: np.ndarray) -> None:
        self.stored = stored
        self.table = np.rint(table * np.float32(WHITE)).astype(np.uint16)
        self.dtype = self.table.dtype

    def __getitem__(self, part: tuple[slice, slice]) -> np.ndarray:
        return cv2.LUT(np.ascontiguousarray(self.stored[part]), self.table)


def _stretched(table: np.ndarray, seen: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A table that shows the breast's own percentiles as black and white."""
    mask = cv2.resize(mask.astype(np.uint8), seen.shape[::-1], interpolation=cv2.INTER_NEAREST).astype(bool)
    low, high = np.percentile(seen[inner(mask)], PERCENTILES)
    return np.clip((table - low) / max(high - low, 1e-6), 0, 1)


def _in_source(transform: Transform, image: Image) -> Transform:
    """The transform from the file's pixels, where the image was decoded at a part of its resolution.

    The crop may end up to ``2**reduce - 1`` pixels beyond the file's last ones, which a last reduced pixel stands for.
    """
    factor = 2**image.reduce
    x0, y0, width, height = (
        factor * length for length in (transform.x0, transform.y0, transform.width, transform.height)
    )
    return Transform(x0, y0, width, height, transform.flipped, transform.scale / factor, transform.top)
