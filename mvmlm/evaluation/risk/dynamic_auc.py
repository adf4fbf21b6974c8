"""AUC at a year: exams with an event by then against those known to be free of one through it (cumulative/dynamic)."""

from __future__ import annotations

import numpy as np

from mvmlm.evaluation.metrics import auc, weighted_auc
from mvmlm.evaluation.risk.concordance import inverse_followed
from mvmlm.evaluation.risk.pairs import Pairs, checked_scores, share_right, weighted_share_right
from mvmlm.evaluation.risk.survival import Curve, FollowUp


def auc_year(follow: FollowUp, scores: np.ndarray, year: float) -> float:
    """AUC among the rows whose state at ``year`` is known, unweighted, as Mirai reports it.

    Who is censored earlier is left out, which favours early events over late ones: they are known of more rows.

    Parameters
    ----------
    follow : FollowUp, n rows
    scores : array, shape (n,)
        Higher means more likely within ``year`` years.

    Raises
    ------
    DataError
        If a score is NaN, or nobody is known to have had an event by then, or to be free of one.
    """
    known = follow.had_event(year) | follow.free(year)
    return auc(follow.had_event(year)[known], checked_scores(scores, len(follow))[known])


def weighted_auc_year(
    follow: FollowUp, scores: np.ndarray, year: float, clusters: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """`auc_year` of every bootstrap draw, shape (B,), float64; see `metrics.weighted_auc`."""
    known = follow.had_event(year) | follow.free(year)
    scores = checked_scores(scores, len(follow))[known]
    return weighted_auc(follow.had_event(year)[known], scores, clusters[known], counts)


def auc_ipcw_year(follow: FollowUp, scores: np.ndarray, year: float, censoring: Curve) -> float:
    """AUC at ``year`` with each event weighted by the inverse probability of being followed until it.

    The weight of those free of an event is the same for all and falls out. The estimator is that of Uno et al.,
    «Evaluating prediction rules for t-year survivors with censored regression models», JASA 102(478), 2007.

    Parameters
    ----------
    censoring : Curve
        Of the training rows (`survival.censoring_curve`).

    Raises
    ------
    DataError
        As `auc_year`, and if an event lies beyond all follow-up of the training rows.
    """
    return share_right(_ipcw(follow, scores, year, censoring), f"AUC at {year:g} years")


def weighted_auc_ipcw_year(
    follow: FollowUp, scores: np.ndarray, year: float, censoring: Curve, clusters: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """`auc_ipcw_year` of every bootstrap draw, shape (B,), float64."""
    return weighted_share_right(_ipcw(follow, scores, year, censoring), clusters, counts)


def _ipcw(follow: FollowUp, scores: np.ndarray, year: float, censoring: Curve) -> list[Pairs]:
    scores = checked_scores(scores, len(follow))
    leads, others = np.flatnonzero(follow.had_event(year)), np.flatnonzero(follow.free(year))
    weights = inverse_followed(censoring, follow.years[leads])
    zeros, ones = np.zeros(len(leads), dtype=int), np.ones(len(others), dtype=int)
    return [Pairs(leads, others, zeros, ones, scores[leads], scores[others], weights)]
