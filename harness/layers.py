"""Settings from several places, the later ones winning, each remembering where it stands."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from harness.config import DataConfig
from harness.errors import Problem
from harness.yaml_source import KeyPath, Source

DEFAULT_DATA = DataConfig().name


@dataclass(frozen=True)
class Layer:
    """Settings that one place gives: a section of a file, or one ``--set``."""

    source: Source
    prefix: KeyPath
    data: dict


@dataclass
class Layers:
    """A stack of layers.

    A layer that names another data set starts its ``data`` section anew: one reader's folder and options mean
    nothing to another.
    """

    layers: list[Layer] = field(default_factory=list)

    def add(self, source: Source, prefix: KeyPath, data: dict) -> None:
        """Put a layer on top."""
        self.layers.append(Layer(source, prefix, data))

    def merged(self) -> dict:
        """All layers in one mapping."""
        result: dict[str, Any] = {}
        for layer in self.layers:
            said = layer.data.get("data")
            if isinstance(said, dict) and "name" in said:
                result = of_data_set(result, said["name"])
            merge(result, layer.data)
        return result

    def problem(self, path: KeyPath, key: str, what: str) -> Problem:
        """A problem with a setting, at the place that gave it last."""
        for layer in reversed(self.layers):
            if _has(layer.data, path):
                return layer.source.problem((*layer.prefix, *path), key, what)
        top = self.layers[-1]
        return top.source.problem(top.prefix, key, what)


def of_data_set(settings: dict, name: Any) -> dict:
    """The settings without ``data.root`` and ``data.options`` where those were given for another data set."""
    data = settings.get("data")
    if not isinstance(data, dict) or data.get("name", DEFAULT_DATA) == name:
        return settings
    return {**settings, "data": {k: v for k, v in data.items() if k not in ("root", "options")}}


def merge(into: dict, more: dict) -> dict:
    """Merge nested mappings in place; anything else replaces."""
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = copy.deepcopy(value)
    return into


def put(into: dict, dotted: str, value: Any) -> dict:
    """Set a dotted path in a nested mapping, in place."""
    *above, last = dotted.split(".")
    here = into
    for part in above:
        if not isinstance(here.get(part), dict):
            here[part] = {}
        here = here[part]
    here[last] = copy.deepcopy(value)
    return into


def take(data: dict, dotted: str, default: Any = None) -> Any:
    """The value at a dotted path."""
    here: Any = data
    for part in dotted.split("."):
        if not isinstance(here, dict) or part not in here:
            return default
        here = here[part]
    return here


def _has(data: Any, path: KeyPath) -> bool:
    for part in path:
        in_list = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if in_list or (isinstance(data, dict) and part in data):
            data = data[part]
        else:
            return False
    return True
