"""The shape of a breast, its gland in three dimensions, and what a compression makes of both.

Coordinates of a breast, in centimetres: ``d`` from the chest wall towards the nipple, ``u`` outwards (lateral),
``v`` upwards (to the head); the origin lies on the chest wall behind the nipple. «Outwards» makes left and right
breasts mirror images, so that one description serves both.

A projection at angle θ looks along ``z`` and shows ``d`` and ``w``:

    w = u cos θ + v sin θ        z = −u sin θ + v cos θ

CC is θ = 0 (outwards is up in the picture), MLO about 45° (towards the armpit is up). Compression stretches the
picture along ``w`` by ``stretch`` and leaves ``d`` as it is, so that a finding is equally deep in both views.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mvmlm.data.phantom.texture import power_law_noise

#: Cells of the gland's grid along d, u and v.
GLAND_GRID = (32, 48, 48)

#: Dense share of the breast's volume, low and high, a density class. The mean over women of about 19 % and the
#: 95 % below 45 % of Yaffe et al., «The myth of the 50-50 breast», Medical Physics 36(12), 2009, are the frame;
#: the bounds between classes are ours.
GLAND_SHARE = {"A": (0.01, 0.03), "B": (0.05, 0.10), "C": (0.16, 0.27), "D": (0.33, 0.48)}


@dataclass(frozen=True)
class Anatomy:
    """One breast.

    Attributes
    ----------
    depth : float
        From chest wall to nipple [cm].
    radius : float
        Half-width of the uncompressed breast [cm].
    stretch : float
        Factor on widths under compression.
    thickness : float
        Compressed thickness [cm].
    gland_share : float
        Dense share of the volume, 0 to 1.
    nipple : float
        How far the nipple stands out [cm].
    seed : tuple of int
        Seed of the gland's structure.
    shared_seed : tuple of int
        Seed of the part of that structure that both breasts of a woman have in common.
    """

    depth: float
    radius: float
    stretch: float
    thickness: float
    gland_share: float
    nipple: float
    seed: tuple[int, ...]
    shared_seed: tuple[int, ...]


@dataclass(frozen=True)
class Projection:
    """One view: how the breast lies on the detector.

    Attributes
    ----------
    view : {"CC", "MLO"}
    angle : float
        θ [radians].
    stretch : float
        Factor from ``w`` in the breast to ``w`` in the picture.
    sag : float
        How far the nipple hangs below its height on the chest wall [cm]; the breast bends with d².
    depth : float
        Of the breast [cm]; scales the sag.
    taper : float
        Exponent of the outline: 0.5 is an ellipse, more is more pointed.
    cut : float
        Depth of tissue next to the chest wall that the detector misses [cm].
    row_of_axis : float
        Row of the picture at ``w = 0`` [pixels].
    pixel : float
        Pixel spacing [cm].
    height, width : int
        Of the picture [pixels].
    """

    view: str
    angle: float
    stretch: float
    sag: float
    depth: float
    taper: float
    cut: float
    row_of_axis: float
    pixel: float
    height: int
    width: int

    def grids(self) -> tuple[np.ndarray, np.ndarray]:
        """Depth and straightened height of every pixel: float32 (1, W) and (H, W) [cm]."""
        d = (np.arange(self.width, dtype=np.float32) + 0.5)[None, :] * np.float32(self.pixel) + np.float32(self.cut)
        up = (self.row_of_axis - np.arange(self.height, dtype=np.float32) - 0.5)[:, None] * np.float32(self.pixel)
        return d, up + np.float32(self.sag) * (d / np.float32(self.depth)) ** 2

    def plane(self, points: np.ndarray) -> np.ndarray:
        """Points (n, 3) of the breast as (d, w, z), before compression: float64 (n, 3) [cm]."""
        d, u, v = points.T
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.stack([d, u * cos + v * sin, v * cos - u * sin], axis=1)

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Where points (n, 3) of the breast fall: (n, 2) columns and rows, pixel centres at halves.

        The chest wall is at column 0: right breasts are mirrored when they are written.
        """
        d, w, _ = self.plane(points).T
        up = w * self.stretch - self.sag * (d / self.depth) ** 2
        return np.stack([(d - self.cut) / self.pixel, self.row_of_axis - up / self.pixel], axis=1)


