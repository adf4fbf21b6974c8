"""From scores of the test breasts to an `Evaluation`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mvmlm.evaluation.bootstrap import PatientBootstrap, percentile_interval
from mvmlm.evaluation.cohort import Cohort
from mvmlm.evaluation.metrics import auc
from mvmlm.evaluation.protocols import PREDICTION_COLUMNS, Evaluation
from mvmlm.evaluation.tasks import Task

#: Seeds the bootstrap of every cell, whatever the cell's own seed: equal test patients, equal draws.
BOOTSTRAP_SEED = 0


def score_test(
    cohort: Cohort, task: Task, scores: np.ndarray, *, draws: int, interval: float, details: dict[str, Any]
) -> Evaluation:
    """AUC of the test breasts, its patient-bootstrap interval, and the numbers that a reader needs beside it.

    Parameters
    ----------
    scores : array, shape (n_test,)
        In the order of ``cohort.test``; higher means more likely positive.
    draws : int
        Bootstrap draws.
    interval : float
        Coverage of the interval, in (0, 1).
    details : dict
        What the caller has to say; the cohort's and the bootstrap's facts are added.
    """
    test, train = cohort.test, cohort.train
    labels, patients = test["label"].to_numpy(), test["patient_id"].to_numpy().astype(str)
    scores = np.asarray(scores, dtype=np.float64)
    name, value = f"auc@{task.level}", auc(labels, scores)
    bootstrap = PatientBootstrap.draw(patients, labels, draws=draws, seed=BOOTSTRAP_SEED)
    drawn = bootstrap.auc(patients, labels, scores).astype(np.float32)
    low, high = percentile_interval(drawn, interval)
    metrics = {
        name: value,
        f"{name}/low": low,
        f"{name}/high": high,
        "n": len(test),
        "n_patients": len(bootstrap.patients),
        "n_positive": int(labels.sum()),
        "prevalence": float(labels.mean()),
        "n_train": len(train),
        "n_train_patients": int(train["patient_id"].nunique()),
    }
    values = (test.index.astype(str), patients, labels.astype(np.int8), scores)
    return Evaluation(
        predictions=pd.DataFrame(dict(zip(PREDICTION_COLUMNS, values, strict=True))),
        metrics=metrics,
        draws=drawn,
        details={
            **details,
            "dropped": cohort.dropped,
            "positive_patients": {
                part: int(rows.loc[rows["label"], "patient_id"].nunique())
                for part, rows in (("train", train), ("test", test))
            },
            "bootstrap": {
                "unit": "patient",
                "strata": "any positive breast",
                "draws": draws,
                "seed": BOOTSTRAP_SEED,
                "interval": interval,
                "undefined_draws": int(np.isnan(drawn).sum()),
            },
        },
    )
