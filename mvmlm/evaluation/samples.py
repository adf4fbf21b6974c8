"""What a metric is given, checked: labels, scores, probabilities, and the scale that scores are on."""

from __future__ import annotations

import numpy as np

from mvmlm.errors import ConfigError, DataError

#: What a score may be. ``order``: only which of two is higher means something, such as a difference of similarities.
SCALES = ("probability", "logit", "order")
#: How far the probabilities of a row may be from a sum of 1.
SUM_TOLERANCE = 1e-4


def binary_labels(labels: np.ndarray) -> np.ndarray:
    """Labels as bool, shape (n,), n at least 1."""
    labels = np.asarray(labels)
    if not len(labels):
        raise DataError("there is no row to judge")
    strange = ~np.isin(labels, (0, 1))
    if strange.any():
        raise DataError(f"labels other than 0 and 1: {labels[strange][:3].tolist()}")
    return labels.astype(bool)


def known_scores(scores: np.ndarray, rows: int) -> np.ndarray:
    """Scores as float64, shape (n,); infinities are allowed, NaN is not."""
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != (rows,):
        raise DataError(f"scores have shape {scores.shape}, the labels {rows} rows")
    if np.isnan(scores).any():
        raise DataError(f"{np.isnan(scores).sum()} of {rows} scores are NaN: score these rows or leave them out")
    return scores


def two_class_sample(labels: np.ndarray, scores: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,), bool, of both classes, and scores (n,), float64.

    Parameters
    ----------
    what : str
        The metric, with its article: it is said in the error that a single class gives.
    """
    labels = binary_labels(labels)
    scores = known_scores(scores, len(labels))
    if labels.all() or not labels.any():
        there = f"only {'positives' if labels[0] else 'negatives'} among {len(labels)} rows"
        raise DataError(f"{there}: {what} needs both classes")
    return labels, scores


def probability_sample(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,), bool, and probabilities of the positive class (n,), float64, in [0, 1]."""
    labels = binary_labels(labels)
    probabilities = known_scores(probabilities, len(labels))
    outside = (probabilities < 0) | (probabilities > 1)
    if outside.any():
        raise DataError(
            f"{outside.sum()} of {len(labels)} scores are no probabilities (such as {probabilities[outside][0]:g}): "
            "name the scale that they are on"
        )
    return labels, probabilities


def class_sample(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class indices (n,), int, and class probabilities (n, K), float64, rows adding up to 1."""
    probabilities = np.asarray(probabilities, dtype=np.float64)
    labels = np.asarray(labels)
    if not len(labels):
        raise DataError("there is no row to judge")
    if probabilities.ndim != 2 or len(probabilities) != len(labels) or probabilities.shape[1] < 2:
        raise DataError(f"class probabilities have shape {probabilities.shape}, the labels {len(labels)} rows")
    bad = ~(np.isfinite(probabilities).all(axis=1) & (probabilities >= 0).all(axis=1))
    bad |= np.abs(probabilities.sum(axis=1) - 1) > SUM_TOLERANCE
    if bad.any():
        row = probabilities[bad][0].round(4).tolist()
        raise DataError(f"{bad.sum()} of {len(labels)} rows of class probabilities do not add up to 1 (such as {row})")
    classes = probabilities.shape[1]
    strange = ~np.isin(labels, np.arange(classes))
    if strange.any():
        raise DataError(f"labels other than the classes 0 to {classes - 1}: {labels[strange][:3].tolist()}")
    return labels.astype(np.intp), probabilities


def require_scale(scale: str) -> None:
    """Raise `ConfigError` unless ``scale`` is one of `SCALES`."""
    if scale not in SCALES:
        raise ConfigError(f"scale is {scale!r}; known: {', '.join(SCALES)}")


def as_probability(scores: np.ndarray, scale: str) -> np.ndarray | None:
    """Scores as probabilities, shape (n,), float64: a logit's sigmoid; None for a mere order."""
    require_scale(scale)
    if scale == "order":
        return None
    if scale == "probability":
        return np.asarray(scores, dtype=np.float64)
    from scipy.special import expit

    return expit(np.asarray(scores, dtype=np.float64))
