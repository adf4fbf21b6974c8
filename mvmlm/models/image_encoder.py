"""The image encoder: any timm network that gives feature maps, on one grey channel."""

from __future__ import annotations

from dataclasses import dataclass, field

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mvmlm.errors import ConfigError
from mvmlm.models.depthwise import quick_depthwise
from mvmlm.models.encoder_checkpoint import keep_few_activations
from mvmlm.models.encoder_layers import layers_by_name
from mvmlm.models.encoder_plan import cut_after, plan_encoder
from mvmlm.models.encoder_weights import check_name, load_file_into, load_from_hub

MEAN, STD = 0.3, 0.25
"""Of grey values inside the breast, roughly; ours. (Mammo-CLIP publishes 0.3089 and 0.2505.)"""

BATCH_NORM = ("batch", "frozen")
LATER = {"later": True}


@dataclass(frozen=True)
class EncoderOptions:
    """Settings under ``method`` that every method's image encoder reads.

    Attributes
    ----------
    encoder : str
        A timm name whose network gives feature maps.
    pretrained : bool
        Whether timm's weights are loaded from the hub.
    encoder_stage : int
        Which feature map, of a vision transformer: after which block; −1 is the last and coarsest.
    weights : str
        A local weight file (``.safetensors``, ``.pth``), instead of the hub's.
    frozen_stages : int
        How many of the encoder's `ImageEncoder.layers` are not trained, counted from the stem.
    checkpoint : bool
        Whether activations are computed again in the backward pass rather than kept.
    batch_norm : {'batch', 'frozen'}
        Whether BatchNorm in training takes the statistics of the batch, or those it was loaded with.
    """

    encoder: str = "resnet34"
    pretrained: bool = False
    encoder_stage: int = -1
    weights: str = field(default="", metadata=LATER)
    frozen_stages: int = field(default=0, metadata=LATER)
    checkpoint: bool = field(default=False, metadata=LATER)
    batch_norm: str = field(default="batch", metadata=LATER)


class ImageEncoder(nn.Module):
    """Feature map of one stage of a timm network.

    A network with fixed positions (a vision transformer) is built for ``image_size``, filled up with black below and
    at the right to whole patches: 1520×912 at 16 pixels a patch is a map of 95×57.

    Parameters
    ----------
    options : EncoderOptions
    image_size : (int, int)
        Height and width of the images [pixels].

    Attributes
    ----------
    channels : int
        C of the map.
    grid : (int, int)
        H and W of the map.
    layers : int
        The stem, then one for each feature map of the network up to the one that is used (for each block of a vision
        transformer). What stands between two maps belongs to the later one.

    Raises
    ------
    ConfigError
        When there is no such network, map, weight file or pretrained weights, or a setting cannot be.
    """

    def __init__(self, options: EncoderOptions, image_size: tuple[int, int]) -> None:
        super().__init__()
        if options.batch_norm not in BATCH_NORM:
            raise ConfigError(f"method.batch_norm: no {options.batch_norm!r}; known: {', '.join(BATCH_NORM)}")
        check_name(options.encoder)
        plan = plan_encoder(options.encoder, options.encoder_stage, image_size)
        if options.pretrained and not options.weights:
            net = load_from_hub(options.encoder, plan.arguments, plan.sources)
        else:
            net = timm.create_model(options.encoder, **plan.arguments)
        cut_after(net, plan.map_name)
        if options.weights:
            load_file_into(net, options.weights, options.encoder)
        quick_depthwise(net)
        self.net = net.train().to(memory_format=torch.channels_last)
        self.channels, self.grid, self.padding = plan.channels, plan.grid, plan.padding
        self._layer = layers_by_name(self.net)
        self.layers = 1 + max(self._layer.values())
        self.frozen_stages = options.frozen_stages
        self.frozen_statistics = options.batch_norm == "frozen"
        self._freeze(options)
        if options.checkpoint:
            keep_few_activations(self.net, options.encoder)
        self.train()

    def layer_of(self, parameter_name: str) -> int:
        """Layer of a parameter by its name in this module: 0 is the stem, ``layers`` − 1 the last stage."""
        return self._layer[parameter_name.removeprefix("net.")]

    def train(self, mode: bool = True) -> ImageEncoder:
        """Training mode but for the BatchNorm layers whose statistics are to stay as they are."""
        super().train(mode)
        for name, module in self.net.named_modules():
            if getattr(module, "running_var", None) is None:
                continue
            if self.frozen_statistics or self._layer[f"{name}.running_var"] < self.frozen_stages:
                module.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 1, H, W) in [0, 1] to a map (B, C, H', W')."""
        if any(self.padding):
            images = F.pad(images, (0, self.padding[1], 0, self.padding[0]))
        images = ((images - MEAN) / STD).contiguous(memory_format=torch.channels_last)
        return self.net(images)[-1]

    def _freeze(self, options: EncoderOptions) -> None:
        if not 0 <= options.frozen_stages <= self.layers:
            raise ConfigError(
                f"method.frozen_stages: {options.frozen_stages} cannot be; {options.encoder!r} has "
                f"{self.layers} layers (the stem and {self.layers - 1} stages), so 0 to {self.layers} can be frozen"
            )
        for name, parameter in self.net.named_parameters():
            if self._layer[name] < options.frozen_stages:
                parameter.requires_grad_(False)
