"""Axes to points: the product, with axes that vary only under a condition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.layers import of_data_set, put, take
from harness.spec import Axis, Conditional
from mvmlm.errors import ConfigError


@dataclass(frozen=True)
class Value:
    """One value of an axis.

    Attributes
    ----------
    shown : object
        What stands in the table: the value, or its label.
    settings : dict
        Dotted path to what it is set to.
    """

    shown: Any
    settings: dict[str, Any]


@dataclass(frozen=True)
class Dimension:
    """An axis, resolved: its values and the condition under which it varies."""

    name: str
    values: tuple[Value, ...]
    when: dict[str, tuple] = field(default_factory=dict)


def dimension(name: str, axis: Axis) -> Dimension:
    """Read an axis.

    A value that is a mapping with ``label`` sets several paths together; any other sets the path that the axis is
    named after.
    """
    raw = axis.values if isinstance(axis, Conditional) else axis
    when = axis.when if isinstance(axis, Conditional) else {}
    values = []
    for item in raw:
        if is_labelled(item):
            values.append(Value(item["label"], {k: v for k, v in item.items() if k != "label"}))
        else:
            values.append(Value(item, {name: item}))
    conditions = {path: tuple(v) if isinstance(v, list) else (v,) for path, v in when.items()}
    return Dimension(name, tuple(values), conditions)


def is_labelled(item: Any) -> bool:
    """Whether a value of an axis is a label with the paths that it sets."""
    return isinstance(item, dict) and "label" in item


def points(dimensions: list[Dimension], base: dict) -> Iterator[dict[str, Value]]:
    """Every combination, the last axis fastest; a conditional axis is left out where its condition is not met."""
    found: list[dict[str, Value]] = [{}]
    for dim in in_order(dimensions):
        grown = []
        for point in found:
            if all(_setting(point, base, path) in allowed for path, allowed in dim.when.items()):
                grown += [{**point, dim.name: value} for value in dim.values]
            else:
                grown.append(point)
        found = grown
    place = {d.name: i for i, d in enumerate(dimensions)}
    for point in found:
        yield dict(sorted(point.items(), key=lambda item: place[item[0]]))


def in_order(dimensions: list[Dimension]) -> list[Dimension]:
    """Axes so that each comes after those that its condition reads; otherwise as they were.

    Raises
    ------
    ConfigError
        When conditions go in a circle.
    """
    left, ordered = list(dimensions), []
    while left:
        ready = next((d for d in left if not any(_sets(o, d.when) for o in left)), None)
        if ready is None:
            raise ConfigError(f"the conditions of {', '.join(d.name for d in left)} go in a circle")
        left.remove(ready)
        ordered.append(ready)
    return ordered


def _sets(dim: Dimension, paths: dict) -> bool:
    return any(path in value.settings for value in dim.values for path in paths)


def settings(point: dict[str, Value]) -> dict[str, Any]:
    """All dotted paths that a point sets."""
    return {path: v for value in point.values() for path, v in value.settings.items()}


def apply(base: dict, changes: dict[str, Any]) -> dict:
    """A copy of ``base`` with dotted paths set; only the sections that change are copied.

    As with layers, another data set starts its ``data`` section anew.
    """
    result = dict(of_data_set(base, changes["data.name"]) if "data.name" in changes else base)
    for path in changes:
        top = path.split(".")[0]
        if isinstance(result.get(top), dict):
            result[top] = _copied(result[top])
    for path, value in changes.items():
        put(result, path, value)
    return result


def _copied(section: dict) -> dict:
    return {k: _copied(v) if isinstance(v, dict) else v for k, v in section.items()}


def _setting(point: dict[str, Value], base: dict, path: str) -> Any:
    return settings(point).get(path, take(base, path))
