"""The work of stage ``pretrain``: assemble a method and its training data, train, save the weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.histories import HISTORY
from harness.stages.base import Context
from harness.stages.licence import carry_licence
from harness.stages.search import apply_best
from harness.stages.text import cut_notes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from mvmlm.data.breast_batches import BreastData
    from mvmlm.distributed import Group
    from mvmlm.methods import Method, Shapes
    from mvmlm.models.text_encoder import TextTokens
    from mvmlm.training import TrainConfig


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


@dataclass(frozen=True)
class Assembled:
    """A training that can begin.

    Attributes
    ----------
    method : Method
    training, validation : BreastData
    settings : mvmlm.training.TrainConfig
    notes : tuple of str
    """

    method: Method
    training: BreastData
    validation: BreastData
    settings: TrainConfig
    notes: tuple[str, ...] = ()


def assemble(config: dict, inputs: dict[str, Path], runtime: dict) -> Assembled:
    """Method, data and settings of a pretraining, from the stage's slice and the folders of its inputs.

    Validation patients are carved from the training split; test patients are dropped before any image or text
    of theirs is looked at.
    """
    from mvmlm.data.augment import Augmentation
    from mvmlm.data.breast_batches import BreastData
    from mvmlm.data.image_store import ImageStore, stored_breasts
    from mvmlm.methods import METHODS, build_method
    from mvmlm.training import TrainConfig

    store = ImageStore.open(inputs["images"])
    breasts = training_breasts(stored_breasts(inputs["images"]), config)
    texts = _texts(config, inputs, runtime, breasts)
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
            texts=METHODS.get(config["method"]["name"]).texts,
        )

    weights = {"weights": runtime["weights"]} if "weights" in runtime else {}
    method = build_method(
        {**config["method"], **weights},
        _shapes(store.image_size, texts, config),
        loss=config.get("loss"),
        seed=config["seed"],
    )
    if texts and texts.encoder is not None:
        method.text_tower.adopt(texts.encoder, config["text"]["lr_scale"])
    settings = dict(config["train"])
    augment = Augmentation(**settings.pop("augment", {}))
    settings.pop("processes", None)
    speed = {name: runtime[name] for name in ("workers", "checkpoint_minutes") if name in runtime}
    settings = TrainConfig(**settings, augment=augment, **speed)
    return Assembled(method, data("train"), data("val"), settings, texts.notes if texts else ())


def pretrain(context: Context) -> dict:
    """Train on patients of the training split and save ``model.safetensors``, ``method.json``, ``history.json``."""
    from mvmlm.distributed import ALONE, run_processes

    config, together = context.config, context.together or run_processes
    if "search" in context.inputs:
        config = apply_best(config, context.inputs["search"])
    given = (config, context.inputs, context.runtime, context.out, context.work)
    processes = config["train"].get("processes", 1)
    if processes == 1:
        summary = train_and_save(ALONE, context.report, *given)
    else:
        summary = together(train_and_save, processes, given, threads=context.threads, report=context.report)
    carry_licence(context.inputs["images"], context.out)
    return summary


def train_and_save(
    group: Group,
    report: Callable[[dict], None] | None,
    config: dict,
    inputs: dict[str, Path],
    runtime: dict,
    out: Path,
    work: Path,
) -> dict:
    """What each process of a pretraining does; the first one saves, and its summary is the stage's."""
    from mvmlm.memory import peak_memory
    from mvmlm.methods import save_method, source_digest
    from mvmlm.training import train

    made = assemble(config, inputs, runtime)
    with peak_memory() as peak:
        trained = train(
            made.method,
            made.training,
            made.settings,
            validation=made.validation,
            seed=config["seed"],
            work_dir=work,
            on_epoch=report,
            group=group,
        )
    if group.rank:
        return {}
    save_method(made.method, out)
    (out / HISTORY).write_text(json.dumps(trained.history, indent=1))
    notes = [*made.notes, *trained.notes]
    if "labels" in config:
        notes.append(
            f"{config['method']['name']}: trained on the labels that its probe is fitted to, so the folds that choose "
            "the probe's penalty have seen them; test labels have not been seen"
        )
    seconds = sum(record["seconds"] for record in trained.history)
    return {
        "breasts": len(made.training),
        "epochs": len(trained.history),
        "micro_batch": trained.micro_batch,
        "parameters": sum(p.numel() for p in made.method.parameters()),
        "method_source": source_digest(config["method"]["name"]),
        "seconds": seconds,
        "measures": {"seconds": seconds, **peak.measures},
        "notes": notes,
    }


def training_breasts(breasts: pd.DataFrame, config: dict) -> pd.DataFrame:
    """Breasts that a pretraining may see, with ``part`` (train or val), and ``label`` where labels are read.

    A method that reads labels trains on all that the fraction grants, as the probe does, and has no validation part
    but in a search: there it is carved before labels are granted.

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

    label = TASKS.get(config["labels"]["task"]).labels(breasts)
    breasts = breasts.assign(label=label)[label.notna()]
    training = breasts[breasts["part"] == "train"]
    granted = label_fraction(training, training["label"], config["labels"]["fraction"], config["seed"])
    return breasts[breasts["patient_id"].isin(granted) | (breasts["part"] == "val")]


def _texts(config: dict, inputs: dict[str, Path], runtime: dict, breasts: pd.DataFrame) -> Texts | None:
    """States or ids of the reports of these breasts, where the method reads text."""
    import pandas as pd

    from mvmlm.data.breast_batches import report_groups
    from mvmlm.models.text_encoder import TextTokens, load_encoder, tokenize_texts

    if "reports" not in inputs:
        return None
    reports = pd.read_parquet(inputs["reports"] / "reports.parquet")
    reports = reports[reports["breast_id"].isin(breasts.index)].sort_values(["breast_id", "sample"])
    encoder, notes = None, []
    if "text" in config:
        length = config["text"]["max_length"]
        tokenizer, encoder = load_encoder(runtime["source"], length)
        tokens, summary = tokenize_texts(reports["text"], tokenizer, length)
        notes = cut_notes(summary)
    else:
        tokens = TextTokens.open(inputs["text"])
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


def _shapes(image_size: tuple[int, int], texts: Texts | None, config: dict) -> Shapes:
    from mvmlm.evaluation.tasks import TASKS
    from mvmlm.methods import Shapes
    from mvmlm.models.text_tower import backbone_config

    if texts is None:
        return Shapes(image_size, classes=len(TASKS.get(config["labels"]["task"]).classes) if "labels" in config else 0)
    if texts.encoder is None:
        return Shapes(image_size, texts.tokens.width, texts.tokens.length)
    return Shapes(image_size, texts.encoder.config.hidden_size, texts.tokens.length, backbone_config(texts.encoder))
