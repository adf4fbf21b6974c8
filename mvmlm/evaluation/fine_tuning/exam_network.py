"""A method's image side, the breasts of an exam fused, and Mirai's additive-hazard layer: what is tuned to risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mvmlm.evaluation.fine_tuning.image_side import ImageSide
from mvmlm.evaluation.risk.hazard import HazardLayer
from mvmlm.methods import Method, Shapes

if TYPE_CHECKING:
    from mvmlm.batch import Batch

SIDES = ("L", "R")


class ExamNetwork(ImageSide):
    """The same computation as frozen features and a `HazardLayer` go through, in one network.

    Views: CC and MLO of the left breast, then of the right. The layer's intercepts start at the risk of the training
    exams, and the weights of its hazards at 0, as on frozen features: a ReLU that starts below 0 for all would never
    move. Those of its base are random, as any head's, or the encoder would learn nothing before they have grown.
    """

    views = 2 * len(SIDES)

    @dataclass(frozen=True, eq=False)
    class Options:
        """What it is made of.

        Attributes
        ----------
        method : Method
            Used as it is and not copied.
        intercepts : ndarray, shape (1 + years,)
            Of the layer, at the start.
        representation : str
            One of `REPRESENTATIONS`.
        fuse : str
            One of `risk.options.FUSIONS`.
        """

        method: Method
        intercepts: np.ndarray
        representation: str = "embedding"
        fuse: str = "mean"

    def __init__(self, options: Options, shapes: Shapes) -> None:
        super().__init__(options.method, options.representation)
        self.fuse = options.fuse
        width = self.width(shapes)
        none = torch.zeros(1, len(SIDES), width)
        with torch.no_grad():
            self.head = nn.Linear(fuse_breasts(none, none[..., 0] == 0, self.fuse).shape[1], len(options.intercepts))
            self.head.weight[1:].zero_()
            self.head.bias.copy_(torch.as_tensor(options.intercepts))

    @classmethod
    def build(cls, options: Options, shapes: Shapes, loss: dict | None = None) -> ExamNetwork:
        return cls(options, shapes)

    def outputs(self, batch: Batch) -> dict[str, Tensor]:
        """The layer's linear forms, shape (B, 1 + years)."""
        there = batch.view_mask.unflatten(1, (len(SIDES), -1))
        views = self.encode_present(batch)[1].unflatten(1, there.shape[1:]) * there[..., None]
        breasts = views.sum(dim=2) / there.sum(dim=2).clamp(min=1)[..., None]
        return {"forms": self.head(fuse_breasts(breasts, there.any(dim=2), self.fuse)).float()}

    def objective(self, outputs: dict[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """Mean over the exams of the weighted log loss of their years; ``labels`` are `risk.targets.targets`."""
        target, weight = batch.labels.unbind(dim=1)
        forms = outputs["forms"]
        logits = forms[:, :1] + forms[:, 1:].relu().cumsum(dim=1)
        losses = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return (weight * losses).sum(dim=1).mean(), {}

    def layer(self) -> HazardLayer:
        """The layer as it is now, float64."""
        weight, bias = (part.detach().cpu().double().numpy() for part in (self.head.weight, self.head.bias))
        return HazardLayer(weight.T, bias)


def fuse_breasts(features: Tensor, there: Tensor, rule: str) -> Tensor:
    """`exam_features` for a batch: a difference that is unknown is 0.

    Parameters
    ----------
    features : Tensor, shape (B, 2, D)
        Left and right.
    there : Tensor, shape (B, 2), bool
        Which breasts there are; at least one of each exam.

    Returns
    -------
    Tensor, shape (B, D) or (B, 2 D)
    """
    mean = (features * there[..., None]).sum(dim=1) / there.sum(dim=1)[:, None]
    if rule == "mean":
        return mean
    if rule == "mean_difference":
        return torch.cat([mean, (features[:, 0] - features[:, 1]).abs() * there.all(dim=1)[:, None]], dim=1)
    largest = features.masked_fill(~there[..., None], -torch.inf).amax(dim=1)
    return largest if rule == "max" else torch.cat([mean, largest], dim=1)
