"""L2 logistic regression whose strength is chosen inside the training data, by patient."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mvmlm.data.splits import patient_folds
from mvmlm.errors import ConfigError
from mvmlm.evaluation.metrics import auc

#: Strength where there are too few patients to choose one (our default). On standardised features it pulls
#: the solution most of the way to the difference of the class means, which is what few patients can support.
DEFAULT_STRENGTH = 1.0

#: Largest gradient component of the mean loss at which a fit is done.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class ProbeOptions:
    """Settings of a probe. All defaults are ours.

    Attributes
    ----------
    strengths : tuple of float
        Candidates λ of the penalty ``mean log loss + λ/2 · ‖w‖²``; larger is stronger. Per mean loss, so that
        one λ means the same on a fold and on the whole (scikit-learn's ``C`` is ``1 / (λ n)``). The intercept
        is free.
    folds : int
        Folds by patient inside the training subset, at most; fewer where a class has fewer patients.
    draws : int
        Bootstrap draws of the test metric.
    interval : float
        Coverage of the interval, in (0, 1).
    threads : int
        Threads for linear algebra.
    """

    strengths: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)
    folds: int = 5
    draws: int = 1000
    interval: float = 0.95
    threads: int = 1

    def __post_init__(self) -> None:
        strengths = tuple(sorted({float(s) for s in self.strengths}, reverse=True))
        object.__setattr__(self, "strengths", strengths)
        if not strengths or not all(0 < s < float("inf") for s in strengths):
            raise ConfigError(f"strengths is {list(strengths)}: give at least one, each above 0")
        for name, least in (("folds", 2), ("draws", 1), ("threads", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}: it must be at least {least}")


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """A fitted probe.

    Attributes
    ----------
    mean, scale : ndarray, shape (D,)
        Standardisation, from the training rows.
    coefficients : ndarray, shape (D,)
        Of standardised features.
    chosen_by : str
        ``cross-validation``; ``given`` where there was one candidate; ``default`` where a class has one
        patient.
    cv_auc : dict
        Strength to mean AUC over the folds; empty where nothing was chosen.
    """

    mean: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: float
    strength: float
    chosen_by: str
    cv_auc: dict[float, float]
    folds: int

    def score(self, features: np.ndarray) -> np.ndarray:
        """Probability of the positive class, shape (n,), float64."""
        from scipy.special import expit

        standard = (np.asarray(features, dtype=np.float64) - self.mean) / self.scale
        return expit(standard @ self.coefficients + self.intercept)

    def details(self) -> dict:
        """What a reader of the results wants to know, as plain JSON."""
        return {
            "strength": self.strength,
            "strength_chosen_by": self.chosen_by,
            "cv_auc": {f"{s:g}": value for s, value in self.cv_auc.items()},
            "folds": self.folds,
        }


def fit_and_score(
    train_features: np.ndarray,
    train: pd.DataFrame,
    test_features: np.ndarray,
    options: ProbeOptions,
    seed: int,
) -> tuple[LogisticFit, np.ndarray]:
    """`fit_logistic` on the training rows (``label``, ``patient_id``), then the scores of the test rows.

    Linear algebra is held to ``options.threads``: many probes share a machine, and one thread always adds up
    in the same order.
    """
    from threadpoolctl import threadpool_limits

    importlib.import_module("sklearn.linear_model")  # a library that is loaded under the limit is not held to it
    patients = train["patient_id"].to_numpy().astype(str)
    with threadpool_limits(options.threads):
        fit = fit_logistic(train_features, train["label"].to_numpy(), patients, options, seed)
        return fit, fit.score(test_features)


def fit_logistic(
    features: np.ndarray, labels: np.ndarray, patients: np.ndarray, options: ProbeOptions, seed: int
) -> LogisticFit:
    """Standardise, choose the strength by mean AUC over folds of patients, fit on all rows.

    It is given training rows only. Mean and spread are taken once, over all of them, before folding: they
    know no label. Equal AUCs go to the stronger penalty.

    Parameters
    ----------
    features : array, shape (n, D)
        Finite. A constant feature is centred and otherwise left alone.
    labels : array, shape (n,), bool
        Both classes.
    patients : array, shape (n,)
    seed : int
        Draws the folds.
    """
    features = np.asarray(features, dtype=np.float64)
    mean, spread = features.mean(axis=0), features.std(axis=0)
    # A constant column's spread is rounding error, not always zero.
    scale = np.where(spread > 1e-9 * np.maximum(np.abs(mean), 1e-30), spread, 1.0)
    standard = (features - mean) / scale
    basis = None
    if len(standard) < standard.shape[1]:
        # The solution is a combination of the rows: solve in an orthonormal basis of them, exact and
        # smaller.
        basis, _ = np.linalg.qr(standard.T)
        standard = standard @ basis
    cv_auc, folds = _cross_validate(standard, labels, patients, options, seed)
    strength, chosen_by = _choose(cv_auc, options.strengths)
    coefficients, intercept = _path(standard, labels, (strength,))
    coefficients = coefficients[0] if basis is None else basis @ coefficients[0]
    return LogisticFit(mean, scale, coefficients, float(intercept[0]), strength, chosen_by, cv_auc, folds)


def _choose(cv_auc: dict[float, float], strengths: Sequence[float]) -> tuple[float, str]:
    """Strength and why; ``cv_auc`` runs from the strongest, so that the first best is the strongest best."""
    if len(strengths) == 1:
        return strengths[0], "given"
    if not cv_auc:
        return DEFAULT_STRENGTH, "default"
    return max(cv_auc, key=cv_auc.__getitem__), "cross-validation"


def _cross_validate(
    features: np.ndarray, labels: np.ndarray, patients: np.ndarray, options: ProbeOptions, seed: int
) -> tuple[dict[float, float], int]:
    """Mean held-out AUC of each strength, and the number of folds (0 where there is nothing to choose by)."""
    positives = len(np.unique(patients[labels]))
    folds = min(options.folds, positives, len(np.unique(patients)) - positives)
    if folds < 2 or len(options.strengths) == 1:
        return {}, 0
    fold = patient_folds(patients, labels, folds, seed)
    values = np.empty((folds, len(options.strengths)))
    for number in range(folds):
        held = fold == number
        coefficients, intercepts = _path(features[~held], labels[~held], options.strengths)
        scores = features[held] @ coefficients.T + intercepts
        values[number] = [auc(labels[held], column) for column in scores.T]
    return dict(zip(options.strengths, values.mean(axis=0).tolist(), strict=True)), folds


def _path(
    features: np.ndarray, labels: np.ndarray, strengths: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (S, D) and intercepts (S,), each fit starting from the stronger one before it."""
    import sklearn
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(solver="lbfgs", warm_start=True, tol=TOLERANCE, max_iter=5000)
    coefficients, intercepts = np.empty((len(strengths), features.shape[1])), np.empty(len(strengths))
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        for i, strength in enumerate(strengths):
            model.C = 1.0 / (strength * len(features))
            model.fit(features, labels)
            coefficients[i], intercepts[i] = model.coef_[0], model.intercept_[0]
    return coefficients, intercepts
