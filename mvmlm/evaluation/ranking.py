"""Average precision, for one sample and for all draws of a bootstrap at once."""

from __future__ import annotations

import numpy as np

from mvmlm.evaluation.draw_sums import draw_blocks, ratio, slot_counts
from mvmlm.evaluation.samples import two_class_sample


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the steps of the precision-recall curve: the mean precision at the positives' scores.

    Rows of one score enter together: the precision at a score counts every row that has it or a higher one. So the
    order of tied rows means nothing, and constant scores give the prevalence.

    Parameters
    ----------
    labels : array, shape (n,), bool or 0/1
    scores : array, shape (n,)
        Any order-preserving scale; infinities are allowed, NaN is not.

    Raises
    ------
    DataError
        If a score is NaN or only one class is there.
    """
    labels, scores = two_class_sample(labels, scores, "an average precision")
    every, positive = np.sort(scores), np.sort(scores[labels])
    called = len(every) - np.searchsorted(every, positive, "left")
    found = len(positive) - np.searchsorted(positive, positive, "left")
    return float(np.mean(found / called))


def weighted_average_precision(
    labels: np.ndarray, scores: np.ndarray, clusters: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Average precision of every bootstrap draw.

    Only the positives' distinct scores are thresholds, and each negative is gathered at the highest of them that it
    reaches. The cost is (rows + distinct scores of positives) × draws, without a sort or a loop over draws.

    Parameters
    ----------
    labels, scores : array, shape (n,)
        As `average_precision`.
    clusters, counts : array, shape (n,) and (n_clusters, B)
        As `draw_sums.draw_sums`.

    Returns
    -------
    ndarray, shape (B,), float64
        NaN for a draw in which one of the classes is absent.

    Raises
    ------
    DataError
        As `average_precision`.
    """
    labels, scores = two_class_sample(labels, scores, "an average precision")
    values, at_value = np.unique(scores[labels], return_inverse=True)
    # Thresholds from the highest down, so that running sums count what is at or above each.
    slots = len(values) - np.searchsorted(values, scores[~labels], "right")  # the last slot is below all thresholds
    positive = slot_counts(len(values) - 1 - at_value, clusters[labels], (len(values), len(counts)))
    negative = slot_counts(slots, clusters[~labels], (len(values) + 1, len(counts)))

    result = np.empty(counts.shape[1])
    for part in draw_blocks(counts.shape[1], len(counts) + 4 * len(values)):
        times = np.ascontiguousarray(counts[:, part], dtype=np.float32)
        new, wrong = positive @ times, np.cumsum(negative @ times, axis=0)
        found = np.cumsum(new, axis=0)
        precision = found / np.maximum(found + wrong[:-1], 1)  # where nothing is called, nothing is new
        area = ratio(np.einsum("kb,kb->b", new, precision, dtype=np.float64), found[-1].astype(np.float64))
        result[part] = np.where(wrong[-1] > 0, area, np.nan)
    return result
