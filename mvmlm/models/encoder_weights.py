"""Weights of an image encoder: from the hub, or from a file of either three input channels or one."""

from __future__ import annotations

import difflib
import math
from collections import Counter
from pathlib import Path

import timm
from timm.layers import resample_abs_pos_embed
from timm.models import load_state_dict
from torch import Tensor, nn

from mvmlm.errors import ConfigError
from mvmlm.models.encoder_layers import dotted

ELSEWHERE = "method.pretrained: false starts from random weights, method.weights: FILE from a local file"


def check_name(name: str) -> None:
    """A name that timm does not know is a `ConfigError` with the three nearest ones."""
    if ":" in name:  # a hub's repository: only the hub can say
        return
    network, _, tag = name.partition(".")
    if not timm.is_model(network):
        near = difflib.get_close_matches(network, timm.list_models(), n=3, cutoff=0.5)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        raise ConfigError(f"method.encoder: timm has no network {name!r}{hint}")
    tags = [one.partition(".")[2] for one in timm.list_models(f"{network}.*", pretrained=True)]
    if tag and tag not in tags:
        near = difflib.get_close_matches(tag, tags, n=3, cutoff=0.0)
        raise ConfigError(
            f"method.encoder: timm has no weights {tag!r} of {network!r}"
            + (f"; nearest: {', '.join(f'{network}.{one}' for one in near)}" if near else "; it has none")
        )


def load_from_hub(name: str, arguments: dict, sources: dict) -> nn.Module:
    """A network with timm's pretrained weights.

    Parameters
    ----------
    arguments : dict
        Of `timm.create_model`.
    sources : dict
        The network's ``pretrained_cfg``, which says where its weights are.

    Raises
    ------
    ConfigError
        When there are none, or they cannot be had.
    """
    if not any(sources.get(key) for key in ("url", "file", "hf_hub_id", "state_dict")):
        raise ConfigError(f"method.pretrained: timm has no pretrained weights of {name!r}; {ELSEWHERE}")
    try:
        return timm.create_model(name, **{**arguments, "pretrained": True})
    except Exception as error:  # each of the hub's clients has errors of its own
        why = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise ConfigError(
            f"method.pretrained: the weights of {name!r} cannot be downloaded ({why}); {ELSEWHERE}"
        ) from error


def load_file_into(net: nn.Module, file: str, name: str) -> None:
    """Fill a network from a weight file: of timm, of this package (``model.safetensors``), or with other prefixes.

    The first convolution's three kernels are added up where the file has three channels, and position embeddings are
    interpolated (bicubic) where they are of another grid.

    Raises
    ------
    ConfigError
        When there is no such file, or it does not hold all weights of this network.
    """
    wanted = net.state_dict()
    found = _without_prefix(_read(file), {dotted(key) for key in wanted})
    needed = [key for key in wanted if not key.endswith("num_batches_tracked")]
    missing = [key for key in needed if dotted(key) not in found]
    if missing:
        raise ConfigError(
            f"method.weights: {file} holds {len(needed) - len(missing)} of the {len(needed)} tensors of {name!r}"
            f" (first without: {missing[0]}; the file's first: {next(iter(found), 'none')})"
        )
    fitted = {key: _fit(net, key, found[dotted(key)], wanted[key]) for key in needed}
    wrong = [key for key in needed if fitted[key].shape != wanted[key].shape]
    if wrong:
        shapes = [tuple(one[wrong[0]].shape) for one in (fitted, wanted)]
        raise ConfigError(
            f"method.weights: {file} has {len(needed) - len(wrong)} of the {len(needed)} tensors of {name!r} in its"
            f" shapes ({wrong[0]} is {shapes[0]} there, {shapes[1]} here);"
            " are they of another width, or for images of another size?"
        )
    net.load_state_dict(fitted, strict=False)


def _read(file: str) -> dict[str, Tensor]:
    if not Path(file).is_file():
        raise ConfigError(f"method.weights: no such file: {file}")
    try:
        read = load_state_dict(file)
        tensors = {key: value for key, value in read.items() if isinstance(value, Tensor)}
    except Exception as error:  # pickle, zip, safetensors: each damage has an error of its own
        why = " ".join(str(error).split())[:160]
        raise ConfigError(f"method.weights: {file} cannot be read as weights ({why})") from error
    return {dotted(key): value for key, value in tensors.items()}


def _without_prefix(found: dict[str, Tensor], wanted: set[str]) -> dict[str, Tensor]:
    """The file's tensors by the network's names, without the prefix under which most of them stand."""
    prefixes: Counter[str] = Counter()
    for key in found:
        parts = key.split(".")
        for at in range(len(parts)):
            if ".".join(parts[at:]) in wanted:
                prefixes["".join(part + "." for part in parts[:at])] += 1
    prefix = max(prefixes, key=lambda one: prefixes[one], default="")
    return {key.removeprefix(prefix): value for key, value in found.items() if key.startswith(prefix)}


def _fit(net: nn.Module, key: str, found: Tensor, wanted: Tensor) -> Tensor:
    """The file's tensor for one grey channel and this image size; as it is where nothing is known to help."""
    if found.shape == wanted.shape:
        return found
    if dotted(key) in _first_weights(net) and found.shape[1] == 3 * wanted.shape[1]:
        return found.float().unflatten(1, (wanted.shape[1], 3)).sum(2)
    if dotted(key) == "pos.embed" and found.dim() == wanted.dim() == 3:
        return _fit_positions(net.model, found)
    return found


def _fit_positions(model: nn.Module, found: Tensor) -> Tensor:
    """Position embeddings of a square grid on this network's grid; the file does not say how wide another grid was."""
    prefix = 0 if getattr(model, "no_embed_class", False) else getattr(model, "num_prefix_tokens", 0)
    if math.isqrt(found.shape[1] - prefix) ** 2 != found.shape[1] - prefix:
        return found
    return resample_abs_pos_embed(found, new_size=list(model.patch_embed.grid_size), num_prefix_tokens=prefix)


def _first_weights(net: nn.Module) -> set[str]:
    first = net.pretrained_cfg.get("first_conv") or ()
    return {dotted(one) + ".weight" for one in ([first] if isinstance(first, str) else first)}
