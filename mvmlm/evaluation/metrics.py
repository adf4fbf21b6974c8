"""Metrics of binary scores, for one sample and for all draws of a bootstrap at once."""

from __future__ import annotations

import math

import numpy as np

from mvmlm.errors import DataError

#: Bytes held at once while draws are scored: 128 MiB.
BLOCK = 2**27


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

    A positive beats the negatives that are sorted before it, and half of those that it is tied with. So the
    sorted negatives are cut where a positive stands, every piece is summed for all draws by a sparse product,
    and a running sum over the pieces gives what the positives at each cut beat. Neighbours of one class share
    a cut. There is neither a sort nor a loop a draw.

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
        NaN for a draw in which one of the classes is absent. Exact up to 16 million rows.

    Raises
    ------
    DataError
        As `auc`.
    """
    labels, scores = _checked(labels, scores)
    counts = np.asarray(counts)
    negatives = scores[~labels]
    order = np.argsort(negatives)
    ends = np.stack([np.searchsorted(negatives[order], scores[labels], side) for side in ("left", "right")])
    cuts = np.unique(np.append(ends, len(negatives)))
    pieces = np.searchsorted(cuts, np.arange(len(negatives)), "right")  # of the sorted negatives
    positives = np.searchsorted(cuts, ends).ravel()  # once at either end of its ties: wins and pairs are doubled
    stretch = math.isqrt(len(cuts) - 1) + 1  # cuts that are summed one after the other, all stretches side by side
    rows = max(np.bincount(places // stretch).max() for places in (positives, pieces))
    kind = _kind(counts, rows, 2 * np.bincount(clusters).max())
    shape = (-(-len(cuts) // stretch) * stretch, len(counts))
    twice = _gather(positives, np.tile(clusters[labels], 2), shape, kind)
    below = _gather(pieces, clusters[~labels][order], shape, kind)

    result = np.full(counts.shape[1], np.nan)
    block = max(1, BLOCK // (np.dtype(kind).itemsize * (2 * shape[0] + shape[1])))
    for start in range(0, counts.shape[1], block):
        part = np.ascontiguousarray(counts[:, start : start + block], dtype=kind)
        wins, pairs = _wins(*((held @ part).reshape(-1, stretch, part.shape[1]) for held in (twice, below)))
        np.divide(wins, pairs, out=result[start : start + block], where=pairs > 0)
    return result


def _kind(counts: np.ndarray, rows: int, each: int) -> type[np.generic]:
    """The narrowest type that holds what a draw has of ``rows`` rows, at most ``each`` of them of one cluster.

    Half the width is twice the speed.
    """
    most = np.iinfo(np.uint16).max
    narrow = counts.dtype.kind in "ui" and (
        rows * counts.max(initial=0).astype(np.int64) <= most or each * counts.sum(axis=0).max(initial=0) <= most
    )
    return np.uint16 if narrow else np.float32


def _gather(slots: np.ndarray, clusters: np.ndarray, shape: tuple[int, int], kind: type[np.generic]):
    """Sparse (slots × clusters) matrix that counts the rows of each cluster in each slot."""
    from scipy.sparse import coo_array

    return coo_array((np.ones(len(slots), dtype=kind), (slots, clusters)), shape=shape).tocsr()


def _wins(positives: np.ndarray, negatives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs that are won in each draw, and all pairs, shape (B,), float64.

    Both arguments have the shape (stretches, cuts a stretch, B). ``negatives`` is used up: it becomes a running
    sum within each stretch, which does not leave its narrow type; what lies in earlier stretches is added by
    stretch. (`numpy.cumsum` over all cuts takes several times as long.)
    """
    exact = np.uint32 if positives.dtype == np.uint16 else np.float64
    for cut in range(1, negatives.shape[1]):
        negatives[:, cut] += negatives[:, cut - 1]
    within = np.einsum("scb,scb->sb", positives, negatives, dtype=exact)
    held = positives.sum(axis=1, dtype=exact)
    before = np.cumsum(negatives[:, -1], axis=0, dtype=np.float64)
    wins = within.sum(axis=0, dtype=np.float64) + np.einsum("sb,sb->b", held[1:], before[:-1])
    return wins, held.sum(axis=0, dtype=np.float64) * before[-1]


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
