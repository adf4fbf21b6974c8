"""Patient-clustered, stratified bootstrap with common random numbers.

Views and breasts of one patient are not independent, so patients are what is resampled; and they are
resampled within the patients with a positive label and those without, so that prevalence stays that of the
test set. The draws are a function of the patients, their strata, the seed and the number of draws alone:
cells that are tested on the same patients meet the same draws, and the draws of their difference are the
differences of their draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.metrics import weighted_auc

#: Random numbers held at once [int64]: 4 MiB, about what a core's cache holds.
BLOCK = 2**19


@dataclass(frozen=True, eq=False)
class PatientBootstrap:
    """Draws of patients with replacement.

    Attributes
    ----------
    patients : ndarray, shape (P,)
        Distinct patients, sorted.
    counts : ndarray, shape (P, B), uint16
        Times that draw ``b`` holds a patient.
    """

    patients: np.ndarray
    counts: np.ndarray

    @classmethod
    def draw(cls, patients: np.ndarray, labels: np.ndarray, *, draws: int, seed: int) -> PatientBootstrap:
        """Draw patients within the stratum with a positive row and the one without.

        Parameters
        ----------
        patients, labels : array, shape (n,)
            Patient and label of each scored row, in any order.
        draws : int
            Number of draws, B. The first draws of a larger B are those of a smaller one.
        """
        if draws < 1:
            raise ConfigError(f"draws is {draws}: a bootstrap needs at least 1")
        ids, row = np.unique(np.asarray(patients).astype(str), return_inverse=True)
        positive = np.zeros(len(ids), dtype=bool)
        positive[row[np.asarray(labels).astype(bool)]] = True
        counts = np.zeros((len(ids), draws), dtype=np.uint16)
        for stratum in (False, True):
            members = np.flatnonzero(positive == stratum)
            if len(members):
                rng = np.random.default_rng([seed, int(stratum)])
                counts[members] = _multiplicities(rng, len(members), draws)
        return cls(ids, counts)

    def clusters_of(self, patients: np.ndarray) -> np.ndarray:
        """Row of ``counts`` of each row's patient, shape (n,), int.

        Raises
        ------
        DataError
            If a patient was not among those drawn from.
        """
        ids = np.asarray(patients).astype(str)
        clusters = np.minimum(np.searchsorted(self.patients, ids), len(self.patients) - 1)
        strange = self.patients[clusters] != ids
        if strange.any():
            raise DataError(f"{strange.sum()} rows are of patients outside the bootstrap, such as {ids[strange][0]}")
        return clusters

    def auc(self, patients: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """AUC of each draw, shape (B,), float64; NaN where a draw lacks one class.

        Raises
        ------
        DataError
            As `clusters_of` and `metrics.auc`.
        """
        return weighted_auc(labels, scores, self.clusters_of(patients), self.counts)


def percentile_interval(draws: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of a metric's draws.

    Parameters
    ----------
    draws : array, shape (B,)
        NaN marks a draw in which the metric is undefined; such draws are left out.
    level : float
        Coverage, in (0, 1).

    Returns
    -------
    (low, high) : tuple of float
        NaN, both, if no draw is defined.
    """
    if not 0 < level < 1:
        raise ConfigError(f"interval is {level}: it must lie between 0 and 1")
    defined = np.asarray(draws, dtype=np.float64)
    defined = defined[~np.isnan(defined)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _multiplicities(rng: np.random.Generator, size: int, draws: int) -> np.ndarray:
    """How often each of ``size`` members is in each of ``draws`` samples of ``size``, shape (size, draws)."""
    counts = np.empty((size, draws), dtype=np.uint16)
    block = max(1, BLOCK // size)
    for start in range(0, draws, block):
        width = min(block, draws - start)
        picked = rng.integers(size, size=(width, size))
        picked += np.arange(width)[:, None] * size
        counted = np.bincount(picked.ravel(), minlength=size * width)
        counts[:, start : start + width] = counted.reshape(width, size).T
    return counts
