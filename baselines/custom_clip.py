"""Custom-CLIP: single-view CLIP on the same data: pooled map against pooled text, no transformer, no L_II."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from mvmlm.batch import Batch
from mvmlm.errors import ConfigError
from mvmlm.losses import Temperature
from mvmlm.methods import METHODS, Method, Shapes
from mvmlm.models.contrast import image_text_loss
from mvmlm.models.image_encoder import ImageEncoder


@METHODS.register("custom_clip")
class CustomCLIP(Method):
    """Each view is aligned with its breast's report by itself; nothing ties the two views together.

    Average pooling on both sides and a linear projection are ours: the paper names this baseline and says no
    more.
    """

    uses = frozenset({"text", "loss"})

    @dataclass(frozen=True)
    class Options:
        """Settings under ``method``."""

        encoder: str = "resnet34"
        pretrained: bool = False
        encoder_stage: int = -1
        projection: int = 512

    def __init__(self, options: Options, shapes: Shapes, loss: dict) -> None:
        super().__init__()
        self.encoder = ImageEncoder(
            options.encoder, options.pretrained, shapes.image_size, options.encoder_stage
        )
        self.image = nn.Linear(self.encoder.channels, options.projection)
        self.text = nn.Linear(shapes.text_width, options.projection)
        self.temperature = Temperature(loss["temperature"], loss["learn_temperature"])
        self.settings = loss

    @classmethod
    def build(cls, options: Options, shapes: Shapes, loss: dict | None = None) -> CustomCLIP:
        if loss is None or shapes.text_width is None:
            raise ConfigError("method custom_clip needs text and a loss section")
        return cls(options, shapes, loss)

    def encode_image(self, images: Tensor) -> tuple[Tensor, Tensor]:
        batch, views = images.shape[:2]
        tokens = self.encoder(images.flatten(0, 1)).flatten(2).transpose(1, 2)
        embedding = F.normalize(self.image(tokens.mean(dim=1)).float(), dim=-1)
        return tokens.unflatten(0, (batch, views)), embedding.unflatten(0, (batch, views))

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        views = self.encode_present(batch)[1]
        weight = batch.text_mask[..., None].to(batch.text.dtype)
        pooled = (batch.text * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)
        text = F.normalize(self.text(pooled).float(), dim=-1)
        scale = self.temperature()
        total = image_text_loss(views, text, batch, scale, self.settings)
        return total, {"loss_it": float(total.detach()), "temperature": float(1.0 / scale.detach())}