def outline(anatomy: Anatomy, projection: Projection, w: np.ndarray) -> np.ndarray:
    """Depth of the skin at height ``w``.

    Parameters
    ----------
    anatomy : Anatomy
    projection : Projection
    w : ndarray
        Straightened heights in the picture [cm].

    Returns
    -------
    ndarray, shape of ``w``
        Depth [cm]; 0 or less where there is no breast. CC: a superellipse, a little longer outwards. MLO: an
        ellipse below the nipple, and above it a flank that tapers into the armpit's fold.
    """
    half = np.float32(anatomy.radius * anatomy.stretch)
    point = np.float32(projection.taper)
    if projection.view == "CC":
        reach = np.where(w > 0, half * np.float32(1.04), half * np.float32(0.98))
        return anatomy.depth * np.maximum(1 - np.abs(w / reach) ** np.float32(2.1), 0) ** point
    below = anatomy.depth * np.maximum(1 - np.abs(w / (half * np.float32(0.95))) ** np.float32(2.2), 0) ** point
    tail = np.float32(0.34)
    flank = 1 / (1 + np.abs(w / (half * np.float32(0.95))) ** np.float32(2.3))
    return np.where(w > 0, anatomy.depth * (tail + (1 - tail) * flank), below)


def gland_volume(anatomy: Anatomy) -> np.ndarray:
    """Dense share of every cell of the breast.

    A noise with the spectrum of mammograms, three-dimensional because a projection keeps the exponent
    (projection-slice theorem), partly shared by both breasts; pushed up in a region behind the nipple and a
    little outwards and upwards; cut at the quantile that gives the breast its dense share.

    Parameters
    ----------
    anatomy : Anatomy

    Returns
    -------
    ndarray of float32, `GLAND_GRID`
        0 to 1 over d / depth in 0 to 1, u / radius and v / radius in −1 to 1.
    """
    shared = power_law_noise(np.random.default_rng(anatomy.shared_seed), GLAND_GRID)
    own = power_law_noise(np.random.default_rng(anatomy.seed), GLAND_GRID)
    noise = np.float32(0.85) * shared + np.float32(0.53) * own
    d, u, v = _cells()
    inside = _inside()
    from_centre = np.sqrt(((d - 0.50) / 0.42) ** 2 + ((u - 0.10) / 0.62) ** 2 + ((v - 0.08) / 0.60) ** 2)
    score = noise * np.float32(0.7) - np.float32(1.7) * np.maximum(from_centre - 0.35, 0) ** np.float32(1.4)
    threshold = np.quantile(score[inside], 1 - anatomy.gland_share)
    return inside / (1 + np.exp((threshold - score) * np.float32(6.0)))


def project_gland(volume: np.ndarray, angle: float) -> np.ndarray:
    """Mean dense share along each line of sight: float32 (32, 48) over d / depth and w / radius."""
    steps = _centres(GLAND_GRID[1])
    w, z = steps[:, None], steps[None, :]
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    dense = _sample(volume, w * cos - z * sin, w * sin + z * cos).sum(axis=2)
    whole = _sample(_inside().astype(np.float32), w * cos - z * sin, w * sin + z * cos).sum(axis=2)
    return dense / np.maximum(whole, 1.0)


def _sample(volume: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Bilinear values (n_d, *u.shape) of ``volume`` at u, v in −1 to 1; 0 outside."""
    n = volume.shape[1]
    rows, columns = (u + 1) * (n / 2) - 0.5, (v + 1) * (n / 2) - 0.5
    row, column = np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)
    flat = volume.reshape(volume.shape[0], -1)
    total = np.zeros((volume.shape[0], *u.shape), np.float32)
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        r, c = row + i, column + j
        weight = (1 - np.abs(rows - r)) * (1 - np.abs(columns - c))
        weight = np.where((r >= 0) & (r < n) & (c >= 0) & (c < n), weight, 0).astype(np.float32)
        total += flat[:, np.clip(r, 0, n - 1) * n + np.clip(c, 0, n - 1)] * weight
    return total


def _cells() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    depth = ((np.arange(GLAND_GRID[0], dtype=np.float32) + 0.5) / GLAND_GRID[0])[:, None, None]
    return depth, _centres(GLAND_GRID[1])[None, :, None], _centres(GLAND_GRID[2])[None, None, :]


def _centres(n: int) -> np.ndarray:
    return (np.arange(n, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / n) - np.float32(1)


def _inside() -> np.ndarray:
    d, u, v = _cells()
    return d**2 + u**2 + v**2 <= 1
