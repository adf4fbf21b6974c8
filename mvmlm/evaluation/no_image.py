"""Rows that need no image: what a table's numbers are worth is seen against them.

On RSNA, site and the mere absence of a BI-RADS category give an AUC of 0.82 without a pixel, more than
published probes of image encoders reach. A model that beats such a row has seen something; one that does not
may have learnt which scanner or which clinic the image came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mvmlm.evaluation.cohort import select_cohort
from mvmlm.evaluation.logistic import ProbeOptions, fit_and_score
from mvmlm.evaluation.protocols import Evaluation, as_options
from mvmlm.evaluation.scoring import score_test
from mvmlm.evaluation.tasks import Task
from mvmlm.evaluation.text_only import run_text

#: Quantities, each with a flag for «missing»; those that no training row has are left out.
NUMBERS = ("age", "n_views", "image_height", "image_width")
#: Categories, each with a flag for «missing».
CATEGORIES = ("laterality", "density", "manufacturer", "site", "machine")
#: Columns of which only the absence is read: their value is a reading of the image.
ABSENCE = ("birads",)


def run_metadata(
    breasts: pd.DataFrame,
    task: Task,
    *,
    fraction: float,
    seed: int,
    options: ProbeOptions | Mapping[str, Any] | None = None,
) -> Evaluation:
    """The linear probe's classifier on metadata alone, over the same training and test breasts.

    Its features hold no pixel and no finding: age, density, laterality, number of views, image size, manufacturer,
    site, machine, and what is missing; never the column that is the label. An AUC well above 0.5 says that the data set
    gives its labels away (see the module's text).
    """
    options = as_options(ProbeOptions, options)
    cohort = select_cohort(breasts, task, fraction=fraction, seed=seed)
    train, test = cohort.train, cohort.test
    train_features, names = metadata_features(train, train, task.column)
    test_features, _ = metadata_features(test, train, task.column)
    fit, scores = fit_and_score(train_features, train, test_features, options, seed, len(task.classes))
    return score_test(
        cohort,
        task,
        scores,
        draws=options.draws,
        interval=options.interval,
        reference=fit.out_of_fold,
        details={
            "baseline": "metadata",
            "fraction": fraction,
            "seed": seed,
            "coefficients": fit.of_each_class(task.classes, lambda row: dict(zip(names, row.tolist(), strict=True))),
            **fit.details(),
        },
    )


def run_majority(
    breasts: pd.DataFrame,
    task: Task,
    *,
    fraction: float,
    seed: int,
    options: ProbeOptions | Mapping[str, Any] | None = None,
) -> Evaluation:
    """The training prevalence, or the classes' shares, as score of every test breast: AUC 0.5 by definition."""
    options = as_options(ProbeOptions, options)
    cohort = select_cohort(breasts, task, fraction=fraction, seed=seed)
    share = cohort.train["label"].mean()
    if task.classes:
        share = np.bincount(cohort.train["label"], minlength=len(task.classes)) / len(cohort.train)
    scores, reference = (np.full((len(rows), *np.shape(share)), share) for rows in (cohort.test, cohort.train))
    return score_test(
        cohort,
        task,
        scores,
        draws=options.draws,
        interval=options.interval,
        reference=reference,
        details={"baseline": "majority", "fraction": fraction, "seed": seed},
    )


BASELINES: dict[str, Callable[..., Evaluation]] = {
    "metadata": run_metadata,
    "text": run_text,
    "majority": run_majority,
}


def metadata_features(rows: pd.DataFrame, train: pd.DataFrame, label: str = "") -> tuple[np.ndarray, list[str]]:
    """Metadata as numbers; which categories there are and what fills a gap is learnt from ``train``.

    Parameters
    ----------
    rows, train : DataFrame
        Rows of the breast table; what to encode, and the training rows.
    label : str
        Column that is left out.

    Returns
    -------
    (features, names) : (ndarray, shape (n_rows, n_names), float64; list of str)
        A category that no training row has is a row of zeros. A missing number is the training mean, and
        flagged.
    """
    columns: dict[str, np.ndarray] = {}
    told = [c for c in (*NUMBERS, *CATEGORIES, *ABSENCE) if c != label and c in rows and train[c].notna().any()]
    for name in (c for c in told if c in NUMBERS):
        values = rows[name].astype("Float64")
        mean = train[name].astype("Float64").mean()
        columns[name] = values.fillna(0.0 if pd.isna(mean) else mean).to_numpy(dtype=np.float64)
    for name in (c for c in told if c in CATEGORIES):
        for category in sorted(train[name].dropna().astype(str).unique()):
            is_it = rows[name].astype("string") == category
            columns[f"{name}={category}"] = is_it.fillna(False).to_numpy(dtype=np.float64)
    for name in told:
        columns[f"{name} missing"] = rows[name].isna().to_numpy(dtype=np.float64)
    return np.column_stack(list(columns.values())), list(columns)
