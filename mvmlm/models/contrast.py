"""The contrastive terms between a breast's views and its texts; a missing view takes part in nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mvmlm.batch import Batch
from mvmlm.losses import Temperature, info_nce, pair_masks, sigmoid_loss


class Contrast(nn.Module):
    """Pairs of embeddings to losses, as the loss section says; one temperature for all terms (ours).

    Parameters
    ----------
    settings : dict
        ``temperature, learn_temperature, same_patient, same_report``, and where they differ from the first of each
        ``kind`` (info_nce or sigmoid), ``ii_negatives`` (other_view or both_views).
    """

    def __init__(self, settings: dict) -> None:
        super().__init__()
        self.settings = settings
        self.sigmoid = settings.get("kind", "info_nce") == "sigmoid"
        bias = settings.get("bias", -10.0) if self.sigmoid else None
        self.temperature = Temperature(settings["temperature"], settings.get("learn_temperature", True), bias)

    def image_text(self, views: Tensor, text: Tensor, batch: Batch) -> Tensor:
        """L_IT: mean over the views of the loss between a view and its breast's report.

        Parameters
        ----------
        views : Tensor, shape (B, V, E), L2-normalised
        text : Tensor, shape (B, E), L2-normalised
        """
        excluded, same = self._pairs(batch, batch.text_id)
        terms = []
        for view in range(views.shape[1]):
            there = batch.view_mask[:, view]
            if there.sum() > 1:
                kept = same if same is None else same[there][:, there]
                terms.append(self._loss(views[there, view], text[there], excluded[there][:, there], kept))
        return torch.stack(terms).mean() if terms else views.sum() * 0.0

    def image_image(self, views: Tensor, batch: Batch) -> Tensor:
        """L_II: between the two views of the breasts that have both.

        Identical reports play no part here: two women with the same report still have different breasts.

        Parameters
        ----------
        views : Tensor, shape (B, 2, E), L2-normalised
        """
        both = batch.view_mask.all(dim=1)
        if both.sum() < 2:
            return views.sum() * 0.0
        excluded = self._pairs(batch, None)[0][both][:, both]
        within = self.settings.get("ii_negatives", "other_view") == "both_views"
        return self._loss(views[both, 0], views[both, 1], excluded, None, within)

    def text_text(self, one: Tensor, other: Tensor, batch: Batch) -> Tensor:
        """L_TT: between two texts of each breast, shape (B, E) each, L2-normalised."""
        if len(one) < 2:
            return one.sum() * 0.0
        return self._loss(one, other, *self._pairs(batch, batch.text_id))

    def _pairs(self, batch: Batch, text_id: Tensor | None) -> tuple[Tensor, Tensor | None]:
        said = self.settings
        report = said["same_report"] if text_id is not None else "negative"
        return pair_masks(batch.patient, text_id, same_patient=said["same_patient"], same_report=report)

    def _loss(self, a: Tensor, b: Tensor, excluded: Tensor, same: Tensor | None, within: bool = False) -> Tensor:
        scale = self.temperature()
        if self.sigmoid:
            return sigmoid_loss(a, b, scale, self.temperature.bias, excluded=excluded, same=same)
        return info_nce(a, b, scale, excluded=excluded, same=same, within=within)


def logged(contrast: Contrast, **terms: Tensor) -> dict[str, float]:
    """Terms and the temperature as plain numbers."""
    with torch.no_grad():
        terms["temperature"] = 1.0 / contrast.temperature()
    return {name: float(value.detach()) for name, value in terms.items()}
