"""Is the method better, or only these checkpoints on these patients? Seeds and patients, both as samples.

The difference of one pair of seeds is taken apart as: the difference of the methods + what the test patients add to
every seed + what this seed adds, on these patients or on any. Bootstrap draws of patients tell the second, and what of
the third is a seed's own luck with the patients; the spread of the seeds' differences tells the third whole.

Two or three seeds are too few to resample: a resampled spread of n is too small by (n − 1)/n, and a normal or
percentile limit takes it for known. With three seeds and nothing else that varies, such a test of nominal 5 % rejects
25 % of true nulls; with two seeds 40 %. Welch and Satterthwaite's degrees of freedom are better, and still reject up
to 8 % and 13 %, since with chance's help the seeds' spread looks like nothing. What holds is Banerjee's limit
(Sankhyā 22, 1960): half-width² = z² · variance of patients + t² · variance of seeds, t with n − 1 degrees of freedom.
With normal seeds it rejects at most the nominal share whatever the two variances, and is exact where either is zero.
Two seeds that happen to agree would still leave an interval of next to nothing. A statement on other seeds and patients
cannot be surer than one on other patients alone, so the limits are never closer than that bootstrap's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from harness.stats.difference import ROUNDING, Difference, check_level, constant, defined
from mvmlm.errors import DataError

TEST = "seeds and patients, Banerjee's limits"

#: No p below this is told apart from another.
SMALLEST = 1e-12


@dataclass(frozen=True, kw_only=True)
class TwoWay(Difference):
    """A mean difference over seeds.

    Attributes
    ----------
    seeds : int
        Pairs of seeds, n.
    se_patients, se_seeds : float
        The two parts of ``se``, as standard errors of the mean difference.
    """

    seeds: int
    se_patients: float
    se_seeds: float


def two_way(values: np.ndarray, draws: np.ndarray, *, level: float = 0.95) -> TwoWay:
    """Whether a contrast between methods is zero.

    Parameters
    ----------
    values : array, shape (n,)
        The contrast of each seed on the whole test set: arm minus reference with the same seed, or a slope.
    draws : array, shape (n, B)
        The same on resampled patients, equal ones for all seeds; NaN where it is undefined.

    Raises
    ------
    DataError
        If there are fewer than two seeds, or fewer than half of the draws are defined for all of them.
    """
    check_level(level)
    values, draws = np.asarray(values, dtype=np.float64), np.asarray(draws, dtype=np.float64)
    n = len(values)
    if n < 2:
        raise DataError(f"the test over seeds needs two or more of them, and there is {n}")
    if len(draws) != n:
        raise DataError(f"{n} seeds with bootstrap draws of {len(draws)}: each needs its own")
    if np.isnan(values).any():
        raise DataError(f"the metric of {np.isnan(values).sum()} of {n} seeds is undefined: no mean over seeds")
    kept, note = defined(draws)
    mean = kept.mean(axis=0)
    own = (kept - mean).var(axis=1, ddof=1).sum() / (n - 1)  # luck of one seed with the patients
    patients = max(float(mean.var(ddof=1) - own / n), 0.0)
    seeds = float(values.var(ddof=1) / n)
    delta = float(values.mean())
    parts = {"seeds": n, "se_patients": patients**0.5, "se_seeds": seeds**0.5}
    limits = _Limits(patients, seeds, float(mean.var(ddof=1)), n)
    if max(patients + seeds, limits.fixed) < ROUNDING**2:
        return constant(delta, level=level, test=TEST, kind=TwoWay, **parts)
    half = limits.half_width(1 - level)
    return TwoWay(
        delta=delta,
        se=(patients + seeds) ** 0.5,
        low=delta - half,
        high=delta + half,
        level=level,
        p=limits.p(abs(delta)),
        test=TEST,
        note=note,
        **parts,
    )


@dataclass(frozen=True)
class _Limits:
    """Variances of the mean contrast: over patients, over seeds, and over patients with these seeds; and n."""

    patients: float
    seeds: float
    fixed: float
    n: int

    def half_width(self, alpha: float) -> float:
        """Of the interval of level 1 − ``alpha``."""
        z, t = ndtri(alpha / 2), stdtrit(self.n - 1, alpha / 2)
        return float(np.sqrt(max(z**2 * self.patients + t**2 * self.seeds, z**2 * self.fixed)))

    def p(self, delta: float) -> float:
        """The level at which the interval just reaches zero."""
        from scipy.optimize import brentq  # slow to import

        def beyond(log_alpha: float) -> float:
            return self.half_width(float(np.exp(log_alpha))) - delta

        if beyond(np.log(SMALLEST)) <= 0:
            return SMALLEST
        return float(np.exp(brentq(beyond, np.log(SMALLEST), 0.0, xtol=1e-9)))
