"""Scores with a patient effect, for one sample or many at once."""

from __future__ import annotations

import numpy as np

#: Of the shared patient effect in the scores, beside noise of spread 1.
SHARED = 1.0


def patients_of(count: int, views: int) -> np.ndarray:
    """Ids, ``views`` rows a patient."""
    return np.repeat([f"p{i:04d}" for i in range(count)], views)


def labels_of(count: int, views: int, prevalence: float, *, mixed: bool) -> np.ndarray:
    """The first patients are positive: in every row, or (mixed) in the first half of them, as in one breast."""
    labels = np.zeros((count, views), dtype=bool)
    labels[: round(prevalence * count), : views // 2 if mixed else views] = True
    return labels.ravel()


def signals(
    rng: np.random.Generator, arms: int, labels: np.ndarray, views: int, *, effect: np.ndarray | float = 1.0
) -> np.ndarray:
    """Scores of ``arms`` models on the same patients, shape (arms, n).

    Half of a patient's and of a row's noise is common to the arms, so that a paired test has something to gain.

    Parameters
    ----------
    effect : float or array, shape (arms,)
        Distance of the positives' mean from the negatives'.
    """
    patients = len(labels) // views

    def noise(*shape: int) -> np.ndarray:
        own, common = rng.standard_normal((arms, *shape)), rng.standard_normal(shape)
        return np.sqrt(0.5) * (own + common)

    shared = np.repeat(SHARED * noise(patients), views, axis=1)
    return np.multiply.outer(np.broadcast_to(effect, arms), labels) + shared + noise(len(labels))


def seeds_of_two_arms(
    rng: np.random.Generator, seeds: int, labels: np.ndarray, views: int, *, spread: float
) -> np.ndarray:
    """Scores of two methods that are equal over all seeds, shape (2, seeds, n).

    A method sees every patient in its own way, each of its seeds a little differently, and seeds differ in how far they
    part the classes.

    Parameters
    ----------
    spread : float
        Between seeds, of the distance between the classes, which is 1 in the mean.
    """
    methods = signals(rng, 2, labels, views)[:, None]
    own = 0.5 * signals(rng, 2 * seeds, labels, views, effect=0.0).reshape(2, seeds, -1)
    return methods + own + spread * rng.standard_normal((2, seeds, 1)) * labels
