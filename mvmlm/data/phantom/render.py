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
from mvmlm.data.phantom.findings import Finding, body_path, box, grain_path, spicule_path
from mvmlm.data.phantom.records import Breast, View
from mvmlm.data.phantom.texture import power_law_noise, strands

#: Linear attenuation at 20 keV [1/cm]: Johns and Yaffe, «X-ray characterisation of normal and neoplastic breast
#: tissues», Physics in Medicine and Biology 32(6), 675 to 695, 1987 (fat, fibroglandular, carcinoma).
FAT, GLAND, CARCINOMA = 0.456, 0.802, 0.844
#: Calcifications [1/cm]: ours, half of dense hydroxyapatite's, for they are porous.
CALCIUM = 10.0
#: Quanta that reach the detector without a breast, less those that it loses and those scattered [1/cm²].
QUANTA = 5e7
SKIN_CM = 0.16
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
    breast: Breast, mass_contrast: float = 1.0, calcification_contrast: float = 1.0
) -> tuple[Rendered, ...]:
    """Both views of a breast, in the order of ``breast.views``.

    Parameters
    ----------
    breast : Breast
    mass_contrast, calcification_contrast : float
        Factors on what the bodies and spicules, and what the calcifications of findings add.
    """
    volume = gland_volume(breast.anatomy)
    return tuple(_render(breast, view, volume, (mass_contrast, calcification_contrast)) for view in breast.views)


def _render(breast: Breast, view: View, volume: np.ndarray, contrasts: tuple[float, float]) -> Rendered:
    anatomy = breast.anatomy
    projection, above = _crop(anatomy, view.projection)
    rng = np.random.default_rng(view.seed)
    d, w = projection.grids()
    inside = _inside(anatomy, projection, d, w)
    edge = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5) * np.float32(projection.pixel)
    gland = _gland(rng, anatomy, projection, volume, d, w) * _under_skin(edge)
    muscle = _muscle(rng, view.pectoral, projection, d)
    tissue = np.maximum(gland, muscle)
    tissue += _lesions(breast.findings, projection, tissue, anatomy.thickness, contrasts)
    picture = np.full((view.projection.height, view.projection.width), np.nan, np.float32)
    rows, columns = slice(above, above + projection.height), slice(0, projection.width)
    picture[rows, columns] = np.where(inside, _expose(rng, tissue, edge, anatomy, projection), np.nan)
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
    bump = ((d - np.float32(anatomy.depth)) / np.float32(anatomy.nipple)) ** 2 + (w / np.float32(0.45)) ** 2 <= 1
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
    radius, angle = cv2.cartToPolar(np.ascontiguousarray(np.broadcast_to(behind, w.shape)) + np.float32(0.8), w)
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
    contrasts: tuple[float, float],
) -> np.ndarray:
    """What the findings add to ``tissue``: replaced tissue counts with what it was."""
    added = np.zeros_like(tissue)
    for_mass, for_calcium = (np.float32(contrast / (thickness * (GLAND - FAT))) for contrast in contrasts)
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


def _expose(
    rng: np.random.Generator, tissue: np.ndarray, edge: np.ndarray, anatomy: Anatomy, projection: Projection
) -> np.ndarray:
    """The picture: rim, skin, quanta, tone.

    The rim of a compressed breast is a half circle in section; machines equalise most of its falling thickness.
    """
    roll = np.float32(anatomy.thickness / 2)
    share = np.sqrt(1 - (1 - np.minimum(edge / roll, 1)) ** 2)  # of the full thickness
    attenuation = np.float32(anatomy.thickness) * share * (FAT + np.float32(GLAND - FAT) * np.minimum(tissue, 1.5))
    counts = np.float32(QUANTA * projection.pixel**2) * np.exp(-attenuation)
    noise = rng.standard_normal(tissue.shape, dtype=np.float32) / np.sqrt(counts)
    noise *= np.float32(1 / (anatomy.thickness * (GLAND - FAT)))
    skin = np.exp(-((edge / np.float32(SKIN_CM)) ** 2)) * np.float32(0.16)
    level = share ** np.float32(0.45) * (np.float32(0.17) + np.float32(0.92) * tissue) + skin + noise
    return _tone(np.maximum(level, 0))


def _tone(level: np.ndarray) -> np.ndarray:
    """Linear up to 0.7, then ever flatter towards 1: calcifications never run out of range altogether."""
    knee = np.float32(0.7)
    over = np.maximum(level - knee, 0) / (1 - knee)
    return np.minimum(level, knee) + (1 - knee) * over / (1 + over)
