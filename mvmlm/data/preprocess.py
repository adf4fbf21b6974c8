"""From an image of any size to one of the store's: breast found, cropped, chest wall to the left, resized, padded."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import cv2
import numpy as np

from mvmlm.errors import DataError

MASK_SIDE = 400  # pixels of the longer side at which the breast is looked for
PERCENTILES = (0.5, 99.5)
RIM_SHARE = 0.01  # of the image's longer side
MIN_BREAST_SHARE = 0.01
MIN_SPREAD = 1e-4  # standard deviation of grey values below which an image is blank
#: Of that deviation, what must be left after blurring. White noise keeps 0.04; 91 real mammograms kept 0.79 or more,
#: and cut-outs of them with little or no air 0.48 or more.
MIN_COARSE_SHARE = 0.2
BLUR = 8.0  # pixels at the reduced size


@dataclass(frozen=True)
class Transform:
    """How source pixels became store pixels; boxes travel through it both ways.

    Attributes
    ----------
    x0, y0, width, height : int
        The crop, in source pixels.
    flipped : bool
        Whether the crop was mirrored left to right.
    scale : float
        Store pixels a source pixel.
    top : int
        Rows of padding above the breast; all other padding is at the right and below.
    """

    x0: int
    y0: int
    width: int
    height: int
    flipped: bool
    scale: float
    top: int

    def to_store(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes (n, 4) as x0, y0, x1, y1 from source to store pixels."""
        boxes = np.asarray(boxes, float) - [self.x0, self.y0, self.x0, self.y0]
        return self._mirrored(boxes) * self.scale + [0, self.top, 0, self.top]

    def to_source(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes (n, 4) as x0, y0, x1, y1 from store to source pixels."""
        boxes = (np.asarray(boxes, float) - [0, self.top, 0, self.top]) / self.scale
        return self._mirrored(boxes) + [self.x0, self.y0, self.x0, self.y0]

    def as_dict(self) -> dict[str, float]:
        """Plain numbers, for the store's index."""
        return asdict(self)

    def _mirrored(self, boxes: np.ndarray) -> np.ndarray:
        if not self.flipped:
            return boxes
        return np.stack(
            [self.width - boxes[:, 2], boxes[:, 1], self.width - boxes[:, 0], boxes[:, 3]], axis=1
        )


def breast_mask(values: np.ndarray) -> np.ndarray:
    """Where the breast is, bool (H, W): the largest bright region; labels, markers and thin borders are left out.

    Otsu's threshold, taken on the logarithm so that a few very bright pixels do not carry it away, at a reduced
    size; the largest connected component; holes filled. An image that is even, or nothing but noise, has none.
    """
    height, width = values.shape
    scale = min(1.0, MASK_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    if _is_blank(small):
        return np.zeros(values.shape, bool)
    rim = max(1, round(0.01 * min(size)))
    small[:rim], small[-rim:] = 0, 0
    grey = np.round(255 * np.log1p(50 * np.clip(small, 0, 1)) / np.log(51)).astype(np.uint8)
    level, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    bright = (grey > 0.6 * level).astype(np.uint8)
    bright = cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bright)
    if count < 2:
        return np.zeros(values.shape, bool)
    largest = (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
    largest[:rim], largest[-rim:] = largest[rim], largest[-rim - 1]
    outlines, _ = cv2.findContours(largest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(largest, outlines, -1, 1, cv2.FILLED)
    return cv2.resize(largest, (width, height), interpolation=cv2.INTER_NEAREST).astype(bool)


def _is_blank(small: np.ndarray) -> bool:
    spread = float(small.std())
    return spread < MIN_SPREAD or float(cv2.GaussianBlur(small, (0, 0), BLUR).std()) < MIN_COARSE_SHARE * spread


def _inner(mask: np.ndarray) -> np.ndarray:
    """The mask without its rim, where pixels are part air; all of it where nothing else is left."""
    side = 2 * round(RIM_SHARE * max(mask.shape)) + 1
    inner = cv2.erode(mask.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool)
    return inner if inner.any() else mask


def chest_wall_is_right(mask: np.ndarray) -> bool:
    """Whether more of the breast lies in the right half of its own box's edges than in the left.

    The chest wall is the straight, long side: the outermost tenth of the box is fuller there than at the nipple.
    """
    columns = np.flatnonzero(mask.any(axis=0))
    if not len(columns):
        return False
    inside = mask[:, columns[0] : columns[-1] + 1]
    band = max(1, inside.shape[1] // 10)
    return int(inside[:, -band:].sum()) > int(inside[:, :band].sum())


def to_store(
    values: np.ndarray, height: int, width: int, *, intensity: str = "voi", crop: bool = True
) -> tuple[np.ndarray, Transform]:
    """Bring an image to the store's size.

    Parameters
    ----------
    values : ndarray, shape (H, W), float32 in [0, 1]
    height, width : int
        Of the result; the aspect is kept and the rest padded with 0, half above and half below, all at the right.
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
        When no breast is found.
    """
    mask = breast_mask(values)
    if mask.mean() < MIN_BREAST_SHARE:
        raise DataError("no breast found: the image is blank or nearly so")
    if intensity == "percentile":
        low, high = np.percentile(values[_inner(mask)], PERCENTILES)
        values = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    y0, y1, x0, x1 = (
        (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)
        if crop
        else (0, values.shape[0], 0, values.shape[1])
    )
    flipped = chest_wall_is_right(mask)
    inside = values[y0:y1, x0:x1]
    inside = np.ascontiguousarray(inside[:, ::-1] if flipped else inside, np.float32)
    scale = min(height / inside.shape[0], width / inside.shape[1])
    size = (
        min(width, max(1, round(inside.shape[1] * scale))),
        min(height, max(1, round(inside.shape[0] * scale))),
    )
    small = cv2.resize(inside, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    top = (height - size[1]) // 2
    result = np.zeros((height, width), np.uint16)
    result[top : top + size[1], : size[0]] = np.round(np.clip(small, 0, 1) * 65535).astype(np.uint16)
    box = Transform(int(x0), int(y0), int(x1 - x0), int(y1 - y0), bool(flipped), float(scale), int(top))
    return result, box
