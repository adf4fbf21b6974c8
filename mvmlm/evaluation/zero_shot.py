"""Zero-shot: how well a method finds something from words alone, with no label of any training breast.

Each class of a task is described by several prompts (`mvmlm.evaluation.prompts`); the mean of their embeddings, brought
to unit length, stands for the class. A view's scores are its similarities to the classes over the temperature at which
the method was trained, and their softmax its class probabilities; for a task of two classes the score is the
difference of the two, which is that softmax's logit. A breast has the mean of its views' logits, or of their class
probabilities where there are more classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mvmlm.errors import DataError
from mvmlm.evaluation.finetune import ScoringOptions
from mvmlm.evaluation.judge import Judgement, Terms, judge
from mvmlm.evaluation.levels import class_columns
from mvmlm.evaluation.protocols import PROTOCOLS, Evaluation, as_options
from mvmlm.evaluation.scoring import BOOTSTRAP_SEED
from mvmlm.evaluation.tasks import Task
from mvmlm.evaluation.text_set import TextSet
from mvmlm.evaluation.untrained import VIEWS, Tested, select_tested, view_embeddings

NOTE = "zero_shot: no label of a training breast is used, so it is the same at every share of the labels"


@PROTOCOLS.register("zero_shot")
def run(
    features: np.ndarray,
    breasts: pd.DataFrame,
    task: Task,
    *,
    texts: TextSet,
    fraction: float = 1.0,
    seed: int = 0,
    options: ScoringOptions | Mapping[str, Any] | None = None,
) -> Evaluation:
    """Score the views of the test breasts against the classes' prompts, and judge them by view and by breast.

    Parameters
    ----------
    features : ndarray, shape (n_breasts, 2, E)
        Embeddings of CC and MLO, L2-normalised; NaN where a view is missing.
    texts : TextSet
        The prompts; owners are the task's `Task.class_names`.
    fraction, seed : float, int
        Not read: nothing is trained.

    Returns
    -------
    Evaluation
        Its first metrics are those of the task's level. Predictions have beside the breast's score those of its views,
        ``score_cc`` and ``score_mlo`` (NaN where there is none), and so the class probabilities where there are any.

    Raises
    ------
    DataError
        If test breasts are of one class, an embedding is not finite, or the texts are not of the task's classes.
    """
    options = as_options(ScoringOptions, options)
    labels = task.labels(breasts).astype("Int8")
    tested = select_tested(breasts, labels.notna().to_numpy(), "label")
    anchors = _class_embeddings(texts, task)
    logits = view_embeddings(features, tested) @ anchors.T / (texts.temperature or 1.0)
    views = view_predictions(tested, labels, logits, task)
    breast_ids = views["unit_id"].str.rpartition("/")[0].to_numpy()
    units = tested.rows.loc[breast_ids].assign(breast_id=breast_ids).set_axis(views["unit_id"])
    judged = judge(views, _terms(task, texts, options), units=units, people=tested.rows)
    return Evaluation(
        _with_views(judged, task),
        {**judged.metrics, **_counts(judged, task)},
        judged.draws,
        {
            "protocol": "zero_shot",
            "prompts": texts.table.groupby("owner", sort=False)["text"].agg(list).to_dict(),
            "temperature": texts.temperature,
            "view_label": "that of its breast",
            "dropped": tested.dropped,
            "notes": [NOTE],
            **judged.details,
        },
    )


def _class_embeddings(texts: TextSet, task: Task) -> np.ndarray:
    """The mean of each class's prompts at unit length, shape (K, E), float64, in the order of the task's labels."""
    told = texts.owners()
    if set(told) != set(task.class_names):
        wanted, got = ", ".join(task.class_names) or "none", ", ".join(map(str, told[:10])) or "none"
        raise DataError(f"task {task.name} has the classes {wanted}, and the texts are of {got}: embed its own prompts")
    return np.stack([texts.mean_of(name) for name in task.class_names])


def view_predictions(tested: Tested, labels: pd.Series, logits: np.ndarray, task: Task) -> pd.DataFrame:
    """A row a view that exists, ``<breast_id>/<view>``: the difference of two logits, or the classes' softmax.

    Parameters
    ----------
    logits : array, shape (n_test, 2, K)
        Similarity of each view to each class, over the temperature.
    """
    breast, view = np.nonzero(np.isfinite(logits).all(axis=2))
    rows, mine = tested.rows.iloc[breast], logits[breast, view]
    table = pd.DataFrame(
        {
            "unit_id": [f"{name}/{VIEWS[place]}" for name, place in zip(rows.index.astype(str), view)],
            "patient_id": rows["patient_id"].to_numpy().astype(str),
            "label": labels.to_numpy()[rows["row"]].astype(np.int8),
        }
    )
    if not task.classes:
        return table.assign(score=mine[:, 1] - mine[:, 0])
    likely = np.exp(mine - mine.max(axis=1, keepdims=True))
    likely /= likely.sum(axis=1, keepdims=True)
    table["score"] = likely @ np.arange(likely.shape[1])
    return table.assign(**{f"p{place}": column for place, column in enumerate(likely.T)})


def _terms(task: Task, texts: TextSet, options: ScoringOptions) -> Terms:
    return Terms(
        kind=task.kind,
        level="view",
        levels=("view", *task.levels),
        primary=task.level,
        rule=task.rule,
        scale="order" if texts.temperature is None else "logit",
        draws=options.draws,
        interval=options.interval,
        seed=BOOTSTRAP_SEED,
    )


def _counts(judged: Judgement, task: Task) -> dict[str, float]:
    rows = judged.predictions[task.level]
    sizes = {"n": len(rows), "n_patients": int(rows["patient_id"].nunique())}
    positives = {"n_positive": int(rows["label"].sum()), "prevalence": float(rows["label"].mean())}
    return {**sizes, **(positives if task.kind == "binary" else {})}


def _with_views(judged: Judgement, task: Task) -> pd.DataFrame:
    """The predictions of the task's level; of breasts, with their views' scores beside them."""
    rows, views = judged.predictions[task.level], judged.predictions["view"]
    if task.level != "breast":
        return rows
    places = views["unit_id"].str.rpartition("/")
    for view in VIEWS:
        mine = views[places[2] == view].set_axis(places.loc[places[2] == view, 0])
        for column in ("score", *class_columns(views)):
            rows = rows.assign(**{f"{column}_{view}": mine[column].reindex(rows["unit_id"]).to_numpy()})
    return rows


