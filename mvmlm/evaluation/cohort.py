"""Who trains and who is tested: one rule for all protocols and baselines, so that their rows compare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mvmlm.data.splits import has_standard_view, label_fraction
from mvmlm.errors import DataError
from mvmlm.evaluation.tasks import Task


@dataclass(frozen=True, eq=False)
class Cohort:
    """Breasts of one task at one label fraction.

    Attributes
    ----------
    train, test : DataFrame
        Rows of the breast table sorted by ``breast_id``, with ``row`` (position in the table) and ``label``
        (bool, or class index).
    dropped : dict
        Breasts left out, by reason.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    dropped: dict[str, int]


def select_cohort(
    breasts: pd.DataFrame, task: Task, *, fraction: float, seed: int, has_features: np.ndarray | None = None
) -> Cohort:
    """Training breasts of the patients that the fraction grants, and test breasts, all labelled and imaged.

    Validation patients of a pretraining are training patients here: nothing but their unlabelled use differs.

    Parameters
    ----------
    has_features : ndarray, shape (n_breasts,), bool, optional
        Leaves out further breasts where the table itself does not say which have a usable view.

    Raises
    ------
    DataError
        If the task's labels are unknown, or training or test breasts are all of one class.
    """
    label = task.labels(breasts)
    table = breasts.assign(row=np.arange(len(breasts)), label=label)
    known, seen = label.notna().to_numpy(), has_standard_view(breasts)
    if has_features is not None:
        seen &= has_features
    training = (breasts["split"] == "train").fillna(False).to_numpy(dtype=bool)
    testing = (breasts["split"] == "test").fillna(False).to_numpy(dtype=bool)

    granted = label_fraction(breasts[training], label[training], fraction, seed)
    train = table[training & known & seen & breasts["patient_id"].isin(granted).to_numpy()]
    test = table[testing & known & seen]
    _require_both(train, task, f"training set (fraction {fraction:g})", "raise eval.fraction")
    _require_both(test, task, "test set", "enlarge the test set")
    dropped = {
        "train: no label": int((training & ~known).sum()),
        "test: no label": int((testing & ~known).sum()),
        "train: no usable standard view": int((training & known & ~seen).sum()),
        "test: no usable standard view": int((testing & known & ~seen).sum()),
    }
    return Cohort(_tidy(train, task), _tidy(test, task), dropped)


def _tidy(rows: pd.DataFrame, task: Task) -> pd.DataFrame:
    return rows.sort_index(kind="stable").astype({"label": task.dtype})


def _require_both(rows: pd.DataFrame, task: Task, what: str, remedy: str) -> None:
    if rows.empty:
        raise DataError(
            f"task {task.name}: the {what} holds no labelled breast with a usable view: {remedy} or leave "
            "the task out"
        )
    if rows["label"].nunique() < 2:
        people = rows["patient_id"].nunique()
        raise DataError(
            f"task {task.name}: the {what} holds only {task.names(rows['label'])} ({len(rows)} breasts of {people} "
            f"patients): {remedy} or leave the task out"
        )
