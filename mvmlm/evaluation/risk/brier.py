"""Brier score under censoring.

Graf et al., «Assessment and comparison of prognostic classification schemes for survival data», Statistics in Medicine
18, 1999.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mvmlm.evaluation.draw_sums import draw_sums, ratio
from mvmlm.evaluation.risk.concordance import inverse_followed
from mvmlm.evaluation.risk.pairs import checked_scores
from mvmlm.evaluation.risk.survival import Curve, FollowUp


def brier_year(follow: FollowUp, risk: np.ndarray, year: float, censoring: Curve) -> float:
    """Mean squared error of the risk within ``year`` years, each row weighted by how likely its state is to be known.

    Parameters
    ----------
    follow : FollowUp, n rows
    risk : array, shape (n,)
        P(event within ``year`` years).
    censoring : Curve
        Of the training rows (`survival.censoring_curve`).

    Raises
    ------
    DataError
        If a risk is NaN, or a needed weight lies beyond all follow-up of the training rows.
    """
    return float(_errors(follow, checked_scores(risk, len(follow)), year, censoring).mean())


def integrated_brier(follow: FollowUp, risks: np.ndarray, years: Sequence[float], censoring: Curve) -> float:
    """Mean of `brier_year` over time from the first to the last of ``years``, by the trapezoid rule.

    Parameters
    ----------
    risks : array, shape (n, len(years))
    """
    return float(_integrated(follow, risks, years, censoring).mean())


def weighted_integrated_brier(
    follow: FollowUp,
    risks: np.ndarray,
    years: Sequence[float],
    censoring: Curve,
    clusters: np.ndarray,
    counts: np.ndarray,
) -> np.ndarray:
    """`integrated_brier` of every bootstrap draw, shape (B,), float64; NaN for a draw that holds no row."""
    errors = _integrated(follow, risks, years, censoring)
    return ratio(*draw_sums(np.column_stack([errors, np.ones(len(errors))]), clusters, counts))


def _integrated(follow: FollowUp, risks: np.ndarray, years: Sequence[float], censoring: Curve) -> np.ndarray:
    """Each row's contribution, shape (n,)."""
    risks = checked_scores(risks, len(follow))
    at_years = zip(risks.T, years, strict=True)
    errors = np.column_stack([_errors(follow, risk, year, censoring) for risk, year in at_years])
    if len(years) == 1:
        return errors[:, 0]
    return np.trapezoid(errors, years, axis=1) / (years[-1] - years[0])


def _errors(follow: FollowUp, risk: np.ndarray, year: float, censoring: Curve) -> np.ndarray:
    """Weighted squared error of each row at ``year``, shape (n,); 0 for a row censored before it."""
    had, free = follow.had_event(year), follow.free(year)
    errors = np.zeros(len(follow))
    errors[had] = (1 - risk[had]) ** 2 * inverse_followed(censoring, follow.years[had])
    if free.any():
        errors[free] = risk[free] ** 2 * inverse_followed(censoring, np.array([year]))
    return errors
