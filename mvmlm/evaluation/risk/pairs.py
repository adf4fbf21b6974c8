"""The share of compared pairs that a score puts in the right order: for a sample, and for all draws of a bootstrap.

Concordance indices and time-dependent AUCs are all of this form; they differ in who is compared with whom and in what
a pair weighs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mvmlm.errors import DataError
from mvmlm.evaluation.draw_sums import draw_blocks, ratio

#: Pairs held at once [float32]: 8 MiB.
BLOCK = 2 * 2**20


@dataclass(frozen=True, eq=False)
class Pairs:
    """Each lead is compared with the others of a higher rank; it ought to have the higher score.

    Attributes
    ----------
    leads, others : ndarray, shape (m,) and (k,), int
        Rows of the sample. A row may be in both.
    lead_ranks, other_ranks : ndarray, shape (m,) and (k,), int
    lead_scores, other_scores : ndarray, shape (m,) and (k,)
    weights : ndarray, shape (m,)
        Of every pair that a lead is in.
    """

    leads: np.ndarray
    others: np.ndarray
    lead_ranks: np.ndarray
    other_ranks: np.ndarray
    lead_scores: np.ndarray
    other_scores: np.ndarray
    weights: np.ndarray


def share_right(terms: Sequence[Pairs], what: str) -> float:
    """Weighted share of the pairs of all terms in which the lead has the higher score; a tie counts one half.

    Time grows with n log² n, not with the number of pairs.

    Raises
    ------
    DataError
        If there is no pair.
    """
    right = total = 0.0
    for term in terms:
        won, number = _counts(term)
        right += float(0.5 * won @ term.weights)
        total += float(number @ term.weights)
    if not total > 0:
        raise DataError(f"{what}: no two rows can be compared: nobody is known to outlast an event")
    return right / total


def weighted_share_right(terms: Sequence[Pairs], clusters: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """`share_right` of every bootstrap draw.

    All rows of a cluster weigh the same in a draw, so pairs are summed by cluster once; each draw then is a quadratic
    form in its counts, and all draws are one matrix product: (clusters with a lead) × clusters × draws.

    Parameters
    ----------
    clusters : array, shape (n,), int
        Row of ``counts`` that each row of the sample belongs to.
    counts : array, shape (n_clusters, B), integers
        Times that draw ``b`` holds the cluster.

    Returns
    -------
    ndarray, shape (B,), float64
        NaN for a draw without a pair.
    """
    right, total = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
    for term in terms:
        order = np.argsort(clusters[term.leads], kind="stable")
        step = max(1, BLOCK // max(1, len(term.others)))
        for start in range(0, len(order), step):
            _add(term, order[start : start + step], clusters, counts, right, total)
    return ratio(right, total)


def checked_scores(scores: np.ndarray, rows: int) -> np.ndarray:
    """Scores as float64.

    Raises
    ------
    DataError
        If one is NaN, or they are not as many as the rows.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if len(scores) != rows:
        raise DataError(f"{len(scores)} scores for {rows} rows of follow-up")
    if np.isnan(scores).any():
        raise DataError(f"{np.isnan(scores).sum()} of {scores.size} scores are NaN: they have no order")
    return scores


def _counts(term: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """Of each lead, twice the pairs won plus those tied, and all its pairs; shape (m,) each.

    Two ranks first differ at one binary digit: there the lower one has a 0 and the higher a 1. So each digit counts its
    own pairs, among rows that agree in the digits above it, by a sort.
    """
    _, ranks = np.unique(np.concatenate([term.lead_ranks, term.other_ranks]), return_inverse=True)
    _, scores = np.unique(np.concatenate([term.lead_scores, term.other_scores]), return_inverse=True)
    m, width = len(term.leads), int(scores.max(initial=0)) + 1
    won, number = np.zeros(m, dtype=np.int64), np.zeros(m, dtype=np.int64)
    for digit in range(int(ranks.max(initial=0)).bit_length()):
        lower = np.flatnonzero(ranks[:m] >> digit & 1 == 0)
        higher = m + np.flatnonzero(ranks[m:] >> digit & 1 == 1)
        keys = np.sort((ranks[higher] >> digit + 1) * width + scores[higher])
        group = (ranks[lower] >> digit + 1) * width
        own = group + scores[lower]
        first = np.searchsorted(keys, group)
        won[lower] += np.searchsorted(keys, own, "left") + np.searchsorted(keys, own, "right") - 2 * first
        number[lower] += np.searchsorted(keys, group + width) - first
    return won, number


def _add(
    term: Pairs, rows: np.ndarray, clusters: np.ndarray, counts: np.ndarray, right: np.ndarray, total: np.ndarray
) -> None:
    """Add the pairs of some leads to what each draw has right, and in all."""
    from scipy.sparse import csr_array

    half = np.float32(0.5)
    compared = (term.other_ranks > term.lead_ranks[rows, None]) * term.weights[rows, None].astype(np.float32)
    leads, others = term.lead_scores[rows, None], term.other_scores
    won = compared * (half * (leads >= others) + half * (leads > others))
    of_others = csr_array(
        (np.ones(len(others), np.float32), (clusters[term.others], np.arange(len(others)))),
        shape=(len(counts), len(others)),
    )
    mine, place = np.unique(clusters[term.leads[rows]], return_inverse=True)
    of_leads = csr_array((np.ones(len(rows), np.float32), (place, np.arange(len(rows)))), shape=(len(mine), len(rows)))
    kernels = [of_leads @ np.ascontiguousarray((of_others @ pairs.T).T, np.float32) for pairs in (won, compared)]
    for block in draw_blocks(counts.shape[1], len(counts)):
        part = np.ascontiguousarray(counts[:, block], dtype=np.float32)
        for kernel, sums in zip(kernels, (right, total)):
            sums[block] += np.einsum("kb,kb->b", part[mine], kernel @ part, dtype=np.float64)
