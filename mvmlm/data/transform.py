"""How source pixels became store pixels: images, boxes, outlines and masks travel through it both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import cv2
import numpy as np


@dataclass(frozen=True)
class Transform:
    """Crop, mirror, scale, pad, in this order.

    Attributes
    ----------
    x0, y0, width, height : int
        The crop, in source pixels; it may end a little beyond the image where that was decoded at a part of its
        resolution.
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

    @classmethod
    def fit(
        cls, box: tuple[int, int, int, int], flipped: bool, height: int, width: int
    ) -> Transform:
        """The transform that brings a crop (y0, y1, x0, x1) to a store image of this size, its aspect kept."""
        y0, y1, x0, x1 = box
        scale = min(height / (y1 - y0), width / (x1 - x0))
        inside = _size(y1 - y0, x1 - x0, scale, height, width)
        return cls(x0, y0, x1 - x0, y1 - y0, flipped, scale, (height - inside[0]) // 2)

    @classmethod
    def from_row(cls, row: Mapping, prefix: str = "transform_") -> Transform:
        """From a row of the store's index."""
        kinds = {"flipped": bool, "scale": float}
        return cls(**{f.name: kinds.get(f.name, int)(row[prefix + f.name]) for f in fields(cls)})

    def to_store(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes (n, 4) as x0, y0, x1, y1 from source to store pixels."""
        boxes = np.asarray(boxes, float) - [self.x0, self.y0, self.x0, self.y0]
        return self._mirrored(boxes) * self.scale + [0, self.top, 0, self.top]

    def to_source(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes (n, 4) as x0, y0, x1, y1 from store to source pixels."""
        boxes = (np.asarray(boxes, float) - [0, self.top, 0, self.top]) / self.scale
        return self._mirrored(boxes) + [self.x0, self.y0, self.x0, self.y0]

    def points_to_store(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 2) as x, y from source to store pixels."""
        points = np.asarray(points, float)
        return self.to_store(np.hstack([points, points]))[:, :2]

    def points_to_source(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 2) as x, y from store to source pixels."""
        points = np.asarray(points, float)
        return self.to_source(np.hstack([points, points]))[:, :2]

    def image_to_store(self, image: np.ndarray, height: int, width: int) -> np.ndarray:
        """An image (H, W) of the source's size, uint8, uint16 or float32, as the store holds it; 0 around it."""
        inside = image[self.y0 : self.y0 + self.height, self.x0 : self.x0 + self.width]
        over = (self.height - inside.shape[0], self.width - inside.shape[1])
        if any(over):
            inside = cv2.copyMakeBorder(inside, 0, over[0], 0, over[1], cv2.BORDER_REPLICATE)
        size = _size(self.height, self.width, self.scale, height, width)
        how = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(inside, size[::-1], interpolation=how)
        result = np.zeros((height, width), image.dtype)
        result[self.top : self.top + size[0], : size[1]] = small[:, ::-1] if self.flipped else small
        return result

    def mask_to_store(self, mask: np.ndarray, height: int, width: int) -> np.ndarray:
        """A mask (H, W) of the source's size, as the store's: a pixel is in where at least half of it is."""
        return self.image_to_store(mask.astype(np.float32), height, width) >= 0.5

    def mask_to_source(self, mask: np.ndarray, height: int, width: int) -> np.ndarray:
        """A mask of the store's size, in the source's (H, W); False outside the crop."""
        size = _size(self.height, self.width, self.scale, *mask.shape)
        inside = mask[self.top : self.top + size[0], : size[1]]
        inside = np.ascontiguousarray(inside[:, ::-1] if self.flipped else inside, np.uint8)
        result = np.zeros((height, width), bool)
        grown = cv2.resize(inside, (self.width, self.height), interpolation=cv2.INTER_NEAREST)
        place = result[self.y0 : self.y0 + self.height, self.x0 : self.x0 + self.width]
        place[:] = grown[: place.shape[0], : place.shape[1]]
        return result

    def as_dict(self) -> dict[str, float]:
        """Plain numbers, for the store's index."""
        return asdict(self)

    def _mirrored(self, boxes: np.ndarray) -> np.ndarray:
        if not self.flipped:
            return boxes
        return np.stack(
            [self.width - boxes[:, 2], boxes[:, 1], self.width - boxes[:, 0], boxes[:, 3]], axis=1
        )


def _size(height: int, width: int, scale: float, most_height: int, most_width: int) -> tuple[int, int]:
    """Height and width of a crop in the store, at least a pixel."""
    return min(most_height, max(1, round(height * scale))), min(most_width, max(1, round(width * scale)))
