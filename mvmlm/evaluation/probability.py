"""Metrics that take a score at its word as a probability: Brier score and probabilistic F1."""

from __future__ import annotations

import numpy as np

from mvmlm.errors import DataError
from mvmlm.evaluation.draw_sums import draw_sums, ratio
from mvmlm.evaluation.samples import probability_sample


def brier(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean squared distance between probability and label; the prevalence for everybody gives prevalence·(1 − it).

    Parameters
    ----------
    labels : array, shape (n,), bool or 0/1
        One class is enough.
    probabilities : array, shape (n,)
        Of the positive class, in [0, 1].

    Raises
    ------
    DataError
        If a probability is NaN or outside [0, 1].
    """
    labels, probabilities = probability_sample(labels, probabilities)
    return float(np.mean((probabilities - labels) ** 2))


def weighted_brier(
    labels: np.ndarray, probabilities: np.ndarray, clusters: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Brier score of every bootstrap draw, shape (B,), float64; arguments as `brier` and `draw_sums.draw_sums`."""
    labels, probabilities = probability_sample(labels, probabilities)
    distance = (probabilities - labels) ** 2
    return ratio(*draw_sums(np.column_stack([distance, np.ones(len(labels))]), clusters, counts))


def pf1(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Probabilistic F1, the score of the RSNA 2022 challenge: F1 with the probabilities as fractional calls.

    A positive is found to the extent of its probability p, a negative called wrongly to the extent of its own:
    ``2 Σ⁺p / (Σ⁺p + Σ⁻p + n⁺)``. It depends on calibration: a perfect order with timid probabilities scores low.

    Parameters
    ----------
    labels : array, shape (n,), bool or 0/1
        With at least one positive.
    probabilities : array, shape (n,)
        Of the positive class, in [0, 1].

    Raises
    ------
    DataError
        If a probability is NaN or outside [0, 1], or there is no positive.
    """
    labels, probabilities = _with_positives(labels, probabilities)
    return float(2 * probabilities[labels].sum() / (probabilities.sum() + labels.sum()))


def weighted_pf1(labels: np.ndarray, probabilities: np.ndarray, clusters: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Probabilistic F1 of every bootstrap draw; arguments as `pf1` and `draw_sums.draw_sums`.

    Returns
    -------
    ndarray, shape (B,), float64
        NaN for a draw without a positive.
    """
    labels, probabilities = _with_positives(labels, probabilities)
    found, called, positive = draw_sums(
        np.column_stack([probabilities * labels, probabilities, labels]), clusters, counts
    )
    return np.where(positive > 0, ratio(2 * found, called + positive), np.nan)


def _with_positives(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels, probabilities = probability_sample(labels, probabilities)
    if not labels.any():
        raise DataError(f"only negatives among {len(labels)} rows: a probabilistic F1 needs a positive")
    return labels, probabilities
