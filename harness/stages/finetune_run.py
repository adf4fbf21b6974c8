"""The work of stage ``finetune``: starting weights, the labels that the fraction grants, scores of the test breasts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.stages.base import Context
from harness.stages.finetune import DETAILS, SCORES
from harness.stages.licence import carry_licence

if TYPE_CHECKING:
    from pathlib import Path

    from mvmlm.methods import Method


def finetune(context: Context) -> dict:
    """Fine-tune and write ``scores.parquet`` (``breast_id`` and `FineTuned.scores`) and ``details.json``."""
    from mvmlm.data.augment import Augmentation
    from mvmlm.data.image_store import ImageStore, stored_breasts
    from mvmlm.data.splits import with_split
    from mvmlm.evaluation.fine_tuning.train import FineTuneOptions, fine_tune
    from mvmlm.evaluation.tasks import TASKS
    from mvmlm.methods import source_digest

    config = context.config
    store = ImageStore.open(context.inputs["images"])
    settings = dict(config["finetune"])
    augment = Augmentation(**settings.pop("augment"))
    method = starting_method(config, context.inputs, store.image_size)
    tuned = fine_tune(
        method,
        store,
        with_split(stored_breasts(context.inputs["images"]), **config["split"]),
        TASKS.get(config["task"]),
        fraction=config["fraction"],
        seed=config["seed"],
        work_dir=context.work,
        options=FineTuneOptions(**settings, augment=augment),
        representation=config["representation"],
        workers=context.runtime["workers"],
        on_epoch=context.report,
    )
    tuned.scores.rename_axis("breast_id").reset_index().to_parquet(context.out / SCORES, index=False)
    (context.out / DETAILS).write_text(json.dumps(tuned.details, indent=1))
    carry_licence(context.inputs["images"], context.out)
    seconds = sum(run.get("seconds", 0.0) for run in tuned.details["runs"])
    name = method.description["method"]["name"]
    return {
        "breasts": tuned.details["parts"]["train"]["breasts"],
        "scored": len(tuned.scores),
        "lr": tuned.details["lr"],
        "epochs": sum(run.get("epochs", 0) for run in tuned.details["runs"]),
        "seconds": seconds,
        "measures": {"seconds": seconds, "lr": tuned.details["lr"]},
        "method_source": source_digest(name),
        "notes": notes(tuned.details, config, name),
    }


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
    said = [
        f"finetune: encoder and a linear head trained end to end; of the learning rates {rates} and the epochs of "
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
