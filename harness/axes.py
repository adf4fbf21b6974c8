"""Axes as they will be used: the profile's changes, the overrides that pin one, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.errors import Problem
from harness.grid import Dimension, Value, dimension, in_order, is_labelled
from harness.keys import canonical
from harness.layers import put, take
from harness.overrides import Override, Overrides
from harness.spec import OWN_COORDINATES, OWNED, AblationSpec, Axis, Conditional, ProfilePart, path_problem
from harness.yaml_source import Source, Where
from mvmlm.errors import ConfigError

ABSENT = object()


@dataclass
class Axes:
    """The axes of one expansion.

    Attributes
    ----------
    places : dict
        Axis to where it is declared; also of axes that cannot be used.
    pins : dict
        Axis to the override that pins it.
    """

    dimensions: list[Dimension] = field(default_factory=list)
    places: dict[str, Where] = field(default_factory=dict)
    pins: dict[str, Override] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def value_place(self, dim: Dimension, i: int) -> Where:
        """Where the ``i``-th value of an axis stands."""
        if dim.name in self.pins:
            return self.pins[dim.name].where
        inner = ("values",) if dim.when else ()
        return self.places[dim.name].inside(*inner, i)

    def say(self, where: Where, key: str, what: str) -> None:
        """Add a problem."""
        self.problems.append(where.problem(key, what))


def resolve_axes(
    spec: AblationSpec, part: ProfilePart, profile: str, source: Source, overrides: Overrides
) -> Axes:
    """Read all axes."""
    declared = {name: (Where(source, ("axes", name)), axis) for name, axis in spec.axes.items()}
    for name, axis in part.axes.items():
        declared[name] = (Where(source, ("profiles", profile, "axes", name)), axis)
    axes = Axes()
    for name, (place, axis) in declared.items():
        if axis is not None:
            axes.places[name] = place
            _add(axes, name, axis, overrides.pin(name))
    _order(axes)
    for override in overrides.settings:
        _overshadowed(axes, override)
    return axes


def _add(axes: Axes, name: str, axis: Axis, pin: Override | None) -> None:
    place = axes.places[name]
    if name in OWN_COORDINATES or name in OWNED:
        listed = OWNED.get(name, f"{name}s")
        axes.say(place, name, f"is no axis of its own; list its values under {listed}")
        return
    if not axis:
        axes.say(place, name, "is an empty axis; give at least one value")
        return
    if pin is not None:
        axes.pins[name] = pin
        axis = _pinned(axes, name, axis, pin)
        if not axis:
            return
    dim = dimension(name, axis)
    _check_paths(axes, dim)
    shown = [canonical(v.shown) for v in dim.values]
    for i, value in enumerate(shown):
        if value in shown[:i]:
            axes.say(axes.value_place(dim, i), name, f"has the value {dim.values[i].shown!r} twice")
    axes.dimensions.append(dim)


def _pinned(axes: Axes, name: str, axis: Axis, pin: Override) -> list[Any]:
    """The one value that an override leaves: the one with that label, or the override's own."""
    values = axis.values if isinstance(axis, Conditional) else axis
    labels = [item["label"] for item in values if is_labelled(item)]
    if pin.value in labels:
        return [item for item in values if is_labelled(item) and item["label"] == pin.value][:1]
    if path_problem(name):
        axes.say(pin.where, name, f"has no value {pin.value!r} (it has: {', '.join(map(str, labels))})")
        return []
    return [pin.value]


def _check_paths(axes: Axes, dim: Dimension) -> None:
    """Everything that an axis sets or looks at must be a setting, and one that is its own to set."""
    for i, value in enumerate(dim.values):
        place = axes.value_place(dim, i)
        if not isinstance(value.shown, str | int | float) and dim.name not in value.settings:
            axes.say(place.inside("label"), dim.name, "label: expected a text or a number")
        for path in value.settings:
            inside = place.inside(path) if path != dim.name else place
            if why := _not_its_own(path):
                axes.say(inside if path != dim.name else axes.places[dim.name], path, why)
    for path in dim.when:
        if why := _not_its_own(path):
            axes.say(axes.places[dim.name].inside("when", path), path, why)


def _not_its_own(path: str) -> str:
    if path in OWNED:
        return f"is set by {OWNED[path]}; list its values there"
    return path_problem(path)


def _order(axes: Axes) -> None:
    try:
        in_order(axes.dimensions)
    except ConfigError as error:
        for dim in axes.dimensions:
            if dim.when:
                axes.say(axes.places[dim.name].inside("when"), dim.name, str(error))
                break
        axes.dimensions = [d for d in axes.dimensions if not d.when]


def _overshadowed(axes: Axes, override: Override) -> None:
    """An override that an axis would always undo has no effect: that is an error, not a surprise."""
    if override.key in axes.places:
        return
    given = put({}, override.key, override.value)
    for dim in axes.dimensions:
        if not dim.when and all(_covers(value, override.key, given) for value in dim.values):
            axes.say(override.where, override.key, f"is set by the axis {dim.name}; pin that: --set {dim.name}=…")


def _covers(value: Value, key: str, given: dict) -> bool:
    return any(key.startswith(f"{p}.") or take(given, p, ABSENT) is not ABSENT for p in value.settings)
