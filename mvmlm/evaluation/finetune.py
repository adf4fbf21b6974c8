"""Protocol ``finetune``: how well a method predicts when its image side is trained on, end to end, with a linear head.

Two halves that run apart: `fine_tuning.train.fine_tune` trains, chooses and scores without a look at test labels; the
protocol reads those labels and turns the scores into an `Evaluation`. It imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mvmlm.errors import DataError
from mvmlm.evaluation.cohort import select_cohort
from mvmlm.evaluation.protocols import PROTOCOLS, Evaluation, as_options
from mvmlm.evaluation.scoring import score_test
from mvmlm.evaluation.tasks import Task


@dataclass(frozen=True)
class ScoringOptions:
    """How the scores of a fine-tuning are judged: bootstrap draws, and the coverage of the interval, in (0, 1)."""

    draws: int = 1000
    interval: float = 0.95


@PROTOCOLS.register("finetune")
def run(
    features: np.ndarray,
    breasts: pd.DataFrame,
    task: Task,
    *,
    fraction: float,
    seed: int,
    options: ScoringOptions | Mapping[str, Any] | None = None,
) -> Evaluation:
    """Judge the scores of a fine-tuned network on the linear probe's own test breasts.

    Parameters
    ----------
    features : ndarray, shape (n_breasts, 1) or (n_breasts, K)
        Logits, or probabilities of classes, `fine_tuning.train.FineTuned.scores`, rows as those of ``breasts``; NaN for
        a breast without any. Of training breasts, those of the validation part have one: thresholds are chosen on them,
        as epoch and learning rate were.

    Raises
    ------
    DataError
        If training or test breasts are of one class, or a test breast has no score.
    """
    options = as_options(ScoringOptions, options)
    scores = np.asarray(features, np.float64)
    wanted = (len(breasts), len(task.classes) or 1)
    if scores.shape != wanted:
        raise DataError(f"scores have shape {scores.shape}, and task {task.name} asks for {wanted}")
    scores = scores if task.classes else scores[:, 0]
    cohort = select_cohort(breasts, task, fraction=fraction, seed=seed)
    mine = scores[cohort.test["row"]]
    scored = np.isfinite(mine.reshape(len(mine), -1)).all(axis=1)
    if not scored.all():
        first = cohort.test.index[~scored][0]
        raise DataError(f"{(~scored).sum()} of {len(mine)} test breasts have no score (such as {first})")
    details = {"protocol": "finetune", "fraction": fraction, "seed": seed}
    return score_test(
        cohort,
        task,
        mine,
        draws=options.draws,
        interval=options.interval,
        details=details,
        scale="logit",
        reference=scores[cohort.train["row"]],
    )
