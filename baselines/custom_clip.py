"""Custom-CLIP: CLIP on both views of the same data: pooled map against pooled text, no transformer, no L_II."""

from __future__ import annotations

from mvmlm.methods import METHODS
from mvmlm.models.dual_encoder import PooledEncoder


@METHODS.register("custom_clip")
class CustomCLIP(PooledEncoder):
    """Each view is aligned with its breast's report by itself; nothing ties the two views together.

    ``text_pooling`` is ``mean`` or ``max`` over the text's tokens, or ``first``, the state of [CLS] in a BERT.
    """

    differs = "clip + both views of every breast in each step, mean-pooled text"
