"""CLIP: one image and its report, the standard recipe (Radford et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from mvmlm.batch import Batch
from mvmlm.methods import METHODS
from mvmlm.models.dual_encoder import PooledEncoder


@METHODS.register("clip")
class CLIP(PooledEncoder):
    """One view of each breast in a step, drawn at random, against the report's [CLS] state.

    An image is an example of its own here, as it is for CLIP, which knows no views: views of both kinds are each
    other's negatives. In evaluation mode the loss takes the first view of a breast. OpenAI's weights are a matter of
    the encoder's name (``resnet50_clip.openai``, ``vit_base_patch16_clip_224.openai``, with ``pretrained: true``);
    CLIP's own treatment of repeated texts is ``loss.same_report: negative``.
    """

    differs = "one view a step and its report, [CLS]-pooled text: the standard recipe"

    @dataclass(frozen=True)
    class Options(PooledEncoder.Options):
        """Settings under ``method``."""

        text_pooling: str = field(default="first", metadata={"later": True})

    def outputs(self, batch: Batch) -> dict[str, Tensor]:
        one = _one_view(batch.view_mask, self.training)
        embedding = self.encode_present(replace(batch, view_mask=one))[1].sum(dim=1)
        return {"views": embedding[:, None], "text": self.encode_text(batch.text, batch.text_mask)}

    def objective(self, outputs: dict[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, float]]:
        return super().objective(outputs, replace(batch, view_mask=batch.view_mask.any(dim=1, keepdim=True)))


def _one_view(view_mask: Tensor, at_random: bool) -> Tensor:
    """(B, V) bool with one True a row, where the row has any."""
    first = torch.arange(view_mask.shape[1], 0, -1).expand(view_mask.shape)
    order = torch.rand(view_mask.shape) if at_random else first
    place = order.to(view_mask.device).masked_fill(~view_mask, -1.0).argmax(dim=1)
    return torch.nn.functional.one_hot(place, view_mask.shape[1]).bool() & view_mask
