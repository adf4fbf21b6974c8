"""Images alone: the two views of a breast are all that is aligned. What do the reports add to that?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from mvmlm.batch import Batch
from mvmlm.errors import ConfigError
from mvmlm.methods import METHODS, Method, Shapes
from mvmlm.models.contrast import Contrast, logged
from mvmlm.models.dual_encoder import PooledImage
from mvmlm.models.image_encoder import EncoderOptions, ImageEncoder


@METHODS.register("simclr_views")
class SimCLRViews(Method):
    """L_II by itself, with the image side of `mv_clip`: SimCLR whose two augmentations are CC and MLO.

    ``loss.ii_negatives: both_views`` makes it NT-Xent, as SimCLR has it.
    """

    uses = frozenset({"loss"})
    differs = "mv_clip − the reports: L_II alone"

    @dataclass(frozen=True)
    class Options(EncoderOptions):
        """Settings under ``method``."""

        projection: int = 512
        pooling: str = field(default="mean", metadata={"later": True})

    def __init__(self, options: Options, shapes: Shapes, loss: dict) -> None:
        super().__init__()
        self.encoder = ImageEncoder(options, shapes.image_size)
        self.image = PooledImage(options.pooling, self.encoder.channels, options.projection)
        self.contrast = Contrast(loss)

    @classmethod
    def build(cls, options: Any, shapes: Shapes, loss: dict | None = None) -> SimCLRViews:
        if loss is None:
            raise ConfigError("method simclr_views needs a loss section")
        return cls(options, shapes, loss)

    def encode_image(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.encoder(images.flatten(0, 1))
        tokens, embedding = self.image(maps.flatten(2).transpose(1, 2))
        return tokens.unflatten(0, images.shape[:2]), embedding.unflatten(0, images.shape[:2])

    def outputs(self, batch: Batch) -> dict[str, Tensor]:
        return {"views": self.encode_present(batch)[1]}

    def objective(self, outputs: dict[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, float]]:
        total = self.contrast.image_image(outputs["views"], batch)
        return total, logged(self.contrast, loss_ii=total)
