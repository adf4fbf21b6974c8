"""A method's image side with a linear head: what a fine-tuning to labels trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from mvmlm.evaluation.fine_tuning.image_side import ImageSide
from mvmlm.methods import Method, Shapes

if TYPE_CHECKING:
    from mvmlm.batch import Batch


class Classifier(ImageSide):
    """A method's image side and a linear head on what the linear probe reads: a logit a view, or one a class."""

    @dataclass(frozen=True)
    class Options:
        """What it is made of: a method, used as it is and not copied, one of `REPRESENTATIONS`, a number of classes.

        No classes: labels that are true or false.
        """

        method: Method
        representation: str = "embedding"
        classes: int = 0

    def __init__(self, options: Options, shapes: Shapes) -> None:
        super().__init__(options.method, options.representation)
        self.classes = options.classes
        self.head = nn.Linear(self.width(shapes), self.classes or 1)

    @classmethod
    def build(cls, options: Options, shapes: Shapes, loss: dict | None = None) -> Classifier:
        return cls(options, shapes)

    def outputs(self, batch: Batch) -> dict[str, Tensor]:
        """Logits of the views, shape (B, V), or (B, V, K); those of missing views mean nothing."""
        logits = self.head(self.encode_present(batch)[1]).float()
        return {"logits": logits if self.classes else logits.squeeze(-1)}

    def objective(self, outputs: dict[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of the mean over the views that exist."""
        logits = mean_logit(outputs["logits"], batch.view_mask)
        if self.classes:
            return F.cross_entropy(logits, batch.labels.long()), {}
        return F.binary_cross_entropy_with_logits(logits, batch.labels), {}


def mean_logit(logits: Tensor, view_mask: Tensor) -> Tensor:
    """Logits (B, V, …) and which views exist (B, V) to the mean over those, shape (B, …)."""
    there = view_mask.to(logits.dtype).reshape(*view_mask.shape, *[1] * (logits.ndim - 2))
    return (logits * there).sum(dim=1) / there.sum(dim=1).clamp(min=1.0)
