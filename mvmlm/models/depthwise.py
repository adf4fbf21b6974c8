"""Depthwise convolutions whose gradient takes no longer than it must on a CPU.

oneDNN has fast kernels for a depthwise convolution forward and for the weight's gradient of a 3×3, but none for the
weight's gradient of a 5×5 nor, in bf16, for the image's gradient at stride 2: there a reference loop runs that takes up
to sixty times as long as the forward pass. Both can be said in terms of what is fast: the image's gradient is a
convolution with the flipped kernel, of the gradient spread out by the stride; the weight's gradient of a larger kernel
is put together from overlapping 3×3 ones, each with its own cut of the image. Values differ in the last digits only.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.padding import pad_same
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

TILE = 3
"""Side of the kernels whose weight gradient is fast."""


class _Convolve(torch.autograd.Function):
    """A square depthwise convolution of (B, C, H, W) with (C, 1, K, K), the same stride and padding on both axes."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(images, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(images, weight, stride=stride, padding=padding, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        images, weight = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        of_images = of_weight = None
        if ctx.needs_input_grad[0]:
            of_images = _image_gradient(grad, images, weight, ctx.stride, ctx.padding)
        if ctx.needs_input_grad[1]:
            of_weight = _weight_gradient(grad, F.pad(images, (ctx.padding,) * 4), weight, ctx.stride)
        return of_images, of_weight, None, None


class Depthwise(nn.Conv2d):
    """In the place of a depthwise `Conv2d`, with its weight; on other devices than a CPU it is one."""

    same: bool

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H', W')."""
        if self.same:
            images = pad_same(images, self.kernel_size, self.stride, self.dilation)
        if images.device.type != "cpu" or not torch.is_grad_enabled():
            return self._conv_forward(images, self.weight, self.bias)
        weight = self.weight
        if torch.is_autocast_enabled("cpu"):
            kind = torch.get_autocast_dtype("cpu")
            images, weight = images.to(kind), weight.to(kind)
        with torch.autocast("cpu", enabled=False):
            return _Convolve.apply(images, weight, self.stride[0], self.padding[0])


def quick_depthwise(net: nn.Module) -> int:
    """Put `Depthwise` in the place of every convolution that it can stand for; how many those were.

    Names, weights and buffers stay as they are.
    """
    places = [(m, name, child) for m in net.modules() for name, child in m.named_children() if _fits(child)]
    for parent, name, layer in places:
        parent.__setattr__(name, _instead_of(layer))
    return len(places)


def _fits(layer: nn.Module) -> bool:
    """Square, odd, one channel a group, no dilation, no bias; padded with zeros, or as TensorFlow does."""
    return (
        isinstance(layer, nn.Conv2d)
        and type(layer).__name__ in ("Conv2d", "Conv2dSame")
        and layer.groups == layer.in_channels == layer.out_channels > 1
        and layer.bias is None
        and layer.kernel_size[0] == layer.kernel_size[1]
        and layer.kernel_size[0] % 2 == 1
        and layer.stride[0] == layer.stride[1]
        and layer.dilation == (1, 1)
        and layer.padding_mode == "zeros"
        and (type(layer).__name__ == "Conv2dSame" or layer.padding[0] == layer.padding[1])
    )


def _instead_of(layer: nn.Conv2d) -> Depthwise:
    same = type(layer).__name__ == "Conv2dSame"
    count, sizes = layer.in_channels, (layer.kernel_size, layer.stride, 0 if same else layer.padding)
    new = Depthwise(count, count, *sizes, groups=count, bias=False, device="meta")
    new.weight, new.same, new.training = layer.weight, same, layer.training
    return new


def _image_gradient(grad: Tensor, images: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    side, count = weight.shape[-1], len(weight)
    if stride > 1:
        height, width = (size + 2 * padding - side + 1 for size in images.shape[2:])
        spread = grad.new_zeros(len(grad), height, width, count).permute(0, 3, 1, 2)
        spread[:, :, : grad.shape[2] * stride : stride, : grad.shape[3] * stride : stride] = grad
        grad = spread
    return F.conv2d(grad, weight.flip(2, 3), padding=side - 1 - padding, groups=count)


def _weight_gradient(grad: Tensor, images: Tensor, weight: Tensor, stride: int) -> Tensor:
    """From the padded images; overlapping tiles agree in what they share."""
    side = weight.shape[-1]
    tile = min(side, TILE)
    starts = range(0, side - tile + 1, 2)
    height, width = ((size - 1) * stride + tile for size in grad.shape[2:])
    whole = torch.empty_like(weight)
    for row in starts:
        for column in starts:
            cut = images[:, :, row : row + height, column : column + width]
            cut = cut.contiguous(memory_format=torch.channels_last)
            whole[:, :, row : row + tile, column : column + tile] = _tile_gradient(grad, cut, weight, tile, stride)
    return whole


def _tile_gradient(grad: Tensor, images: Tensor, weight: Tensor, tile: int, stride: int) -> Tensor:
    like = weight.new_empty(len(weight), 1, tile, tile)
    where = ([stride, stride], [0, 0], [1, 1], False, [0, 0], len(weight), [False, True, False])
    return torch.ops.aten.convolution_backward(grad, images, like, None, *where)[1]
