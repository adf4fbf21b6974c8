"""The text side's first step inside a method: states of a frozen encoder as they are, or an encoder that is trained."""

from __future__ import annotations

import json
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mvmlm.errors import ConfigError
from mvmlm.registry import did_you_mean

POOLINGS = ("max", "mean", "first")


class TextTower(nn.Module):
    """Texts of a batch to token states.

    Without a backbone texts are states already, and pass. With one they are token ids, and the encoder runs in every
    step, in training mode with the dropout of its own configuration. Its weights are random until `adopt` or a weight
    file sets them; whatever they are, the random state is left alone, so that the rest of a method starts from the same
    weights with and without it.

    Parameters
    ----------
    backbone : dict, optional
        Configuration of a `transformers` model, from `backbone_config`.

    Attributes
    ----------
    lr_scale : float
        Share of the learning rate that the backbone is trained at.

    Raises
    ------
    ConfigError
        When the installed transformers knows no such model.
    """

    def __init__(self, backbone: dict | None = None) -> None:
        super().__init__()
        self.backbone = None if backbone is None else _build(backbone)
        if self.backbone is not None:
            self.lr_scale = 1.0

    def adopt(self, model: nn.Module, lr_scale: float) -> None:
        """Start from the weights of ``model``, and train them at a share of the learning rate."""
        self.backbone.load_state_dict(model.state_dict())
        self.lr_scale = lr_scale

    def forward(self, text: Tensor, mask: Tensor) -> Tensor:
        """States (B, L, D), or ids (B, L), and mask (B, L) to states (B, L, D), zero behind each text's end."""
        if self.backbone is None:
            return text
        longest = int(mask.sum(dim=1).max())  # attention to padding alone is time lost
        real = mask[:, :longest]
        states = self.backbone(input_ids=text[:, :longest], attention_mask=real.long()).last_hidden_state
        return F.pad(states * real[..., None], (0, 0, 0, mask.shape[1] - longest))


def backbone_config(model: Any) -> dict:
    """Configuration of a loaded `transformers` model as plain JSON, without the place that it came from."""
    said = json.loads(model.config.to_json_string(use_diff=False))
    return {name: value for name, value in said.items() if name != "_name_or_path"}


def check_pooling(how: str) -> None:
    """A pooling that there is not is a `ConfigError`."""
    if how not in POOLINGS:
        hint = did_you_mean(how, POOLINGS)
        raise ConfigError(f"method.text_pooling is {how!r}{hint}; known: {', '.join(POOLINGS)}")


def pooled(states: Tensor, how: str, mask: Tensor | None = None) -> Tensor:
    """One vector a text.

    Parameters
    ----------
    states : Tensor, shape (B, N, D)
    how : {'max', 'mean', 'first'}
        Largest value of each channel, mean, or the first token.
    mask : Tensor, shape (B, N), bool, optional
        True at real tokens; the others are left out.

    Returns
    -------
    Tensor, shape (B, D)
    """
    if how == "first":
        return states[:, 0]
    if how == "max":
        return (states if mask is None else states.masked_fill(~mask[..., None], -torch.inf)).amax(dim=1)
    if mask is None:
        return states.mean(dim=1)
    weight = mask[..., None].to(states.dtype)
    return (states * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)


def _build(config: dict) -> nn.Module:
    from transformers import AutoConfig, AutoModel, __version__

    try:
        with torch.random.fork_rng(devices=[]):
            return AutoModel.from_config(AutoConfig.for_model(**config), dtype=torch.float32)
    except (KeyError, ValueError, TypeError) as error:
        why = " ".join(str(error).split())[:120]
        raise ConfigError(
            f"a text encoder of kind {config.get('model_type')!r} cannot be built by transformers {__version__} ({why})"
        ) from error
