"""Calibration: expected calibration error and the reliability curve, on bins of equal mass.

The error of a finite sample is above that of the score: even a perfect forecast misses each bin's share a little.
`chance_error` says by how much, and no error should be read without it. A bootstrap adds that excess once more, so the
draws lie above the value, and a percentile interval may leave it out at its lower end.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.draw_sums import draw_sums
from mvmlm.evaluation.samples import probability_sample

#: Bins of an expected calibration error. Ours; the error grows with it.
BINS = 10


def equal_mass_edges(probabilities: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Lowest probability of each bin but the first, for bins that hold about as many rows each.

    Rows of one probability stay together, in the bin that the middle of them falls into, so that fewer than ``bins``
    are left where there are many ties; constant probabilities make one bin.

    Parameters
    ----------
    probabilities : array, shape (n,)

    Returns
    -------
    ndarray, shape (bins left − 1,), float64, ascending
    """
    if bins < 1:
        raise ConfigError(f"bins is {bins}: calibration needs at least 1")
    values, sizes = np.unique(np.asarray(probabilities, dtype=np.float64), return_counts=True)
    if not len(values):
        raise DataError("there is no row to judge")
    # The middle row of each value, doubled to stay with integers.
    number = (2 * np.cumsum(sizes) - sizes) * bins // (2 * sizes.sum())
    return values[1:][np.diff(number) > 0]


def ece(labels: np.ndarray, probabilities: np.ndarray, edges: np.ndarray | None = None) -> float:
    """Expected calibration error: distance of mean probability and observed share, averaged over rows by their bins.

    Parameters
    ----------
    labels : array, shape (n,), bool or 0/1
        One class is enough.
    probabilities : array, shape (n,)
        Of the positive class, in [0, 1].
    edges : array, optional
        As `equal_mass_edges` gives them; those of these probabilities, with `BINS` bins, if None.

    Raises
    ------
    DataError
        If a probability is NaN or outside [0, 1].
    """
    labels, probabilities = probability_sample(labels, probabilities)
    bin_of, size = _bins(probabilities, edges)
    return float(np.abs(np.bincount(bin_of, probabilities - labels, size)).sum() / len(labels))


def weighted_ece(
    labels: np.ndarray,
    probabilities: np.ndarray,
    clusters: np.ndarray,
    counts: np.ndarray,
    edges: np.ndarray | None = None,
) -> np.ndarray:
    """Expected calibration error of every bootstrap draw, all on the same bins.

    Arguments as `ece` and `draw_sums.draw_sums`; bins are those of the whole sample, if ``edges`` is None.

    Returns
    -------
    ndarray, shape (B,), float64
    """
    labels, probabilities = probability_sample(labels, probabilities)
    bin_of, size = _bins(probabilities, edges)
    excess = np.zeros((len(labels), size + 1))
    excess[np.arange(len(labels)), bin_of] = probabilities - labels
    excess[:, size] = 1
    *gaps, rows = draw_sums(excess, clusters, counts)
    return np.abs(gaps).sum(axis=0) / rows


def chance_error(probabilities: np.ndarray, edges: np.ndarray | None = None) -> float:
    """Error that a perfectly calibrated score with these probabilities shows on average, at this number of rows.

    Normal approximation in each bin, rows taken as independent; with several rows a patient it is somewhat higher.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    bin_of, size = _bins(probabilities, edges)
    spread = np.sqrt(np.bincount(bin_of, probabilities * (1 - probabilities), size))
    return float(math.sqrt(2 / math.pi) * spread.sum() / len(probabilities))


def reliability_curve(
    labels: np.ndarray, probabilities: np.ndarray, edges: np.ndarray | None = None, interval: float = 0.95
) -> list[dict[str, float]]:
    """What a reliability diagram draws: a dict a bin, from the lowest probabilities up, plain JSON.

    Parameters
    ----------
    labels, probabilities, edges
        As `ece`.
    interval : float
        Coverage of the Wilson intervals, in (0, 1). They take rows as independent.

    Returns
    -------
    list of dict
        ``n, n_positive, lowest, highest`` (probability in the bin), ``mean`` (probability), ``observed`` (share of
        positives), ``low, high`` (interval of that share).
    """
    labels, probabilities = probability_sample(labels, probabilities)
    bin_of, size = _bins(probabilities, edges)
    curve = []
    for number in range(size):
        inside = probabilities[bin_of == number]
        if not len(inside):
            continue
        positive = int(labels[bin_of == number].sum())
        low, high = wilson_interval(positive, len(inside), interval)
        curve.append(
            {
                "n": len(inside),
                "n_positive": positive,
                "lowest": float(inside.min()),
                "highest": float(inside.max()),
                "mean": float(inside.mean()),
                "observed": positive / len(inside),
                "low": low,
                "high": high,
            }
        )
    return curve


def wilson_interval(successes: int, trials: int, interval: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share; it holds at shares of 0 and 1 too.

    Raises
    ------
    ConfigError
        If ``interval`` is outside (0, 1) or ``successes`` outside 0 to ``trials``.
    """
    if not 0 < interval < 1:
        raise ConfigError(f"interval is {interval}: it must lie between 0 and 1")
    if not 0 <= successes <= trials or trials < 1:
        raise ConfigError(f"{successes} of {trials} is no share")
    z2 = NormalDist().inv_cdf((1 + interval) / 2) ** 2
    share = successes / trials
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = math.sqrt(z2 * (share * (1 - share) / trials + z2 / (4 * trials**2))) / (1 + z2 / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def _bins(probabilities: np.ndarray, edges: np.ndarray | None) -> tuple[np.ndarray, int]:
    """Bin of each row, and the number of bins."""
    edges = equal_mass_edges(probabilities) if edges is None else np.asarray(edges)
    return np.searchsorted(edges, probabilities, "right"), len(edges) + 1
