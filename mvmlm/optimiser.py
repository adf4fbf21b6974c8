"""AdamW's groups of weights, the learning rate step by step, and the moving average of the weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from mvmlm.methods import Method
    from mvmlm.training import TrainConfig

BETAS = (0.9, 0.98)


class Optimiser:
    """AdamW at a rate that each group of weights has its own share of.

    Parts with an ``lr_scale`` are trained at that share (`Method.lr_scales`). With ``layer_decay`` below 1 a layer of
    the image encoder has that factor for each layer that lies above it, the heads above it none (as BEiT and ELECTRA
    are fine-tuned). Norms, biases and other vectors are not decayed.
    """

    def __init__(self, method: Method, config: TrainConfig) -> None:
        groups, self.scales = _groups(method, config)
        self.config = config
        self.adamw = torch.optim.AdamW(groups, lr=config.lr, betas=BETAS)

    def set_rate(self, rate: float) -> None:
        """The rate of the next step."""
        for group, scale in zip(self.adamw.param_groups, self.scales, strict=True):
            group["lr"] = rate * scale


def learning_rate(step: int, steps_per_epoch: int, config: TrainConfig) -> float:
    """Linear warm-up to ``lr`` and a cosine from there, to zero one step after the last.

    Parameters
    ----------
    step : int
        From 0, over the whole training.
    """
    total, warm = config.epochs * steps_per_epoch, config.warmup_epochs * steps_per_epoch
    if step < warm:
        return config.lr * (step + 1) / (warm + 1)
    share = (step - warm) / max(1.0, total - warm)
    return config.lr * 0.5 * (1.0 + math.cos(math.pi * min(1.0, share)))


class MovingAverage:
    """Exponential moving average of a method's weights and running statistics; `swap` puts it in their place.

    Parameters
    ----------
    decay : float
        Share of the average that stays at each step.
    """

    def __init__(self, method: Method, decay: float) -> None:
        self.decay = decay
        self.average = {name: value.detach().clone() for name, value in _floats(method).items()}

    @torch.no_grad()
    def update(self, method: Method) -> None:
        """Move towards the weights as they are."""
        now = _floats(method)
        torch._foreach_lerp_(list(self.average.values()), [now[name] for name in self.average], 1.0 - self.decay)

    @torch.no_grad()
    def swap(self, method: Method) -> None:
        """Exchange the method's weights and the average."""
        now = _floats(method)
        for name, kept in self.average.items():
            held = now[name].clone()
            now[name].copy_(kept)
            kept.copy_(held)


def _floats(method: Method) -> dict[str, torch.Tensor]:
    return {name: value for name, value in method.state_dict().items() if value.is_floating_point()}


def _groups(method: Method, config: TrainConfig) -> tuple[list[dict], list[float]]:
    """Groups for the optimiser, and the share of the learning rate that each is trained at."""
    groups: dict[float, list[dict]] = {}
    for name, weight in method.named_parameters():
        if not weight.requires_grad:
            continue
        scale = _scale(method, name, config.layer_decay)
        decayed, free = groups.setdefault(
            scale, [{"params": [], "weight_decay": config.weight_decay}, {"params": [], "weight_decay": 0.0}]
        )
        (decayed if weight.ndim > 1 else free)["params"].append(weight)
    pairs = [(group, scale) for scale, both in groups.items() for group in both if group["params"]]
    return [group for group, _ in pairs], [scale for _, scale in pairs]


def _scale(method: Method, name: str, layer_decay: float) -> float:
    share = next((share for part, share in method.lr_scales().items() if name.startswith(f"{part}.")), 1.0)
    for part, module in method.named_modules():
        if hasattr(module, "layer_of") and name.startswith(f"{part}."):
            return share * layer_decay ** (module.layers - module.layer_of(name.removeprefix(f"{part}.")))
    return share
