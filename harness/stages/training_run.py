"""The work of stage ``pretrain``: assemble a method and its training data, train, save the weights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.stages.base import Context
from harness.stages.licence import carry_licence

if TYPE_CHECKING:
    import pandas as pd

    from mvmlm.models.text_encoder import TextTokens


def pretrain(context: Context) -> dict:
    """Train on patients of the training split and save ``model.safetensors``, ``method.json``, ``history.json``.

    Validation patients are carved from the training split; test patients are dropped before any image or text
    of theirs is looked at.
    """
    from mvmlm.data.augment import Augmentation
    from mvmlm.data.breast_batches import BreastData
    from mvmlm.data.image_store import ImageStore, stored_breasts
    from mvmlm.methods import Shapes, build_method, save_method, source_digest
    from mvmlm.training import TrainConfig, train

    config = context.config
    store = ImageStore.open(context.inputs["images"])
    breasts = training_breasts(stored_breasts(context.inputs["images"]), config)
    text, text_ids = _text(context, breasts)
    if text_ids is not None:
        breasts = breasts.loc[text_ids.index]
    labels = breasts["label"].to_numpy("float32") if "labels" in config else None

    def data(part: str) -> BreastData:
        mine = (breasts["part"] == part).to_numpy()
        return BreastData(
            store,
            breasts[mine],
            text=text,
            text_ids=None if text_ids is None else text_ids.to_numpy()[mine],
            labels=None if labels is None else labels[mine],
        )

    method = build_method(
        config["method"],
        Shapes(store.image_size, text.width if text else None, text.length if text else None),
        loss=config.get("loss"),
        seed=config["seed"],
    )
    training = data("train")
    settings = dict(config["train"])
    augment = Augmentation(**settings.pop("augment", {}))
    history = train(
        method,
        training,
        TrainConfig(**settings, augment=augment, workers=context.runtime["workers"]),
        validation=data("val"),
        seed=config["seed"],
        work_dir=context.work,
        on_epoch=context.report,
    )
    save_method(method, context.out)
    carry_licence(context.inputs["images"], context.out)
    (context.out / "history.json").write_text(json.dumps(history, indent=1))
    notes = []
    if "labels" in config:
        notes.append(
            f"{config['method']['name']}: trained on the labels that its probe is fitted to, so the folds that choose "
            "the probe's penalty have seen them; test labels have not been seen"
        )
    return {
        "breasts": len(training),
        "epochs": len(history),
        "parameters": sum(p.numel() for p in method.parameters()),
        "method_source": source_digest(config["method"]["name"]),
        "seconds": sum(record["seconds"] for record in history),
        "notes": notes,
    }


def training_breasts(breasts: pd.DataFrame, config: dict) -> pd.DataFrame:
    """Breasts that a pretraining may see, with ``part`` (train or val), and ``label`` where labels are read.

    A method that reads labels trains on all that the fraction grants, as the probe does, and has no validation part.

    Parameters
    ----------
    breasts : DataFrame
        The breast table of the data set.
    config : dict
        The stage's slice: ``split``, and ``labels`` (task and fraction) for methods that use labels.
    """
    from mvmlm.data.splits import carve_validation, with_split

    split = dict(config["split"])
    val_fraction = split.pop("val_fraction", 0.0)
    breasts = with_split(breasts, **split)
    breasts = breasts[breasts["split"] == "train"]
    validation = carve_validation(breasts["patient_id"], val_fraction, split["split_seed"])
    breasts = breasts.assign(part=["val" if p in validation else "train" for p in breasts["patient_id"]])
    return _labelled(breasts, config) if "labels" in config else breasts


def _labelled(breasts: pd.DataFrame, config: dict) -> pd.DataFrame:
    """Keep the patients whose labels the fraction grants: the same patients as the probe's."""
    from mvmlm.data.splits import label_fraction
    from mvmlm.evaluation.tasks import TASKS

    label = breasts[TASKS.get(config["labels"]["task"]).column]
    breasts = breasts.assign(label=label.astype("Float32"))[label.notna()]
    granted = label_fraction(breasts, breasts["label"], config["labels"]["fraction"], config["seed"])
    return breasts[breasts["patient_id"].isin(granted)]


def _text(context: Context, breasts: pd.DataFrame) -> tuple[TextTokens | None, pd.Series | None]:
    """Token states and, for each breast that has a report, the number of its text."""
    import pandas as pd

    from mvmlm.models.text_encoder import TextTokens

    if "text" not in context.inputs:
        return None, None
    tokens = TextTokens.open(context.inputs["text"])
    reports = pd.read_parquet(context.inputs["reports"] / "reports.parquet").set_index("breast_id")["text"]
    reports = reports[reports.index.isin(breasts.index)].reindex(breasts.index).dropna()
    return tokens, reports.map(tokens.id_of)
