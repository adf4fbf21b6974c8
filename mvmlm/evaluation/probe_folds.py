"""Folds of a probe's training patients: what each strength does on patients that its fit has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mvmlm.data.splits import patient_folds
from mvmlm.evaluation.metrics import auc
from mvmlm.evaluation.newton import Design, minimise


@dataclass(frozen=True, eq=False)
class Folds:
    """What cross-validation found; of no fold, nothing.

    Attributes
    ----------
    count : int
    auc : dict
        Strength to the mean over the folds of the held-out AUC, or macro AUC; in the order of the strengths given.
    loss : dict
        Strength to the held-out log loss, of classes.
    without : dict
        Class index to the number of folds whose macro AUC leaves it out, since it is held out or fitted to only.
    likely : ndarray, shape (n, S) or (n, S, K), or None
        Held-out probabilities of each row under each of the S strengths.
    """

    count: int = 0
    auc: dict[float, float] = field(default_factory=dict)
    loss: dict[float, float] = field(default_factory=dict)
    without: dict[int, int] = field(default_factory=dict)
    likely: np.ndarray | None = None


def cross_validate(
    design: Design,
    labels: np.ndarray,
    patients: np.ndarray,
    strengths: Sequence[float],
    most: int,
    seed: int,
    classes: int = 0,
) -> Folds:
    """Every strength on every fold; no fold where patients are too few (`draw_folds`).

    Parameters
    ----------
    labels, patients : array, shape (n,)
        Labels are bool, or class indices with ``classes`` given.
    strengths : sequence of float, length S
    most : int
        Folds, at most.
    seed : int
        Draws the folds.
    """
    fold = draw_folds(patients, labels, most, seed)
    if fold is None:
        return Folds()
    count = int(fold.max()) + 1
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
    return Folds(
        count,
        dict(zip(strengths, values.mean(axis=0).tolist(), strict=True)),
        dict(zip(strengths, _log_loss(labels, likely).tolist(), strict=True)) if classes else {},
        dict(sorted(without.items())),
        likely,
    )


def draw_folds(patients: np.ndarray, labels: np.ndarray, most: int, seed: int) -> np.ndarray | None:
    """Fold of each row (n,), of as many folds as leave two labels or more on both sides of each; None where two do not.

    They are by patient, so that no patient is on both sides.
    """
    for count in range(min(most, len(np.unique(patients))), 1, -1):
        fold = patient_folds(patients, labels, count, seed)
        sides = ((labels[fold == number], labels[fold != number]) for number in range(count))
        if all(len(np.intersect1d(*both)) > 1 for both in sides):
            return fold
    return None


def probabilities(logits: np.ndarray, classes: bool | int) -> np.ndarray:
    """Of the positive class, or of each of several ``classes``, which are the last axis of the logits."""
    from scipy.special import expit, softmax

    return softmax(logits, axis=-1) if classes else expit(logits)


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
