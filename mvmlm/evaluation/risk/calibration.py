"""Predicted against observed risk by year, and Kaplan–Meier curves by group of predicted risk."""

from __future__ import annotations

from typing import Any

import numpy as np

from mvmlm.evaluation.bootstrap import percentile_interval
from mvmlm.evaluation.risk.pairs import checked_scores
from mvmlm.evaluation.risk.survival import FollowUp, kaplan_meier, weighted_survival


def risk_groups(risk: np.ndarray, groups: int = 10) -> np.ndarray:
    """Group of each row by quantiles of its risk, 0 the lowest; shape (n,), int.

    Rows of equal risk share a group, so that there are fewer groups where risks are tied, and one where all are.
    """
    risk = checked_scores(risk, len(risk))
    edges = np.unique(np.quantile(risk, np.arange(1, groups) / groups))
    _, group = np.unique(np.searchsorted(edges, risk, "left"), return_inverse=True)
    return group


def calibration_year(
    follow: FollowUp,
    risk: np.ndarray,
    year: float,
    clusters: np.ndarray,
    counts: np.ndarray,
    *,
    groups: int = 10,
    interval: float = 0.95,
) -> dict[str, Any]:
    """Mean predicted risk within ``year`` years and the observed one, 1 − Kaplan–Meier: over all rows and by decile.

    Parameters
    ----------
    risk : array, shape (n,)
        P(event within ``year`` years).
    clusters : array, shape (n,), int
        Patient of each row, as a row of ``counts``.
    counts : array, shape (n_clusters, B), integers
        Bootstrap draws of patients: several exams of one woman are not independent, so Greenwood's interval would be
        too narrow.

    Returns
    -------
    dict
        Plain JSON: that of all rows (see `_compared`) with ``expected_over_observed``, and ``groups``, a list of those
        of each group. ``observed`` is None where the follow-up of a group ends before the year.
    """
    group = risk_groups(risk, groups)
    all_rows = np.ones(len(group), dtype=bool)
    whole = _compared(follow, risk, year, all_rows, clusters, counts, interval)
    return {
        "year": year,
        **whole,
        "expected_over_observed": whole["predicted"] / whole["observed"] if whole["observed"] else None,
        "groups": [
            _compared(follow, risk, year, group == g, clusters, counts, interval) for g in range(group.max() + 1)
        ],
    }


def curves_by_risk(follow: FollowUp, risk: np.ndarray, *, years: int, groups: int = 10) -> list[dict[str, Any]]:
    """What a Kaplan–Meier figure by risk group draws, lowest risk first.

    Returns
    -------
    list of dict
        Plain JSON: ``n``, ``events`` (within ``years``), ``risk`` (lowest and highest of the group), ``years`` and
        ``free`` (steps of the event-free share, from time 0 and 1.0), ``at_risk`` (rows still followed at 0, 1, …,
        ``years``), ``followed`` (longest time in the group, at most ``years``: the curve ends there).
    """
    group, curves = risk_groups(risk, groups), []
    for g in range(group.max() + 1):
        rows = np.flatnonzero(group == g)
        mine = follow.take(rows)
        curve = kaplan_meier(mine)
        drawn = curve.years <= years
        curves.append(
            {
                "n": len(rows),
                "events": int(mine.had_event(years).sum()),
                "risk": [float(risk[rows].min()), float(risk[rows].max())],
                "years": [0.0, *curve.years[drawn].tolist()],
                "free": [1.0, *curve.values[drawn].tolist()],
                "at_risk": [int((mine.years >= year).sum()) for year in range(years + 1)],
                "followed": float(min(mine.years.max(), years)),
            }
        )
    return curves


def _compared(
    follow: FollowUp,
    risk: np.ndarray,
    year: float,
    rows: np.ndarray,
    clusters: np.ndarray,
    counts: np.ndarray,
    interval: float,
) -> dict[str, Any]:
    """Predicted and observed risk of some rows, with the observed one's interval and the numbers that it rests on."""
    mine = follow.take(rows)
    told: dict[str, Any] = {
        "n": int(rows.sum()),
        "events": int(mine.had_event(year).sum()),
        "at_risk": int((mine.years >= year).sum()),
        "predicted": float(np.mean(risk[rows])),
        "observed": None,
        "low": None,
        "high": None,
    }
    last = mine.years.max()
    if last >= year or mine.events[mine.years == last].all():
        low, high = percentile_interval(1 - weighted_survival(mine, year, clusters[rows], counts), interval)
        told |= {"observed": float(1 - kaplan_meier(mine).at(year)), "low": low, "high": high}
    return told
