"""The work of stage ``evaluate``: what a protocol judges, breast by breast, the protocol, the test scores."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.stages.base import Context
from harness.stages.features import FEATURES
from harness.stages.finetune import DETAILS, SCORES
from harness.stats.delong import components, write_components

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from mvmlm.evaluation.protocols import Evaluation
    from mvmlm.evaluation.tasks import Task


def score(context: Context) -> dict:
    """Run the protocol, or the no-image baseline, and write predictions, metrics and bootstrap draws."""
    from mvmlm.data.image_store import stored_breasts
    from mvmlm.data.splits import with_split
    from mvmlm.evaluation.protocols import PROTOCOLS
    from mvmlm.evaluation.tasks import TASKS

    config = context.config
    said = dict(config["eval"])
    task = TASKS.get(said.pop("task"))
    breasts = with_split(stored_breasts(context.inputs["images"]), **config["split"])
    asked = {"fraction": said.pop("fraction"), "seed": config["seed"]} if "seed" in config else {}
    if "baseline" in config:
        told = {"texts": first_texts(context.inputs["reports"])} if "reports" in context.inputs else {}
        result = _baselines(task)[config["baseline"]](breasts, task, **asked, options=said, **told)
    else:
        run = PROTOCOLS.get(said.pop("protocol"))
        told = _beside(context.inputs, task)
        result = run(_judged(context.inputs, breasts, task), breasts, task, **asked, options=said, **told)
        if "finetune" in context.inputs:
            told = json.loads((context.inputs["finetune"] / DETAILS).read_text())
            result = replace(result, details={**result.details, "finetune": told})
    result.write(context.out)
    _keep_components(result, task, context.out)
    notes = [task.note(breasts), *result.details.get("notes", ())]
    return {
        "metrics": result.metrics,
        "notes": [note for note in notes if note],
        "test": content_digest(result.predictions[["unit_id", "patient_id", "label"]]),
    }


def _baselines(task: Task) -> dict[str, Callable[..., Evaluation]]:
    """The rows without image of a task: name to what evaluates them."""
    if task.kind == "risk":
        from mvmlm.evaluation.risk.no_image import BASELINES
    else:
        from mvmlm.evaluation.no_image import BASELINES
    return BASELINES


def content_digest(rows: pd.DataFrame) -> str:
    """Digest of a table's values (20 hexadecimal digits): equal test sets have equal ones."""
    text = rows.sort_values(list(rows.columns)).to_csv(index=False)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _keep_components(result: Evaluation, task: Task, folder: Path) -> None:
    """Beside an AUC's draws, what DeLong's test of it against another cell needs."""
    if f"auc@{task.level}" in result.metrics:
        rows = result.predictions
        found = components(rows["label"].to_numpy(), rows["score"].to_numpy(), rows["patient_id"].to_numpy())
        write_components(folder / "components.npy", task.level, found)


def _beside(inputs: dict[str, Path], task: Task) -> dict[str, object]:
    """What the protocol is given beside features: the texts, or the layer that was trained with the encoder."""
    if "text_features" in inputs:
        from mvmlm.evaluation.text_set import TextSet

        return {"texts": TextSet.read(inputs["text_features"])}
    if "finetune" in inputs and task.kind == "risk":
        from mvmlm.evaluation.risk.tuned import TunedLayer

        return {"tuned": TunedLayer.read(inputs["finetune"])}
    return {}


def _judged(inputs: dict[str, Path], breasts: pd.DataFrame, task: Task) -> np.ndarray:
    """Features of each breast, frozen or tuned to risk, or its score by a fine-tuned network, shape (n_breasts, D).

    Those of its two views, shape (n_breasts, 2, D), where they are compared with texts.
    """
    if "finetune" in inputs and task.kind != "risk":
        return breast_scores(inputs["finetune"], breasts)
    folder = inputs["finetune"] if "finetune" in inputs else inputs["features"]
    features = np.load(folder / FEATURES, mmap_mode="r")
    return view_features(features, breasts) if "text_features" in inputs else breast_features(features, breasts)


def breast_scores(folder: Path, breasts: pd.DataFrame) -> np.ndarray:
    """Scores that stage ``finetune`` has written, shape (n_breasts, 1), or (n_breasts, K) of classes; NaN if none."""
    import pandas as pd

    return pd.read_parquet(folder / SCORES).set_index("breast_id").reindex(breasts.index).to_numpy(np.float64)


def first_texts(folder: Path) -> pd.Series:
    """``breast_id`` to the first of its reports, of training and of test patients.

    The row «text only» is scored on the same test set as all others. Reports of test patients are read here and in
    stage ``text_features``, for protocol ``retrieval``; nothing is trained on them in either.
    """
    import pandas as pd

    parts = [pd.read_parquet(folder / name) for name in ("reports.parquet", "test_reports.parquet")]
    table = pd.concat(parts, ignore_index=True)
    return table[table["sample"] == 0].set_index("breast_id")["text"]


def view_features(features: np.ndarray, breasts: pd.DataFrame) -> np.ndarray:
    """Features of CC and MLO, shape (n_breasts, 2, D), float32; NaN where a view is missing."""
    rows = breasts[["cc", "mlo"]].to_numpy()
    there = rows >= 0
    return np.where(there[..., None], np.asarray(features, np.float32)[np.where(there, rows, 0)], np.nan)


def breast_features(features: np.ndarray, breasts: pd.DataFrame) -> np.ndarray:
    """Mean over a breast's CC and MLO views, whichever exist.

    Parameters
    ----------
    features : ndarray, shape (n_images, D)
    breasts : DataFrame
        With ``cc`` and ``mlo``: row numbers in ``features``, −1 where the view is missing.

    Returns
    -------
    ndarray, shape (n_breasts, D), float32
        NaN for a breast with neither view.
    """
    rows = breasts[["cc", "mlo"]].to_numpy()
    there = rows >= 0
    total = np.where(there[..., None], np.asarray(features, np.float32)[np.where(there, rows, 0)], 0).sum(
        axis=1
    )
    count = there.sum(axis=1, keepdims=True)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
