"""Holm's correction for a family of comparisons (Scandinavian Journal of Statistics 6, 1979)."""

from __future__ import annotations

import numpy as np

from mvmlm.errors import DataError


def holm(p: np.ndarray) -> np.ndarray:
    """Adjusted p-values, shape (m,), in the order given.

    A comparison that could not be made (NaN) stays NaN, and still counts: the family is what was declared, and a
    failed cell must not make its neighbours more significant.

    Parameters
    ----------
    p : array, shape (m,)

    Raises
    ------
    DataError
        If one is outside [0, 1].
    """
    p = np.asarray(p, dtype=np.float64)
    made = np.flatnonzero(~np.isnan(p))
    if ((p[made] < 0) | (p[made] > 1)).any():
        raise DataError(f"p-values outside 0 to 1: {p[made].min()} to {p[made].max()}")
    order = made[np.argsort(p[made], kind="stable")]
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * (len(p) - np.arange(len(order)))), 1)
    return adjusted
