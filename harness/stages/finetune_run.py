"""The work of stage ``finetune``: starting weights, the labels that the fraction grants, what a protocol judges."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harness.histories import HISTORY, all_rates
from harness.stages.base import Context
from harness.stages.features import FEATURES
from harness.stages.finetune import DETAILS, SCORES
from harness.stages.licence import carry_licence

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from mvmlm.data.image_store import ImageStore
    from mvmlm.methods import Method


def finetune(context: Context) -> dict:
    """Fine-tune and write what the protocol judges, ``details.json`` and ``history.json``."""
    from mvmlm.data.augment import Augmentation
    from mvmlm.data.image_store import ImageStore, stored_breasts
    from mvmlm.data.splits import with_split
    from mvmlm.evaluation.fine_tuning.train import FineTuneOptions
    from mvmlm.memory import peak_memory
    from mvmlm.methods import source_digest

    config = context.config
    store = ImageStore.open(context.inputs["images"])
    settings = dict(config["finetune"])
    augment = Augmentation(**settings.pop("augment"))
    method = starting_method(config, context.inputs, store.image_size)
    breasts = with_split(stored_breasts(context.inputs["images"]), **config["split"])
    with peak_memory() as peak:
        details, counts = (_to_risk if "risk" in config else _to_labels)(
            context,
            method,
            store,
            breasts,
            fraction=config["fraction"],
            seed=config["seed"],
            work_dir=context.work,
            options=FineTuneOptions(**settings, augment=augment),
            representation=config["representation"],
            workers=context.runtime["workers"],
            on_epoch=context.report,
        )
    chosen = next(run for run in details["runs"] if "chosen" in run)
    (context.out / HISTORY).write_text(json.dumps(all_rates(details["runs"]), indent=1))
    (context.out / DETAILS).write_text(json.dumps(details, indent=1))
    carry_licence(context.inputs["images"], context.out)
    seconds = sum(run.get("seconds", 0.0) for run in details["runs"])
    name = method.description["method"]["name"]
    return {
        **counts,
        "lr": details["lr"],
        "epochs": sum(run.get("epochs", 0) for run in details["runs"]),
        "seconds": seconds,
        "measures": {
            "seconds": seconds,
            "lr": details["lr"],
            "ended_early": float(chosen["epochs"] < chosen["of_epochs"]),
            **peak.measures,
        },
        "method_source": source_digest(name),
        "notes": notes(details, config, name),
    }


def _to_labels(
    context: Context, method: Method, store: ImageStore, breasts: pd.DataFrame, **how: Any
) -> tuple[dict, dict]:
    """``scores.parquet``: ``breast_id`` and `FineTuned.scores`; returns details, and counts for the card."""
    from mvmlm.evaluation.fine_tuning.train import fine_tune
    from mvmlm.evaluation.tasks import TASKS

    tuned = fine_tune(method, store, breasts, TASKS.get(context.config["task"]), **how)
    tuned.scores.rename_axis("breast_id").reset_index().to_parquet(context.out / SCORES, index=False)
    return tuned.details, {"breasts": tuned.details["parts"]["train"]["breasts"], "scored": len(tuned.scores)}


def _to_risk(
    context: Context, method: Method, store: ImageStore, breasts: pd.DataFrame, **how: Any
) -> tuple[dict, dict]:
    """``features.npy``, as stage ``features`` writes it, and ``layer.json``; returns as `_to_labels`."""
    import numpy as np

    from mvmlm.evaluation.fine_tuning.risk import fine_tune_to_risk

    found = fine_tune_to_risk(method, store, breasts, risk=context.config["risk"], **how)
    np.save(context.out / FEATURES, found.features)
    found.tuned.write(context.out)
    return found.details, {"exams": found.details["parts"]["train"]["exams"], "images": len(found.features)}


def starting_method(config: dict, inputs: dict[str, Path], image_size: tuple[int, int]) -> Method:
    """The pretrained method, or one with fresh weights where its pretraining would be its labels."""
    from harness.stages.search import apply_best
    from mvmlm.methods import Shapes, build_method, load_method

    if "pretrain" in inputs:
        return load_method(inputs["pretrain"])
    if "search" in inputs:
        config = apply_best(config, inputs["search"])
    return build_method(config["method"], Shapes(image_size), loss=config.get("loss"), seed=config["seed"])


def notes(details: dict, config: dict, method: str) -> list[str]:
    """What a reader of a table must know of how it came about."""
    asked = config["finetune"]
    rates = ", ".join(f"{lr:g}" for lr in asked["lrs"])
    head = "the additive-hazard layer" if "risk" in config else "a linear head"
    said = [
        f"finetune: encoder and {head} trained end to end; of the learning rates {rates} and the epochs of "
        f"each, the lowest loss on {100 * asked['val_share']:g} % of the granted patients chooses, in every cell by "
        "itself; their images and reports, though not their labels, may have been pretrained on"
    ]
    if "method" in config:
        said.append(f"{method}: fine-tuned from its initial weights, as its pretraining would be on the same labels")
    if details["chosen_by"] == "default":
        said.append(
            f"finetune: at fraction {config['fraction']:g} of task {config['task']} one class has a single patient, so "
            f"none could be kept for validation: learning rate {details['lr']:g} was trained to its last epoch"
        )
    for run in details["runs"]:
        if "lost" in run:
            said.append(f"finetune: {method} cannot be trained with learning rate {run['lr']:g} ({run['lost']})")
        said += [f"finetune: {method}: {note}" for note in run.get("notes", ())]
    return list(dict.fromkeys(said))
