"""Cox's proportional hazards with a ridge, by lifelines, on frozen features."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mvmlm.evaluation.risk.survival import FollowUp

#: The log of a hazard ratio is kept within ± this, so that no risk overflows: e³⁰ is everything, e⁻³⁰ nothing.
MOST = 30.0
#: Least spread of a feature in the rows that are fitted; lifelines divides by it.
LEAST = 1e-9


@dataclass(frozen=True, eq=False)
class CoxModel:
    """P(event within k years) = 1 − exp(−H(k) · exp(features · coefficients)).

    Attributes
    ----------
    coefficients : ndarray, shape (D,)
    baseline : ndarray, shape (years,)
        Cumulative hazard H by 1, 2, … years at features of 0 (Breslow's).
    """

    coefficients: np.ndarray
    baseline: np.ndarray

    def risks(self, features: np.ndarray) -> np.ndarray:
        """P(event within 1, 2, … years), shape (n, years), float64."""
        logs = np.clip(np.asarray(features, np.float64) @ self.coefficients, -MOST, MOST)
        return -np.expm1(-np.exp(logs)[:, None] * self.baseline)


def fit_cox(features: np.ndarray, follow: FollowUp, strengths: Sequence[float], *, years: int) -> list[CoxModel | None]:
    """Maximise ``log partial likelihood / n − λ/2 · ‖coefficients‖²`` for each strength λ, from the fit before it.

    The coefficients are penalised as of features with a spread of 1 in these rows. Ties are Efron's.

    Parameters
    ----------
    features : array, shape (n, D)
    strengths : sequence of float
        From the strongest.

    Returns
    -------
    list
        None where lifelines does not converge. Without a feature that varies, all hazards are alike.
    """
    spread = features.std(axis=0, ddof=1)
    told = np.flatnonzero(spread > LEAST)
    if not len(told):
        return [_flat(features, follow, years) for _ in strengths]
    frame = pd.DataFrame(features[:, told], columns=[f"x{i}" for i in told])
    frame = frame.assign(years=follow.years, event=follow.events)
    models: list[CoxModel | None] = []
    start = None
    for strength in strengths:
        fitted = _fit(frame, strength, start)
        if fitted is None:
            models.append(None)
            continue
        coefficients = np.zeros(features.shape[1])
        coefficients[told] = fitted.params_.to_numpy()
        start = coefficients[told] * spread[told]
        table = fitted.baseline_cumulative_hazard_
        last = np.searchsorted(table.index.to_numpy(), np.arange(1, years + 1), "right") - 1
        # lifelines' baseline is that of a row at the means.
        shift = np.exp(-np.clip(features.mean(axis=0) @ coefficients, -MOST, MOST))
        models.append(CoxModel(coefficients, np.where(last >= 0, table.to_numpy()[last, 0], 0.0) * shift))
    return models


def _fit(frame: pd.DataFrame, strength: float, start: np.ndarray | None):
    """lifelines' fitter, or None where it does not converge."""
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError, ConvergenceWarning, StatisticalWarning

    with warnings.catch_warnings():
        for kind in (ConvergenceWarning, StatisticalWarning, RuntimeWarning):
            warnings.simplefilter("ignore", kind)
        try:
            return CoxPHFitter(penalizer=strength).fit(frame, "years", "event", initial_point=start)
        except ConvergenceError:
            return None


def _flat(features: np.ndarray, follow: FollowUp, years: int) -> CoxModel:
    """The same hazard for everybody: Nelson and Aalen's."""
    times, place = np.unique(follow.years, return_inverse=True)
    deaths = np.bincount(place, follow.events)
    there = np.cumsum(np.bincount(place)[::-1])[::-1]
    hazard = np.concatenate([[0.0], np.cumsum(deaths / there)])
    return CoxModel(np.zeros(features.shape[1]), hazard[np.searchsorted(times, np.arange(1, years + 1), "right")])
