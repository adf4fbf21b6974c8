"""``--set key=value`` and ``--seeds``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from harness.errors import Problem, SpecError
from harness.layers import Layer, put
from harness.spec import path_problem
from harness.yaml_source import Source
from mvmlm.registry import did_you_mean

LISTS = ("seeds", "tasks", "protocols")


@dataclass
class Overrides:
    """What the command line says.

    Attributes
    ----------
    lists : dict
        Values of ``seeds``, ``tasks``, ``protocols``.
    settings : list of (key, value)
        In the order of the command line.
    """

    lists: dict[str, list] = field(default_factory=dict)
    settings: list[tuple[str, Any]] = field(default_factory=list)

    def pin(self, axis: str) -> Any:
        """The value that pins an axis; None where none does."""
        return next((value for key, value in reversed(self.settings) if key == axis), None)

    def layers(self, axes: set[str]) -> list[Layer]:
        """One layer an override that pins no axis."""
        found = []
        for number, (key, value) in enumerate(self.settings, start=1):
            if key not in axes:
                source = Source("--set", None, {(): (number, 1)})
                found.append(Layer(source, (), put({}, key, value)))
        return found


def read_overrides(given: list[str] | None, seeds: list[int] | None) -> Overrides:
    """Parse the command line's overrides.

    Raises
    ------
    SpecError
        With every override that cannot be used.
    """
    found, problems = Overrides(), []
    for number, text in enumerate(given or [], start=1):
        key, equals, raw = text.partition("=")
        key = key.strip()
        try:
            value = yaml.safe_load(raw)
        except yaml.YAMLError:
            problems.append(Problem("--set", number, 1, key, f"{raw!r} is no YAML value"))
            continue
        if not equals or not key:
            problems.append(Problem("--set", number, 1, text, "expected dotted.key=value"))
        elif key in LISTS:
            found.lists[key] = value if isinstance(value, list) else [value]
        elif why := _unknown(key):
            problems.append(Problem("--set", number, 1, key, why))
        else:
            found.settings.append((key, value))
    if problems:
        raise SpecError(problems)
    if seeds:
        found.lists["seeds"] = seeds
    return found


def _unknown(key: str) -> str:
    why = path_problem(key)
    if why and "." not in key:
        return why if "did you mean" in why else why + did_you_mean(key, LISTS)
    return why
