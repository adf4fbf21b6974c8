"""L2 logistic regression, of two classes or more, whose strength is chosen inside the training data, by patient."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.newton import Design, minimise
from mvmlm.evaluation.probe_folds import Folds, cross_validate, probabilities

#: Strength where there are too few patients to choose one (our default). On standardised features it pulls
#: the solution most of the way to the difference of the class means, which is what few patients can support.
DEFAULT_STRENGTH = 1.0


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
        Folds by patient inside the training subset, at most; fewer where patients are too few for two classes on both
        sides of each.
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
    coefficients : ndarray, shape (D,), or (K, D)
        Of standardised features; of classes, a row each, which add up to zero.
    intercept : float, or ndarray, shape (K,)
        −∞ for a class that no training row is of: its probability is 0.
    chosen_by : str
        ``cross-validation``; ``given`` where there was one candidate; ``default`` where there were no folds.
    cv_auc : dict
        Strength to mean AUC over the folds; of classes, to that of the macro AUC. Empty where there were no folds.
    folds : int
    folds_without : dict
        Class index to the number of folds whose macro AUC leaves it out, since it is held out or fitted to only.
    out_of_fold : ndarray, shape (n,) or (n, K), or None
        Probabilities of each training row by the fit of the chosen strength that has not seen its patient; None where
        there were no folds.
    """

    mean: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: float | np.ndarray
    strength: float
    chosen_by: str
    cv_auc: dict[float, float]
    folds: int
    folds_without: dict[int, int] = field(default_factory=dict)
    out_of_fold: np.ndarray | None = None

    def score(self, features: np.ndarray) -> np.ndarray:
        """Probability of the positive class, shape (n,), or of each class, shape (n, K), float64."""
        standard = (np.asarray(features, dtype=np.float64) - self.mean) / self.scale
        return probabilities(standard @ self.coefficients.T + self.intercept, self.coefficients.ndim > 1)

    def of_each_class(self, classes: Sequence, tell: Callable[[np.ndarray], Any]) -> Any:
        """What there is to tell of the coefficients; of each class's, by its name, where there are ``classes``."""
        if not classes:
            return tell(self.coefficients)
        return {str(name): tell(row) for name, row in zip(classes, self.coefficients, strict=True)}

    def details(self) -> dict:
        """What a reader of the results wants to know, as plain JSON."""
        gaps = {str(k): count for k, count in self.folds_without.items()}
        return {
            "strength": self.strength,
            "strength_chosen_by": self.chosen_by,
            "cv_auc": {f"{s:g}": value for s, value in self.cv_auc.items()},
            "folds": self.folds,
            **({"folds_without": gaps} if gaps else {}),
        }


def fit_and_score(
    train_features: np.ndarray,
    train: pd.DataFrame,
    test_features: np.ndarray,
    options: ProbeOptions,
    seed: int,
    classes: int = 0,
) -> tuple[LogisticFit, np.ndarray]:
    """`fit_logistic` on the training rows (``label``, ``patient_id``), then the scores of the test rows.

    Linear algebra is held to ``options.threads``: many probes share a machine, and one thread always adds up
    in the same order.
    """
    from threadpoolctl import threadpool_limits

    importlib.import_module("scipy.special")  # a library that is loaded under the limit is not held to it
    patients = train["patient_id"].to_numpy().astype(str)
    with threadpool_limits(options.threads):
        fit = fit_logistic(train_features, train["label"].to_numpy(), patients, options, seed, classes)
        return fit, fit.score(test_features)


def fit_logistic(
    features: np.ndarray,
    labels: np.ndarray,
    patients: np.ndarray,
    options: ProbeOptions,
    seed: int,
    classes: int = 0,
) -> LogisticFit:
    """Standardise, choose the strength by mean AUC over folds of patients, fit on all rows.

    It is given training rows only. Mean and spread are taken once, over all of them, before folding: they
    know no label. Equal AUCs go to the stronger penalty. Of classes it is the multinomial regression, the AUC of a
    fold is the macro AUC over the classes that both its sides hold, and equal ones go to the lower held-out log loss.

    Parameters
    ----------
    features : array, shape (n, D)
        A constant feature is centred and otherwise left alone.
    labels : array, shape (n,)
        Bool, of both classes; or class indices, of two at least.
    patients : array, shape (n,)
    seed : int
        Draws the folds.
    classes : int
        Number of classes; 0 for labels that are true or false.

    Raises
    ------
    DataError
        If a feature is not finite, labels are of one class, or a regression does not come to an end.
    """
    features = np.asarray(features, dtype=np.float64)
    _require_finite(features)
    mean, spread = features.mean(axis=0), features.std(axis=0)
    # A constant column's spread is rounding error, not always zero.
    scale = np.where(spread > 1e-9 * np.maximum(np.abs(mean), 1e-30), spread, 1.0)
    standard, basis = _in_rows((features - mean) / scale)
    design = Design.of(standard)
    folds = cross_validate(design, labels, patients, options.strengths, options.folds, seed, classes)
    strength, chosen_by = _choose(folds, options.strengths, classes)
    weights = minimise(design, labels, np.ones((len(labels), 1), bool), np.array([strength]), classes=classes)[..., 0]
    coefficients, intercept = weights[:, :-1], weights[:, -1]
    if basis is not None:
        coefficients = coefficients @ basis.T
    if classes:
        intercept = np.where(np.isin(np.arange(classes), labels), intercept, -np.inf)
    else:
        coefficients, intercept = coefficients[0], float(intercept[0])
    return LogisticFit(
        mean=mean,
        scale=scale,
        coefficients=coefficients,
        intercept=intercept,
        strength=strength,
        chosen_by=chosen_by,
        cv_auc=folds.auc,
        folds=folds.count,
        folds_without=folds.without,
        out_of_fold=folds.likely[:, options.strengths.index(strength)] if folds.count else None,
    )


def _require_finite(features: np.ndarray) -> None:
    broken = ~np.isfinite(features)
    if broken.any():
        row, column = np.argwhere(broken)[0]
        raise DataError(
            f"{broken.any(axis=1).sum()} of {len(features)} rows to fit a probe to have features that are not finite "
            f"(such as feature {column} of row {row}): leave these rows out, or fill the gaps"
        )


def _in_rows(standard: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Features (n, D), and the basis (D, n) that they are given in, where that is the smaller: of their own rows.

    The weights at the optimum are a combination of the rows, so that this is exact.
    """
    if len(standard) >= standard.shape[1]:
        return standard, None
    basis, _ = np.linalg.qr(standard.T)
    return standard @ basis, basis


def _choose(folds: Folds, strengths: Sequence[float], classes: int) -> tuple[float, str]:
    """Strength and why; ``folds.auc`` runs from the strongest, so that the first best is the strongest best.

    Of classes the held-out log loss tells equal AUCs apart: under a penalty that orders all rows well, the commonest
    class may yet be the most probable one of every row.
    """
    if len(strengths) == 1:
        return strengths[0], "given"
    if not folds.auc:
        return DEFAULT_STRENGTH, "default"
    return max(folds.auc, key=lambda s: (folds.auc[s], -folds.loss[s] if classes else 0.0)), "cross-validation"
