"""The work of stage ``pretrain``: assemble a method and its training data, train, save the weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.stages.base import Context
from harness.stages.licence import carry_licence
from harness.stages.text import cut_notes

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mvmlm.methods import Shapes
    from mvmlm.models.text_encoder import TextTokens


@dataclass(frozen=True)
class Texts:
    """What a training reads of the reports.

    Attributes
    ----------
    tokens : TextTokens
        States of the frozen encoder, or ids for ``encoder``.
    ids : ndarray, shape (breasts, k), int64
        Rows of each breast's texts, −1 behind them.
    groups : ndarray, int64
        Which texts count as the same report.
    encoder : transformers model or None
        The text encoder, where it is trained.
    notes : tuple of str
    """

    tokens: TextTokens
    ids: np.ndarray
    groups: np.ndarray
    encoder: Any = None
    notes: tuple[str, ...] = ()


def pretrain(context: Context) -> dict:
    """Train on patients of the training split and save ``model.safetensors``, ``method.json``, ``history.json``.

    Validation patients are carved from the training split; test patients are dropped before any image or text
    of theirs is looked at.
    """
    from mvmlm.data.augment import Augmentation
    from mvmlm.data.breast_batches import BreastData
    from mvmlm.data.image_store import ImageStore, stored_breasts
    from mvmlm.methods import build_method, save_method, source_digest
    from mvmlm.training import TrainConfig, train

    config = context.config
    store = ImageStore.open(context.inputs["images"])
    breasts = training_breasts(stored_breasts(context.inputs["images"]), config)
    texts = _texts(context, breasts)
    labels = breasts["label"].to_numpy("float32") if "labels" in config else None

    def data(part: str) -> BreastData:
        mine = (breasts["part"] == part).to_numpy()
        return BreastData(
            store,
            breasts[mine],
            text=texts and texts.tokens,
            text_ids=texts and texts.ids[mine],
            text_groups=texts and texts.groups,
            labels=None if labels is None else labels[mine],
        )

    method = build_method(
        config["method"],
        _shapes(store.image_size, texts),
        loss=config.get("loss"),
        seed=config["seed"],
    )
    if texts and texts.encoder is not None:
        method.text_tower.adopt(texts.encoder, config["text"]["lr_scale"])
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
    notes = [*texts.notes] if texts else []
    if "labels" in config:
        notes.append(
            f"{config['method']['name']}: trained on the labels that its probe is fitted to, so the folds that choose "
            "the probe's penalty have seen them; test labels have not been seen"
        )
    seconds = sum(record["seconds"] for record in history)
    return {
        "breasts": len(training),
        "epochs": len(history),
        "parameters": sum(p.numel() for p in method.parameters()),
        "method_source": source_digest(config["method"]["name"]),
        "seconds": seconds,
        "measures": {"seconds": seconds},
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


def _texts(context: Context, breasts: pd.DataFrame) -> Texts | None:
    """States or ids of the reports of these breasts, where the method reads text."""
    import pandas as pd

    from mvmlm.data.breast_batches import report_groups
    from mvmlm.models.text_encoder import TextTokens, load_encoder, tokenize_texts

    if "reports" not in context.inputs:
        return None
    reports = pd.read_parquet(context.inputs["reports"] / "reports.parquet")
    reports = reports[reports["breast_id"].isin(breasts.index)].sort_values(["breast_id", "sample"])
    encoder, notes = None, []
    if "text" in context.config:
        length = context.config["text"]["max_length"]
        tokenizer, encoder = load_encoder(context.runtime["source"], length)
        tokens, summary = tokenize_texts(reports["text"], tokenizer, length)
        notes = cut_notes(summary)
    else:
        tokens = TextTokens.open(context.inputs["text"])
    ids = reports["text"].map(tokens.id_of).to_numpy("int64")
    groups = report_groups(ids, reports["record"].to_numpy())
    return Texts(tokens, _by_breast(reports["breast_id"], ids, breasts.index), groups, encoder, tuple(notes))


def _by_breast(owners: pd.Series, text_ids: np.ndarray, breasts: pd.Index) -> np.ndarray:
    """A row a breast, shape (breasts, most texts that one has): its texts in order, −1 behind them."""
    import numpy as np

    places = owners.groupby(owners).cumcount().to_numpy()
    found = np.full((len(breasts), int(places.max(initial=0)) + 1), -1, np.int64)
    found[breasts.get_indexer(owners), places] = text_ids
    return found


def _shapes(image_size: tuple[int, int], texts: Texts | None) -> Shapes:
    from mvmlm.methods import Shapes
    from mvmlm.models.text_tower import backbone_config

    if texts is None:
        return Shapes(image_size)
    if texts.encoder is None:
        return Shapes(image_size, texts.tokens.width, texts.tokens.length)
    return Shapes(image_size, texts.encoder.config.hidden_size, texts.tokens.length, backbone_config(texts.encoder))
