"""From attenuation to brightness: the equalised rim, the skin, quantum noise, a tone curve."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mvmlm.data.phantom.anatomy import Anatomy, Projection

#: Linear attenuation at 20 keV [1/cm]: Johns and Yaffe, «X-ray characterisation of normal and neoplastic breast
#: tissues», Physics in Medicine and Biology 32(6), 675 to 695, 1987 (fat, fibroglandular, carcinoma).
FAT, GLAND, CARCINOMA = 0.456, 0.802, 0.844
#: Quanta that reach the detector without a breast, less those that it loses and those scattered [1/cm²].
QUANTA = 5e7
SKIN_CM = 0.16


class Look(NamedTuple):
    """Factors on what a picture shows; 1 is the physical value.

    Attributes
    ----------
    mass, calcification : float
        On what the bodies and spicules, and what the calcifications of findings add to the attenuation.
    contrast : float
        On everything denser than fat, when attenuation becomes brightness.
    noise : float
        On the quantum noise.
    """

    mass: float = 1.0
    calcification: float = 1.0
    contrast: float = 1.0
    noise: float = 1.0


def expose(
    rng: np.random.Generator,
    tissue: np.ndarray,
    edge: np.ndarray,
    anatomy: Anatomy,
    projection: Projection,
    look: Look,
) -> np.ndarray:
    """The picture, 0 to 1: rim, skin, quanta, tone.

    Parameters
    ----------
    rng : Generator
        Of the noise.
    tissue : ndarray of float32, (H, W)
        Attenuation: 0 is fat, 1 gland over the full thickness.
    edge : ndarray of float32, (H, W)
        Distance to the skin [cm].
    anatomy : Anatomy
    projection : Projection
    look : Look

    Returns
    -------
    ndarray of float32, (H, W)

    Notes
    -----
    The rim of a compressed breast is a half circle in section; machines equalise most of its falling thickness.
    """
    roll = np.float32(anatomy.thickness / 2)
    share = np.sqrt(1 - (1 - np.minimum(edge / roll, 1)) ** 2)  # of the full thickness
    attenuation = (
        np.float32(anatomy.thickness) * share * (FAT + np.float32(GLAND - FAT) * np.minimum(tissue, 1.5))
    )
    counts = np.float32(QUANTA * projection.pixel**2) * np.exp(-attenuation)
    noise = rng.standard_normal(tissue.shape, dtype=np.float32) / np.sqrt(counts)
    noise *= np.float32(look.noise / (anatomy.thickness * (GLAND - FAT)))
    skin = np.exp(-((edge / np.float32(SKIN_CM)) ** 2)) * np.float32(0.16)
    level = (
        share ** np.float32(0.45) * (np.float32(0.17) + np.float32(0.92 * look.contrast) * tissue)
        + skin
        + noise
    )
    return _tone(np.maximum(level, 0))


def _tone(level: np.ndarray) -> np.ndarray:
    """Linear up to 0.7, then ever flatter towards 1: calcifications never run out of range altogether."""
    knee = np.float32(0.7)
    over = np.maximum(level - knee, 0) / (1 - knee)
    return np.minimum(level, knee) + (1 - knee) * over / (1 + over)
