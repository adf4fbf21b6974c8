"""A method's image side under a head of its own: what every fine-tuning trains."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from mvmlm.batch import Batch
from mvmlm.errors import ConfigError
from mvmlm.features import REPRESENTATIONS
from mvmlm.methods import Method, Shapes


class ImageSide(Method):
    """A method's image side, and how a head reads it; subclasses add the head.

    A head sees ``representation`` through a LayerNorm without weights: the entries of an embedding of unit length
    are so small (1/√E) that a head would hardly move at an encoder's learning rate. The probe standardises for that
    reason, by statistics of the data; here those would be stale as soon as the encoder moves.

    Attributes
    ----------
    views : int
        Of a row of its batches.
    """

    views: ClassVar[int] = 2

    def __init__(self, method: Method, representation: str) -> None:
        super().__init__()
        if representation not in REPRESENTATIONS:
            known = ", ".join(REPRESENTATIONS)
            raise ConfigError(f"eval.representation is {representation!r}; known: {known}")
        self.method, self.representation = method.eval(), representation

    def encode_image(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The method's tokens and, in place of its embedding, what the head reads: shape (B, V, D)."""
        tokens, embedding = self.method.encode_image(images)
        picked = (embedding if self.representation == "embedding" else tokens.amax(dim=2)).float()
        return tokens, F.layer_norm(picked, picked.shape[-1:])

    @torch.no_grad()
    def width(self, shapes: Shapes) -> int:
        """D of `encode_image`."""
        return self.encode_image(torch.zeros(1, 1, 1, *shapes.image_size))[1].shape[-1]

    def freeze_unread(self, shapes: Shapes) -> int:
        """Freeze what the outputs do not depend on, such as a text encoder; returns the number of weights left."""
        self.eval()
        there = torch.ones(1, self.views, dtype=torch.bool)
        blank = Batch(torch.zeros(1, self.views, 1, *shapes.image_size), there, patient=torch.zeros(1))
        sum(value.sum() for value in self.outputs(blank).values()).backward()
        for weight in self.parameters():
            weight.requires_grad_(weight.grad is not None)
            weight.grad = None
        return sum(weight.numel() for weight in self.parameters() if weight.requires_grad)
