"""Stage ``pretrain``: a method trained on the training patients; goes on from its last checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.stages.base import Context, Stage
from harness.stages.dataset import split_slice
from harness.stages.text import encoder_source

if TYPE_CHECKING:
    from harness.config import CellConfig
    from harness.facts import Facts


class PretrainStage(Stage):
    """Reads ``method``, ``train``, the seed and the split; ``loss``, text and labels where the method uses them.

    A text encoder that is trained is read here, and the reports as words; a frozen one's states come from stage
    ``text``.
    """

    name = "pretrain"
    version = 2

    def config(self, cell: CellConfig, facts: Facts) -> dict:
        from mvmlm.methods import check_trains_text

        uses = facts.uses(cell.method.name)
        train = cell.train.model_dump(mode="json", exclude={"workers", "checkpoint_minutes", "nodes"})
        config = {
            "method": facts.method_options(cell.method.model_dump(mode="json")),
            "method_version": facts.methods.get(cell.method.name).version,
            "train": train,
            "seed": cell.seed,
            "split": split_slice(cell),
        }
        if weights := config["method"].get("weights"):
            config["method"]["weights"] = facts.weights_identity(weights)
        if "loss" in uses:
            config["loss"] = cell.loss.model_dump(mode="json")
        if trains_text(cell, facts):
            check_trains_text(cell.method.name)
            text = cell.text.model_dump(mode="json", include={"max_length", "trainable", "lr_scale"})
            config["text"] = {"identity": facts.text_identity(cell.text.encoder), **text}
        if "labels" in uses:
            config["labels"] = {"task": cell.eval.task, "fraction": cell.eval.fraction}
        else:
            config["split"]["val_fraction"] = cell.data.val_fraction
        return config

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        return (*training_inputs(cell, facts), *(("search",) if cell.search.trials else ()))

    def kind(self, cell: CellConfig, facts: Facts) -> str:
        text = f" text trained {cell.text.encoder}" if trains_text(cell, facts) else ""
        return f"{super().kind(cell, facts)} {network(cell)} {cell.train.epochs} epochs{text}"

    def runtime(self, cell: CellConfig) -> dict:
        source = {"source": encoder_source(cell.text.encoder)} if cell.text.trainable else {}
        speed = {"workers": cell.train.workers, "checkpoint_minutes": cell.train.checkpoint_minutes}
        weights = cell.method.model_dump().get("weights")
        nodes = {"nodes": cell.train.nodes} if cell.train.nodes > 1 else {}
        return {**speed, **source, **nodes, **({"weights": str(Path(weights).absolute())} if weights else {})}

    def run(self, context: Context) -> dict:
        from harness.stages.training_run import pretrain

        return pretrain(context)


def training_inputs(cell: CellConfig, facts: Facts) -> tuple[str, ...]:
    """Stages that a training reads its images and texts from."""
    if trains_text(cell, facts):
        return ("images", "reports")
    return ("images", "text", "reports") if "text" in facts.uses(cell.method.name) else ("images",)


def trains_text(cell: CellConfig, facts: Facts) -> bool:
    """Whether the text encoder is trained with the method, and so no states of it are kept."""
    return cell.text.trainable and "text" in facts.uses(cell.method.name)


def network(cell: CellConfig) -> str:
    """What a training's time and that of its features depend on: method and encoder."""
    return f"{cell.method.name} {cell.method.model_dump().get('encoder', '')}".strip()
