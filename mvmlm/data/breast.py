"""Where the breast is in an image, and on which side the chest wall."""

from __future__ import annotations

import cv2
import numpy as np

MASK_SIDE = 400  # pixels of the longer side at which the breast is looked for
GLANCE_SIDE = 2 * MASK_SIDE  # pixels of the longer side that are looked at
MIN_SPREAD = 1e-4  # standard deviation of grey values below which an image is blank
#: Of that deviation, what must be left after blurring. White noise keeps 0.04; 91 real mammograms kept 0.79 or more,
#: and cut-outs of them with little or no air 0.48 or more.
MIN_COARSE_SHARE = 0.2
BLUR = 8.0  # pixels at the reduced size
RIM_SHARE = 0.01  # of the image's longer side
#: Share of an image that is nearly white where black and white are swapped: air fills 30 % or more of most
#: mammograms, and none of 91 real ones is nearly white over more than 1.4 %; all 91 are found once they are swapped.
SWAPPED_SHARE, NEARLY_WHITE = 0.25, 0.9


def glance(stored: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Grey values of every k-th pixel, float32, its longer side 800 to 1599 pixels (or the whole of a small image)."""
    step = max(1, max(stored.shape) // GLANCE_SIDE)
    return table[stored[::step, ::step]]


def small_mask(values: np.ndarray) -> np.ndarray:
    """`breast_mask` at its working size: the longer side has 400 pixels at most."""
    height, width = values.shape
    scale = min(1.0, MASK_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    small -= small.min()  # a sigmoid window shows air as dark grey
    if _is_blank(small):
        return np.zeros(small.shape, bool)
    rim = max(1, round(0.01 * min(size)))
    small[:rim], small[-rim:] = 0, 0
    grey = np.round(255 * np.log1p(50 * np.clip(small, 0, 1)) / np.log(51)).astype(np.uint8)
    level, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    bright = (grey > 0.6 * level).astype(np.uint8)
    bright = cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bright)
    if count < 2:
        return np.zeros(small.shape, bool)
    largest = (labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
    largest[:rim], largest[-rim:] = largest[rim], largest[-rim - 1]
    outlines, _ = cv2.findContours(largest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(largest, outlines, -1, 1, cv2.FILLED)
    return largest.astype(bool)


def breast_mask(values: np.ndarray) -> np.ndarray:
    """Where the breast is, bool (H, W): the largest bright region; labels, markers and thin borders are left out.

    Otsu's threshold, taken on the logarithm so that a few very bright pixels do not carry it away, at a reduced
    size; the largest connected component; holes filled. The pectoral muscle is part of it, and stays. An image that is
    even, or nothing but noise, has none.
    """
    mask = small_mask(values).astype(np.uint8)
    return cv2.resize(mask, values.shape[::-1], interpolation=cv2.INTER_NEAREST).astype(bool)


def breast_box(mask: np.ndarray, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """First and one past the last row, and column, of a mask's region, in an image of another size.

    Parameters
    ----------
    mask : ndarray of bool, shape (h, w)
        With at least one True.
    shape : (int, int)
        Height and width of the image whose pixels are meant.
    """
    edges = []
    for axis, length in enumerate(shape):
        there = np.flatnonzero(mask.any(axis=1 - axis))
        ratio = length / mask.shape[axis]
        edges += [int(np.ceil(there[0] * ratio)), min(length, int(np.ceil((there[-1] + 1) * ratio)))]
    return tuple(edges)


def inner(mask: np.ndarray) -> np.ndarray:
    """The mask without its rim, where pixels are part air; all of it where nothing else is left."""
    side = 2 * round(RIM_SHARE * max(mask.shape)) + 1
    kept = cv2.erode(mask.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool)
    return kept if kept.any() else mask


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


def is_swapped(values: np.ndarray) -> bool:
    """Whether black and white are swapped: much of the image, and its outermost rows or columns, is nearly white."""
    white = values > NEARLY_WHITE
    rims = (white[0].mean(), white[-1].mean(), white[:, 0].mean(), white[:, -1].mean())
    return bool(white.mean() > SWAPPED_SHARE and max(rims) > 0.9 and (values < 1 - NEARLY_WHITE).mean() < 0.05)


def _is_blank(small: np.ndarray) -> bool:
    spread = float(small.std())
    return spread < MIN_SPREAD or float(cv2.GaussianBlur(small, (0, 0), BLUR).std()) < MIN_COARSE_SHARE * spread
