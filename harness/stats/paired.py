"""Any metric of two arms, compared by their bootstrap draws.

Arms that are tested on the same patients meet the same resampled patients (`mvmlm.evaluation.bootstrap`), so the
draws of a difference are the differences of the draws. The p-value is the inversion of the percentile interval: where
it is below α, the interval of level 1 − α leaves zero out, so that no mark stands beside an interval that holds zero.
One is added to the count in either tail and to the draws (Davison and Hinkley, 1997, §4.2): B draws cannot show a p
below 2 / (B + 1), and never one of zero.
"""

from __future__ import annotations

import numpy as np

from harness.stats.difference import ROUNDING, Difference, check_level, constant, defined
from mvmlm.errors import DataError

TEST = "paired patient bootstrap"


def paired(
    arm: float, reference: float, arm_draws: np.ndarray, reference_draws: np.ndarray, *, level: float = 0.95
) -> Difference:
    """Difference of a metric between two arms, one checkpoint each or means over seeds.

    Parameters
    ----------
    arm, reference : float
        The metric on the whole test set.
    arm_draws, reference_draws : array, shape (B,)
        Of the same resampled patients; NaN where the metric is undefined. Such draws are left out on both sides.

    Raises
    ------
    DataError
        If the numbers of draws differ, or fewer than half are defined.
    """
    arm_draws, reference_draws = (np.asarray(d, dtype=np.float64) for d in (arm_draws, reference_draws))
    if arm_draws.shape != reference_draws.shape:
        raise DataError(
            f"{arm_draws.shape[-1]} draws of the arm and {reference_draws.shape[-1]} of the reference: "
            "evaluate both with the same number of bootstrap draws"
        )
    return from_draws(float(arm) - float(reference), arm_draws - reference_draws, level=level)


def from_draws(value: float, draws: np.ndarray, *, level: float = 0.95, test: str = TEST) -> Difference:
    """Whether a contrast (a difference, a slope) is zero, by its draws.

    Parameters
    ----------
    value : float
        The contrast on the whole test set.
    draws : array, shape (B,)
        NaN where it is undefined.
    """
    check_level(level)
    if np.isnan(value):
        raise DataError("the metric of one of the arms is undefined on its test set: there is no difference")
    kept, note = defined(np.asarray(draws, dtype=np.float64))
    se = float(kept.std(ddof=1))
    if se < ROUNDING:
        return constant(value, level=level, test=test)
    low, high = (float(q) for q in np.quantile(kept, [(1 - level) / 2, (1 + level) / 2]))
    tail = min((kept <= 0).sum(), (kept >= 0).sum())
    return Difference(
        delta=value,
        se=se,
        low=low,
        high=high,
        level=level,
        p=min(1.0, 2 * (int(tail) + 1) / (len(kept) + 1)),
        test=test,
        note=note,
    )
