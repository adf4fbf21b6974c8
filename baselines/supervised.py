"""Supervised: the same encoder trained on the task's labels alone, for what pretraining is worth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mvmlm.batch import Batch
from mvmlm.methods import METHODS, Method, Shapes
from mvmlm.models.image_encoder import ImageEncoder


@METHODS.register("supervised")
class Supervised(Method):
    """Binary cross-entropy on the mean of the views' logits, on the labels that the cell's fraction grants.

    What is evaluated is its frozen features under the same protocol as every other arm's. Average pooling is
    ours.
    """

    uses = frozenset({"labels"})

    @dataclass(frozen=True)
    class Options:
        """Settings under ``method``."""

        encoder: str = "resnet34"
        pretrained: bool = False
        encoder_stage: int = -1

    def __init__(self, options: Options, shapes: Shapes) -> None:
        super().__init__()
        self.encoder = ImageEncoder(
            options.encoder, options.pretrained, shapes.image_size, options.encoder_stage
        )
        self.head = nn.Linear(self.encoder.channels, 1)

    @classmethod
    def build(cls, options: Options, shapes: Shapes, loss: dict | None = None) -> Supervised:
        return cls(options, shapes)

    def encode_image(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.encoder(images.flatten(0, 1)).flatten(2).transpose(1, 2)
        tokens = maps.unflatten(0, images.shape[:2])
        return tokens, F.normalize(tokens.mean(dim=2).float(), dim=-1)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        pooled = self.encode_present(batch)[0].mean(dim=2)
        logits = self.head(pooled).squeeze(-1).float()
        there = batch.view_mask.to(logits.dtype)
        logit = (logits * there).sum(dim=1) / there.sum(dim=1).clamp(min=1.0)
        known = ~torch.isnan(batch.labels) & batch.view_mask.any(dim=1)
        if not known.any():
            return logit.sum() * 0.0, {}
        total = F.binary_cross_entropy_with_logits(logit[known], batch.labels[known])
        right = ((logit[known] > 0) == (batch.labels[known] > 0.5)).float().mean()
        return total, {"accuracy": float(right.detach())}
