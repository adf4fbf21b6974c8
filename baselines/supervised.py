"""Supervised: the same encoder trained on the task's labels alone, for what pretraining is worth."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mvmlm.batch import Batch
from mvmlm.errors import ConfigError
from mvmlm.losses import unit, whole_precision
from mvmlm.methods import METHODS, Method, Shapes
from mvmlm.models.image_encoder import EncoderOptions, ImageEncoder
from mvmlm.registry import did_you_mean

FUSIONS = ("logits", "features", "single")


@METHODS.register("supervised")
class Supervised(Method):
    """Cross-entropy on the labels that the cell's fraction grants: binary, or of classes.

    ``fusion`` is how two views make one decision: ``logits``, the mean of the views' logits; ``features``, one linear
    layer on both views' features side by side, the one view there is standing for both; ``single``, each view by
    itself, as if it were a breast of its own. From scratch, or from ImageNet (``pretrained: true``).

    What is evaluated is its frozen features under the same protocol as every other arm's. Average pooling is
    ours.
    """

    uses = frozenset({"labels"})
    differs = "no pretraining task: the labels of the cell's fraction and nothing else"

    @dataclass(frozen=True)
    class Options(EncoderOptions):
        """Settings under ``method``."""

        fusion: str = field(default="logits", metadata={"later": True})

    def __init__(self, options: Options, shapes: Shapes) -> None:
        super().__init__()
        if options.fusion not in FUSIONS:
            hint = did_you_mean(options.fusion, FUSIONS)
            raise ConfigError(f"method.fusion is {options.fusion!r}{hint}; known: {', '.join(FUSIONS)}")
        self.fusion, self.classes = options.fusion, shapes.classes
        self.encoder = ImageEncoder(options, shapes.image_size)
        self.head = nn.Linear(self.encoder.channels * (2 if self.fusion == "features" else 1), self.classes or 1)

    @classmethod
    def build(cls, options: Options, shapes: Shapes, loss: dict | None = None) -> Supervised:
        return cls(options, shapes)

    def encode_image(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.encoder(images.flatten(0, 1)).flatten(2).transpose(1, 2)
        tokens = maps.unflatten(0, images.shape[:2])
        return tokens, unit(tokens.mean(dim=2))

    def outputs(self, batch: Batch) -> dict[str, Tensor]:
        features = self.encode_present(batch)[0].mean(dim=2)
        if self.fusion == "features":
            alone = ~batch.view_mask.all(dim=1)
            features = torch.where(alone[:, None, None], features.sum(dim=1, keepdim=True), features)
            features = features.flatten(1)[:, None]
        logits = whole_precision(self.head(features))
        return {"logits": logits if self.classes else logits.squeeze(-1)}

    def objective(self, outputs: dict[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, float]]:
        logits, there = outputs["logits"], batch.view_mask
        known = ~torch.isnan(batch.labels) & there.any(dim=1)
        if self.fusion == "single":
            counted = there & known[:, None]
            labels = batch.labels[:, None].expand_as(there)[counted]
            return _cross_entropy(logits[counted], labels, logits)
        if self.fusion == "logits":
            shown = there.to(logits.dtype).reshape(*there.shape, *[1] * (logits.ndim - 2))
            logits = ((logits * shown).sum(dim=1) / shown.sum(dim=1).clamp(min=1.0))[:, None]
        return _cross_entropy(logits[known, 0], batch.labels[known], logits)


def _cross_entropy(logits: Tensor, labels: Tensor, all_logits: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Of logits (n,) and labels 0 or 1, or of logits (n, K) and class indices."""
    if not len(logits):
        return all_logits.sum() * 0.0, {}
    if logits.ndim == 2:
        right = (logits.argmax(dim=1) == labels).float().mean()
        return F.cross_entropy(logits, labels.long()), {"accuracy": float(right)}
    right = ((logits > 0) == (labels > 0.5)).float().mean()
    return F.binary_cross_entropy_with_logits(logits, labels), {"accuracy": float(right.detach())}
