"""Mammo-CLIP's objective: two images and two texts of a breast, each aligned with each (Ghosh et al. 2024)."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from mvmlm.batch import Batch
from mvmlm.methods import METHODS
from mvmlm.models.contrast import logged
from mvmlm.models.dual_encoder import PooledEncoder


@METHODS.register("mammo_clip")
class MammoCLIP(PooledEncoder):
    """Mean of the four image-text terms, plus L_II, plus half of L_TT between the two texts.

    From that paper: the terms, their weights (``loss.ii_weight`` 1, ``loss.tt_weight`` 0.5), one learnt temperature,
    average pooling, projection of 512. Its text encoder is trained along (``text.trainable: true``); its two texts are
    a report and its back-translation, here two texts of one record (``reports.samples: 2`` or more; with one, both are
    the same text). Where a view is missing, it takes a second augmentation of the other; here the breast takes part in
    L_IT alone, as in every method.
    """

    view_loss = True
    texts = 2
    differs = "mv_clip + two texts a breast, each view against each, and a loss between the texts, L_TT"

    @dataclass(frozen=True)
    class Options(PooledEncoder.Options):
        """Settings under ``method``."""

        text_pooling: str = field(default="first", metadata={"later": True})

    def outputs(self, batch: Batch) -> dict[str, Tensor]:
        other = self.encode_text(batch.other_text, batch.other_mask)
        return {**super().outputs(batch), "other_text": other}

    def objective(self, outputs: dict[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, float]]:
        views, text, other = outputs["views"], outputs["text"], outputs["other_text"]
        both = [self.contrast.image_text(views, each, batch) for each in (text, other)]
        terms = {
            "loss_it": (both[0] + both[1]) / 2,
            "loss_ii": self.contrast.image_image(views, batch),
            "loss_tt": self.contrast.text_text(text, other, batch),
        }
        total = terms["loss_it"] + self.settings["ii_weight"] * terms["loss_ii"]
        total = total + self.settings.get("tt_weight", 0.5) * terms["loss_tt"]
        return total, logged(self.contrast, **terms)
