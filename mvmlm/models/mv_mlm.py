"""MV-MLM: two views and a report of one breast, token transformers on both sides, two contrastive losses."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor, nn

from mvmlm.batch import Batch
from mvmlm.errors import ConfigError
from mvmlm.losses import Temperature
from mvmlm.methods import METHODS, Method, Shapes
from mvmlm.models.contrast import image_image_loss, image_text_loss
from mvmlm.models.image_encoder import ImageEncoder
from mvmlm.models.text_tower import TextTower, check_pooling, pooled
from mvmlm.models.transformer import TokenProjection, Transformer


class TokenEncoder(nn.Module):
    """Positions → N tokens → transformer → pooling over the tokens → projection → unit length.

    Parameters
    ----------
    positions, channels : int
        Of the input: a flattened feature map, or the token states of a text.
    pooling : {'max', 'mean', 'first'}
    """

    def __init__(
        self, positions: int, channels: int, tokens: int, options: MVMLM.Options, pooling: str = "max"
    ) -> None:
        super().__init__()
        self.positions, self.pooling = positions, pooling
        self.project = TokenProjection(positions, channels, tokens, options.width)
        self.transformer = Transformer(options.width, options.depth, options.heads, options.dropout)
        self.embed = nn.Linear(options.width, options.projection)

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """(B, positions, channels) to tokens (B, N, D) and embedding (B, E)."""
        tokens = self.transformer(self.project(states))
        return tokens, F.normalize(self.embed(pooled(tokens, self.pooling)).float(), dim=-1)


@METHODS.register("mvmlm")
class MVMLM(Method):
    """Multi-view mammography and language: L_IT + λ·L_II with token transformers (the paper's MV-CLIP+Tr).

    From the paper: 256 tokens on both sides (``tokens`` and ``text_tokens``, so that one can vary alone), 4 blocks of
    8 heads, global max pool, the encoders, the frozen text encoder. Ours, because it says nothing: width and
    projection of 512, dropout 0.1, learnt positions, pre-norm, one learnt temperature for both losses, λ = 1.

    ``text_pooling`` is how the text's tokens become one vector behind its transformer. The projection has mixed all
    positions of the report by then, so that ``first`` is the first of the mixed tokens and not the encoder's own
    [CLS]: it says whether a learnt token serves as well as the maximum.
    """

    uses = frozenset({"text", "loss"})
    trains_text = True

    @dataclass(frozen=True)
    class Options:
        """Settings under ``method``."""

        encoder: str = "resnet34"
        pretrained: bool = False
        encoder_stage: int = -1
        tokens: int = 256
        text_tokens: int = 256
        width: int = 512
        depth: int = 4
        heads: int = 8
        projection: int = 512
        dropout: float = 0.1
        text_pooling: str = field(default="max", metadata={"later": True})

    def __init__(self, options: Options, shapes: Shapes, loss: dict) -> None:
        super().__init__()
        if options.width % options.heads:
            raise ConfigError(f"method.width={options.width} cannot be shared by method.heads={options.heads}")
        check_pooling(options.text_pooling)
        self.encoder = ImageEncoder(options.encoder, options.pretrained, shapes.image_size, options.encoder_stage)
        height, width = self.encoder.grid
        self.image = TokenEncoder(height * width, self.encoder.channels, options.tokens, options)
        self.text = TokenEncoder(
            shapes.text_length, shapes.text_width, options.text_tokens, options, options.text_pooling
        )
        self.text_tower = TextTower(shapes.text_backbone)
        self.temperature = Temperature(loss["temperature"], loss["learn_temperature"])
        self.settings = loss

    @classmethod
    def build(cls, options: Options, shapes: Shapes, loss: dict | None = None) -> MVMLM:
        if loss is None or shapes.text_length is None or shapes.text_width is None:
            raise ConfigError("method mvmlm needs text and a loss section")
        return cls(options, shapes, loss)

    def encode_image(self, images: Tensor) -> tuple[Tensor, Tensor]:
        batch, views = images.shape[:2]
        maps = self.encoder(images.flatten(0, 1))
        tokens, embedding = self.image(maps.flatten(2).transpose(1, 2))
        return tokens.unflatten(0, (batch, views)), embedding.unflatten(0, (batch, views))

    def encode_text(self, text: Tensor, mask: Tensor) -> Tensor:
        """Token states (B, L, D), or ids (B, L), and mask (B, L) to an embedding (B, E)."""
        states = self.text_tower(text, mask).masked_fill(~mask[..., None], 0.0)
        return self.text(states)[1]

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        views = self.encode_present(batch)[1]
        text = self.encode_text(batch.text, batch.text_mask)
        scale = self.temperature()
        image_text = image_text_loss(views, text, batch, scale, self.settings)
        image_image = image_image_loss(views, batch, scale, self.settings)
        total = image_text + self.settings["ii_weight"] * image_image
        logs = {"loss_it": image_text, "loss_ii": image_image, "temperature": 1.0 / scale}
        return total, {name: float(value.detach()) for name, value in logs.items()}
