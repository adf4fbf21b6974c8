"""No worse than the reference by more than a margin that was declared beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.stats.difference import Difference
from mvmlm.errors import ConfigError

Finding = Literal["superior", "non-inferior", "not shown", "inferior"]


@dataclass(frozen=True)
class Verdict:
    """What an interval says of a margin.

    Attributes
    ----------
    finding : str
        ``superior``: the interval lies on the better side of zero, and so of the margin. ``non-inferior``: of the
        margin. ``inferior``: on the worse side of the margin. ``not shown``: it holds the margin, or is undefined.
    margin : float
        Largest loss that is accepted, in the metric's unit, above zero.
    loss : float
        Largest loss within the interval; below zero where all of it is a gain.
    level : float
        Of that one limit: 0.975 for an interval of 0.95.
    """

    finding: Finding
    margin: float
    loss: float
    level: float

    @property
    def held(self) -> bool:
        """Whether the arm is no worse by more than the margin."""
        return self.finding in ("superior", "non-inferior")


def judge(difference: Difference, margin: float, *, higher_is_better: bool = True) -> Verdict:
    """Hold a difference's interval against a margin.

    Parameters
    ----------
    difference : Difference
        Of any test.
    margin : float
        Above zero.
    higher_is_better : bool
        False for a Brier score, a calibration error, a median rank.
    """
    if not (np.isfinite(margin) and margin > 0):
        raise ConfigError(f"margin is {margin}: it must be a number above 0, the loss that is accepted")
    ends = (-difference.low, -difference.high) if higher_is_better else (difference.high, difference.low)
    most, least = ends  # loss
    finding: Finding = "not shown"
    if most < 0:
        finding = "superior"
    elif most < margin:
        finding = "non-inferior"
    elif least > margin:
        finding = "inferior"
    return Verdict(finding, float(margin), float(most), (1 + difference.level) / 2)
