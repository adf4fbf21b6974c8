"""Texts and views made to order, for the protocols that compare them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mvmlm.evaluation.text_set import TextSet


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows at unit length, float32."""
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def views_of(breasts: pd.DataFrame, *, width: int = 8, seed: int = 0) -> np.ndarray:
    """Random embeddings of CC and MLO, shape (n_breasts, 2, width); NaN where the table has no such view."""
    views = unit(np.random.default_rng([seed, 2]).standard_normal((len(breasts), 2, width)))
    return np.where((breasts[["cc", "mlo"]].to_numpy() >= 0)[..., None], views, np.nan)


def text_set(texts: dict[str, list[str]], *, width: int = 8, seed: int = 0, temperature: float | None = 0.1) -> TextSet:
    """Owner to texts, each different text with a random embedding of its own."""
    owners, said = zip(*((owner, text) for owner, group in texts.items() for text in group))
    distinct = list(dict.fromkeys(said))
    features = unit(np.random.default_rng([seed, 3]).standard_normal((len(distinct), width)))
    return TextSet.of(list(owners), list(said), features, temperature)
