"""The image encoder: any timm network that gives feature maps, on one grey channel."""

from __future__ import annotations

import timm
import torch
from torch import Tensor, nn

from mvmlm.errors import ConfigError

MEAN, STD = 0.3, 0.25
"""Of grey values inside the breast, roughly; ours. (Mammo-CLIP publishes 0.3089 and 0.2505.)"""


class ImageEncoder(nn.Module):
    """Feature map of one stage of a timm network.

    Parameters
    ----------
    name : str
        A timm name with ``features_only`` support.
    pretrained : bool
        Whether the hub's weights are loaded; the first layer is summed over its three channels by timm.
    image_size : (int, int)
        Height and width of the images [pixels].
    stage : int
        Which feature map; −1 is the last and coarsest.

    Attributes
    ----------
    channels : int
        C of the map.
    grid : (int, int)
        H and W of the map.
    """

    def __init__(self, name: str, pretrained: bool, image_size: tuple[int, int], stage: int = -1) -> None:
        super().__init__()
        try:
            net = timm.create_model(name, pretrained=pretrained, in_chans=1, features_only=True)
            self.stage = range(len(net.feature_info))[stage]
            if self.stage != len(net.feature_info) - 1:
                net = timm.create_model(
                    name,
                    pretrained=pretrained,
                    in_chans=1,
                    features_only=True,
                    out_indices=tuple(range(self.stage + 1)),
                )
            with torch.no_grad():
                shape = net.eval()(torch.zeros(1, 1, *image_size))[-1].shape
        except (RuntimeError, AssertionError, AttributeError, IndexError, OSError) as error:
            why = " ".join(str(error).split())[:160]
            raise ConfigError(
                f"method.encoder: {name!r} gives no feature map {stage} of images of "
                f"{image_size[0]}×{image_size[1]} ({why})"
            ) from error
        if len(shape) != 4 or shape[1] != net.feature_info.channels()[-1]:
            raise ConfigError(
                f"method.encoder: {name!r} gives no C×H×W feature map but one of shape {tuple(shape[1:])}"
            )
        self.net = net.train().to(memory_format=torch.channels_last)
        self.channels, self.grid = shape[1], (shape[2], shape[3])

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 1, H, W) in [0, 1] to a map (B, C, H', W')."""
        images = ((images - MEAN) / STD).contiguous(memory_format=torch.channels_last)
        return self.net(images)[-1]
