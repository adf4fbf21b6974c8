"""MV-CLIP: Custom-CLIP with the loss between the two views (the paper's MV-CLIP, without the transformer)."""

from __future__ import annotations

from mvmlm.methods import METHODS
from mvmlm.models.dual_encoder import PooledEncoder


@METHODS.register("mv_clip")
class MVCLIP(PooledEncoder):
    """L_IT + λ·L_II on pooled maps."""

    view_loss = True
    differs = "custom_clip + the loss between the two views, L_II"
