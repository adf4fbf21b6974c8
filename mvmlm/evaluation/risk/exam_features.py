"""Features of an exam from those of its breasts."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd


def exam_features(features: np.ndarray, breasts: pd.DataFrame, exams: pd.Index, rule: str) -> np.ndarray:
    """Fuse the breasts of each exam.

    ``mean``
        Over the breasts that have features.
    ``max``
        The largest value of each feature over them: what is in one breast alone is not diluted.
    ``mean_max``
        Both, side by side.
    ``mean_difference``
        The mean, and the absolute difference between left and right; unknown where an exam has one side alone.

    Parameters
    ----------
    features : array, shape (n_breasts, D)
        Rows as those of ``breasts``; NaN throughout for a breast without a usable view.
    breasts : DataFrame
        With ``exam_id``, and ``laterality`` for ``mean_difference``.
    exams : Index
        Exams wanted.
    rule : str

    Returns
    -------
    ndarray, shape (n_exams, D) or (n_exams, 2 D), float64
        NaN throughout for an exam of which no breast has features.
    """
    place = exams.get_indexer(breasts["exam_id"].astype(exams.dtype))
    sides = {
        side: _first(features, place, (breasts["laterality"] == side).to_numpy(dtype=bool), len(exams)) for side in "LR"
    }
    stack = np.stack(list(sides.values()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a mean of nothing is NaN, as promised
        mean, largest = np.nanmean(stack, axis=0), np.nanmax(stack, axis=0)
    return {
        "mean": lambda: mean,
        "max": lambda: largest,
        "mean_max": lambda: np.hstack([mean, largest]),
        "mean_difference": lambda: np.hstack([mean, np.abs(sides["L"] - sides["R"])]),
    }[rule]()


def _first(features: np.ndarray, place: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """Features of one breast of each exam, shape (count, D); NaN where there is none."""
    found = np.full((count, features.shape[1]), np.nan)
    mine = rows & (place >= 0)
    found[place[mine]] = features[mine]
    return found


@np.errstate(invalid="ignore")
def standardise(features: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both, less the training mean, over the training spread; an unknown value is the mean, a constant feature 0.

    Parameters
    ----------
    features, train : array, shape (n, D) and (m, D)

    Returns
    -------
    (features, train) : tuple of ndarray, float64
    """
    known = ~np.isnan(train)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, train, 0).sum(axis=0) / count
    spread = np.sqrt(np.where(known, (train - mean) ** 2, 0).sum(axis=0) / count)
    constant = spread <= 1e-9 * np.maximum(np.abs(mean), 1e-30)
    scale = np.where(constant, 1.0, spread)
    return tuple(np.where(np.isnan(part) | constant, 0.0, (part - mean) / scale) for part in (features, train))
