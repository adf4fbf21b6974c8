"""Random changes of images, on the device that trains; what is drawn follows from seed and epoch alone.

`docs/augmentation.md` shows each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

#: What is drawn for each image. A name more goes to the end, so that what the others draw stays as it was.
CHANCES = (
    "flip", "vertical_flip", "affine", "rotate", "down", "right", "scale", "shear_x", "shear_y", "crop", "crop_down",
    "crop_right", "gain", "gamma", "erase", "erase_area", "erase_ratio", "erase_down", "erase_right",
)  # fmt: skip
#: Of a rectangle: its area as a share of the image's, height to width as to the image's. Ours: lesions are small.
ERASED_AREA, ERASED_RATIO = (0.02, 0.10), 2.0
#: Images are resampled so many pixels at a time: the grid of positions takes twice the memory of the images.
PIXELS_AT_ONCE = 2**22


def chances(breasts: int, *, seed: int, epoch: int, views: int = 2) -> np.ndarray:
    """One draw for all images of an epoch; a batch takes those of its breasts, whatever its size and its rank.

    NumPy draws them: torch's random state is left alone, and CPU and GPU get the same.

    Returns
    -------
    ndarray, shape (len(CHANCES), breasts, views), float64 in [0, 1)
    """
    return np.random.default_rng([seed, epoch, 1]).random((len(CHANCES), breasts, views))


@dataclass(frozen=True)
class Augmentation:
    """How much images may change; the defaults are ours, and mild. Each image, CC or MLO, is changed by itself.

    Attributes
    ----------
    flip, vertical_flip : float
        Share of images that are mirrored left to right, upside down.
    affine : float
        Share of images that are rotated, shifted, scaled and sheared, by the next four.
    rotate : float
        Largest angle, either way [degrees].
    shift : float
        Largest shift, as a share of each side.
    scale : float
        Largest relative change of size, below 1.
    shear : float
        Largest angle, either way, along each side [degrees].
    crop : float
        Largest share of the sides that is cut off, below 1; what is left is brought back to size.
    intensity : float
        Largest relative change of the gain.
    gamma : float
        Grey values get an exponent between 1 / (1 + gamma) and 1 + gamma.
    erase : float
        Share of images that lose a rectangle.
    """

    flip: float = 0.0
    vertical_flip: float = 0.0
    affine: float = 1.0
    rotate: float = 0.0
    shift: float = 0.04
    scale: float = 0.0
    shear: float = 0.0
    crop: float = 0.0
    intensity: float = 0.1
    gamma: float = 0.0
    erase: float = 0.0

    @classmethod
    def none(cls) -> Augmentation:
        """The one that changes nothing."""
        return cls(shift=0.0, intensity=0.0)

    def __call__(self, images: Tensor, drawn: np.ndarray) -> Tensor:
        """Changed images; missing views, all zeros, stay so.

        Everything that moves an image is one resampling, bilinear. Flips and shifts alone move whole pixels and
        resample nothing: what is as small as a calcification keeps its grey values.

        Parameters
        ----------
        images : Tensor, shape (B, V, 1, H, W), float32 in [0, 1]
            On any device; left as they are.
        drawn : ndarray, shape (len(CHANCES), B, V)
            `chances` of these breasts.

        Returns
        -------
        Tensor, shape (B, V, 1, H, W), float32 in [0, 1]
            What comes in from outside is 0, which is air.
        """
        if self == self.none():
            return images
        height, width = images.shape[-2:]
        flat = images.reshape(-1, height, width)
        chance = dict(zip(CHANCES, torch.from_numpy(drawn).flatten(1)))
        if self.rotate or self.scale or self.shear or self.crop:
            flat = _resampled(flat, self._matrices(chance, height, width))
        else:
            flat = self._moved(flat, chance)
        if self.intensity or self.gamma:
            flat = self._shaded(flat, chance)
        if self.erase:
            self._erase(flat, chance)
        return flat.view(images.shape)

    def _moved(self, images: Tensor, chance: dict[str, Tensor]) -> Tensor:
        """Flips, then shifts by whole pixels, each of the possible ones as likely as another."""
        height, width = images.shape[1:]
        there = chance["affine"] < self.affine
        down = (_whole(chance["down"], int(self.shift * height)) * there).tolist()
        right = (_whole(chance["right"], int(self.shift * width)) * there).tolist()
        turned = torch.stack(
            [chance["vertical_flip"] < self.vertical_flip, chance["flip"] < self.flip], dim=1
        )
        moved = torch.zeros_like(images)
        for i, (y, x, turn) in enumerate(zip(down, right, turned.tolist())):
            image = images[i].flip([axis for axis in (0, 1) if turn[axis]]) if any(turn) else images[i]
            source = image[max(0, -y) : height - max(0, y), max(0, -x) : width - max(0, x)]
            moved[i, max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)] = source
        return moved

    def _matrices(self, chance: dict[str, Tensor], height: int, width: int) -> Tensor:
        """Where each pixel comes from, in coordinates from −1 to 1; shape (n, 2, 3), on the CPU.

        Crop and flips come first, then shear, rotation and scale about the middle, then the shift.
        """
        from kornia.geometry.conversions import normalize_homography
        from kornia.geometry.transform import get_affine_matrix2d

        sides = torch.tensor([width, height], dtype=torch.float64)
        middle = ((sides - 1) / 2).expand(len(chance["affine"]), 2)
        mirrored = torch.stack(
            [chance["flip"] < self.flip, chance["vertical_flip"] < self.vertical_flip], dim=1
        )
        kept = (1.0 - self.crop * chance["crop"])[:, None]
        zoom = torch.where(mirrored, -1.0, 1.0) / kept
        cut = _xy(chance, "crop_right", "crop_down") * (1.0 - kept) * middle
        place = get_affine_matrix2d(-zoom * cut, middle, zoom, torch.zeros(len(kept), dtype=torch.float64))
        there = (chance["affine"] < self.affine).double()
        shear = there[:, None] * math.radians(self.shear) * _xy(chance, "shear_x", "shear_y")
        affine = get_affine_matrix2d(
            there[:, None] * self.shift * sides * _xy(chance, "right", "down"),
            middle,
            (1.0 + there * self.scale * _even(chance["scale"]))[:, None].expand(-1, 2),
            there * self.rotate * _even(chance["rotate"]),
            *shear.unbind(1),
        )
        forward = normalize_homography(affine @ place, (height, width), (height, width))
        return torch.linalg.inv(forward)[:, :2]

    def _shaded(self, images: Tensor, chance: dict[str, Tensor]) -> Tensor:
        """Grey values to the power gamma, times the gain; may use the memory of ``images``."""
        gain = _beside(images, 1.0 + self.intensity * _even(chance["gain"]))
        if not self.gamma:
            return images.mul_(gain[:, None, None]).clamp_(max=1.0)
        from kornia.enhance import adjust_gamma

        gamma = _beside(images, (1.0 + self.gamma) ** _even(chance["gamma"]))
        return adjust_gamma(images[:, None], gamma, gain)[:, 0]

    def _erase(self, images: Tensor, chance: dict[str, Tensor]) -> None:
        """A black rectangle, anywhere in the image, in place."""
        least, most = ERASED_AREA
        root = (least + (most - least) * chance["erase_area"]).sqrt()
        aspect = ERASED_RATIO ** (_even(chance["erase_ratio"]) / 2)
        height, width = images.shape[1:]
        tall, wide = (root * aspect * height).round().long(), (root / aspect * width).round().long()
        top = (chance["erase_down"] * (height - tall + 1)).long()
        left = (chance["erase_right"] * (width - wide + 1)).long()
        boxes = torch.stack([torch.arange(len(images)), top, top + tall, left, left + wide], dim=1)
        for i, y0, y1, x0, x1 in boxes[chance["erase"] < self.erase].tolist():
            images[i, y0:y1, x0:x1] = 0.0


def _even(chance: Tensor) -> Tensor:
    """From [0, 1) to [−1, 1)."""
    return 2.0 * chance - 1.0


def _xy(chance: dict[str, Tensor], x: str, y: str) -> Tensor:
    return _even(torch.stack([chance[x], chance[y]], dim=1))


def _whole(chance: Tensor, most: int) -> Tensor:
    """A whole number from ``-most`` to ``most``."""
    return (chance * (2 * most + 1)).long() - most


def _beside(images: Tensor, numbers: Tensor) -> Tensor:
    """Numbers of the type of the images, where they are."""
    return numbers.to(images.dtype).to(images.device)


def _resampled(images: Tensor, matrices: Tensor) -> Tensor:
    """Images (n, H, W) at the positions that ``matrices`` say, bilinear, 0 outside.

    `kornia.geometry.transform.warp_affine` gives the same; positions that are summed from a row and a column take no
    images of intermediate results.
    """
    height, width = images.shape[1:]
    y, x = (torch.linspace(-1.0, 1.0, side, device=images.device) for side in (height, width))
    matrices = _beside(images, matrices)
    changed = torch.empty_like(images)
    step = max(1, PIXELS_AT_ONCE // (height * width))
    for start in range(0, len(images), step):
        some = slice(start, start + step)
        grid = images.new_empty(*images[some].shape, 2)
        for axis in (0, 1):
            across, along, offset = matrices[some, axis, :, None].unbind(1)
            torch.add((along * y + offset)[:, :, None], (across * x)[:, None], out=grid[..., axis])
        changed[some] = F.grid_sample(images[some, None], grid, align_corners=True)[:, 0]
    return changed.clamp_(0.0, 1.0)
