"""The work of stage ``evaluate``: what a protocol judges, breast by breast, the protocol, the test scores."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.stages.base import Context
from harness.stages.finetune import DETAILS, SCORES

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def score(context: Context) -> dict:
    """Run the protocol, or the no-image baseline, and write predictions, metrics and bootstrap draws."""
    from mvmlm.data.image_store import stored_breasts
    from mvmlm.data.splits import with_split
    from mvmlm.evaluation.no_image import BASELINES
    from mvmlm.evaluation.protocols import PROTOCOLS
    from mvmlm.evaluation.tasks import TASKS

    config = context.config
    said = dict(config["eval"])
    task, fraction = TASKS.get(said.pop("task")), said.pop("fraction")
    breasts = with_split(stored_breasts(context.inputs["images"]), **config["split"])
    asked = {"fraction": fraction, "seed": config["seed"]}
    if "baseline" in config:
        told = {"texts": first_texts(context.inputs["reports"])} if "reports" in context.inputs else {}
        result = BASELINES[config["baseline"]](breasts, task, **asked, options=said, **told)
    else:
        run = PROTOCOLS.get(said.pop("protocol"))
        result = run(_judged(context.inputs, breasts), breasts, task, **asked, options=said)
        if "finetune" in context.inputs:
            told = json.loads((context.inputs["finetune"] / DETAILS).read_text())
            result = replace(result, details={**result.details, "finetune": told})
    result.write(context.out)
    note = task.note(breasts)
    return {"metrics": result.metrics, "notes": [note] if note else []}


def _judged(inputs: dict[str, Path], breasts: pd.DataFrame) -> np.ndarray:
    """Frozen features of each breast, or its score by a fine-tuned network; shape (n_breasts, D)."""
    if "finetune" in inputs:
        return breast_scores(inputs["finetune"], breasts)
    return breast_features(np.load(inputs["features"] / "features.npy", mmap_mode="r"), breasts)


def breast_scores(folder: Path, breasts: pd.DataFrame) -> np.ndarray:
    """Scores that stage ``finetune`` has written, shape (n_breasts, 1); NaN for a breast without one."""
    import pandas as pd

    table = pd.read_parquet(folder / SCORES).set_index("breast_id")["score"]
    return table.reindex(breasts.index).to_numpy(np.float64)[:, None]


def first_texts(folder: Path) -> pd.Series:
    """``breast_id`` to the first of its reports, of training and of test patients.

    The only place that reads reports of test patients: the row «text only» is scored on the same test set as all
    others.
    """
    import pandas as pd

    parts = [pd.read_parquet(folder / name) for name in ("reports.parquet", "test_reports.parquet")]
    table = pd.concat(parts, ignore_index=True)
    return table[table["sample"] == 0].set_index("breast_id")["text"]


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
