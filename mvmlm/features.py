"""Features of single images from a trained method, for protocols that work on a frozen encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from mvmlm.errors import ConfigError

if TYPE_CHECKING:
    from mvmlm.data.image_store import ImageStore
    from mvmlm.methods import Method

REPRESENTATIONS = ("embedding", "tokens_max")


@torch.inference_mode()
def image_features(
    method: Method,
    store: ImageStore,
    rows: np.ndarray,
    *,
    representation: str = "embedding",
    batch_size: int = 32,
    device: str = "auto",
) -> np.ndarray:
    """Encode images one view at a time, in eval mode: batch statistics are those of training and never move.

    Parameters
    ----------
    rows : ndarray, shape (n,)
        Rows of the store.
    representation : {'embedding', 'tokens_max'}
        The embedding that the loss sees, or the largest value of each channel over the tokens.

    Returns
    -------
    ndarray, shape (n, D), float32
    """
    if representation not in REPRESENTATIONS:
        raise ConfigError(f"eval.representation is {representation!r}; known: {', '.join(REPRESENTATIONS)}")
    target = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    method = method.eval().to(target)
    found = []
    for start in range(0, len(rows), batch_size):
        images = torch.from_numpy(store.read(rows[start : start + batch_size])).to(target)
        tokens, embedding = method.encode_image(images[:, None])
        picked = embedding if representation == "embedding" else tokens.amax(dim=2)
        found.append(picked[:, 0].float().cpu().numpy())
    return np.concatenate(found)
