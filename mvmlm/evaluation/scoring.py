"""From scores of the test breasts to an `Evaluation`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mvmlm.evaluation.cohort import Cohort
from mvmlm.evaluation.judge import Terms, judge
from mvmlm.evaluation.protocols import Evaluation
from mvmlm.evaluation.samples import as_probability
from mvmlm.evaluation.tasks import Task

#: Seeds the bootstrap of every cell, whatever the cell's own seed: equal test patients, equal draws.
BOOTSTRAP_SEED = 0


def score_test(
    cohort: Cohort,
    task: Task,
    scores: np.ndarray,
    *,
    draws: int,
    interval: float,
    details: dict[str, Any],
    scale: str = "probability",
    reference: np.ndarray | None = None,
) -> Evaluation:
    """Every metric of the test breasts at the task's levels, and the numbers that a reader needs beside them.

    Parameters
    ----------
    scores : array, shape (n_test,) or (n_test, K)
        In the order of ``cohort.test``: higher means more likely positive; of classes, their probabilities.
    draws : int
        Bootstrap draws.
    interval : float
        Coverage of the intervals, in (0, 1).
    details : dict
        What the caller has to say; what `judge` found and the cohort's facts are added.
    scale : str
        What ``scores`` are, one of `samples.SCALES`.
    reference : array, shape (n_train,) or (n_train, K), optional
        Scores of ``cohort.train`` to choose thresholds on, each from a fit that has not seen the patient; NaN for
        breasts without one.
    """
    test, train = cohort.test, cohort.train
    held_out = None
    if reference is not None:
        reference = np.asarray(reference, dtype=np.float64)
        has_score = ~np.isnan(reference.reshape(len(train), -1)).any(axis=1)
        held_out = predictions_of(train[has_score], reference[has_score]) if has_score.any() else None
    terms = Terms(
        kind=task.kind,
        level=task.level,
        levels=task.levels,
        rule=task.rule,
        scale=scale,
        draws=draws,
        interval=interval,
        seed=BOOTSTRAP_SEED,
    )
    units = pd.concat([test, train])
    found = judge(predictions_of(test, scores), terms, units=units, people=test, reference=held_out)
    return Evaluation(
        predictions=_with_probability(found.predictions[task.level], task, scale),
        metrics=found.metrics | _sizes(cohort, task),
        draws=found.draws,
        details={**details, **found.details, "dropped": cohort.dropped, **_label_facts(cohort, task)},
    )


def _with_probability(predictions: pd.DataFrame, task: Task, scale: str) -> pd.DataFrame:
    """Predictions with ``p1``, the probability that calibration speaks of, where the score is its logit."""
    if scale != "logit" or task.classes:
        return predictions
    return predictions.assign(p1=as_probability(predictions["score"].to_numpy(), scale))


def _sizes(cohort: Cohort, task: Task) -> dict[str, float]:
    """Breasts and patients of both sides; positives, where labels are true or false."""
    test, train = cohort.test, cohort.train
    positives = {"n_positive": int(test["label"].sum()), "prevalence": float(test["label"].mean())}
    return {
        "n": len(test),
        "n_patients": int(test["patient_id"].nunique()),
        **({} if task.classes else positives),
        "n_train": len(train),
        "n_train_patients": int(train["patient_id"].nunique()),
    }


def _label_facts(cohort: Cohort, task: Task) -> dict[str, Any]:
    """Patients with a positive breast, or with one of each class, and notes on classes that a side lacks."""
    sides = {"train": cohort.train, "test": cohort.test}
    if not task.classes:
        return {
            "positive_patients": {
                side: int(rows.loc[rows["label"], "patient_id"].nunique()) for side, rows in sides.items()
            }
        }
    patients = {side: rows.groupby("label")["patient_id"].nunique() for side, rows in sides.items()}
    every = range(len(task.classes))
    missing = {side: [k for k in every if k not in counts.index] for side, counts in patients.items()}
    notes = []
    if missing["train"]:
        notes.append(f"{task.name}: no training breast of {task.names(missing['train'])}: nothing is learnt of it")
    if missing["test"]:
        notes.append(f"{task.name}: no test breast of {task.names(missing['test'])}: macro AUC is over the others")
    return {
        "class_patients": {
            side: {str(name): int(counts.get(k, 0)) for k, name in enumerate(task.classes)}
            for side, counts in patients.items()
        },
        **({"notes": notes} if notes else {}),
    }


def predictions_of(rows: pd.DataFrame, scores: np.ndarray) -> pd.DataFrame:
    """Rows of the breast table with ``label``, and a score or K probabilities of each, in the schema of predictions."""
    scores = np.asarray(scores, dtype=np.float64)
    table = pd.DataFrame(
        {
            "unit_id": rows.index.astype(str),
            "patient_id": rows["patient_id"].to_numpy().astype(str),
            "label": rows["label"].to_numpy().astype(np.int8),
            "score": scores if scores.ndim == 1 else scores @ np.arange(scores.shape[1]),
        }
    )
    return table if scores.ndim == 1 else table.assign(**{f"p{k}": column for k, column in enumerate(scores.T)})
