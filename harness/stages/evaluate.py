"""Stage ``evaluate``: a protocol on cached features, or a baseline that needs no image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stages.base import Context, Stage
from harness.stages.dataset import split_slice

if TYPE_CHECKING:
    from harness.config import CellConfig
    from harness.facts import Facts


class EvaluateStage(Stage):
    """Reads the ``eval`` section, the seed (it draws the label fraction) and the split.

    The only stage that reads test labels, and it reads them once, to score.
    """

    name = "evaluate"

    def config(self, cell: CellConfig, facts: Facts) -> dict:
        said = cell.eval.model_dump(mode="json")
        said.pop("representation")
        return {"eval": said, "seed": cell.seed, "split": split_slice(cell)}

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        return ("images", "features")

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
        config = super().config(cell, facts)
        config["eval"].pop("protocol")
        return {**config, "baseline": self.baseline}

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        return ("images", "reports") if self.baseline == "text" else ("images",)

    def kind(self, cell: CellConfig, facts: Facts) -> str:
        return f"{Stage.kind(self, cell, facts)} {self.baseline}"
