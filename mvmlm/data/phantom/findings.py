"""Findings in three dimensions: what they are, and the shadow that each throws in a view.

Every finding has a place in the breast (`mvmlm.data.phantom.anatomy` has the coordinates) and a form that is itself
three-dimensional: ellipsoid, spicules, calcifications. A shadow is a path length [cm] a pixel, computed from that
form along the view's line of sight, so that CC and MLO show the same thing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from mvmlm.data.phantom.anatomy import Projection

MASS = "Mass"
CALCIFICATION = "Suspicious Calcification"
ASYMMETRY = "Focal Asymmetry"
DISTORTION = "Architectural Distortion"

#: Rows and columns of the picture, and what lies there.
Patch = tuple[slice, slice, np.ndarray]


@dataclass(frozen=True)
class Finding:
    """One finding of a breast.

    Attributes
    ----------
    categories : tuple of str
        As in VinDr-Mammo's ``finding_categories``.
    centre : ndarray, (3,)
        d, u, v [cm].
    form : str
        ``round``, ``indistinct``, ``spiculated`` (masses); ``punctate``, ``pleomorphic``, ``linear``
        (calcifications); ``asymmetry``; ``distortion``; ``coarse`` (benign, never boxed).
    axes : ndarray, (3, 3)
        Rows: the semi-axes of the body as vectors [cm]. For a cluster: of the region that it fills.
    spicules : ndarray, (n, 3)
        End points relative to the centre [cm]; n may be 0.
    grains : ndarray, (m, 4)
        Calcifications: place relative to the centre, and radius [cm]; m may be 0.
    birads : int
        2 to 5.
    boxed : bool
        Whether a reader marks it.
    birads_known : bool
        Whether the box carries its own category.
    """

    categories: tuple[str, ...]
    centre: np.ndarray
    form: str
    axes: np.ndarray
    birads: int
    boxed: bool = True
    birads_known: bool = True
    spicules: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    grains: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))


#: Softness of the body's rim, as a share of its radius, and the sharpness of its edge.
_RIM = {"round": 0.05, "indistinct": 0.45, "spiculated": 0.25, "asymmetry": 0.9}


def body_path(finding: Finding, projection: Projection, shape: tuple[int, int]) -> Iterator[Patch]:
    """Path length through the body of a finding, as patches of the picture.

    The chord of an ellipsoid along the line of sight: with ``M`` its quadratic form in the view's axes,
    ``a z² + 2 b z + c = 1`` has the two ends, and the chord is ``2 / √a · √(1 − c + b²/a)``.

    Yields
    ------
    rows, columns : slice
    path : ndarray of float32
        [cm].
    """
    if finding.form not in _RIM:
        return
    reach = 1.0 + 2 * _RIM[finding.form]
    half = np.linalg.norm(_in_view(finding.axes, projection), axis=0)[:2] * reach
    window = _window(projection.pixels(finding.centre[None])[0], half / projection.pixel + 1, shape)
    if window is None:
        return
    rows, columns, offsets = window
    inverse = np.linalg.inv(_in_view(finding.axes, projection))
    form = inverse @ inverse.T
    x, y = offsets[0] * projection.pixel, -offsets[1] * projection.pixel
    a = form[2, 2]
    b = form[2, 0] * x + form[2, 1] * y
    c = form[0, 0] * x**2 + 2 * form[0, 1] * x * y + form[1, 1] * y**2
    level = np.sqrt(np.maximum(c - b**2 / a, 0)) * _waviness(finding, np.arctan2(y, x))  # 1 on the contour
    yield rows, columns, (_profile(level, _RIM[finding.form]) * (2 / np.sqrt(a))).astype(np.float32)


def _profile(level: np.ndarray, rim: float) -> np.ndarray:
    """Chord of the unit sphere at distance ``level`` from its axis, softened over ``rim``."""
    chord = np.sqrt(np.maximum(1 - (level / (1 + rim)) ** 2, 0))
    fade = np.clip((1 + rim - level) / (2 * rim), 0, 1)
    return chord * fade * fade * (3 - 2 * fade)


def _waviness(finding: Finding, angle: np.ndarray) -> np.ndarray:
    """Factor on the distance from the axis that makes a contour lobulated or irregular."""
    depth, waves = {"round": (0.04, (2, 3)), "indistinct": (0.10, (2, 3, 5)), "asymmetry": (0.15, (2, 3))}.get(
        finding.form, (0.12, (3, 5, 7, 9))
    )
    phase = float(np.abs(finding.axes).sum() * 10)
    return 1 + sum(depth / (1 + i) * np.sin(k * angle + phase * (i + 1)) for i, k in enumerate(waves))


def spicule_path(finding: Finding, projection: Projection, shape: tuple[int, int]) -> Iterator[Patch]:
    """Path length through the spicules, drawn as tapering lines on a finer grid; yields as `body_path`."""
    if not len(finding.spicules):
        return
    centre = projection.pixels(finding.centre[None])[0]
    ends = _in_view(finding.spicules, projection)[:, :2] / projection.pixel * (1, -1)
    window = _window(centre, np.abs(ends).max(axis=0) + 3, shape)
    if window is None:
        return
    rows, columns, _ = window
    fine, shift = 2, 4
    canvas = np.zeros(((rows.stop - rows.start) * fine, (columns.stop - columns.start) * fine), np.uint8)
    origin = (centre - (columns.start, rows.start)) * fine
    thick = max(round(0.05 / projection.pixel * fine), 1)  # half a millimetre
    for end in ends * fine:
        for start, stop, weight in ((0.0, 0.55, 255), (0.55, 1.0, 140)):
            points = np.round((origin + np.outer((start, stop), end)) * 2**shift).astype(int)
            cv2.line(canvas, points[0], points[1], weight, thick, cv2.LINE_AA, shift)
    path = cv2.resize(canvas, None, fx=1 / fine, fy=1 / fine, interpolation=cv2.INTER_AREA).astype(np.float32)
    yield rows, columns, path * np.float32(0.22 / 255)  # a sheet of fibres 2 mm deep


def grain_path(finding: Finding, projection: Projection, shape: tuple[int, int]) -> Iterator[Patch]:
    """Path length through calcifications: each a blob of its volume, however coarse the grid; as `body_path`."""
    if not len(finding.grains):
        return
    places = projection.pixels(finding.centre + finding.grains[:, :3])
    radii = finding.grains[:, 3]
    volumes = 4 / 3 * np.pi * radii**3 / projection.pixel**2  # cm of path over one pixel
    widths = np.sqrt((radii / projection.pixel * 0.55) ** 2 + 0.35**2)
    for place, volume, width in zip(places, volumes, widths):
        window = _window(place, np.full(2, 3 * width + 1), shape)
        if window is None:
            continue
        rows, columns, (x, y) = window
        blob = np.exp(-(x**2) / (2 * width**2)) * np.exp(-(y**2) / (2 * width**2))
        yield rows, columns, (blob * (volume / (2 * np.pi * width**2))).astype(np.float32)


def box(finding: Finding, projection: Projection, inside: np.ndarray) -> tuple[float, float, float, float] | None:
    """What a reader marks: xmin, ymin, xmax, ymax [pixels], chest wall at column 0.

    Parameters
    ----------
    finding : Finding
    projection : Projection
    inside : ndarray of bool, (H, W)
        The breast in this view.

    Returns
    -------
    tuple or None
        None if the view does not show the finding's centre, or the finding is never boxed.
    """
    if not finding.boxed:
        return None
    x, y = projection.pixels(finding.centre[None])[0]
    height, width = inside.shape
    if not (0 <= x < width and 0 <= y < height and inside[int(y), int(x)]):
        return None
    half = np.linalg.norm(_in_view(finding.axes, projection), axis=0)[:2]
    if len(finding.spicules):
        half = np.maximum(half, 0.6 * np.abs(_in_view(finding.spicules, projection)[:, :2]).max(axis=0))
    half = (half + 0.2) / projection.pixel  # a margin of 2 mm
    return (
        float(np.clip(x - half[0], 0, width)),
        float(np.clip(y - half[1], 0, height)),
        float(np.clip(x + half[0], 0, width)),
        float(np.clip(y + half[1], 0, height)),
    )


def _in_view(vectors: np.ndarray, projection: Projection) -> np.ndarray:
    """Vectors (n, 3) of the breast as (d, w, z) of the view: findings are stiff, and are not stretched."""
    return projection.plane(vectors)


def _window(
    centre: np.ndarray, half: np.ndarray, shape: tuple[int, int]
) -> tuple[slice, slice, tuple[np.ndarray, np.ndarray]] | None:
    """Rows and columns of the picture within ``half`` [pixels] of ``centre``, and the offsets from it."""
    low = np.maximum(np.floor(centre - half), 0).astype(int)
    high = np.minimum(np.ceil(centre + half), (shape[1], shape[0])).astype(int)
    if (high <= low).any():
        return None
    x = np.arange(low[0], high[0])[None, :] + 0.5 - centre[0]
    y = np.arange(low[1], high[1])[:, None] + 0.5 - centre[1]
    return slice(low[1], high[1]), slice(low[0], high[0]), (x, y)
