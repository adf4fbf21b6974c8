"""Which layer of an image encoder a parameter belongs to: the stem, or one of the stages."""

from __future__ import annotations

from torch import nn


def dotted(name: str) -> str:
    """A timm name whether or not the network was taken apart for its maps: ``stages_0`` and ``stages.0`` are one."""
    for wrapper in ("model.", "body."):
        name = name.removeprefix(wrapper)
    return name.replace("_", ".")


def layers_by_name(net: nn.Module) -> dict[str, int]:
    """Layer of each parameter and buffer of a timm network with ``features_only``.

    Layer 0 is the stem, all that comes before the module of the first map that has parameters. Each map's module opens
    the next layer, together with what stands between it and the map before; what follows the last map belongs to it.

    Returns
    -------
    dict of str to int
        By the names of ``net.named_parameters()`` and ``net.named_buffers()``.
    """
    info = net.feature_info
    last = max(info.out_indices)
    maps = [dotted(one["module"]) + "." for one in info.info[: last + 1]]
    stages: dict[str, int] = {}
    passed = 0
    stage = 0
    for module_name, module in net.named_modules():
        inside = [at for at, one in enumerate(maps, start=1) if (dotted(module_name) + ".").startswith(one)]
        if inside:
            stage = passed = inside[0]
        elif passed:
            stage = min(passed + 1, len(maps))
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        stages.update({f"{module_name}.{name}".lstrip("."): stage for name, _ in own})
    order = {stage: at for at, stage in enumerate(sorted(set(stages.values())))}
    return {name: order[stage] for name, stage in stages.items()}
