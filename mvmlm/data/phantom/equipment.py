"""How fictitious mammography machines store a picture: depth, inversion, rescale, window.

The names are made up, so that nothing here passes for a real machine's behaviour. What differs between them is what
differs between real ones, and what a reader of DICOM has to undo.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Equipment:
    """One machine.

    Attributes
    ----------
    manufacturer, model : str
    inverted : bool
        MONOCHROME1: small stored values are bright.
    slope, intercept : float
        Rescale: output = slope × stored + intercept.
    low, high : float
        Where breast tissue lies, as shares of the stored range: fat's darkest and the brightest calcification.
    gamma : float
        Tone curve of the machine's own processing.
    window : tuple of 2 floats
        Brightness that the window shows as black and as white, as shares of ``low`` to ``high``.
    harder : bool
        Offers a second, narrower window.
    sigmoid : bool
        VOI LUT Function SIGMOID instead of LINEAR.
    padded : bool
        Marks the background with a Pixel Padding Value.
    """

    manufacturer: str
    model: str
    inverted: bool
    slope: float
    intercept: float
    low: float
    high: float
    gamma: float
    window: tuple[float, float]
    harder: bool
    sigmoid: bool
    padded: bool


#: Machines by their letter. The phantom in VinDr-Mammo's layout has A to C; D and E look unlike them on purpose.
EQUIPMENT = {
    machine.manufacturer[-1]: machine
    for machine in (
        Equipment("Simulated A", "Phantom A1", False, 1.0, 0.0, 0.05, 0.92, 1.00, (0.03, 0.97), False, False, False),
        Equipment("Simulated B", "Phantom B7", True, 1.0, 0.0, 0.12, 0.88, 1.12, (0.05, 0.93), False, False, True),
        Equipment("Simulated C", "Phantom C3", False, 2.0, -200.0, 0.10, 0.80, 0.90, (0.00, 1.00), True, True, True),
        Equipment("Simulated D", "Phantom D5", False, 1.0, 0.0, 0.03, 0.62, 1.35, (0.02, 0.95), False, True, False),
        Equipment("Simulated E", "Phantom E2", True, 0.5, 50.0, 0.22, 0.98, 0.78, (0.00, 0.98), True, False, True),
    )
}


@dataclass(frozen=True)
class Stored:
    """A picture as a file holds it, and the header fields that say how to show it."""

    pixels: np.ndarray
    centers: tuple[float, ...]
    widths: tuple[float, ...]
    padding: int | None


def store(picture: np.ndarray, equipment: Equipment, bits: int) -> Stored:
    """Digitise a picture as a machine does.

    Parameters
    ----------
    picture : ndarray of float32, (H, W)
        0 to 1, bright is dense; NaN where there is no breast.
    equipment : Equipment
    bits : int
        Bits stored.

    Returns
    -------
    Stored
        ``pixels`` are uint16 below 2**bits.
    """
    top = 2**bits - 1
    span = (equipment.high - equipment.low) * top
    bottom = equipment.low * top
    tone = np.power(np.clip(picture, 0, 1), np.float32(equipment.gamma))
    values = np.where(np.isnan(picture), 0, np.rint(tone * np.float32(span) + np.float32(bottom))).astype(np.uint16)
    shown = [bottom + share * span for share in equipment.window]
    if equipment.inverted:
        values = (top - values).astype(np.uint16)
        shown = [top - shown[1], top - shown[0]]
    low, high = (equipment.slope * value + equipment.intercept for value in shown)
    center, width = (low + high) / 2, high - low
    windows = [(center, width), (center, 0.75 * width)] if equipment.harder else [(center, width)]
    return Stored(
        pixels=values,
        centers=tuple(float(round(c)) for c, _ in windows),
        widths=tuple(float(round(w)) for _, w in windows),
        padding=(top if equipment.inverted else 0) if equipment.padded else None,
    )
