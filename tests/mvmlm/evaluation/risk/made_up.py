"""Follow-up made to order, for the tests of this folder."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mvmlm.evaluation.risk.survival import FollowUp
from mvmlm.evaluation.tasks import Task

RISK = Task("risk", "event", "cancer in the years after an exam", level="exam", kind="risk")


def small_sample(n: int, seed: int, *, tied: bool = True, share: float = 0.5) -> tuple[FollowUp, np.ndarray]:
    """Random follow-up and scores that have something to do with it; with ties in both, if asked for."""
    rng = np.random.default_rng(seed)
    scores = rng.standard_normal(n)
    years = rng.exponential(4 * np.exp(-0.8 * scores))
    if tied:
        scores, years = np.round(scores, 1), np.ceil(2 * years) / 2
    return FollowUp(years, rng.random(n) < share), scores


def draws_of(n: int, seed: int, draws: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Patients of n rows, as rows of the counts, and bootstrap counts of them."""
    rng = np.random.default_rng(seed)
    clusters = rng.integers(0, max(1, n // 2), n)
    _, clusters = np.unique(clusters, return_inverse=True)
    patients = clusters.max() + 1
    return clusters, rng.multinomial(patients, np.full(patients, 1 / patients), size=draws).T.astype(np.uint16)


def resampled(clusters: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Rows of one draw, each as often as its patient is drawn."""
    return np.repeat(np.arange(len(clusters)), counts[clusters])


def exam_sample(
    n_patients: int, seed: int, *, width: int = 6, effect: float = 1.2, yearly: float = 0.06, exams: int = 4
) -> tuple[pd.DataFrame, np.ndarray]:
    """A breast table of yearly exams, two breasts each, and features, shape (n_breasts, width).

    A patient's hazard is constant, ``yearly`` times e to the power of ``effect`` times her first feature; exams stop at
    her event or at the end of her follow-up, which is independent of it. Every third patient is a test patient.
    """
    rng = np.random.default_rng([seed, 77])
    own = rng.standard_normal((n_patients, width))
    event = rng.exponential(1 / (yearly * np.exp(effect * own[:, 0])))
    end = rng.uniform(1, 9, n_patients)
    rows, features = [], []
    for p in range(n_patients):
        for number in range(exams):
            if number >= min(event[p], end[p]):
                break
            for side in "LR":
                rows.append(
                    {
                        "breast_id": f"p{p:04d}_{number}_{side}",
                        "exam_id": f"p{p:04d}_{number}",
                        "patient_id": f"p{p:04d}",
                        "dataset": "made-up",
                        "laterality": side,
                        "split": "test" if p % 3 == 0 else "train",
                        "event": bool(event[p] <= end[p]),
                        "years_to_event": min(event[p], end[p]) - number,
                        "exam_date": str(np.datetime64("2010-01-01") + round(365.25 * number)),
                        "age": 50.0 + number + p % 20,
                        "density": "ABCD"[p % 4],
                        "n_views": 2,
                        "cc": 0,
                        "mlo": 1,
                    }
                )
                features.append(own[p] + 0.3 * rng.standard_normal(width))
    table = pd.DataFrame(rows).set_index("breast_id")
    kinds = {"event": "boolean", "years_to_event": "Float64", "split": "string", "exam_id": "string"}
    return table.astype(kinds | {"age": "Float64", "density": "string"}), np.array(features)
