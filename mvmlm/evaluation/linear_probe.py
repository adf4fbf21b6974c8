"""Linear probe: how much a linear classifier reads from frozen features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mvmlm.data.splits import has_standard_view
from mvmlm.errors import DataError
from mvmlm.evaluation.cohort import select_cohort
from mvmlm.evaluation.logistic import ProbeOptions, fit_and_score
from mvmlm.evaluation.protocols import PROTOCOLS, Evaluation, as_options
from mvmlm.evaluation.scoring import score_test
from mvmlm.evaluation.tasks import Task


@PROTOCOLS.register("linear_probe")
def run(
    features: np.ndarray,
    breasts: pd.DataFrame,
    task: Task,
    *,
    fraction: float,
    seed: int,
    options: ProbeOptions | Mapping[str, Any] | None = None,
) -> Evaluation:
    """L2 logistic regression on frozen, standardised features; strength chosen on folds of training patients.

    Test breasts are scored once, by a classifier that is finished before they are looked at. Parameters are
    those of `protocols.Protocol`; ``seed`` draws the label fraction and the folds.

    Raises
    ------
    DataError
        If training or test breasts are of one class, or features of a breast that has images are not finite.
    """
    options = as_options(ProbeOptions, options)
    features = np.asarray(features)
    if features.ndim != 2 or len(features) != len(breasts):
        raise DataError(f"features have shape {features.shape}, the breast table {len(breasts)} rows")
    cohort = select_cohort(
        breasts, task, fraction=fraction, seed=seed, has_features=_has_features(features, breasts)
    )
    train, test = cohort.train, cohort.test
    fit, scores = fit_and_score(
        features[train["row"]], train, features[test["row"]], options, seed, len(task.classes)
    )
    return score_test(
        cohort,
        task,
        scores,
        draws=options.draws,
        interval=options.interval,
        reference=fit.out_of_fold,
        details={
            "protocol": "linear_probe",
            "fraction": fraction,
            "seed": seed,
            "width": features.shape[1],
            **fit.details(),
        },
    )


def _has_features(features: np.ndarray, breasts: pd.DataFrame) -> np.ndarray:
    """Breasts with features, shape (n_breasts,), bool. Only a breast without a standard view may have none.

    Where the table does not say which views there are, a row that is NaN throughout means that there are
    none.
    """
    finite = np.isfinite(features).all(axis=1)
    says = {"cc", "mlo"} <= set(breasts)
    broken = ~finite & (has_standard_view(breasts) if says else ~np.isnan(features).all(axis=1))
    if broken.any():
        raise DataError(
            f"features of {broken.sum()} of {len(breasts)} breasts are not finite although they have images "
            f"(such as {breasts.index[broken][0]}): the encoder diverged, train again with a smaller train.lr"
        )
    return finite
