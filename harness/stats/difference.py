"""A difference between two arms with all that a table says of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from mvmlm.errors import ConfigError, DataError

NO_VARIANCE = "nothing varies between patients or seeds that the difference could be judged by"
ALIKE = "the two arms are alike in everything that was compared"

ROUNDING = 1e-12
"""A standard error or a difference below this is rounding: an AUC moves by more when one pair of a thousand million
changes its order."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Arm minus reference, in the metric's own unit.

    Attributes
    ----------
    delta : float
        Of the whole test set, not of the draws.
    se : float
        Its standard error.
    low, high : float
        Its interval.
    level : float
        Coverage of the interval, in (0, 1).
    p : float
        Two-sided, of no difference; NaN where it is undefined, and then ``note`` says why.
    test : str
        For a caption.
    note : str
        What a reader must know beside the numbers, or ''.
    """

    delta: float
    se: float
    low: float
    high: float
    level: float
    p: float
    test: str
    note: str = ""

    @property
    def interval(self) -> tuple[float, float]:
        """Both ends."""
        return self.low, self.high


def normal(delta: float, se: float, *, level: float, test: str) -> Difference:
    """By the normal distribution; without variance, see `constant`."""
    check_level(level)
    if se < ROUNDING:
        return constant(delta, level=level, test=test)
    half = float(ndtri((1 + level) / 2)) * se
    p = 2 * float(ndtr(-abs(delta) / se))
    return Difference(delta=delta, se=se, low=delta - half, high=delta + half, level=level, p=p, test=test)


def constant(delta: float, *, level: float, test: str, kind: type[Difference] = Difference, **more: Any) -> Difference:
    """A difference without variance: p is 1 where it is zero, and undefined, interval and all, where it is not."""
    known = {"se": 0.0, "level": level, "test": test, **more}
    if abs(delta) < ROUNDING:
        return kind(delta=0.0, low=0.0, high=0.0, p=1.0, note=ALIKE, **known)
    return kind(delta=delta, low=math.nan, high=math.nan, p=math.nan, note=NO_VARIANCE, **known)


def check_level(level: float) -> None:
    """Refuse a coverage outside (0, 1)."""
    if not 0 < level < 1:
        raise ConfigError(f"interval is {level}: it must lie between 0 and 1")


def defined(draws: np.ndarray) -> tuple[np.ndarray, str]:
    """Those of the draws, along the last axis, that are defined in all that they hold, and a note of the others.

    Raises
    ------
    DataError
        If fewer than half of them are: the rest are no sample of what might have been drawn.
    """
    kept = draws[..., np.isfinite(draws).reshape(-1, draws.shape[-1]).all(axis=0)]
    count, drawn = kept.shape[-1], draws.shape[-1]
    if count < max(2, drawn / 2):
        raise DataError(f"{count} of {drawn} bootstrap draws are defined: too few to judge a difference by")
    lost = drawn - count
    return kept, f"{lost} of {drawn} draws leave the metric undefined and are left out" if lost else ""
