"""One answer for an ordered axis (tokens 4, 8, 16; data 1, 10, 100 %) instead of many pairs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from harness.stats.difference import Difference
from harness.stats.paired import from_draws
from harness.stats.two_way import TwoWay, two_way
from mvmlm.errors import ConfigError, DataError

Scale = Literal["log2", "linear"]


def trend(
    points: Sequence[float], values: np.ndarray, draws: np.ndarray, *, scale: Scale = "log2", level: float = 0.95
) -> Difference | TwoWay:
    """Least-squares slope of a metric along an axis.

    ``delta`` is the gain a doubling of the axis (``log2``) or a unit of it (``linear``). With one seed it is judged by
    patients, with several by seeds and patients.

    Parameters
    ----------
    points : sequence of float, length K
        The axis.
    values : array, shape (K,) or (n, K)
        The metric at each point, of one seed or of n.
    draws : array, shape (K, B) or (n, K, B)
        On resampled patients, equal ones for all points and seeds.

    Raises
    ------
    ConfigError
        If the axis has fewer than two distinct points, or one that has no logarithm.
    DataError
        If values or draws do not fit it.
    """
    values, draws = np.asarray(values, dtype=np.float64), np.asarray(draws, dtype=np.float64)
    weights = slope_weights(points, scale)
    if values.shape[-1:] != weights.shape or draws.shape[:-1] != values.shape:
        raise DataError(f"an axis of {len(weights)} points with values {values.shape} and draws {draws.shape}")
    slopes, drawn = values @ weights, np.einsum("...kb,k->...b", draws, weights)
    if values.ndim > 1 and len(values) > 1:
        return two_way(slopes, drawn, level=level)
    return from_draws(float(slopes.reshape(())), drawn.reshape(-1), level=level)


def slope_weights(points: Sequence[float], scale: Scale) -> np.ndarray:
    """Weights whose sum with the values is the least-squares slope, shape (K,)."""
    x = np.asarray(points, dtype=np.float64)
    if scale not in ("log2", "linear"):
        raise ConfigError(f"scale is {scale!r}: it must be log2 or linear")
    if scale == "log2":
        if (x <= 0).any():
            raise ConfigError(f"the axis holds {x.min():g}, which has no logarithm: take scale linear")
        x = np.log2(x)
    off = x - x.mean()
    if not len(x) or not np.ptp(x):
        raise ConfigError(f"an axis of {len(x)} points has no slope: it needs two that differ")
    return off / (off**2).sum()
