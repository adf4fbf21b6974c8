"""Protocol ``risk``: what features, frozen or tuned to it, tell of a cancer in the years to come."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.linear_probe import _has_features
from mvmlm.evaluation.protocols import PROTOCOLS, Evaluation, as_options
from mvmlm.evaluation.risk.cohort import RiskCohort, select_risk_cohort
from mvmlm.evaluation.risk.cox import fit_cox, fit_cox_path
from mvmlm.evaluation.risk.exam_features import exam_features, standardise
from mvmlm.evaluation.risk.hazard import fit_hazard
from mvmlm.evaluation.risk.options import RiskOptions
from mvmlm.evaluation.risk.scoring import score_risks
from mvmlm.evaluation.risk.selection import Choice, Fitter, choose_and_fit
from mvmlm.evaluation.risk.tuned import TunedLayer
from mvmlm.evaluation.tasks import Task


@PROTOCOLS.register("risk")
def run(
    features: np.ndarray,
    breasts: pd.DataFrame,
    task: Task,
    *,
    fraction: float,
    seed: int,
    options: RiskOptions | Mapping[str, Any] | None = None,
    tuned: TunedLayer | None = None,
) -> Evaluation:
    """A risk model on standardised features of exams; its strength chosen on folds of training patients.

    Of an encoder that was trained on these women's outcomes, ``hazard`` is the layer that was trained with it, and
    Cox's model is fitted as to frozen features, but for its strength: folds of women whom the encoder knows would
    choose too weak a one, so it is chosen on the women who chose the encoder's epoch.

    Test exams are scored once, by a model that is finished before they are looked at. Parameters are those of
    `protocols.Protocol`; ``seed`` draws the label fraction and the folds.

    Parameters
    ----------
    tuned : TunedLayer, optional
        What came with ``features``, where these are of an encoder that was tuned to risk.

    Raises
    ------
    ConfigError
        If the task has no follow-up in it.
    DataError
        If the data set has none, if training or test exams have no event, or if features of a breast that has images
        are not finite.
    """
    options = as_options(RiskOptions, options)
    require_follow_up(task)
    features = np.asarray(features)
    if features.ndim != 2 or len(features) != len(breasts):
        raise DataError(f"features have shape {features.shape}, the breast table {len(breasts)} rows")
    seen = _has_features(features, breasts)
    cohort = select(breasts, seen, options, fraction, seed)
    mine = np.where(seen[:, None], features, np.nan).astype(np.float64)
    train, test = (exam_features(mine, breasts, part.index, options.fuse) for part in (cohort.train, cohort.test))
    if tuned is not None and options.model == "hazard":
        risks, told = tuned.risks(test), {**_settings(options), "layer": "trained with the encoder"}
    else:
        held = None if tuned is None else cohort.train["patient_id"].astype(str).isin(tuned.validation).to_numpy()
        choice, risks = fit_and_predict(train, test, cohort, options, seed, held)
        told = model_details(options, choice)
    return score_risks(
        cohort,
        risks,
        options=options,
        details={
            "protocol": "risk",
            "embeddings": "frozen" if tuned is None else "finetuned",
            "fraction": fraction,
            "seed": seed,
            "width": train.shape[1],
            "fuse": options.fuse,
            **told,
        },
    )


def select(breasts: pd.DataFrame, seen: np.ndarray, options: RiskOptions, fraction: float, seed: int) -> RiskCohort:
    """The cohort, as `cohort.select_risk_cohort`: one rule for all rows of a table."""
    return select_risk_cohort(
        breasts, seen, exclude_months=options.exclude_months, years=options.years, fraction=fraction, seed=seed
    )


def fit_and_predict(
    train: np.ndarray,
    test: np.ndarray,
    cohort: RiskCohort,
    options: RiskOptions,
    seed: int,
    held: np.ndarray | None = None,
) -> tuple[Choice, np.ndarray]:
    """Standardise, choose the strength, fit; then the risks of the test exams, shape (n_test, years).

    Linear algebra is held to ``options.threads``, as for a probe; ``held`` is that of `selection.choose_and_fit`.
    """
    from threadpoolctl import threadpool_limits

    importlib.import_module("scipy.optimize")  # a library loaded under the limit would not be held to it
    test, train = standardise(test, train)
    mask = options.mask if options.model == "hazard" else "ipcw"
    patients = cohort.train["patient_id"].to_numpy().astype(str)
    with threadpool_limits(options.threads):
        choice = choose_and_fit(_fitter(options), train, cohort.train_follow, patients, options, mask, seed, held)
        return choice, choice.model.risks(test)


def _fitter(options: RiskOptions) -> Fitter:
    if options.model == "cox":
        return Fitter(partial(fit_cox_path, years=options.years), partial(fit_cox, years=options.years))
    path = partial(fit_hazard, years=options.years, mask=options.mask)
    return Fitter(path, lambda features, follow, strength: path(features, follow, (strength,))[0])


def model_details(options: RiskOptions, choice: Choice) -> dict[str, Any]:
    """What a reader wants to know of the model, as plain JSON."""
    return {**_settings(options), **choice.details()}


def _settings(options: RiskOptions) -> dict[str, Any]:
    said = {"model": options.model, "exclude_months": options.exclude_months, "years": options.years}
    return {**said, **({"mask": options.mask} if options.model == "hazard" else {})}


def require_follow_up(task: Task) -> None:
    """Raise unless the task is one of time to an event."""
    if task.kind != "risk":
        raise ConfigError(f"protocol risk evaluates tasks of kind risk, and {task.name} is {task.kind}: use task risk")
