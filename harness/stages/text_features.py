"""Stage ``text_features``: texts embedded by a trained method, for the protocols that compare them with images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stages.base import Context, Stage
from harness.stages.pretrain import network
from harness.stages.text import encoder_source

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from harness.config import CellConfig
    from harness.facts import Facts

PROMPTED, RETRIEVED = "zero_shot", "retrieval"


class TextFeaturesStage(Stage):
    """Reads the trained weights, the text encoder, and the prompts of a task or the reports of the test patients.

    Prompts are in the key as they are worded, and those of one task alone. Reports of test patients are read for
    protocol ``retrieval``; beside the row «text only», nothing else reads them.
    """

    name = "text_features"

    def config(self, cell: CellConfig, facts: Facts) -> dict:
        said = {"identity": facts.text_identity(cell.text.encoder)}
        if cell.eval.protocol == RETRIEVED:
            return said
        ensemble = facts.prompts(cell.eval.task, cell.eval.zero_shot.prompts)
        return {**said, "prompts": [[name, list(texts)] for name, texts in ensemble.items()]}

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        return ("pretrain", "reports") if cell.eval.protocol == RETRIEVED else ("pretrain",)

    def kind(self, cell: CellConfig, facts: Facts) -> str:
        return f"{super().kind(cell, facts)} {network(cell)} {cell.text.encoder} {cell.eval.protocol}"

    def runtime(self, cell: CellConfig) -> dict:
        return {"source": encoder_source(cell.text.encoder)}

    def run(self, context: Context) -> dict:
        from harness.stages.licence import carry_licence
        from mvmlm.evaluation.text_set import TextSet
        from mvmlm.methods import load_method
        from mvmlm.text_features import temperature_of, text_features

        if "reports" in context.inputs:
            table = first_test_reports(context.inputs["reports"])
            owners, texts = table["breast_id"].tolist(), table["text"].tolist()
        else:
            pairs = [(name, text) for name, group in context.config["prompts"] for text in group]
            owners, texts = (list(side) for side in zip(*pairs))
        method = load_method(context.inputs["pretrain"])
        distinct = list(dict.fromkeys(texts))
        features, summary = text_features(method, distinct, context.runtime["source"], work_dir=context.work)
        TextSet.of(owners, texts, features, temperature_of(method)).write(context.out)
        carry_licence(context.inputs["pretrain"], context.out)
        notes = _cut(summary, "test reports" if "reports" in context.inputs else "prompts")
        return {"texts": len(texts), "distinct": len(distinct), "width": features.shape[1], "notes": notes}


def compares_texts(cell: CellConfig) -> bool:
    """Whether a cell's protocol compares images with texts."""
    return cell.eval.protocol in (PROMPTED, RETRIEVED)


def first_test_reports(folder: Path) -> pd.DataFrame:
    """The first report of each test breast: ``breast_id`` and ``text``."""
    import pandas as pd

    table = pd.read_parquet(folder / "test_reports.parquet")
    return table.loc[table["sample"] == 0, ["breast_id", "text"]]


def _cut(summary: dict, what: str) -> list[str]:
    """What a reader must know of texts that are longer than any of the training."""
    if not summary["truncated"]:
        return []
    return [
        f"{summary['truncated']} of {summary['distinct']} different {what} are longer than the longest text of the "
        f"training ({summary['max_length']} tokens) and are cut there"
    ]
