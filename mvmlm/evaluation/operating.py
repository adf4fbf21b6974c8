"""Operating points: a threshold that is chosen on reference scores and applied, as it stands, to the test.

The reference is a set of validation scores, or for a probe the out-of-fold scores of the training patients (each from
a fit that has not seen the patient). A threshold is never chosen on the test set: what it promises on the reference
need not hold there, and how far it does is part of the result. Bootstrap draws are those of the test patients, with the
threshold held: they do not speak of the reference's own sampling error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.draw_sums import draw_sums, ratio
from mvmlm.evaluation.samples import two_class_sample


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it does on the reference.

    Attributes
    ----------
    threshold : float
        A score at or above it is called positive; infinity calls nobody.
    sensitivity, specificity : float
        On the reference.
    n_positive, n_negative : int
        Rows of the reference.
    coarse : bool
        The reference has so few rows of the class whose share was asked for that the share means all of them.
    """

    threshold: float
    sensitivity: float
    specificity: float
    n_positive: int
    n_negative: int
    coarse: bool = False


def at_specificity(reference_labels: np.ndarray, reference_scores: np.ndarray, least: float = 0.9) -> OperatingPoint:
    """The lowest threshold whose specificity on the reference is ``least`` or more: the most sensitive of those.

    Parameters
    ----------
    reference_labels, reference_scores : array, shape (n,)
        Candidates are the scores that occur here, and infinity.
    least : float
        In (0, 1).

    Raises
    ------
    DataError
        If the reference has one class only, or a score is not finite.
    """
    thresholds, sensitivity, specificity, sizes = _candidates(reference_labels, reference_scores, least)
    chosen = int(np.argmax(specificity >= least))
    return _point(chosen, thresholds, sensitivity, specificity, sizes, sizes[1] * (1 - least) < 1 - 1e-9)


def at_sensitivity(reference_labels: np.ndarray, reference_scores: np.ndarray, least: float = 0.9) -> OperatingPoint:
    """The highest threshold whose sensitivity on the reference is ``least`` or more; else as `at_specificity`."""
    thresholds, sensitivity, specificity, sizes = _candidates(reference_labels, reference_scores, least)
    chosen = len(thresholds) - 1 - int(np.argmax(sensitivity[::-1] >= least))
    return _point(chosen, thresholds, sensitivity, specificity, sizes, sizes[0] * (1 - least) < 1 - 1e-9)


def at_best_balance(reference_labels: np.ndarray, reference_scores: np.ndarray) -> OperatingPoint:
    """The threshold with the highest balanced accuracy on the reference (Youden's); the highest of equal ones."""
    thresholds, sensitivity, specificity, sizes = _candidates(reference_labels, reference_scores)
    chosen = len(thresholds) - 1 - int(np.argmax((sensitivity + specificity)[::-1]))
    return _point(chosen, thresholds, sensitivity, specificity, sizes, False)


def rates(labels: np.ndarray, scores: np.ndarray, threshold: float) -> tuple[float, float]:
    """Sensitivity and specificity of «score ≥ threshold».

    Raises
    ------
    DataError
        If a score is not finite or only one class is there.
    """
    labels, scores = _finite_sample(labels, scores, "an operating point")
    called = scores >= threshold
    return float(called[labels].mean()), float((~called[~labels]).mean())


def weighted_rates(
    labels: np.ndarray, scores: np.ndarray, threshold: float, clusters: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sensitivity and specificity of every bootstrap draw, each of shape (B,), float64.

    Arguments as `rates` and `draw_sums.draw_sums`; NaN for a draw that lacks the class in question.
    """
    labels, scores = _finite_sample(labels, scores, "an operating point")
    called = scores >= threshold
    found, positive, spared, negative = draw_sums(
        np.column_stack([called & labels, labels, ~called & ~labels, ~labels]), clusters, counts
    )
    return ratio(found, positive), ratio(spared, negative)


def _candidates(labels: np.ndarray, scores: np.ndarray, least: float = 0.5) -> tuple:
    """Thresholds from the lowest up, the last one infinite, their rates, and how many of each class there are."""
    if not 0 < least < 1:
        raise ConfigError(f"the share to reach is {least}: it must lie between 0 and 1")
    labels, scores = _finite_sample(labels, scores, "choosing a threshold")
    positive, negative = np.sort(scores[labels]), np.sort(scores[~labels])
    thresholds = np.unique(np.append(scores, np.inf))
    found = len(positive) - np.searchsorted(positive, thresholds, "left")
    spared = np.searchsorted(negative, thresholds, "left")
    sizes = len(positive), len(negative)
    return thresholds, found / sizes[0], spared / sizes[1], sizes


def _finite_sample(labels: np.ndarray, scores: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = two_class_sample(labels, scores, what)
    if np.isinf(scores).any():
        raise DataError(f"{np.isinf(scores).sum()} of {len(scores)} scores are infinite: {what} needs finite ones")
    return labels, scores


def _point(chosen: int, thresholds, sensitivity, specificity, sizes, coarse) -> OperatingPoint:
    return OperatingPoint(
        threshold=float(thresholds[chosen]),
        sensitivity=float(sensitivity[chosen]),
        specificity=float(specificity[chosen]),
        n_positive=sizes[0],
        n_negative=sizes[1],
        coarse=bool(coarse),
    )
