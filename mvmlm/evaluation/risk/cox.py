"""Cox's proportional hazards with a ridge, by lifelines, on frozen features.

Each of lifelines' Newton steps takes a matrix of features × features, and a weak ridge needs many of them: of 512
features, one path of seven strengths took more than three minutes. So strengths are compared along a path of our own,
of the same objective, and lifelines fits the one that is chosen, from where that path has come to.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from mvmlm.evaluation.risk.survival import FollowUp

#: The log of a hazard ratio is kept within ± this, so that no risk overflows: e³⁰ is everything, e⁻³⁰ nothing.
MOST = 30.0
#: When a fit of the path is done.
SETTINGS = {"maxiter": 2000, "gtol": 1e-7, "ftol": 1e-13}
#: Least spread of a feature in the rows that are fitted; others have no say.
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
        return -np.expm1(-_ratios(np.asarray(features, np.float64) @ self.coefficients)[:, None] * self.baseline)


def fit_cox_path(features: np.ndarray, follow: FollowUp, strengths: Sequence[float], *, years: int) -> list[CoxModel]:
    """Maximise ``log partial likelihood / n − λ/2 · ‖coefficients‖²`` for each strength λ, from the fit before it.

    The coefficients are penalised as those of features with a spread of 1 in these rows, as lifelines has it. Ties are
    Breslow's. L-BFGS on all rows, float64.

    Parameters
    ----------
    features : array, shape (n, D)
    strengths : sequence of float
        From the strongest.
    """
    from scipy.optimize import minimize

    standard, scale = _standard(features)
    basis = None
    if len(standard) < standard.shape[1]:  # the solution is a combination of the rows
        basis, _ = np.linalg.qr(standard.T)
        standard = standard @ basis
    point, models = np.zeros(standard.shape[1]), []
    for strength in strengths:
        loss = partial(_loss, features=standard, follow=follow, strength=strength)
        point = minimize(loss, point, jac=True, method="L-BFGS-B", options=SETTINGS).x
        coefficients = (point if basis is None else basis @ point) / scale
        models.append(CoxModel(coefficients, _baseline(features @ coefficients, follow, years)))
    return models


def fit_cox(features: np.ndarray, follow: FollowUp, strength: float, *, years: int) -> CoxModel | None:
    """lifelines' fit at one strength, from `fit_cox_path`'s; ties are Efron's. None where it does not converge.

    Without a feature that varies, the hazard is the same for all.
    """
    (start,) = fit_cox_path(features, follow, (strength,), years=years)
    _, scale = _standard(features)
    told = np.flatnonzero(np.isfinite(scale))
    if not len(told):
        return start
    frame = pd.DataFrame(features[:, told], columns=[f"x{i}" for i in told])
    frame = frame.assign(years=follow.years, event=follow.events)
    fitted = _lifelines(frame, strength, start.coefficients[told] * scale[told])
    if fitted is None:
        return None
    coefficients = np.zeros(features.shape[1])
    coefficients[told] = fitted.params_.to_numpy()
    return CoxModel(coefficients, _baseline(features @ coefficients, follow, years))


def _lifelines(frame: pd.DataFrame, strength: float, start: np.ndarray):
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


def _standard(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features of mean 0 and spread 1 in these rows, and their spread; a constant one is 0, and its spread infinite."""
    spread = features.std(axis=0, ddof=1)
    scale = np.where(spread > LEAST, spread, np.inf)
    return (features - features.mean(axis=0)) / scale, scale


def _loss(point: np.ndarray, features: np.ndarray, follow: FollowUp, strength: float) -> tuple[float, np.ndarray]:
    """Penalised negative log partial likelihood of a row, and its gradient."""
    logs = features @ point
    top = logs.max()
    place, deaths, there, ratios = _risk_sets(logs - top, follow)
    losses = deaths @ (np.log(there) + top) - logs[follow.events].sum()
    slopes = ratios * np.cumsum(deaths / there)[place] - follow.events
    n = len(features)
    return float(losses / n + 0.5 * strength * point @ point), features.T @ slopes / n + strength * point


def _baseline(logs: np.ndarray, follow: FollowUp, years: int) -> np.ndarray:
    """Breslow's cumulative hazard by 1, 2, … years of a row whose log hazard ratio is 0, shape (years,)."""
    _, deaths, there, _ = _risk_sets(logs, follow)
    hazard = np.concatenate([[0.0], np.cumsum(deaths / there)])
    return hazard[np.searchsorted(np.unique(follow.years), np.arange(1, years + 1), "right")]


def _risk_sets(logs: np.ndarray, follow: FollowUp) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Each row's time as a place among the distinct ones; events and summed ratios at each; each row's hazard ratio."""
    _, place = np.unique(follow.years, return_inverse=True)
    ratios = _ratios(logs)
    there = np.cumsum(np.bincount(place, ratios)[::-1])[::-1]
    return place, np.bincount(place, follow.events), there, ratios


def _ratios(logs: np.ndarray) -> np.ndarray:
    return np.exp(np.clip(logs, -MOST, MOST))
