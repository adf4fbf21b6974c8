"""Sums over the rows of every bootstrap draw, from how often each draw holds each cluster."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

#: Numbers held at once [float64]: 32 MiB.
BLOCK = 4 * 2**20


def draw_sums(values: np.ndarray, clusters: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Sum of each column over the rows of each draw; a metric that is a ratio of sums needs nothing else.

    Parameters
    ----------
    values : array, shape (n, m)
        Finite.
    clusters : array, shape (n,), int
        Row of ``counts`` that each row belongs to.
    counts : array, shape (n_clusters, B), integers
        Times that draw ``b`` holds the cluster.

    Returns
    -------
    ndarray, shape (m, B), float64
    """
    values = np.asarray(values, dtype=np.float64)
    held = np.stack([np.bincount(clusters, weights=column, minlength=len(counts)) for column in values.T])
    result = np.empty((len(held), counts.shape[1]))
    for part in draw_blocks(counts.shape[1], len(counts)):
        result[:, part] = held @ counts[:, part].astype(np.float64)
    return result


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotients, shape (B,), float64; NaN where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(np.shape(denominator), np.nan), where=denominator != 0)


def slot_counts(slots: np.ndarray, clusters: np.ndarray, shape: tuple[int, int]):
    """Sparse matrix (slots × clusters), float32, of how many rows of each cluster are in each slot.

    Its product with ``counts`` is the number of rows that each draw has in each slot.
    """
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(slots), dtype=np.float32), (slots, clusters)), shape=shape)


def draw_blocks(draws: int, height: int) -> Iterator[slice]:
    """Runs of draws such that ``height`` numbers for each of a run's draws fit in `BLOCK`."""
    width = max(1, BLOCK // max(1, height))
    return (slice(start, start + width) for start in range(0, draws, width))
