"""What a timm network will be, found out before its weights are made or downloaded."""

from __future__ import annotations

from dataclasses import dataclass

import timm
import torch
from torch import nn

from mvmlm.errors import ConfigError


@dataclass(frozen=True)
class EncoderPlan:
    """How a network is to be made, and what it will give.

    Attributes
    ----------
    arguments : dict
        Of ``timm.create_model``.
    sources : dict
        timm's ``pretrained_cfg``: where the network's weights are.
    map_name : str
        The module whose output is the map.
    channels : int
    grid : (int, int)
        Height and width of the map.
    padding : (int, int)
        Rows below and columns at the right that fill the images up to whole patches [pixels].
    """

    arguments: dict
    sources: dict
    map_name: str
    channels: int
    grid: tuple[int, int]
    padding: tuple[int, int]


def plan_encoder(name: str, stage: int, image_size: tuple[int, int]) -> EncoderPlan:
    """Try a network on torch's device without memory, which computes nothing and draws no random numbers.

    Raises
    ------
    ConfigError
        When it gives no feature map of this stage and of images of this size.
    """
    arguments: dict = {"pretrained": False, "in_chans": 1, "features_only": True}
    height, width = image_size
    try:
        with torch.device("meta"), torch.no_grad():
            net = timm.create_model(name, **arguments)
            arguments["out_indices"] = (_map_index(net, name, stage),)
            padding = (0, 0)
            if net.pretrained_cfg.get("fixed_input_size"):
                patch = _patch(net)
                padding = (-height % patch[0], -width % patch[1])
                arguments["img_size"] = (height + padding[0], width + padding[1])
            net = timm.create_model(name, **arguments).eval()
            shape = net(torch.zeros(1, 1, height + padding[0], width + padding[1]))[-1].shape
    except (RuntimeError, AssertionError, AttributeError, LookupError, TypeError, ValueError, OSError) as error:
        why = " ".join(str(error).split())[:160]
        raise ConfigError(
            f"method.encoder: {name!r} gives no feature map {stage} of images of {height}×{width} ({why})"
        ) from error
    if len(shape) != 4 or shape[1] != net.feature_info.channels()[-1]:
        raise ConfigError(f"method.encoder: {name!r} gives no C×H×W feature map but one of shape {tuple(shape[1:])}")
    map_name = net.feature_info.module_name()[-1]
    return EncoderPlan(arguments, net.pretrained_cfg, map_name, shape[1], (shape[2], shape[3]), padding)


def cut_after(net: nn.Module, map_name: str) -> None:
    """Drop the blocks behind the map where timm leaves them in: they would compute for nothing."""
    blocks = getattr(net, "blocks", None)
    if isinstance(blocks, nn.Sequential) and map_name.startswith("blocks."):
        net.blocks = blocks[: int(map_name.split(".")[1]) + 1]


def _map_index(net: nn.Module, name: str, stage: int) -> int:
    """timm's index of a map; those of a vision transformer are one for each block, not timm's last three."""
    known = range(len(net.feature_info.info)) if hasattr(net, "model") else net.feature_info.out_indices
    if not -len(known) <= stage < len(known):
        raise ConfigError(
            f"method.encoder_stage: {name!r} has {len(known)} feature maps, 0 to {len(known) - 1} or "
            f"−{len(known)} to −1, and no {stage}"
        )
    return known[stage]


def _patch(net: nn.Module) -> tuple[int, int]:
    """Height and width of a vision transformer's patches [pixels]; 1×1 where they are not of one size."""
    embed = getattr(getattr(net, "model", None), "patch_embed", None)
    size = getattr(embed, "patch_size", (1, 1))
    return (size, size) if isinstance(size, int) else tuple(size)
