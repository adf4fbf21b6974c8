"""McNemar's exact test: sensitivity and specificity of two arms at their thresholds, by patient.

A patient is positive if any of her rows is, and called if any of her rows is; so she counts once, however many views
she has. Among the patients whom just one arm calls rightly, either arm is equally often the right one if they do not
differ: a binomial of one half, whose two-sided p needs no approximation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mvmlm.errors import DataError


@dataclass(frozen=True)
class Discordant:
    """Two arms on the patients of one class.

    Attributes
    ----------
    n : int
        Patients.
    arm_only, reference_only : int
        Patients whom that arm alone calls rightly.
    delta : float
        Share called rightly, arm minus reference; NaN without patients.
    p : float
        Exact and two-sided; 1 where nobody is called differently.
    """

    n: int
    arm_only: int
    reference_only: int
    delta: float
    p: float


@dataclass(frozen=True)
class McNemar:
    """Both classes."""

    sensitivity: Discordant
    specificity: Discordant


def mcnemar(labels: np.ndarray, arm: np.ndarray, reference: np.ndarray, patients: np.ndarray) -> McNemar:
    """Compare what two arms call positive.

    Parameters
    ----------
    labels : array, shape (n,), bool or 0/1
    arm, reference : array, shape (n,), bool or 0/1
        Whether the row's score reaches the arm's threshold, which was chosen on validation patients.
    patients : array, shape (n,)

    Raises
    ------
    DataError
        If a value is neither 0 nor 1.
    """
    ids, row = np.unique(np.asarray(patients).astype(str), return_inverse=True)
    given = {"labels": labels, "calls of the arm": arm, "calls of the reference": reference}
    positive, ours, theirs = (_any(name, values, row, len(ids)) for name, values in given.items())
    return McNemar(
        sensitivity=_discordant(ours[positive], theirs[positive]),
        specificity=_discordant(~ours[~positive], ~theirs[~positive]),
    )


def _any(name: str, values: np.ndarray, row: np.ndarray, patients: int) -> np.ndarray:
    values = np.asarray(values)
    if not np.isin(values, (0, 1)).all():
        raise DataError(f"{name} other than 0 and 1: {values[~np.isin(values, (0, 1))][:3].tolist()}")
    return np.bincount(row, values.astype(bool), patients) > 0


def _discordant(arm: np.ndarray, reference: np.ndarray) -> Discordant:
    from scipy.stats import binomtest  # slow to import

    ours, theirs = int((arm & ~reference).sum()), int((~arm & reference).sum())
    delta = (ours - theirs) / len(arm) if len(arm) else float("nan")
    p = float(binomtest(ours, ours + theirs).pvalue) if ours + theirs else 1.0
    return Discordant(len(arm), ours, theirs, delta, p)
