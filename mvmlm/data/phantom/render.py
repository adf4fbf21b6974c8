"""One view, from anatomy to picture.

The picture is a map of attenuation: path lengths through fat, gland, masses and calcifications, each times its
linear attenuation, divided by what the same thickness of gland instead of fat would add. So 0 is fat, 1 is pure
gland over the full thickness, and a lesion counts for what it adds to the tissue that it replaces. What machines do
to make that readable (equalising the thin rim, a tone curve) comes last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from mvmlm.data.phantom.anatomy import Anatomy, Projection, gland_volume, outline, project_gland
from mvmlm.data.phantom.exposure import CARCINOMA, FAT, GLAND, Look, expose
from mvmlm.data.phantom.findings import Finding, body_path, box, grain_path, spicule_path
from mvmlm.data.phantom.records import Breast
from mvmlm.data.phantom.texture import power_law_noise, strands
from mvmlm.data.phantom.views import MAGNIFICATION, View

#: Calcifications [1/cm]: ours, half of dense hydroxyapatite's, for they are porous.
CALCIUM = 10.0
#: Structure coarser than this is common to both views; finer is each view's own [cycles/cm].
FINEST_SHARED = 0.6


@dataclass(frozen=True)
class Rendered:
    """One view as a picture.

    Attributes
    ----------
    picture : ndarray of float32, (H, W)
        0 to 1; NaN outside the breast. Chest wall at column 0, whichever the side.
    boxes : tuple
        (finding, (xmin, ymin, xmax, ymax)) of those that a reader marks here [pixels].
    """

    picture: np.ndarray
    boxes: tuple[tuple[Finding, tuple[float, float, float, float]], ...]


def render_breast(
    breast: Breast,
    mass_contrast: float = 1.0,
    calcification_contrast: float = 1.0,
    *,
    contrast: float = 1.0,
    noise: float = 1.0,
) -> tuple[Rendered, ...]:
    """All views of a breast, in the order of ``breast.views``; `Look` has the factors."""
    volume = gland_volume(breast.anatomy)
    look = Look(mass_contrast, calcification_contrast, contrast, noise)
    return tuple(_render(breast, view, volume, look) for view in breast.views)


def magnified(rendered: Rendered, marked: tuple[float, float, float, float]) -> Rendered:
    """A view round the box ``marked`` [pixels], `MAGNIFICATION` times as large, on a picture of the same size.

    It shows the pixels of the whole view once more: nothing that was too small becomes visible.
    """
    height, width = rendered.picture.shape
    centre = np.array([(marked[0] + marked[2]) / 2, (marked[1] + marked[3]) / 2])
    size = np.array([width, height]) / MAGNIFICATION
    left, top = np.clip(centre - size / 2, 0, (width, height) - size)
    to_view = np.float32([[1 / MAGNIFICATION, 0, left], [0, 1 / MAGNIFICATION, top]])
    how = {"flags": cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REPLICATE}
    return Rendered(cv2.warpAffine(rendered.picture, to_view, (width, height), **how), ())


def _render(breast: Breast, view: View, volume: np.ndarray, look: Look) -> Rendered:
    anatomy = breast.anatomy
    projection, above = _crop(anatomy, view.projection)
    rng = np.random.default_rng(view.seed)
    d, w = projection.grids()
    inside = _inside(anatomy, projection, d, w)
    edge = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5) * np.float32(projection.pixel)
    gland = _gland(rng, anatomy, projection, volume, d, w) * _under_skin(edge)
    muscle = _muscle(rng, view.pectoral, projection, d)
    tissue = np.maximum(gland, muscle)
    tissue += _lesions(breast.findings, projection, tissue, anatomy.thickness, look)
    picture = np.full((view.projection.height, view.projection.width), np.nan, np.float32)
    rows, columns = slice(above, above + projection.height), slice(0, projection.width)
    picture[rows, columns] = np.where(inside, expose(rng, tissue, edge, anatomy, projection, look), np.nan)
    boxes = []
    for finding in breast.findings:
        marked = box(finding, projection, inside)
        if marked is not None:
            boxes.append((finding, (marked[0], marked[1] + above, marked[2], marked[3] + above)))
    return Rendered(picture, tuple(boxes))


def _crop(anatomy: Anatomy, projection: Projection) -> tuple[Projection, int]:
    """The projection on the part of the detector that the breast covers, and how many rows lie above that.

    Sizes are rounded up to a multiple of 32 pixels: transforms of such sizes are fast, and few.
    """
    half = anatomy.radius * anatomy.stretch * 1.06 + abs(projection.sag)
    top = 0 if projection.view == "MLO" else max(int(projection.row_of_axis - half / projection.pixel), 0)
    bottom = min(int(projection.row_of_axis + half / projection.pixel) + 1, projection.height)
    width = (anatomy.depth + anatomy.nipple - projection.cut) / projection.pixel + 2
    height = min(-(-(bottom - top) // 32) * 32, projection.height - top)
    width = min(-(-int(width) // 32) * 32, projection.width)
    return replace(projection, row_of_axis=projection.row_of_axis - top, height=height, width=width), top


def _inside(anatomy: Anatomy, projection: Projection, d: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The breast in the picture, nipple included: bool (H, W)."""
    breast = d <= outline(anatomy, projection, w)
    bump = ((d - np.float32(anatomy.depth)) / np.float32(anatomy.nipple)) ** 2 + (
        w / np.float32(0.45)
    ) ** 2 <= 1
    return breast | bump


