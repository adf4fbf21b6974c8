"""What all image-and-report methods share: two sides that end in one space, and the terms that compare them there."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn

from mvmlm.batch import Batch
from mvmlm.errors import ConfigError
from mvmlm.losses import unit
from mvmlm.methods import Method, Shapes
from mvmlm.models.contrast import Contrast, logged
from mvmlm.models.image_encoder import EncoderOptions, ImageEncoder
from mvmlm.models.text_tower import TextTower, check_pooling, pooled
from mvmlm.models.tokens import Pooling


class DualEncoder(Method):
    """An image side and a text side; L_IT between them, and λ·L_II between the views where ``view_loss`` says so.

    Subclasses say how each side becomes one vector, in `image_head` and `text_head`.
    """

    uses = frozenset({"text", "loss"})
    trains_text = True
    view_loss: ClassVar[bool] = False

    def __init__(self, options: Any, shapes: Shapes, loss: dict) -> None:
        super().__init__()
        check_pooling(options.text_pooling)
        self.encoder = ImageEncoder(options, shapes.image_size)
        self.image = self.image_head(options, self.encoder)
        self.text = self.text_head(options, shapes)
        self.text_tower = TextTower(shapes.text_backbone)
        self.contrast = Contrast(loss)
        self.settings = loss

    @classmethod
    def build(cls, options: Any, shapes: Shapes, loss: dict | None = None) -> DualEncoder:
        if loss is None or shapes.text_length is None or shapes.text_width is None:
            raise ConfigError(f"method {cls.__name__} needs text and a loss section")
        return cls(options, shapes, loss)

    @abstractmethod
    def image_head(self, options: Any, encoder: ImageEncoder) -> nn.Module:
        """What makes tokens (B, N, D) and an embedding (B, E) of positions (B, H·W, C)."""

    @abstractmethod
    def text_head(self, options: Any, shapes: Shapes) -> nn.Module:
        """What makes an embedding (B, E) of token states (B, L, D) and their mask (B, L)."""

    def encode_image(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.encoder(images.flatten(0, 1))
        tokens, embedding = self.image(maps.flatten(2).transpose(1, 2))
        return tokens.unflatten(0, images.shape[:2]), embedding.unflatten(0, images.shape[:2])

    def encode_text(self, text: Tensor, mask: Tensor) -> Tensor:
        """Token states (B, L, D), or ids (B, L), and mask (B, L) to an embedding (B, E)."""
        return self.text(self.text_tower(text, mask), mask)

    def outputs(self, batch: Batch) -> dict[str, Tensor]:
        return {"views": self.encode_present(batch)[1], "text": self.encode_text(batch.text, batch.text_mask)}

    def objective(self, outputs: dict[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, float]]:
        terms = {"loss_it": self.contrast.image_text(outputs["views"], outputs["text"], batch)}
        total = terms["loss_it"]
        if self.view_loss:
            terms["loss_ii"] = self.contrast.image_image(outputs["views"], batch)
            total = total + self.settings["ii_weight"] * terms["loss_ii"]
        return total, logged(self.contrast, **terms)


class PooledEncoder(DualEncoder):
    """Both sides pooled and projected; no transformer.

    Average pooling on both sides and a linear projection are ours: the paper names these baselines and says no more.
    """

    @dataclass(frozen=True)
    class Options(EncoderOptions):
        """Settings under ``method``."""

        projection: int = 512
        text_pooling: str = field(default="mean", metadata={"later": True})
        pooling: str = field(default="mean", metadata={"later": True})

    def image_head(self, options: Options, encoder: ImageEncoder) -> nn.Module:
        return PooledImage(options.pooling, encoder.channels, options.projection)

    def text_head(self, options: Options, shapes: Shapes) -> nn.Module:
        return PooledText(options.text_pooling, shapes.text_width, options.projection)


class PooledImage(nn.Module):
    """Positions → pooling → projection → unit length; the positions are the tokens."""

    def __init__(self, pooling: str, channels: int, projection: int) -> None:
        super().__init__()
        self.pooling = Pooling(pooling, channels)
        self.embed = nn.Linear(channels, projection)

    def forward(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N, C) to tokens (B, N, C) and embedding (B, E)."""
        vector = self.pooling(self.pooling.prepend(positions))
        return positions, unit(self.embed(vector))


class PooledText(nn.Module):
    """Token states → pooling over the real ones → projection → unit length."""

    def __init__(self, pooling: str, width: int, projection: int) -> None:
        super().__init__()
        self.pooling = pooling
        self.embed = nn.Linear(width, projection)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """(B, L, D) and (B, L) to (B, E)."""
        return unit(self.embed(pooled(states, self.pooling, mask)))
