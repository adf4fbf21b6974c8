"""Operations and bytes of a training step an image, counted on tensors without content: no GPU and no memory needed.

A step on one breast goes forward and backward on PyTorch's ``meta`` device in bf16. Each operation of the step has its
floating-point operations (a multiply-add is two) and the bytes of every tensor that it reads or writes, as though
nothing stayed in a cache. It takes the longer of the two at least, and the step takes the sum: ``eager`` over all
operations, ``fused`` over convolutions and matrix products alone, as though all the rest were done on the way. Between
the two lies what a compiler can save; batch statistics, which must be known before they are used, keep it from
reaching ``fused``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from mvmlm.batch import Batch
from tests.benchmarks.step import Setting, build

ENCODERS = ("resnet34", "tf_efficientnet_b5")
SIZE = (1520, 912)
CARDS = {"H100 SXM": (989e12, 3.35e12), "A100 80 GB SXM": (312e12, 2.04e12)}
"""Dense bf16 operations and bytes a second, from NVIDIA's data sheets."""


class Operation(NamedTuple):
    """One call of a kernel: its floating-point operations, bytes, and ``product``, ``depthwise`` or ``other``."""

    flops: int
    bytes: int
    kind: str


@dataclass(frozen=True)
class Work:
    """What a training step calls, forward and backward.

    Attributes
    ----------
    operations : list of Operation
    images : int
        That they are for.
    """

    operations: list[Operation]
    images: int

    def flops(self, *kinds: str) -> float:
        """Floating-point operations an image, of all kinds or of those named."""
        return sum(o.flops for o in self.operations if not kinds or o.kind in kinds) / self.images

    def bytes(self, *kinds: str) -> float:
        """Bytes an image, of all kinds or of those named."""
        return sum(o.bytes for o in self.operations if not kinds or o.kind in kinds) / self.images

    def seconds(self, peak: float, bandwidth: float, *, fused: bool) -> float:
        """The least time an image [s]: Σ max(operations / peak, bytes / bandwidth).

        Parameters
        ----------
        peak : float
            Floating-point operations a second.
        bandwidth : float
            Bytes a second.
        fused : bool
            Whether convolutions and matrix products alone are counted.
        """
        called = (o for o in self.operations if not fused or o.kind != "other")
        return sum(max(o.flops / peak, o.bytes / bandwidth) for o in called) / self.images

    def share(self, peak: float, bandwidth: float, *, fused: bool) -> float:
        """The largest share of ``peak`` that the bytes leave."""
        return self.flops() / peak / self.seconds(peak, bandwidth, fused=fused)


class Recorder(TorchDispatchMode):
    """Writes down every operation that moves or computes something.

    Attributes
    ----------
    operations : list of Operation
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if _is_view(func):
            return out
        moved = sum(t.nbytes for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor))
        packet, kind, flops = func._overloadpacket, "other", 0
        if packet is torch.ops.aten.convolution_backward:
            kind, flops = _kind(args[2], args[-2]), _convolution_backward(*args)
        elif packet in flop_registry:
            kind = _kind(args[1], args[-1]) if packet is torch.ops.aten.convolution else "product"
            flops = flop_registry[packet](*args, **kwargs, out_val=out)
        self.operations.append(Operation(flops, moved, kind))
        return out


def count(encoder: str, size: tuple[int, int], setting: Setting) -> Work:
    """Work of MV-MLM with kept text states, on one breast.

    Parameters
    ----------
    setting : Setting
        Of the transformers and the texts; its encoder and size play no part.
    """
    setting = replace(setting, encoder=encoder, size=size)
    method = build(setting).to("meta", torch.bfloat16).train()
    batch = Batch(
        images=torch.empty(1, 2, 1, *size, device="meta", dtype=torch.bfloat16),
        view_mask=torch.ones(1, 2, dtype=torch.bool),
        patient=torch.zeros(1, dtype=torch.int64),
        text=torch.empty(1, setting.length, setting.text_width, device="meta", dtype=torch.bfloat16),
        text_mask=torch.ones(1, setting.length, dtype=torch.bool, device="meta"),
        text_id=torch.zeros(1, dtype=torch.int64),
    )
    with Recorder() as recorder:
        sum(out.sum() for out in method.outputs(batch).values() if out.requires_grad).backward()
    return Work(recorder.operations, images=2)


def describe(encoder: str, work: Work) -> str:
    """One line with the counts, one a card with what they allow."""
    products = ("product", "depthwise")
    lines = [
        f"{encoder}: {work.flops() / 1e9:.0f} GFLOP an image, {work.flops('depthwise') / work.flops():.1%} of them "
        f"depthwise; {work.bytes() / 1e9:.2f} GB eager, {work.bytes(*products) / 1e9:.2f} GB fused, "
        f"{work.bytes('depthwise') / 1e9:.2f} GB of it depthwise; operations a byte: {work.flops() / work.bytes():.0f} "
        f"eager, {work.flops() / work.bytes(*products):.0f} fused"
    ]
    if work.bytes("depthwise"):
        lines[0] += f", {work.flops('depthwise') / work.bytes('depthwise'):.1f} depthwise"
    for card, rates in CARDS.items():
        eager, fused = (work.share(*rates, fused=fused) for fused in (False, True))
        speeds = " and ".join(f"{1 / work.seconds(*rates, fused=fused):.0f}" for fused in (False, True))
        lines.append(
            f"  {card} (balanced at {rates[0] / rates[1]:.0f} operations a byte): at most {eager:.0%} of the peak "
            f"eager, {fused:.0%} fused; at most {speeds} images/s"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] = ()) -> None:
    """Print the counts of the named encoders, or of the paper's two."""
    print(f"roofline: a training step of MV-MLM, forward and backward, {SIZE[0]}×{SIZE[1]}, bf16, text states kept")
    for encoder in argv or ENCODERS:
        print(describe(encoder, count(encoder, SIZE, Setting())), flush=True)


def _is_view(func: Any) -> bool:
    """Whether an operation gives another look at its input, and moves nothing."""
    returns = func._schema.returns
    return bool(returns) and all(r.alias_info is not None and not r.alias_info.is_write for r in returns)


def _kind(weight: Tensor, groups: int) -> str:
    return "depthwise" if groups > 1 and weight.shape[1] == 1 else "product"


def _convolution_backward(grad: Tensor, images: Tensor, weight: Tensor, *rest: Any) -> int:
    """As many as forward for each gradient asked for (torch's own count forgets the groups of the weight's)."""
    return 2 * grad.numel() * weight.shape[1:].numel() * sum(rest[-1][:2])


if __name__ == "__main__":
    main()
