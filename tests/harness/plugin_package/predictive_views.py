"""Images alone: CC and MLO of a breast are aligned, and each is predicted from the other."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import nn

from mvmlm.errors import ConfigError
from mvmlm.methods import Method
from mvmlm.models.contrast import Contrast, logged
from mvmlm.models.image_encoder import EncoderOptions, ImageEncoder


class PredictiveViews(Method):
    """L_II, and a small network that foretells the embedding of the other view, which is held still meanwhile."""

    uses = frozenset({"loss"})  # of text, loss and labels: what it reads, and so what its key depends on
    differs = "simclr_views + each view is predicted from the other"
    version = 1  # raise it when other numbers come out for the same settings

    @dataclass(frozen=True)
    class Options(EncoderOptions):
        """Settings under ``method``, beside those of the encoder."""

        projection: int = 128
        prediction_weight: float = 0.5

    def __init__(self, options, shapes, loss):
        super().__init__()
        self.encoder = ImageEncoder(options, shapes.image_size)
        self.project = nn.Linear(self.encoder.channels, options.projection)
        self.predict = nn.Sequential(nn.Linear(options.projection, 64), nn.GELU(), nn.Linear(64, options.projection))
        self.contrast = Contrast(loss)
        self.prediction_weight = options.prediction_weight

    @classmethod
    def build(cls, options, shapes, loss=None):
        if loss is None:
            raise ConfigError("method predictive_views needs a loss section")
        return cls(options, shapes, loss)

    def encode_image(self, images):
        """(B, V, 1, H, W) to tokens (B, V, N, D) and embedding (B, V, E), L2-normalised."""
        maps = self.encoder(images.flatten(0, 1))
        tokens = maps.flatten(2).transpose(1, 2)
        embedding = F.normalize(self.project(tokens.mean(dim=1)).float(), dim=-1)
        return tokens.unflatten(0, images.shape[:2]), embedding.unflatten(0, images.shape[:2])

    def outputs(self, batch):
        """One row a breast, and nothing that depends on the others."""
        views = self.encode_present(batch)[1]
        return {"views": views, "predicted": F.normalize(self.predict(views.flip(1)).float(), dim=-1)}

    def objective(self, outputs, batch):
        """Over the whole batch; `batch` tells who is who, its images are gone."""
        both = batch.view_mask.all(dim=1)
        contrast = self.contrast.image_image(outputs["views"], batch)
        agreement = (outputs["predicted"] * outputs["views"].detach()).sum(dim=-1)[both]
        prediction = 1.0 - agreement.mean() if both.any() else contrast * 0.0
        total = contrast + self.prediction_weight * prediction
        return total, logged(self.contrast, loss_ii=contrast, loss_prediction=prediction)
