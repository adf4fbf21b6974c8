"""Stage ``finetune``: a trained method trained on, end to end, on the labels of one task.

It scores the test breasts or, of risk, leaves the tuned features of all images and the hazard layer trained with them.
Scores and labels meet in stage ``evaluate``: this one reads no label of a test breast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stages.base import Context, Stage
from harness.stages.dataset import split_slice
from harness.stages.pretrain import network

if TYPE_CHECKING:
    from harness.config import CellConfig
    from harness.facts import Facts

PROTOCOL, RISK = "finetune", "risk"
SCORES, DETAILS = "scores.parquet", "details.json"


class FineTuneStage(Stage):
    """Reads ``eval.finetune``, the task, the fraction, the representation, the seed, the split, the trained weights.

    Of risk, also what makes an exam's outcome and the layer: the additive-hazard layer is trained whatever model of
    ``eval.risk.model`` reads the features.

    A method whose pretraining is its labels is fine-tuned from its own initial weights instead, so that it is trained
    on them once, as every other: what stands for its pretraining in the key is then its ``method`` section.
    """

    name = "finetune"
    version = 3

    def config(self, cell: CellConfig, facts: Facts) -> dict:
        said = {
            **cell.eval.model_dump(mode="json", include={"task", "fraction", "representation", "finetune"}),
            "seed": cell.seed,
            "split": split_slice(cell),
        }
        if cell.eval.protocol == RISK:
            said["risk"] = cell.eval.risk.model_dump(mode="json", exclude={"embeddings", "model"})
        uses = facts.uses(cell.method.name)
        if "labels" in uses:
            said["method"] = facts.method_options(cell.method.model_dump(mode="json"))
            said["method_version"] = facts.methods.get(cell.method.name).version
            if "loss" in uses:
                said["loss"] = cell.loss.model_dump(mode="json")
        return said

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        if "labels" not in facts.uses(cell.method.name):
            return ("images", "pretrain")
        return ("images", "search") if _searches_method(cell) else ("images",)

    def kind(self, cell: CellConfig, facts: Facts) -> str:
        tuned = cell.eval.finetune
        to = f" {RISK}" if cell.eval.protocol == RISK else ""
        return f"{super().kind(cell, facts)} {network(cell)} {len(tuned.lrs)} × {tuned.epochs} epochs{to}"

    def runtime(self, cell: CellConfig) -> dict:
        return {"workers": cell.train.workers}

    def run(self, context: Context) -> dict:
        from harness.stages.finetune_run import finetune

        return finetune(context)


def fine_tunes(cell: CellConfig) -> bool:
    """Whether a cell's protocol judges a fine-tuned network, and not frozen features."""
    return cell.eval.protocol == PROTOCOL or (cell.eval.protocol == RISK and cell.eval.risk.embeddings == "finetuned")


def _searches_method(cell: CellConfig) -> bool:
    """Whether a search finds options of the method, which its initial weights depend on."""
    return bool(cell.search.trials) and any(path.startswith("method.") for path in cell.search.space)
