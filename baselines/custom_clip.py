"""Custom-CLIP: single-view CLIP on the same data: pooled map against pooled text, no transformer, no L_II."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor, nn

from mvmlm.batch import Batch
from mvmlm.errors import ConfigError
from mvmlm.losses import Temperature
from mvmlm.methods import METHODS, Method, Shapes
from mvmlm.models.contrast import image_text_loss
from mvmlm.models.image_encoder import ImageEncoder
from mvmlm.models.text_tower import TextTower, check_pooling, pooled


@METHODS.register("custom_clip")
class CustomCLIP(Method):
    """Each view is aligned with its breast's report by itself; nothing ties the two views together.

    Average pooling on both sides and a linear projection are ours: the paper names this baseline and says no
    more. ``text_pooling`` changes the text's: ``mean`` or ``max`` over its tokens, or ``first``, the state of [CLS] in
    a BERT.
    """

    uses = frozenset({"text", "loss"})
    trains_text = True

    @dataclass(frozen=True)
    class Options:
        """Settings under ``method``."""

        encoder: str = "resnet34"
        pretrained: bool = False
        encoder_stage: int = -1
        projection: int = 512
        text_pooling: str = field(default="mean", metadata={"later": True})

    def __init__(self, options: Options, shapes: Shapes, loss: dict) -> None:
        super().__init__()
        check_pooling(options.text_pooling)
        self.encoder = ImageEncoder(options.encoder, options.pretrained, shapes.image_size, options.encoder_stage)
        self.image = nn.Linear(self.encoder.channels, options.projection)
        self.text = nn.Linear(shapes.text_width, options.projection)
        self.text_tower, self.text_pooling = TextTower(shapes.text_backbone), options.text_pooling
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
        states = self.text_tower(batch.text, batch.text_mask)
        text = F.normalize(self.text(pooled(states, self.text_pooling, batch.text_mask)).float(), dim=-1)
        scale = self.temperature()
        total = image_text_loss(views, text, batch, scale, self.settings)
        return total, {"loss_it": float(total.detach()), "temperature": float(1.0 / scale.detach())}
