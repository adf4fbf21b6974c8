"""Fine-tuning: a method's image side is trained on, end to end, with a linear head, and scores the test breasts.

It trains, chooses and scores without a look at test labels; protocol ``finetune`` reads those.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from mvmlm.data.augment import Augmentation
from mvmlm.data.breast_batches import BreastData
from mvmlm.errors import ConfigError, DataError, TrainingError
from mvmlm.evaluation.fine_tuning.classifier import Classifier, mean_logit
from mvmlm.evaluation.fine_tuning.image_side import ImageSide
from mvmlm.evaluation.fine_tuning.parts import counts, granted_breasts, parts, scored_breasts
from mvmlm.evaluation.protocols import as_options
from mvmlm.evaluation.tasks import Task
from mvmlm.methods import Method, Shapes
from mvmlm.training import TrainConfig, train

if TYPE_CHECKING:
    from mvmlm.data.image_store import ImageStore


@dataclass(frozen=True)
class FineTuneOptions:
    """Settings of a fine-tuning, the same for all arms. All defaults are ours.

    Attributes
    ----------
    lrs : tuple of float
        Peak learning rates to choose from, each trained from the same starting weights.
    epochs, min_steps : int
        Passes over the training part at most; more of them where these would be fewer than ``min_steps`` steps.
    batch_size : int
        Breasts; exams where these are trained on.
    patience : int
        Epochs without a lower validation loss after which a training ends; the weights of the lowest are kept. 0:
        those of the last epoch. Patience and warm-up stretch with the epochs where ``min_steps`` asks for more.
    weight_decay, warmup_epochs, precision, augment
        As in `TrainConfig`.
    val_share : float
        Share of the granted patients that choose epoch and learning rate, in (0, 1); see `parts`.
    """

    lrs: tuple[float, ...] = (3e-5, 1e-4, 3e-4)
    epochs: int = 10
    min_steps: int = 200
    batch_size: int = 18
    patience: int = 3
    weight_decay: float = 1e-4
    warmup_epochs: float = 1.0
    precision: str = "bf16"
    val_share: float = 0.2
    augment: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lrs", tuple(sorted({float(lr) for lr in self.lrs})))
        if not self.lrs or not all(0 < lr < math.inf for lr in self.lrs):
            raise ConfigError(f"eval.finetune.lrs is {list(self.lrs)}: give at least one, each above 0")
        if not 0 < self.val_share < 1:
            raise ConfigError(f"eval.finetune.val_share is {self.val_share}: it must lie between 0 and 1")
        for name, least in (("epochs", 1), ("min_steps", 0), ("batch_size", 2), ("patience", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"eval.finetune.{name} is {getattr(self, name)}: it must be at least {least}")

    def training(self, lr: float, steps: int, workers: int = 0) -> TrainConfig:
        """How one learning rate is trained, where an epoch has so many steps."""
        epochs = max(self.epochs, -(-self.min_steps // steps))
        return TrainConfig(
            epochs=epochs,
            batch_size=self.batch_size,
            lr=lr,
            weight_decay=self.weight_decay,
            warmup_epochs=self.warmup_epochs * epochs / self.epochs,
            patience=-(-self.patience * epochs // self.epochs),
            precision=self.precision,
            augment=self.augment,
            workers=workers,
        )


@dataclass(frozen=True, eq=False)
class FineTuned:
    """What a fine-tuning gives.

    Attributes
    ----------
    scores : DataFrame, float64
        ``breast_id`` to ``score``, a logit, or to the probabilities of classes ``p0``, ``p1`` …: every test breast with
        a standard view, labelled or not (nobody has looked), and every breast of the validation part.
    details : dict
        Choices made on the way: learning rate, epochs and validation loss of each, sizes of the parts. Plain JSON.
    """

    scores: pd.DataFrame
    details: dict[str, Any]


def fine_tune(
    method: Method,
    store: ImageStore,
    breasts: pd.DataFrame,
    task: Task,
    *,
    fraction: float,
    seed: int,
    work_dir: Path,
    options: FineTuneOptions | Mapping[str, Any] | None = None,
    representation: str = "embedding",
    workers: int = 0,
    on_epoch: Callable[[dict], None] | None = None,
    device: str = "auto",
) -> FineTuned:
    """Train on the labels that the fraction grants, once a learning rate; score the test breasts with the best.

    Patients, their order, the head's starting weights and the number of trainings follow from ``seed`` and the data
    alone: equal for all arms. Learning rate and epoch are those with the lowest loss on the validation part; test
    images are read after that, once, and test labels never. Where there can be no validation part (`parts`), the
    middle learning rate is trained to its last epoch.

    Parameters
    ----------
    method : Method
        Where every training starts; it is copied, and stays as it is. Of a method whose pretraining is its labels the
        caller gives one with fresh weights, so that it has no more training than others.
    breasts : DataFrame
        The breast table, every ``split`` known; ``cc`` and ``mlo`` are rows of ``store``.
    work_dir : Path
        Each learning rate has a folder in it, from whose checkpoint an interrupted training goes on.
    workers : int
        Threads that prepare batches; they change no number.
    on_epoch : callable, optional
        Gets each epoch's record, with ``lr_peak``; ``epoch`` counts through all trainings, ``epochs`` are at most all.

    Raises
    ------
    DataError
        When the granted breasts are of one class, there are no test breasts, or their scores are not finite.
    TrainingError
        When no learning rate can be trained.
    """
    options = as_options(FineTuneOptions, options)
    granted, test = granted_breasts(breasts, task, fraction, seed), scored_breasts(breasts, task)
    training, validation = parts(granted, options.val_share, seed)
    made = Classifier.Options(copy.deepcopy(method).cpu(), representation, len(task.classes))
    start, trained = started(Classifier, made, store, seed)
    best, runs = Trainings(
        start,
        _labelled(store, training),
        _labelled(store, validation) if len(validation) else None,
        options,
        seed,
        Path(work_dir),
        workers,
        on_epoch,
        device,
    ).best()
    scored = [rows for rows in (validation, test) if len(rows)]
    columns = [f"p{k}" for k in range(len(task.classes))] or ["score"]
    scores = pd.concat(
        [
            pd.DataFrame(_scores(best, BreastData(store, rows), options.batch_size, device), rows.index, columns)
            for rows in scored
        ]
    )
    finite = np.isfinite(scores).all(axis=1)
    if not finite.all():
        bad = scores.index[~finite]
        raise DataError(f"the fine-tuned network gives {len(bad)} breasts no finite score (such as {bad[0]})")
    return FineTuned(
        scores,
        {
            **choices(start, trained, runs, validated=bool(len(validation))),
            "parts": {"train": counts(training, task), "validation": counts(validation, task)},
            "scored": len(test),
        },
    )


def started(kind: type[ImageSide], made: Any, store: ImageStore, seed: int) -> tuple[Any, int]:
    """The starting network of some options, and how many of its weights are trained.

    What is random in a head depends on the seed and the head's size alone.
    """
    shapes = Shapes(store.image_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = kind.build(made, shapes)
        return network, network.freeze_unread(shapes)


def choices(start: ImageSide, trained: int, runs: list[dict[str, Any]], *, validated: bool) -> dict[str, Any]:
    """What was trained, and who chose what, as plain JSON.

    Parameters
    ----------
    trained : int
        Number of weights that are trained.
    runs : list of dict
        Of `Trainings.best`.
    validated : bool
        Whether there is a validation part.
    """
    return {
        "representation": start.representation,
        "width": start.head.in_features,
        "trained_weights": trained,
        "chosen_by": "validation" if validated else "default",
        "lr": next(record["lr"] for record in runs if "chosen" in record),
        "runs": runs,
    }


@dataclass(frozen=True, eq=False)
class Trainings:
    """The trainings of one cell, one a learning rate; ``validation`` is None where there is no such part."""

    start: ImageSide
    training: BreastData
    validation: BreastData | None
    options: FineTuneOptions
    seed: int
    work_dir: Path
    workers: int
    on_epoch: Callable[[dict], None] | None
    device: str

    def best(self) -> tuple[ImageSide, list[dict]]:
        """The network of the chosen learning rate, and a record of each, ``chosen`` in that one's."""
        rates = self.options.lrs
        rates = rates if self.validation else (rates[len(rates) // 2],)
        best, least, records = None, math.inf, []
        for number, lr in enumerate(rates):
            network = copy.deepcopy(self.start)
            try:
                record = self._train(network, lr, number, len(rates))
            except TrainingError as error:
                records.append({"lr": lr, "lost": str(error)})
                continue
            records.append(record)
            loss = record["val_loss"] if self.validation else 0.0
            if loss < least:
                best, least, chosen = network, loss, record
        if best is None:
            why = next((r["lost"] for r in records if "lost" in r), "no validation loss is finite")
            raise TrainingError(f"no learning rate of eval.finetune.lrs can be used: {why}")
        chosen["chosen"] = True
        return best, records

    def _train(self, network: ImageSide, lr: float, number: int, of: int) -> dict:
        config = self.options.training(lr, len(self.training.order(self.options.batch_size, None)), self.workers)
        if self.validation is None:
            config = replace(config, patience=0)

        def tell(record: dict) -> None:
            place = {"epoch": number * config.epochs + record["epoch"], "epochs": of * config.epochs}
            self.on_epoch({**record, **place, "lr_peak": lr})

        done = train(
            network,
            self.training,
            config,
            validation=self.validation,
            seed=self.seed,
            work_dir=self.work_dir / f"lr-{lr:g}",
            on_epoch=tell if self.on_epoch else None,
            device=self.device,
        )
        return {
            "lr": lr,
            "epochs": len(done.history),
            "of_epochs": config.epochs,
            "kept_epoch": done.kept_epoch,
            "val_loss": done.history[done.kept_epoch - 1].get("val_loss"),
            "seconds": sum(epoch["seconds"] for epoch in done.history),
            "notes": done.notes,
            "history": done.history,
        }


def _labelled(store: ImageStore, breasts: pd.DataFrame) -> BreastData:
    return BreastData(store, breasts, labels=breasts["label"].to_numpy(np.float32))


@torch.inference_mode()
def _scores(network: Classifier, data: BreastData, batch_size: int, device: str) -> np.ndarray:
    """Logit of each breast, shape (n, 1), or probabilities of its classes, (n, K), float64: in eval mode.

    In full precision.
    """
    target = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    network = network.eval().to(target)
    found = []
    for rows in data.order(batch_size, None):
        batch = data.batch(rows).to(target)
        logits = mean_logit(network.outputs(batch)["logits"].double(), batch.view_mask)
        found.append((logits.softmax(dim=1) if network.classes else logits[:, None]).cpu().numpy())
    return np.concatenate(found)
