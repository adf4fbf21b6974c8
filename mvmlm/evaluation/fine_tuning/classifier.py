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
    """A method's image side and a linear head on what the linear probe reads: a logit a view.

    The head sees ``representation`` through a LayerNorm without weights: the entries of an embedding of unit length
    are so small (1/√E) that a head would hardly move at an encoder's learning rate. The probe standardises for that
    reason, by statistics of the data; here those would be stale as soon as the encoder moves.
    """

    @dataclass(frozen=True)
    class Options:
        """What it is made of: a method, used as it is and not copied, and one of `REPRESENTATIONS`."""

        method: Method
        representation: str = "embedding"

    def __init__(self, options: Options, shapes: Shapes) -> None:
        super().__init__()
        if options.representation not in REPRESENTATIONS:
            known = ", ".join(REPRESENTATIONS)
            raise ConfigError(f"eval.representation is {options.representation!r}; known: {known}")
        self.method, self.representation = options.method.eval(), options.representation
        with torch.no_grad():
            width = self._read(self.encode_image(torch.zeros(1, 1, 1, *shapes.image_size))).shape[-1]
        self.head = nn.Linear(width, 1)

    @classmethod
    def build(cls, options: Options, shapes: Shapes, loss: dict | None = None) -> Classifier:
        return cls(options, shapes)

    def encode_image(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.method.encode_image(images)

    def outputs(self, batch: Batch) -> dict[str, Tensor]:
        """Logits of the views, shape (B, V); those of missing views mean nothing."""
        return {"logits": self._logits(self.method.encode_present(batch))}

    def objective(self, outputs: dict[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Binary cross-entropy of the mean over the views that exist."""
        return F.binary_cross_entropy_with_logits(mean_logit(outputs["logits"], batch.view_mask), batch.labels), {}

    def freeze_unread(self, shapes: Shapes) -> int:
        """Freeze what the logits do not depend on, such as a text encoder; returns the number of weights left."""
        self.eval()
        self._logits(self.encode_image(torch.zeros(1, 1, 1, *shapes.image_size))).sum().backward()
        for weight in self.parameters():
            weight.requires_grad_(weight.grad is not None)
            weight.grad = None
        return sum(weight.numel() for weight in self.parameters() if weight.requires_grad)

    def _logits(self, encoded: tuple[Tensor, Tensor]) -> Tensor:
        return self.head(self._read(encoded)).squeeze(-1).float()

    def _read(self, encoded: tuple[Tensor, Tensor]) -> Tensor:
        tokens, embedding = encoded
        picked = (embedding if self.representation == "embedding" else tokens.amax(dim=2)).float()
        return F.layer_norm(picked, picked.shape[-1:])


def mean_logit(logits: Tensor, view_mask: Tensor) -> Tensor:
    """Logits (B, V) and which views exist (B, V) to the mean over those, shape (B,)."""
    there = view_mask.to(logits.dtype)
    return (logits * there).sum(dim=1) / there.sum(dim=1).clamp(min=1.0)
