"""Stage ``evaluate``: a protocol on cached features or fine-tuned scores, or a baseline that needs no image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stages.base import Context, Stage
from harness.stages.dataset import split_slice
from harness.stages.finetune import fine_tunes

if TYPE_CHECKING:
    from harness.config import CellConfig
    from harness.facts import Facts


OF_OTHER_STAGES = {"representation", "finetune"}
OF_PROBES = {"folds", "strengths"}


class EvaluateStage(Stage):
    """Reads the ``eval`` section, the seed (it draws the label fraction) and the split.

    The only stage that reads test labels, and it reads them once, to score. A fine-tuning has made all its choices in
    a stage of its own; what chooses a probe is no part of its key.
    """

    name = "evaluate"

    def config(self, cell: CellConfig, facts: Facts) -> dict:
        unread = OF_OTHER_STAGES | (OF_PROBES if fine_tunes(cell) else set())
        return _slice(cell, unread)

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        return ("images", "finetune" if fine_tunes(cell) else "features")

    def kind(self, cell: CellConfig, facts: Facts) -> str:
        return f"{super().kind(cell, facts)} {cell.eval.protocol}"

    def run(self, context: Context) -> dict:
        from harness.stages.scoring_run import score

        return score(context)


class BaselineStage(EvaluateStage):
    """The same stage for a row that needs no image: it reads the exam table, and ``text`` the reports."""

    version = 2

    def __init__(self, baseline: str) -> None:
        self.baseline = baseline

    def config(self, cell: CellConfig, facts: Facts) -> dict:
        return {**_slice(cell, OF_OTHER_STAGES | {"protocol"}), "baseline": self.baseline}

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        return ("images", "reports") if self.baseline == "text" else ("images",)

    def kind(self, cell: CellConfig, facts: Facts) -> str:
        return f"{Stage.kind(self, cell, facts)} {self.baseline}"


def _slice(cell: CellConfig, unread: set[str]) -> dict:
    said = cell.eval.model_dump(mode="json", exclude=unread)
    return {"eval": said, "seed": cell.seed, "split": split_slice(cell)}
