"""The rows of a risk table that need no image, over the same exams as all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from mvmlm.data.splits import has_standard_view
from mvmlm.evaluation.no_image import metadata_features
from mvmlm.evaluation.protocols import Evaluation, as_options
from mvmlm.evaluation.risk.options import RiskOptions
from mvmlm.evaluation.risk.protocol import fit_and_predict, model_details, require_follow_up, select
from mvmlm.evaluation.risk.scoring import score_risks
from mvmlm.evaluation.risk.survival import kaplan_meier
from mvmlm.evaluation.tasks import Task
from mvmlm.evaluation.text_only import bag_of_words


def run_metadata(
    breasts: pd.DataFrame,
    task: Task,
    *,
    fraction: float,
    seed: int,
    options: RiskOptions | Mapping[str, Any] | None = None,
) -> Evaluation:
    """Cox's model on what is known of an exam without its images: age, density, site, machine, and what is missing.

    Age and density are what clinical risk models start from: images are worth what they add to these. Whatever model
    the features of a table's other rows are given to, this row is Cox's.
    """
    require_follow_up(task)
    options = replace(as_options(RiskOptions, options), model="cox")
    cohort = select(breasts, has_standard_view(breasts), options, fraction, seed)
    train, names = metadata_features(cohort.train, cohort.train)
    test, _ = metadata_features(cohort.test, cohort.train)
    choice, risks = fit_and_predict(train, test, cohort, options, seed)
    return score_risks(
        cohort,
        risks,
        options=options,
        details={
            "baseline": "metadata",
            "fraction": fraction,
            "seed": seed,
            "coefficients": dict(zip(names, choice.model.coefficients.tolist(), strict=True)),
            **model_details(options, choice),
        },
    )


def run_text(
    breasts: pd.DataFrame,
    task: Task,
    *,
    fraction: float,
    seed: int,
    options: RiskOptions | Mapping[str, Any] | None = None,
    texts: pd.Series,
) -> Evaluation:
    """The additive-hazard layer on a bag of words of the reports of an exam's breasts.

    Parameters
    ----------
    texts : Series
        ``breast_id`` to report, of training and test patients. An exam without one has no words.
    """
    require_follow_up(task)
    options = replace(as_options(RiskOptions, options), model="hazard")
    cohort = select(breasts, has_standard_view(breasts), options, fraction, seed)
    exam = breasts["exam_id"].reindex(texts.index)
    joined = texts.astype(str).groupby(exam).agg("\n".join)
    train_texts, test_texts = (joined.reindex(part.index).fillna("") for part in (cohort.train, cohort.test))
    train, test, names = bag_of_words(train_texts, test_texts)
    choice, risks = fit_and_predict(train.astype(np.float64), test.astype(np.float64), cohort, options, seed)
    return score_risks(
        cohort,
        risks,
        options=options,
        details={
            "baseline": "text",
            "fraction": fraction,
            "seed": seed,
            "words": len(names),
            "without_text": {"train": int((train_texts == "").sum()), "test": int((test_texts == "").sum())},
            **model_details(options, choice),
        },
    )


def run_majority(
    breasts: pd.DataFrame,
    task: Task,
    *,
    fraction: float,
    seed: int,
    options: RiskOptions | Mapping[str, Any] | None = None,
) -> Evaluation:
    """The Kaplan–Meier risk of the training exams for every test exam: every concordance and AUC is 0.5."""
    require_follow_up(task)
    options = as_options(RiskOptions, options)
    cohort = select(breasts, has_standard_view(breasts), options, fraction, seed)
    risk = 1 - kaplan_meier(cohort.train_follow).at(np.arange(1, options.years + 1))
    return score_risks(
        cohort,
        np.tile(risk, (len(cohort.test), 1)),
        options=options,
        details={"baseline": "majority", "fraction": fraction, "seed": seed, "years": options.years},
    )


BASELINES: dict[str, Callable[..., Evaluation]] = {
    "metadata": run_metadata,
    "text": run_text,
    "majority": run_majority,
}
