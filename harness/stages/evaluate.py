"""Stage ``evaluate``: a protocol on cached features, texts or fine-tuned scores, or a baseline without image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stages.base import Context, Stage
from harness.stages.dataset import split_slice
from harness.stages.finetune import RISK, fine_tunes
from harness.stages.text_features import compares_texts

if TYPE_CHECKING:
    from harness.config import CellConfig
    from harness.facts import Facts


OF_OTHER_STAGES = {"representation", "finetune", "zero_shot", "risk"}
OF_PROBES = {"folds", "strengths"}
OF_TRAININGS = OF_PROBES | {"fraction"}
EMBEDDINGS = {"embeddings"}
"""Of ``risk``: the stage that it stands on says it."""
OF_RISK_ROWS = {"metadata": {"model", "mask"}, "text": {"model"}, "majority": {"model", "fuse", "mask"}}
"""Settings of ``risk`` that a row without image does not read: metadata is always Cox, text the hazard layer."""


class EvaluateStage(Stage):
    """Reads the ``eval`` section, the seed (it draws the label fraction) and the split.

    The only stage that reads test labels, and it reads them once, to score. A fine-tuning has made all its choices in
    a stage of its own; what chooses a probe is no part of its key. Where nothing is trained, as in a comparison with
    texts, neither the fraction nor the seed that draws it is.
    """

    name = "evaluate"
    version = 4

    def config(self, cell: CellConfig, facts: Facts) -> dict:
        if compares_texts(cell):
            said = _slice(cell, OF_OTHER_STAGES | OF_TRAININGS)
            return {name: said[name] for name in ("eval", "split")}
        said = _slice(cell, OF_OTHER_STAGES | _of_probes_alone(cell))
        if cell.eval.protocol == RISK:
            said["eval"] |= cell.eval.risk.model_dump(mode="json", exclude=EMBEDDINGS)
        return said

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        if compares_texts(cell):
            return ("images", "features", "text_features")
        return ("images", "finetune" if fine_tunes(cell) else "features")

    def kind(self, cell: CellConfig, facts: Facts) -> str:
        return f"{super().kind(cell, facts)} {cell.eval.protocol}"

    def run(self, context: Context) -> dict:
        from harness.stages.scoring_run import score

        return score(context)


class BaselineStage(EvaluateStage):
    """The same stage for a row that needs no image: it reads the exam table, and ``text`` the reports."""

    version = 5

    def __init__(self, baseline: str) -> None:
        self.baseline = baseline

    def config(self, cell: CellConfig, facts: Facts) -> dict:
        said = {**_slice(cell, OF_OTHER_STAGES | {"protocol"}), "baseline": self.baseline}
        if cell.eval.protocol == RISK:
            said["eval"] |= cell.eval.risk.model_dump(mode="json", exclude=EMBEDDINGS | OF_RISK_ROWS[self.baseline])
        return said

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        return ("images", "reports") if self.baseline == "text" else ("images",)

    def kind(self, cell: CellConfig, facts: Facts) -> str:
        return f"{Stage.kind(self, cell, facts)} {self.baseline}"


def _of_probes_alone(cell: CellConfig) -> set[str]:
    """Settings of a probe that the cell does not read: Cox's strength on tuned features is chosen, by no folds."""
    if not fine_tunes(cell):
        return set()
    return OF_PROBES - ({"strengths"} if cell.eval.protocol == RISK and cell.eval.risk.model == "cox" else set())


def _slice(cell: CellConfig, unread: set[str]) -> dict:
    said = cell.eval.model_dump(mode="json", exclude=unread)
    return {"eval": said, "seed": cell.seed, "split": split_slice(cell)}
