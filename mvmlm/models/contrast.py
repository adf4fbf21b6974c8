"""The two contrastive terms over a breast's views and its report; a missing view takes part in nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from mvmlm.batch import Batch
from mvmlm.losses import info_nce, pair_masks


def image_text_loss(views: Tensor, text: Tensor, batch: Batch, scale: Tensor, settings: dict) -> Tensor:
    """L_IT: mean over the views of symmetric InfoNCE between a view and its breast's report.

    Parameters
    ----------
    views : Tensor, shape (B, V, E), L2-normalised
    text : Tensor, shape (B, E), L2-normalised
    scale : Tensor, scalar
    settings : dict
        ``same_patient`` and ``same_report``.
    """
    excluded, same = pair_masks(
        batch.patient,
        batch.text_id,
        same_patient=settings["same_patient"],
        same_report=settings["same_report"],
    )
    terms = []
    for view in range(views.shape[1]):
        there = batch.view_mask[:, view]
        if there.sum() > 1:
            terms.append(
                info_nce(
                    views[there, view],
                    text[there],
                    scale,
                    excluded=excluded[there][:, there],
                    same=None if same is None else same[there][:, there],
                )
            )
    return torch.stack(terms).mean() if terms else views.sum() * 0.0


def image_image_loss(views: Tensor, batch: Batch, scale: Tensor, settings: dict) -> Tensor:
    """L_II: symmetric InfoNCE between the two views of the breasts that have both.

    Identical reports play no part here: two women with the same report still have different breasts.
    """
    both = batch.view_mask.all(dim=1)
    if both.sum() < 2:
        return views.sum() * 0.0
    patient = batch.patient[both]
    excluded, _ = pair_masks(patient, None, same_patient=settings["same_patient"], same_report="negative")
    return info_nce(views[both, 0], views[both, 1], scale, excluded=excluded)
