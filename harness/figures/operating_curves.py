"""ROC and precision–recall curves of predictions, and of bootstrap draws of their patients."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mvmlm.errors import DataError
from mvmlm.evaluation.bootstrap import PatientBootstrap

GRID = np.linspace(0, 1, 101)
"""Where bands are known."""
MOST_POINTS = 600
"""Of a curve as drawn."""
BLOCK = 2**21
"""Cumulative weights held at once."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Labels and scores, best score first.

    Attributes
    ----------
    labels : array, shape (n,), bool
    scores : array, shape (n,)
    patients : array, shape (n,), or None
        For bands.
    """

    labels: np.ndarray
    scores: np.ndarray
    patients: np.ndarray | None = None

    @classmethod
    def of(cls, labels: np.ndarray, scores: np.ndarray, patients: np.ndarray | None = None) -> Sample:
        """Check and sort.

        Raises
        ------
        DataError
            When a score is not finite, or there are not two classes.
        """
        labels, scores = np.asarray(labels), np.asarray(scores, float)
        if not np.isfinite(scores).all():
            raise DataError(f"{(~np.isfinite(scores)).sum()} of {len(scores)} scores are not finite")
        found = np.unique(labels)
        if len(found) != 2 or not np.isin(found, (0, 1)).all():
            raise DataError(f"labels are {', '.join(map(str, found[:5]))}: a curve needs both of 0 and 1")
        order = np.argsort(-scores, kind="stable")
        people = None if patients is None else np.asarray(patients).astype(str)[order]
        return cls(labels.astype(bool)[order], scores[order], people)

    @cached_property
    def ends(self) -> np.ndarray:
        """Last row of each distinct score."""
        return np.flatnonzero(np.r_[self.scores[1:] != self.scores[:-1], True])

    def rates(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """True and false positives at each distinct score, as sums of weights.

        Parameters
        ----------
        weights : array, shape (n,) or (n, B)

        Returns
        -------
        true, false : arrays, shape (K + 1,) or (K + 1, B)
            Beginning with nothing called positive.
        """
        labels = self.labels if weights.ndim == 1 else self.labels[:, None]
        sums = [np.cumsum(weights * part, axis=0, dtype=float)[self.ends] for part in (labels, ~labels)]
        return tuple(np.concatenate([np.zeros_like(s[:1]), s]) for s in sums)

    def weights(self, draws: int, seed: int) -> np.ndarray:
        """Times that each draw of patients holds a row, shape (n, B)."""
        bootstrap = PatientBootstrap.draw(self.patients, self.labels, draws=draws, seed=seed)
        return bootstrap.counts[np.searchsorted(bootstrap.patients, self.patients)]


def roc(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rate along the curve, its corners only."""
    true, false = sample.rates(np.ones(len(sample.labels)))
    return _thinned(false / false[-1], true / true[-1])


def precision_recall(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision at each distinct score, from the first true positive to the last."""
    true, false = sample.rates(np.ones(len(sample.labels)))
    found = (true > 0) & np.r_[True, true[:-1] < true[-1]]
    return _thinned(true[found] / true[-1], true[found] / (true[found] + false[found]))


def bands(sample: Sample, draws: int, seed: int, level: int = 95) -> tuple[np.ndarray, np.ndarray]:
    """Pointwise intervals at each place of :data:`GRID`, over bootstrap draws of patients.

    Returns
    -------
    roc, precision : arrays, shape (2, G)
        Ends of the sensitivity's interval at each false positive rate, and of the precision's at each recall.

    Raises
    ------
    DataError
        When no draw has both classes.
    """
    weights = sample.weights(draws, seed)
    step = max(1, BLOCK // len(weights))
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for start in range(0, draws, step):
        true, false = sample.rates(weights[:, start : start + step])
        both = (true[-1] > 0) & (false[-1] > 0)
        found += [(_roc_at_grid(t, f), _precision_at_grid(t, f)) for t, f in zip(true.T[both], false.T[both])]
    if not found:
        raise DataError("no bootstrap draw has both classes")
    ends = np.percentile(found, [50 - level / 2, 50 + level / 2], axis=0)
    return ends[:, 0], ends[:, 1]


def _roc_at_grid(true: np.ndarray, false: np.ndarray) -> np.ndarray:
    return np.interp(GRID, false / false[-1], true / true[-1])


def _precision_at_grid(true: np.ndarray, false: np.ndarray) -> np.ndarray:
    """Precision at the highest score by which the recall is reached."""
    true, false = true[1:], false[1:]
    called = true + false
    drawn = called > 0
    recall, precision = true[drawn] / true[-1], true[drawn] / called[drawn]
    return precision[np.minimum(np.searchsorted(recall, GRID - 1e-12), len(recall) - 1)]


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Without points on a straight line between their neighbours; and evenly thinned where many are left."""
    points = np.column_stack([x, y])
    if len(points) > 2:
        ahead, behind = points[2:] - points[1:-1], points[1:-1] - points[:-2]
        turns = np.abs(ahead[:, 0] * behind[:, 1] - ahead[:, 1] * behind[:, 0]) > 1e-12
        points = points[np.r_[True, turns, True]]
    if len(points) > MOST_POINTS:
        points = points[np.unique(np.linspace(0, len(points) - 1, MOST_POINTS).astype(int))]
    return points[:, 0], points[:, 1]
