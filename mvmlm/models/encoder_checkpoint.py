"""Gradient checkpointing of an image encoder, with BatchNorm statistics that move once a step."""

from __future__ import annotations

from torch import nn

from mvmlm.errors import ConfigError


def keep_few_activations(net: nn.Module, name: str) -> None:
    """Switch timm's gradient checkpointing on.

    Parameters
    ----------
    net : Module
        Of timm, with ``features_only``.
    name : str
        Its name, for the message.

    Raises
    ------
    ConfigError
        When timm has none for this network.
    """
    owner = net if hasattr(net, "set_grad_checkpointing") else getattr(net, "model", net)
    try:
        owner.set_grad_checkpointing(True)
    except (AttributeError, AssertionError) as error:
        raise ConfigError(
            f"method.checkpoint: timm has no gradient checkpointing for {name!r}; set it to false"
        ) from error
    StatisticsOnce().watch(net)


class StatisticsOnce:
    """Holds running statistics still while the backward pass computes activations again.

    Without it every step would move them twice, as if ``momentum`` were nearly twice as large, and a network trained
    with checkpointing would differ from one trained without.
    """

    def __init__(self) -> None:
        self.in_forward = False
        self.momentum: float | None = None

    def watch(self, net: nn.Module) -> None:
        """Hook into a network; copies of the network carry a copy of the hooks."""
        net.register_forward_pre_hook(self._enter)
        net.register_forward_hook(self._leave, always_call=True)
        for module in net.modules():
            if getattr(module, "running_var", None) is not None:
                module.register_forward_pre_hook(self._hold)
                # the second computation may be cut short within this very module
                module.register_forward_hook(self._release, always_call=True)

    def _enter(self, net: nn.Module, inputs: tuple) -> None:
        self.in_forward = True

    def _leave(self, net: nn.Module, inputs: tuple, output: object) -> None:
        self.in_forward = False

    def _hold(self, module: nn.Module, inputs: tuple) -> None:
        if not self.in_forward:
            self.momentum, module.momentum = module.momentum, 0.0

    def _release(self, module: nn.Module, inputs: tuple, output: object) -> None:
        if not self.in_forward:
            module.momentum = self.momentum
