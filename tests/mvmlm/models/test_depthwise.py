"""Depthwise convolutions with a gradient of their own: the same numbers, in the same places of a network."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from mvmlm.models.depthwise import Depthwise, quick_depthwise


@pytest.mark.parametrize("size", [(21, 17), (20, 16), (5, 7)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [3, 5, 7])
def test_value_and_gradients_are_those_of_torch(side, stride, size):
    torch.manual_seed(0)
    plain = nn.Conv2d(6, 6, side, stride=stride, padding=side // 2, groups=6, bias=False).double()
    ours = nn.Sequential(copy.deepcopy(plain))
    assert quick_depthwise(ours) == 1
    images = torch.randn(2, 6, *size, dtype=torch.float64, requires_grad=True)
    wanted = plain(images)
    direction = torch.randn_like(wanted)
    expected = torch.autograd.grad(wanted, (images, plain.weight), direction)
    found = ours(images)
    torch.testing.assert_close(found, wanted)
    for a, b in zip(torch.autograd.grad(found, (images, ours[0].weight), direction), expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("encoder", ["test_efficientnet", "tf_efficientnet_b0"])
def test_a_network_computes_what_it_did_under_the_same_names(encoder):
    torch.manual_seed(0)
    net = timm.create_model(encoder, in_chans=1, features_only=True).double().train()
    other = copy.deepcopy(net)
    assert quick_depthwise(other) > 1 and sum(isinstance(m, Depthwise) for m in other.modules()) > 1
    assert list(other.state_dict()) == list(net.state_dict())
    images = torch.randn(2, 1, 64, 48, dtype=torch.float64)
    for each in (net, other):
        each(images)[-1].square().mean().backward()
    for (name, a), (_, b) in zip(net.named_parameters(), other.named_parameters(), strict=True):
        torch.testing.assert_close(b.grad, a.grad, msg=name)


def test_autocast_gives_bf16_and_gradients_near_those_in_float32():
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Conv2d(8, 8, 5, stride=2, padding=2, groups=8, bias=False))
    images = torch.randn(2, 8, 24, 18)
    F.conv2d(images, layer[0].weight, stride=2, padding=2, groups=8).square().mean().backward()
    wanted, layer[0].weight.grad = layer[0].weight.grad, None
    quick_depthwise(layer)
    with torch.autocast("cpu", torch.bfloat16):
        out = layer(images)
    assert out.dtype == torch.bfloat16
    out.float().square().mean().backward()
    assert (layer[0].weight.grad - wanted).norm() < 0.02 * wanted.norm()


def test_what_is_no_plain_depthwise_convolution_stays():
    layers = nn.Sequential(
        nn.Conv2d(4, 4, 3, bias=False), nn.Conv2d(4, 4, 3, groups=2, bias=False), nn.Conv2d(4, 4, 3, groups=4),
        nn.Conv2d(4, 4, 3, groups=4, dilation=2, bias=False), nn.Conv2d(4, 8, 3, groups=4, bias=False),
    )  # fmt: skip
    assert quick_depthwise(layers) == 0
