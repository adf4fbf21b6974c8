"""MV-MLM: two views and a report of one breast, token transformers on both sides, two contrastive losses."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from mvmlm.errors import ConfigError
from mvmlm.losses import unit
from mvmlm.methods import METHODS, Shapes
from mvmlm.models.dual_encoder import DualEncoder
from mvmlm.models.image_encoder import EncoderOptions, ImageEncoder
from mvmlm.models.text_tower import pooled
from mvmlm.models.tokens import Pooling, tokenizer
from mvmlm.models.transformer import Transformer


@METHODS.register("mvmlm")
class MVMLM(DualEncoder):
    """Multi-view mammography and language: L_IT + λ·L_II with token transformers (the paper's MV-CLIP+Tr).

    From the paper: 256 tokens on both sides (``tokens`` and ``text_tokens``, so that one can vary alone), 4 blocks of
    8 heads, global max pool, the encoders, the frozen text encoder. Ours, because it says nothing: width and
    projection of 512, dropout 0.1, learnt positions, pre-norm, one learnt temperature for both losses, λ = 1.

    ``tokenizer`` and ``pooling`` change the image side alone. ``text_pooling`` is how the text's tokens become one
    vector behind its transformer. The projection has mixed all positions of the report by then, so that ``first`` is
    the first of the mixed tokens and not the encoder's own [CLS]: it says whether a learnt token serves as well as the
    maximum.
    """

    view_loss = True
    differs = "mv_clip + tokens and a transformer on both sides, max pool (the paper's MV-CLIP+Tr)"

    @dataclass(frozen=True)
    class Options(EncoderOptions):
        """Settings under ``method``."""

        tokens: int = 256
        text_tokens: int = 256
        width: int = 512
        depth: int = 4
        heads: int = 8
        projection: int = 512
        dropout: float = 0.1
        text_pooling: str = field(default="max", metadata={"later": True})
        tokenizer: str = field(default="linear", metadata={"later": True})
        pooling: str = field(default="max", metadata={"later": True})

    def __init__(self, options: Options, shapes: Shapes, loss: dict) -> None:
        if options.width % options.heads:
            raise ConfigError(f"method.width={options.width} cannot be shared by method.heads={options.heads}")
        super().__init__(options, shapes, loss)

    def image_head(self, options: Options, encoder: ImageEncoder) -> nn.Module:
        return TokenImage(options, encoder)

    def text_head(self, options: Options, shapes: Shapes) -> nn.Module:
        return TokenText(options, shapes)


class TokenImage(nn.Module):
    """Positions → N tokens → transformer → pooling over the tokens → projection → unit length."""

    def __init__(self, options: MVMLM.Options, encoder: ImageEncoder) -> None:
        super().__init__()
        shape = (encoder.grid, encoder.channels, options.tokens, options.width, options.heads)
        self.project = tokenizer(options.tokenizer, *shape)
        self.transformer = Transformer(options.width, options.depth, options.heads, options.dropout)
        self.embed = nn.Linear(options.width, options.projection)
        self.pooling = Pooling(options.pooling, options.width)

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """(B, H·W, C) to tokens (B, N, D), one more with ``cls``, and embedding (B, E)."""
        tokens = self.transformer(self.pooling.prepend(self.project(positions)))
        return tokens, unit(self.embed(self.pooling(tokens)))


class TokenText(nn.Module):
    """The same of a text's token states; padding counts as zeros."""

    def __init__(self, options: MVMLM.Options, shapes: Shapes) -> None:
        super().__init__()
        shape = ((1, shapes.text_length), shapes.text_width, options.text_tokens, options.width, options.heads)
        self.project = tokenizer("linear", *shape)
        self.transformer = Transformer(options.width, options.depth, options.heads, options.dropout)
        self.embed = nn.Linear(options.width, options.projection)
        self.pooling = options.text_pooling

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """(B, L, D) and (B, L) to (B, E)."""
        tokens = self.transformer(self.project(states.masked_fill(~mask[..., None], 0.0)))
        return unit(self.embed(pooled(tokens, self.pooling)))
