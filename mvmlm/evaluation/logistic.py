"""L2 logistic regression, of two classes or more, whose strength is chosen inside the training data, by patient."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mvmlm.data.splits import by_label, patient_folds
from mvmlm.errors import ConfigError
from mvmlm.evaluation.metrics import auc
from mvmlm.evaluation.newton import Design, minimise

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
    coefficients : ndarray, shape (D,), or (K, D)
        Of standardised features; of classes, a row each, which add up to zero.
    intercept : float, or ndarray, shape (K,)
        −∞ for a class that no training row is of: its probability is 0.
    chosen_by : str
        ``cross-validation``; ``given`` where there was one candidate; ``default`` where there were no folds.
    cv_auc : dict
        Strength to mean AUC over the folds; of classes, to that of the macro AUC. Empty where nothing was chosen.
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


def probabilities(logits: np.ndarray, classes: bool | int) -> np.ndarray:
    """Of the positive class, or of each of several ``classes``, which are the last axis of the logits."""
    from scipy.special import expit, softmax

    return softmax(logits, axis=-1) if classes else expit(logits)


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

    importlib.import_module("sklearn.linear_model")  # a library that is loaded under the limit is not held to it
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
        Finite. A constant feature is centred and otherwise left alone.
    labels : array, shape (n,)
        Bool, of both classes; or class indices, of two at least.
    patients : array, shape (n,)
    seed : int
        Draws the folds.
    classes : int
        Number of classes; 0 for labels that are true or false.
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
    design = Design.of(standard)
    folds = _cross_validate(design, labels, patients, options, seed, classes)
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


@dataclass(frozen=True, eq=False)
class _Folds:
    """What cross-validation found; ``likely`` are held-out probabilities, shape (n, S) or (n, S, K)."""

    count: int = 0
    auc: dict[float, float] = field(default_factory=dict)
    loss: dict[float, float] = field(default_factory=dict)
    without: dict[int, int] = field(default_factory=dict)
    likely: np.ndarray | None = None


def _choose(folds: _Folds, strengths: Sequence[float], classes: int) -> tuple[float, str]:
    """Strength and why; ``folds.auc`` runs from the strongest, so that the first best is the strongest best.

    Of classes the held-out log loss tells equal AUCs apart: under a penalty that orders all rows well, the commonest
    class may yet be the most probable one of every row.
    """
    if len(strengths) == 1:
        return strengths[0], "given"
    if not folds.auc:
        return DEFAULT_STRENGTH, "default"
    return max(folds.auc, key=lambda s: (folds.auc[s], -folds.loss[s] if classes else 0.0)), "cross-validation"


def _cross_validate(
    design: Design, labels: np.ndarray, patients: np.ndarray, options: ProbeOptions, seed: int, classes: int
) -> _Folds:
    """Every strength on every fold; none where there is nothing to choose by.

    Folds are so few that two classes at least have patients in each of them.
    """
    sizes = sorted(len(members) for members in by_label(patients, labels))
    count = min(options.folds, sizes[-2] if len(sizes) > 1 else 0)
    if count < 2 or len(options.strengths) == 1:
        return _Folds()
    fold, strengths = patient_folds(patients, labels, count, seed), options.strengths
    fitted = np.repeat(fold[:, None] != np.arange(count), len(strengths), axis=1)
    weights = minimise(design, labels, fitted, np.tile(strengths, count), classes=classes)
    weights = weights.reshape(*weights.shape[:2], count, len(strengths))
    logits = np.empty((len(labels), len(strengths), len(weights)))
    values, without = np.empty((count, len(strengths))), {}
    for number in range(count):
        held = fold == number
        logits[held] = np.einsum("nd,cds->nsc", design.exact[held], weights[:, :, number], optimize=True)
        there = np.intersect1d(labels[held], labels[~held])
        for k in np.setdiff1d(labels, there).tolist():
            without[k] = without.get(k, 0) + 1
        values[number] = [_held_auc(labels[held], logits[held, s], there) for s in range(len(strengths))]
    likely = probabilities(logits if classes else logits[..., 0], classes)
    return _Folds(
        count,
        dict(zip(strengths, values.mean(axis=0).tolist(), strict=True)),
        dict(zip(strengths, _log_loss(labels, likely).tolist(), strict=True)) if classes else {},
        dict(sorted(without.items())),
        likely,
    )


def _log_loss(labels: np.ndarray, likely: np.ndarray) -> np.ndarray:
    """Of class probabilities (n, S, K), shape (S,); of a class that was not there to be fitted, that of 1e-12."""
    right = likely[np.arange(len(labels)), :, labels]
    return -np.log(np.maximum(right, 1e-12)).mean(axis=0)


def _held_auc(labels: np.ndarray, logits: np.ndarray, there: np.ndarray) -> float:
    """AUC of logits (n, 1), or the mean over the classes that are ``there`` of each one's against all others."""
    if logits.shape[1] == 1:
        return auc(labels, logits[:, 0])
    likely = probabilities(logits, True)
    return float(np.mean([auc(labels == k, likely[:, k]) for k in there]))
