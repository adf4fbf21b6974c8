"""Metrics of ordered classes (density, BI-RADS), for one sample and for all draws of a bootstrap at once.

Classes are numbered 0 to K − 1 in their order. The predicted class is the most probable one, the lower of equals.
"""

from __future__ import annotations

import numpy as np

from mvmlm.errors import DataError
from mvmlm.evaluation.draw_sums import draw_sums, ratio
from mvmlm.evaluation.metrics import auc, weighted_auc
from mvmlm.evaluation.samples import class_sample


def macro_auc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """AUC of each class against the others, averaged over the classes that the labels hold, each counting the same.

    Parameters
    ----------
    labels : array, shape (n,), int
        Class indices.
    probabilities : array, shape (n, K)
        Rows add up to 1.

    Raises
    ------
    DataError
        If there is one class only, a label is no class, or a row is no distribution.
    """
    labels, probabilities = class_sample(labels, probabilities)
    present = _present(labels, "a macro AUC")
    return float(np.mean([auc(labels == k, probabilities[:, k]) for k in present]))


def weighted_macro_auc(
    labels: np.ndarray, probabilities: np.ndarray, clusters: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Macro AUC of every bootstrap draw; arguments as `macro_auc` and `draw_sums.draw_sums`.

    Returns
    -------
    ndarray, shape (B,), float64
        NaN for a draw that lacks one of the sample's classes: an average over fewer would be of another quantity.
    """
    labels, probabilities = class_sample(labels, probabilities)
    drawn = [weighted_auc(labels == k, probabilities[:, k], clusters, counts) for k in _present(labels, "a macro AUC")]
    return np.mean(drawn, axis=0)


def kappa(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Cohen's kappa with quadratic weights: 1 is agreement, 0 that of chance, with far misses weighing more.

    Arguments as `macro_auc`.

    Raises
    ------
    DataError
        As `macro_auc`: labels of one class leave nothing to agree on.
    """
    labels, table = _confusion_of(labels, probabilities, "a kappa")
    return float(_kappa(table.sum(axis=0).reshape(-1, 1))[0])


def weighted_kappa(
    labels: np.ndarray, probabilities: np.ndarray, clusters: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Quadratic kappa of every bootstrap draw, shape (B,), float64; NaN for a draw with one class among its labels."""
    labels, table = _confusion_of(labels, probabilities, "a kappa")
    return _kappa(draw_sums(table, clusters, counts))


def accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Share of rows whose most probable class is theirs; arguments as `macro_auc`, and one class is enough."""
    labels, probabilities = class_sample(labels, probabilities)
    return float(np.mean(probabilities.argmax(axis=1) == labels))


def weighted_accuracy(
    labels: np.ndarray, probabilities: np.ndarray, clusters: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Accuracy of every bootstrap draw, shape (B,), float64."""
    labels, probabilities = class_sample(labels, probabilities)
    right = probabilities.argmax(axis=1) == labels
    return ratio(*draw_sums(np.column_stack([right, np.ones(len(labels))]), clusters, counts))


def balanced_accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean over the classes that the labels hold of the share that is called right; of k, naming always one gives 1/k.

    Arguments and errors as `macro_auc`.
    """
    labels, table = _confusion_of(labels, probabilities, "a balanced accuracy")
    return float(_mean_recall(table.sum(axis=0).reshape(-1, 1), np.unique(labels))[0])


def weighted_balanced_accuracy(
    labels: np.ndarray, probabilities: np.ndarray, clusters: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Balanced accuracy of every draw, shape (B,), float64; NaN for a draw that lacks one of the sample's classes."""
    labels, table = _confusion_of(labels, probabilities, "a balanced accuracy")
    return _mean_recall(draw_sums(table, clusters, counts), np.unique(labels))


def _present(labels: np.ndarray, what: str) -> np.ndarray:
    present = np.unique(labels)
    if len(present) < 2:
        raise DataError(f"only class {present[0]} among {len(labels)} rows: {what} needs two")
    return present


def _confusion_of(labels: np.ndarray, probabilities: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and a one in each row's cell of the flattened confusion matrix (label × prediction), shape (n, K²)."""
    labels, probabilities = class_sample(labels, probabilities)
    _present(labels, what)
    classes = probabilities.shape[1]
    cells = np.zeros((len(labels), classes**2))
    cells[np.arange(len(labels)), labels * classes + probabilities.argmax(axis=1)] = 1
    return labels, cells


def _kappa(confusion: np.ndarray) -> np.ndarray:
    """Quadratic kappa of flattened confusion matrices, shape (K², B) to (B,); NaN where labels are of one class."""
    seen = _square(confusion)
    far = np.subtract.outer(np.arange(len(seen)), np.arange(len(seen))) ** 2
    labelled, called = seen.sum(axis=1), seen.sum(axis=0)
    chance = np.einsum("ij,ib,jb->b", far, labelled, called)
    missed = np.einsum("ij,ijb->b", far, seen) * seen.sum(axis=(0, 1))
    return np.where((labelled > 0).sum(axis=0) > 1, 1 - ratio(missed, chance), np.nan)


def _mean_recall(confusion: np.ndarray, present: np.ndarray) -> np.ndarray:
    seen = _square(confusion)
    return np.mean([ratio(seen[k, k], seen[k].sum(axis=0)) for k in present], axis=0)


def _square(confusion: np.ndarray) -> np.ndarray:
    classes = round(len(confusion) ** 0.5)
    return confusion.reshape(classes, classes, -1)
