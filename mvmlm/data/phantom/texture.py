"""Random structure: noise with a power-law spectrum, and the strands that run through a breast."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from scipy import fft

#: Power spectrum of mammographic background, 1/f^β with β about 3: Burgess, Jacobson and Judy, «Human observer
#: detection experiments with mammograms and power-law noise», Medical Physics 28(4), 419 to 437, 2001.
SPECTRAL_EXPONENT = 3.0


def power_law_noise(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    exponent: float = SPECTRAL_EXPONENT,
    corner: float = 0.0,
) -> np.ndarray:
    """Gaussian noise with an isotropic power spectrum ``P(f) = 1 / (f² + corner²) ** (exponent / 2)``.

    Parameters
    ----------
    rng : Generator
    shape : tuple of int
        Size of the grid, cells square (or cubic).
    exponent : float
        β of P(f) = 1/f^β.
    corner : float
        Frequency below which the spectrum is flat [cycles a cell].

    Returns
    -------
    ndarray of float32, ``shape``
        Zero mean, unit variance; periodic.
    """
    gain = _gain(tuple(shape), exponent, corner)
    draws = rng.standard_normal((2, *gain.shape), dtype=np.float32)
    draws *= gain
    noise = fft.irfftn(draws[0] + 1j * draws[1], s=shape)
    return noise / noise.std()


@lru_cache(maxsize=64)
def _gain(shape: tuple[int, ...], exponent: float, corner: float) -> np.ndarray:
    axes = [np.fft.fftfreq(n) for n in shape[:-1]] + [np.fft.rfftfreq(shape[-1])]
    grid = np.meshgrid(*axes, indexing="ij", sparse=True)
    squared = sum(axis**2 for axis in grid) + corner**2
    squared.flat[0] = np.inf  # the mean is zero
    return (squared ** (-exponent / 4)).astype(np.float32)


def strands(
    rng: np.random.Generator, radius: np.ndarray, angle: np.ndarray, *, radius_step: float, angle_step: float
) -> np.ndarray:
    """Bright strands that run towards the nipple, as ducts and ligaments do.

    Ridges (``exp(-|noise|)``) of a noise that lives in polar coordinates round the nipple, and is stretched
    along the radius.

    Parameters
    ----------
    rng : Generator
    radius, angle : ndarray of float32, (H, W)
        Polar coordinates round the nipple [cm, radians; -π/2 to π/2 covers the breast].
    radius_step, angle_step : float
        Size of one cell of the noise [cm, radians].

    Returns
    -------
    ndarray of float32, (H, W)
        0 to 1, bright in thin lines.
    """
    noise = power_law_noise(rng, (192, 96), exponent=2.4)
    columns = radius / np.float32(radius_step) % np.float32(96)
    rows = (angle + np.float32(np.pi)) / np.float32(angle_step) % np.float32(192)
    sampled = cv2.remap(noise, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.exp(np.abs(sampled) * np.float32(-6.0))
