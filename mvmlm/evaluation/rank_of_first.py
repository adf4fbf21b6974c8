"""Where the first right one stands in a ranking with ties: recall, median rank, and what a guess would have.

Equal similarities come in any order, each as likely as another. So a query has no one rank but a distribution of it,
known in closed form, and every number here is of that distribution: an embedding that says nothing scores what a guess
does, and not the first or the last place of a tie.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mvmlm.errors import DataError
from mvmlm.evaluation.draw_sums import draw_sums, ratio

#: Similarities held at once [float32]: 64 MiB.
BLOCK = 16 * 2**20
#: Slack of a sum of shares that must reach one half.
SLACK = 1e-9


@dataclass(frozen=True, eq=False)
class FirstRight:
    """Of each query, where the first right item of the gallery can stand.

    Attributes
    ----------
    ahead : ndarray, shape (n,), int
        Items more similar than the most similar right one.
    tied : ndarray, shape (n,), int
        Items exactly as similar as that one, itself among them.
    right : ndarray, shape (n,), int
        Right ones among the tied.
    size : int
        Items of the gallery.
    """

    ahead: np.ndarray
    tied: np.ndarray
    right: np.ndarray
    size: int

    def within(self, rank: int) -> np.ndarray:
        """Probability that the first right item is among the first ``rank``, shape (n,), float64.

        The first ``k`` of ``t`` tied items hold none of ``s`` right ones with probability C(t − s, k) / C(t, k).
        """
        from scipy.special import gammaln

        taken = np.clip(rank - self.ahead, 0, self.tied)
        wrong = self.tied - self.right
        some = np.minimum(taken, wrong)  # of more, at least one is right
        missed = gammaln(wrong + 1) - gammaln(wrong - some + 1) - gammaln(self.tied + 1) + gammaln(self.tied - some + 1)
        return np.where(taken > wrong, 1.0, -np.expm1(missed))

    def expected(self) -> np.ndarray:
        """Mean rank, shape (n,), float64: of ``s`` right items among ``t`` the first stands at (t + 1) / (s + 1)."""
        return self.ahead + (self.tied + 1) / (self.right + 1)

    def guessed(self, right: np.ndarray) -> FirstRight:
        """What an order drawn at random would give, where ``right`` items (n,) of the gallery are right."""
        whole = np.full(len(right), self.size)
        return FirstRight(np.zeros_like(whole), whole, np.asarray(right), self.size)


def first_right(queries: np.ndarray, gallery: np.ndarray, wanted: np.ndarray, held: np.ndarray) -> FirstRight:
    """Rank a gallery by similarity to each query.

    Parameters
    ----------
    queries : array, shape (n, E)
    gallery : array, shape (m, E)
        Equal rows are exactly tied.
    wanted : array, shape (n,), int
        Number of the report that each query asks for.
    held : array, shape (m,), int
        Number of the report that each item has: it is right where the two are equal.

    Raises
    ------
    DataError
        If an embedding is not finite, or nothing in the gallery is right for a query.
    """
    queries, gallery = (np.asarray(given, np.float32) for given in (queries, gallery))
    if not (np.isfinite(queries).all() and np.isfinite(gallery).all()):
        raise DataError("embeddings are not finite: they cannot be ranked")
    without = ~np.isin(wanted, held)
    if without.any():
        raise DataError(f"{without.sum()} of {len(wanted)} queries have no right item in the gallery")
    # A product of matrices may differ in its last bits between equal columns: each is computed once.
    distinct, column = np.unique(gallery, axis=0, return_inverse=True)
    counts = np.zeros((3, len(queries)), dtype=np.int64)
    step = max(1, BLOCK // len(gallery))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        similar = (queries[part] @ distinct.T)[:, column.ravel()]
        right = wanted[part, None] == held
        best = np.where(right, similar, -np.inf).max(axis=1, keepdims=True)
        level = similar == best
        counts[:, part] = (similar > best).sum(axis=1), level.sum(axis=1), (level & right).sum(axis=1)
    return FirstRight(*counts, size=len(gallery))


def recall(found: FirstRight, rank: int) -> float:
    """Share of the queries whose first right item is among the first ``rank``."""
    return float(found.within(rank).mean())


def weighted_recall(found: FirstRight, rank: int, clusters: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Recall of every bootstrap draw of the queries, shape (B,), float64; the gallery stays as it is.

    Parameters
    ----------
    clusters, counts : array, shape (n,) and (n_clusters, B)
        As `draw_sums.draw_sums`.
    """
    shares = found.within(rank)
    return ratio(*draw_sums(np.column_stack([shares, np.ones(len(shares))]), clusters, counts))


def median_rank(found: FirstRight) -> float:
    """The smallest rank within which half of the queries find their first right item."""
    n = len(found.ahead)
    return float(weighted_median_rank(found, np.zeros(n, np.intp), np.ones((1, 1), np.int64))[0])


def weighted_median_rank(found: FirstRight, clusters: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Median rank of every bootstrap draw of the queries, shape (B,), float64; NaN for a draw without any.

    All draws are bisected together: one pass over the queries for each rank that some draw has to look at, and those
    are few, because the draws' medians lie close.
    """
    below, at = np.zeros(counts.shape[1], np.int64), np.full(counts.shape[1], found.size)
    while (going := at - below > 1).any():
        middle = (below + at) // 2
        for rank in np.unique(middle[going]):
            mine = np.flatnonzero(going & (middle == rank))
            reached = weighted_recall(found, int(rank), clusters, counts[:, mine]) >= 0.5 - SLACK
            at[mine[reached]], below[mine[~reached]] = rank, rank
    held = np.bincount(clusters, minlength=len(counts)) @ counts.astype(np.float64)
    return np.where(held > 0, at, np.nan)
