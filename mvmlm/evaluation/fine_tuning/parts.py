"""Who is trained on, who validates and who is scored in a fine-tuning; no test label is looked at."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mvmlm.data.splits import by_label, carve_validation, has_standard_view, label_fraction
from mvmlm.errors import DataError
from mvmlm.evaluation.tasks import Task


def granted_breasts(breasts: pd.DataFrame, task: Task, fraction: float, seed: int) -> pd.DataFrame:
    """Training breasts, with ``label``, of the patients that the fraction grants: those of `select_cohort`.

    Nothing of a test breast is looked at.
    """
    mine = breasts[(breasts["split"] == "train").fillna(False).to_numpy(dtype=bool)]
    label = task.labels(mine)
    patients = label_fraction(mine, label, fraction, seed)
    kept = label.notna().to_numpy() & has_standard_view(mine) & mine["patient_id"].isin(patients).to_numpy()
    found = mine.assign(label=label)[kept].sort_index(kind="stable").astype({"label": task.dtype})
    if found["label"].nunique() < 2:
        what = f"only {task.names(found['label'])}" if len(found) else "no labelled breast"
        raise DataError(
            f"task {task.name}: the training set (fraction {fraction:g}) holds {what} "
            f"({len(found)} breasts of {found['patient_id'].nunique()} patients): raise eval.fraction or leave the "
            "task out"
        )
    return found


def scored_breasts(breasts: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Test breasts with a standard view, whatever their label."""
    testing = (breasts["split"] == "test").fillna(False).to_numpy(dtype=bool)
    found = breasts[testing & has_standard_view(breasts)].sort_index(kind="stable")
    if found.empty:
        raise DataError(
            f"task {task.name}: the test set holds no breast with a usable view: enlarge the test set or leave the "
            "task out"
        )
    return found


def parts(granted: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and validation part: by patient, the same share of those with a positive breast and of those without.

    Of classes: the same share of the patients of each rarest class. Both parts hold two classes at least. Where there
    are no two kinds with two patients each that cannot be: the validation part is empty then, and all patients train.
    A class that has one patient trains.
    """
    kinds = [patients for patients in by_label(granted["patient_id"], granted["label"]) if len(patients) > 1]
    if len(kinds) < 2:
        return granted, granted.iloc[:0]
    kept = frozenset().union(*(carve_validation(patients, share, seed) for patients in kinds))
    held = granted["patient_id"].isin(kept)
    return granted[~held], granted[held]


def counts(rows: pd.DataFrame, task: Task) -> dict[str, Any]:
    """Size of a part, in breasts and patients, and of what is positive in it, or of each class."""
    size = {"breasts": len(rows), "patients": int(rows["patient_id"].nunique())}
    if task.classes:
        found = rows["label"].value_counts()
        return {**size, "classes": {str(name): int(found.get(k, 0)) for k, name in enumerate(task.classes)}}
    return {
        **size,
        "positive": int(rows["label"].sum()),
        "positive_patients": int(rows.loc[rows["label"], "patient_id"].nunique()),
    }
