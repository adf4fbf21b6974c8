"""A method's image side with a linear head: what a fine-tuning trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mvmlm.errors import ConfigError
from mvmlm.features import REPRESENTATIONS
from mvmlm.methods import Method, Shapes

if TYPE_CHECKING:
    from mvmlm.batch import Batch


class Classifier(Method):
    """A method's image side and a linear head on what the linear probe reads: a logit a view, or one a class.

    The head sees ``representation`` through a LayerNorm without weights: the entries of an embedding of unit length
    are so small (1/√E) that a head would hardly move at an encoder's learning rate. The probe standardises for that
    reason, by statistics of the data; here those would be stale as soon as the encoder moves.
    """

    @dataclass(frozen=True)
    class Options:
        """What it is made of: a method, used as it is and not copied, one of `REPRESENTATIONS`, a number of classes.

        No classes: labels that are true or false.
        """

        method: Method
        representation: str = "embedding"
        classes: int = 0

    def __init__(self, options: Options, shapes: Shapes) -> None:
        super().__init__()
        if options.representation not in REPRESENTATIONS:
            known = ", ".join(REPRESENTATIONS)
            raise ConfigError(f"eval.representation is {options.representation!r}; known: {known}")
        self.method, self.representation = options.method.eval(), options.representation
        self.classes = options.classes
        with torch.no_grad():
            width = self._read(self.encode_image(torch.zeros(1, 1, 1, *shapes.image_size))).shape[-1]
        self.head = nn.Linear(width, self.classes or 1)

    @classmethod
    def build(cls, options: Options, shapes: Shapes, loss: dict | None = None) -> Classifier:
        return cls(options, shapes)

    def encode_image(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.method.encode_image(images)

    def outputs(self, batch: Batch) -> dict[str, Tensor]:
        """Logits of the views, shape (B, V), or (B, V, K); those of missing views mean nothing."""
        return {"logits": self._logits(self.method.encode_present(batch))}

    def objective(self, outputs: dict[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Cross-entropy of the mean over the views that exist."""
        logits = mean_logit(outputs["logits"], batch.view_mask)
        if self.classes:
            return F.cross_entropy(logits, batch.labels.long()), {}
        return F.binary_cross_entropy_with_logits(logits, batch.labels), {}

    def freeze_unread(self, shapes: Shapes) -> int:
        """Freeze what the logits do not depend on, such as a text encoder; returns the number of weights left."""
        self.eval()
        self._logits(self.encode_image(torch.zeros(1, 1, 1, *shapes.image_size))).sum().backward()
        for weight in self.parameters():
            weight.requires_grad_(weight.grad is not None)
            weight.grad = None
        return sum(weight.numel() for weight in self.parameters() if weight.requires_grad)

    def _logits(self, encoded: tuple[Tensor, Tensor]) -> Tensor:
        logits = self.head(self._read(encoded)).float()
        return logits if self.classes else logits.squeeze(-1)

    def _read(self, encoded: tuple[Tensor, Tensor]) -> Tensor:
        tokens, embedding = encoded
        picked = (embedding if self.representation == "embedding" else tokens.amax(dim=2)).float()
        return F.layer_norm(picked, picked.shape[-1:])


def mean_logit(logits: Tensor, view_mask: Tensor) -> Tensor:
    """Logits (B, V, …) and which views exist (B, V) to the mean over those, shape (B, …)."""
    there = view_mask.to(logits.dtype).reshape(*view_mask.shape, *[1] * (logits.ndim - 2))
    return (logits * there).sum(dim=1) / there.sum(dim=1).clamp(min=1.0)
