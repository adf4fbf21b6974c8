"""The stages that cells share, in the order in which data flow through them."""

from harness.stages.base import Context, Node, Stage
from harness.stages.dataset import DatasetStage
from harness.stages.evaluate import BaselineStage, EvaluateStage
from harness.stages.features import FeaturesStage
from harness.stages.finetune import FineTuneStage
from harness.stages.images import ImagesStage
from harness.stages.pretrain import PretrainStage
from harness.stages.reports import ReportsStage
from harness.stages.search import SearchStage
from harness.stages.text import TextStage
from harness.stages.text_features import TextFeaturesStage

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        DatasetStage(),
        ImagesStage(),
        ReportsStage(),
        TextStage(),
        SearchStage(),
        PretrainStage(),
        FineTuneStage(),
        FeaturesStage(),
        TextFeaturesStage(),
        EvaluateStage(),
    )
}
ORDER = {name: place for place, name in enumerate(STAGES)}

__all__ = ["ORDER", "STAGES", "BaselineStage", "Context", "Node", "Stage"]
