"""Embeddings of texts by a trained method's text side, for protocols that compare texts with images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from mvmlm.errors import ConfigError
from mvmlm.models.text_encoder import TextTokens, encode_texts, load_encoder, tokenize_texts

if TYPE_CHECKING:
    from mvmlm.methods import Method


@torch.inference_mode()
def text_features(
    method: Method,
    texts: Sequence[str],
    encoder: str,
    *,
    batch_size: int = 64,
    device: str = "auto",
    work_dir: str | Path | None = None,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Encode texts as the method's training did: by the frozen encoder first, or by the one that it has inside.

    A text is cut where the longest text of the training ended: a projection over token positions, as in ``mvmlm``, has
    no more of them. Shorter ones are padded to that length.

    Parameters
    ----------
    method : Method
        From `load_method`, with a text side (`encode_text`).
    texts : sequence of str, length n
        Repeats are encoded once.
    encoder : str
        What the training's ``text.encoder`` was; of a trained one, only its tokenizer is used.
    batch_size : int
        Texts encoded at a time.
    device : str
        A torch device, or ``"auto"``: the first GPU where there is one.
    work_dir : path, optional
        Where states of a frozen encoder may lie meanwhile.

    Returns
    -------
    features : ndarray, shape (n, E), float32
        L2-normalised.
    summary : dict
        ``texts``, ``distinct``, ``max_length``, ``truncated``, ``truncated_texts``, ``longest``, as `encode_texts`.

    Raises
    ------
    ConfigError
        If the method has no text side, or its encoder cannot be loaded.
    """
    length = method.description.get("text_length")
    if length is None or not hasattr(method, "encode_text"):
        raise ConfigError(f"method {method.description['method']['name']} encodes no text")
    target = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    method = method.eval().to(target)
    with TemporaryDirectory(dir=work_dir) as folder:
        if method.description.get("text_backbone") is None:
            summary = encode_texts(texts, encoder, length, folder, device=device)
            tokens = TextTokens.open(folder)
        else:
            tokens, summary = tokenize_texts(texts, load_encoder(encoder, length)[0], length)
        starts = range(0, len(tokens), batch_size)
        found = np.concatenate([_embedded(method, tokens, start, start + batch_size, target) for start in starts])
    counts = ("texts", "distinct", "max_length", "truncated", "truncated_texts", "longest")
    return found[[tokens.id_of(text) for text in texts]], {name: summary[name] for name in counts}


def temperature_of(method: Method) -> float | None:
    """The temperature that the method's similarities were trained at; None where it has no contrast of its own."""
    contrast = getattr(method, "contrast", None)
    return None if contrast is None else 1.0 / float(contrast.temperature().detach())


def _embedded(method: Method, tokens: TextTokens, start: int, stop: int, device: torch.device) -> np.ndarray:
    """Embeddings of some of the texts, shape (stop − start, E)."""
    given = np.array(tokens.tokens[start:stop])
    states = torch.from_numpy(given.astype(np.float32) if given.ndim == 3 else given)
    behind = method.description["text_length"] - tokens.length
    states = F.pad(states, (0, 0, 0, behind) if given.ndim == 3 else (0, behind))
    mask = F.pad(torch.from_numpy(tokens.mask[start:stop]), (0, behind))
    return method.encode_text(states.to(device), mask.to(device)).float().cpu().numpy()