def _gland(
    rng: np.random.Generator,
    anatomy: Anatomy,
    projection: Projection,
    volume: np.ndarray,
    d: np.ndarray,
    w: np.ndarray,
) -> np.ndarray:
    """Dense share of each line of sight: the projected volume, and detail finer than its grid."""
    coarse = project_gland(volume, projection.angle)
    half = np.float32(anatomy.radius * anatomy.stretch)
    columns = np.ascontiguousarray(
        np.broadcast_to(d / np.float32(anatomy.depth) * coarse.shape[0] - np.float32(0.5), w.shape)
    )
    rows = (w / half + 1) * np.float32(coarse.shape[1] / 2) - np.float32(0.5)
    grid = np.ascontiguousarray(coarse.T)
    smooth = cv2.remap(grid, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
    smooth = np.clip(smooth, 0, 1)
    fine = power_law_noise(rng, w.shape, corner=FINEST_SHARED * projection.pixel)
    behind = np.float32(anatomy.depth) - d
    radius, angle = cv2.cartToPolar(
        np.ascontiguousarray(np.broadcast_to(behind, w.shape)) + np.float32(0.8), w
    )
    angle = np.where(angle > np.pi, angle - np.float32(2 * np.pi), angle)
    lines = strands(rng, radius, angle, radius_step=0.35, angle_step=0.02)
    smooth *= np.float32(0.80)  # gland is run through with fat everywhere
    spread = np.sqrt(smooth * (1 - smooth))
    lines *= (spread + np.float32(0.15)) * np.float32(0.36)
    return np.maximum(smooth + (spread * np.float32(0.13) + np.float32(0.008)) * fine + lines, 0)


def _under_skin(edge: np.ndarray) -> np.ndarray:
    """0 to 1: the layer of fat under the skin, about a centimetre deep, holds no gland."""
    share = np.clip((edge - np.float32(0.15)) / np.float32(1.1), 0, 1)
    return share * share * (3 - 2 * share)


def _muscle(
    rng: np.random.Generator, pectoral: tuple[float, float], projection: Projection, d: np.ndarray
) -> np.ndarray:
    """Pectoral muscle as a dense share: a triangle with a soft, slightly bulging edge; a strip in some CC views."""
    depth, end = (np.float32(value) for value in pectoral)
    shape = (projection.height, projection.width)
    if depth == 0:
        return np.zeros(shape, np.float32)
    rows = np.arange(projection.height, dtype=np.float32)[:, None] + np.float32(0.5)
    up = (np.float32(projection.row_of_axis) - rows) * np.float32(projection.pixel)
    if projection.view == "MLO":
        top = np.float32(projection.row_of_axis * projection.pixel)
        along = np.clip((up - end) / (top - end), 0, 1)
        border = depth * along ** np.float32(0.85)
        brightness = np.float32(0.28) + np.float32(0.24) * along
    else:
        border = depth * np.clip(1 - ((up - end) / np.float32(6.0)) ** 2, 0, None)
        brightness = np.full_like(rows, 0.40)
    fibres = np.float32(0.05) * power_law_noise(rng, (32, 32), 2.5)
    fibres = cv2.resize(fibres, shape[::-1], interpolation=cv2.INTER_CUBIC)
    soft = 1 / (1 + np.exp(np.clip((d - border) * np.float32(9.0), -30, 30)))
    return np.where(border > 0, (brightness + fibres) * soft, 0)


def _lesions(
    findings: tuple[Finding, ...],
    projection: Projection,
    tissue: np.ndarray,
    thickness: float,
    look: Look,
) -> np.ndarray:
    """What the findings add to ``tissue``: replaced tissue counts with what it was."""
    added = np.zeros_like(tissue)
    for_mass, for_calcium = (np.float32(factor / (thickness * (GLAND - FAT))) for factor in look[:2])
    for finding in findings:
        for rows, columns, path in body_path(finding, projection, tissue.shape):
            material = GLAND if finding.form == "asymmetry" else CARCINOMA
            replaced = FAT + (GLAND - FAT) * np.minimum(tissue[rows, columns], 1)
            added[rows, columns] += path * (material - replaced) * for_mass
        for rows, columns, path in spicule_path(finding, projection, tissue.shape):
            added[rows, columns] += path * np.float32(CARCINOMA - FAT) * for_mass
        for rows, columns, path in grain_path(finding, projection, tissue.shape):
            added[rows, columns] += path * np.float32(CALCIUM - FAT) * for_calcium
    return added
