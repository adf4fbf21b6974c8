"""Metrics of binary scores, for one sample and for all draws of a bootstrap at once."""

from __future__ import annotations

import numpy as np

from mvmlm.errors import DataError

#: Numbers held at once while draws are scored [float32]: 64 MiB.
BLOCK = 16 * 2**20


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve: P(score of a positive > score of a negative), a tie counting one half.

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
    labels, scores = _checked(labels, scores)
    negatives = np.sort(scores[~labels])
    positives = scores[labels]
    wins = np.searchsorted(negatives, positives, "left") + np.searchsorted(negatives, positives, "right")
    return float(wins.sum() / (2.0 * len(negatives) * len(positives)))


def weighted_auc(
    labels: np.ndarray, scores: np.ndarray, clusters: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """AUC of every bootstrap draw, from how often each draw holds each cluster.

    Rows are gathered into slots between and at the distinct scores of the rarer class; two sparse products
    give every draw's weight in every slot, and a running sum the pairs that are won. The cost is (rows +
    distinct scores of the rarer class) × draws, without a sort or a loop over draws.

    Parameters
    ----------
    labels : array, shape (n,), bool or 0/1
    scores : array, shape (n,)
    clusters : array, shape (n,), int
        Row of ``counts`` that each row belongs to.
    counts : array, shape (n_clusters, B), integers
        Times that draw ``b`` holds the cluster.

    Returns
    -------
    ndarray, shape (B,), float64
        NaN for a draw in which one of the classes is absent.

    Raises
    ------
    DataError
        As `auc`.
    """
    labels, scores = _checked(labels, scores)
    if 2 * labels.sum() > len(labels):  # let positives be the rarer: AUC(y, s) = AUC(not y, -s)
        labels, scores = ~labels, -scores
    values, at_value = np.unique(scores[labels], return_inverse=True)
    negatives = scores[~labels]
    # 2k: between values k-1 and k; 2k+1: tied with value k.
    slots = np.searchsorted(values, negatives, "left") + np.searchsorted(values, negatives, "right")
    positive = _gather(at_value, clusters[labels], (len(values), len(counts)))
    negative = _gather(slots, clusters[~labels], (2 * len(values) + 1, len(counts)))

    result = np.full(counts.shape[1], np.nan)
    block = max(1, BLOCK // (len(counts) + 5 * len(values)))
    for start in range(0, counts.shape[1], block):
        part = np.ascontiguousarray(counts[:, start : start + block], dtype=np.float32)
        won, lost = positive @ part, negative @ part
        below = np.cumsum(lost, axis=0)
        wins = np.einsum("kb,kb->b", won, below[:-1:2] + 0.5 * lost[1::2], dtype=np.float64)
        pairs = won.sum(axis=0, dtype=np.float64) * below[-1]
        defined = pairs > 0
        result[start : start + block][defined] = wins[defined] / pairs[defined]
    return result


def _gather(slots: np.ndarray, clusters: np.ndarray, shape: tuple[int, int]):
    """Sparse (slots × clusters) matrix that counts the rows of each cluster in each slot."""
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(slots), dtype=np.float32), (slots, clusters)), shape=shape)


def _checked(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if not np.isin(labels, (0, 1)).all():
        raise DataError(f"labels other than 0 and 1: {labels[~np.isin(labels, (0, 1))][:3].tolist()}")
    if np.isnan(scores).any():
        raise DataError(f"{np.isnan(scores).sum()} of {len(scores)} scores are NaN: they have no AUC")
    labels = labels.astype(bool)
    if labels.all() or not labels.any():
        there = f"only {'positives' if labels.any() else 'negatives'} among {len(labels)} rows"
        raise DataError(f"{there}: an AUC needs both classes")
    return labels, scores
