"""Stage ``features``: the frozen image encoder's output for every usable image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stages.base import Context, Stage
from harness.stages.pretrain import network

if TYPE_CHECKING:
    from harness.config import CellConfig
    from harness.facts import Facts


FEATURES = "features.npy"


class FeaturesStage(Stage):
    """Reads ``eval.representation``, the trained weights and the image store."""

    name = "features"

    def config(self, cell: CellConfig, facts: Facts) -> dict:
        return {"representation": cell.eval.representation}

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        return ("images", "pretrain")

    def kind(self, cell: CellConfig, facts: Facts) -> str:
        return f"{super().kind(cell, facts)} {network(cell)}"

    def run(self, context: Context) -> dict:
        import numpy as np

        from harness.stages.licence import carry_licence
        from mvmlm.data.image_store import ImageStore
        from mvmlm.features import image_features
        from mvmlm.methods import load_method

        store = ImageStore.open(context.inputs["images"])
        method = load_method(context.inputs["pretrain"])
        features = image_features(
            method, store, np.arange(len(store)), representation=context.config["representation"]
        )
        np.save(context.out / FEATURES, features)
        carry_licence(context.inputs["images"], context.out)
        return {"images": len(features), "width": int(features.shape[1])}
