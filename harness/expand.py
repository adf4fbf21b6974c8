"""From an ablation file, a profile and overrides to cells; everything that is wrong comes back at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from harness.config import CellConfig
from harness.discover import find_ablation, find_profile
from harness.errors import Problem, SpecError
from harness.grid import Dimension, apply, dimension, points, settings
from harness.keys import canonical
from harness.layers import Layers, take
from harness.names import name_problems
from harness.overrides import Overrides, read_overrides
from harness.spec import (
    OWN_COORDINATES,
    AblationSpec,
    ProfileFile,
    ProfilePart,
    TableConfig,
    explain,
    path_problem,
)
from harness.yaml_source import Source, load_yaml
from mvmlm.registry import did_you_mean


@dataclass(frozen=True)
class Cell:
    """One point of the grid: its settings and its place.

    Attributes
    ----------
    coordinates : dict
        Axis, ``task``, ``protocol`` and ``seed`` to the value that tables show.
    """

    ablation: str
    config: CellConfig
    coordinates: dict[str, Any]


@dataclass(frozen=True)
class Expansion:
    """An ablation, resolved at one profile."""

    name: str
    profile: str
    question: str
    table: TableConfig
    cells: list[Cell]
    coordinates: list[str]
    resolved: dict = field(default_factory=dict)

    def header(self) -> dict:
        """What an invocation is recorded with."""
        spec = {
            "ablation": self.name,
            "profile": self.profile,
            "question": self.question,
            "table": self.table.model_dump(mode="json"),
            "coordinates": self.coordinates,
            **self.resolved,
        }
        return {"ablation": self.name, "profile": self.profile, "spec": spec}


def expand_file(
    said: str, *, profile: str = "demo", overrides: list[str] | None = None, seeds: list[int] | None = None
) -> Expansion:
    """Read and expand an ablation.

    Parameters
    ----------
    said : str
        A path or a shipped name.
    overrides : list of str
        ``dotted.key=value``, the value in YAML.

    Raises
    ------
    SpecError
        With every problem of the file, the profile and the overrides.
    """
    path = find_ablation(said)
    source = load_yaml(path)
    scale_path = find_profile(profile, path)
    scale_source = load_yaml(scale_path)
    spec = _model(AblationSpec, source)
    scale = _model(ProfileFile, scale_source)
    return _Expander(
        path.stem, profile, source, spec, scale_source, scale, read_overrides(overrides, seeds)
    ).expand()


def _model(kind: type, source: Source) -> Any:
    if not isinstance(source.data, dict):
        raise SpecError(
            [Problem(source.path, 1, 1, "", f"expected a mapping with {', '.join(kind.model_fields)}")]
        )
    try:
        return kind.model_validate(source.data)
    except ValidationError as error:
        raise SpecError([source.problem(p, key, what) for p, key, what in explain(error, kind)]) from error


class _Expander:
    """Holds the pieces while problems are collected."""

    def __init__(
        self,
        name: str,
        profile: str,
        source: Source,
        spec: AblationSpec,
        scale_source: Source,
        scale: ProfileFile,
        overrides: Overrides,
    ) -> None:
        self.name, self.profile, self.source, self.spec = name, profile, source, spec
        self.overrides = overrides
        self.part = spec.profiles.get(profile, ProfilePart())
        self.problems: list[Problem] = []
        self.layers = Layers()
        self.layers.add(scale_source, ("base",), scale.base)
        self.layers.add(source, ("base",), spec.base)
        self.layers.add(source, ("profiles", profile, "base"), self.part.base)

    def expand(self) -> Expansion:
        dimensions = self._dimensions()
        for layer in self.overrides.layers({d.name for d in dimensions}):
            self.layers.layers.append(layer)
        base = self.layers.merged()
        grid = {name: self._list(name) for name in ("tasks", "protocols", "seeds")}
        self._validate(base)
        self._table([d.name for d in dimensions])
        self._raise()
        self._axis_values(dimensions, base)
        self._raise()
        cells = self._cells(dimensions, base, grid)
        self._raise()
        resolved = {"base": base, "axes": {d.name: [v.shown for v in d.values] for d in dimensions}, **grid}
        coordinates = [*(d.name for d in dimensions), *OWN_COORDINATES]
        table, question = self.spec.table, self.spec.question
        return Expansion(self.name, self.profile, question, table, cells, coordinates, resolved)

    def _dimensions(self) -> list[Dimension]:
        """Axes after the profile's changes and the overrides that pin one."""
        axes = {name: (("axes", name), axis) for name, axis in self.spec.axes.items()}
        for name, axis in self.part.axes.items():
            axes[name] = (("profiles", self.profile, "axes", name), axis)
        axes = {name: (place, axis) for name, (place, axis) in axes.items() if axis is not None}
        self.axis_place = {name: place for name, (place, _) in axes.items()}
        found = []
        for name, (place, axis) in axes.items():
            pinned = self.overrides.pin(name)
            if isinstance(axis, list) and not axis:
                self._say(place, name, "is an empty axis; give at least one value")
                continue
            dim = dimension(name, [pinned] if pinned is not None else axis)
            for path in {p for v in dim.values for p in v.settings} | set(dim.when):
                if why := path_problem(path):
                    self._say(place, path, why)
            shown = [canonical(v.shown) for v in dim.values]
            for i, value in enumerate(shown):
                if value in shown[:i]:
                    self._say((*place, i), name, f"has the value {dim.values[i].shown!r} twice")
            found.append(dim)
        return found

    def _list(self, name: str) -> list:
        own = getattr(self.part, name)
        values = self.overrides.lists.get(name) or (own if own is not None else getattr(self.spec, name))
        place = ("profiles", self.profile, name) if own is not None else (name,)
        for i, value in enumerate(values):
            if value in values[:i]:
                self._say((*place, i), name, f"has {value!r} twice")
        return list(values)

    def _validate(self, base: dict) -> None:
        """The settings that all cells have in common."""
        try:
            config = CellConfig.model_validate(base)
        except ValidationError as error:
            for path, key, what in explain(error, CellConfig):
                self.problems.append(self.layers.problem(path, key, what))
        else:
            for path, what in name_problems(config):
                self.problems.append(self.layers.problem(path, ".".join(path), what))

    def _axis_values(self, dimensions: list[Dimension], base: dict) -> None:
        """Each value of each axis by itself, so that a wrong one is said once and at its place."""
        lists = {"tasks": "eval.task", "protocols": "eval.protocol"}
        for name, path in lists.items():
            for i, value in enumerate(self._list(name)):
                self._one(apply(base, {path: value}), {path: value}, (name, i))
        for dim in dimensions:
            for i, value in enumerate(dim.values):
                conditions = {path: allowed[0] for path, allowed in dim.when.items()}
                place = self.axis_place[dim.name]
                inner = ("values",) if dim.when else ()
                self._one(apply(base, {**conditions, **value.settings}), value.settings, (*place, *inner, i))

    def _one(self, base: dict, changed: dict, place: tuple) -> None:
        tops = {tuple(path.split(".")) for path in changed}
        try:
            config = CellConfig.model_validate(base)
            found = [(path, ".".join(path), what) for path, what in name_problems(config)]
        except ValidationError as error:
            found = explain(error, CellConfig)
        for path, key, what in found:
            if any(path[: len(top)] == top or top[: len(path)] == path for top in tops):
                self._say(place, key, what)

    def _table(self, axes: list[str]) -> None:
        known = [*axes, *OWN_COORDINATES]
        for side in ("rows", "columns"):
            for i, name in enumerate(getattr(self.spec.table, side)):
                if name not in known:
                    what = f"{name!r} is no axis of this ablation{did_you_mean(name, known)} (it has: {', '.join(known)})"
                    self._say(("table", side, i), f"table.{side}", what)
        for name in self.spec.table.reference or {}:
            if name not in known:
                what = f"{name!r} is no axis of this ablation{did_you_mean(name, known)}"
                self._say(("table", "reference", name), "table.reference", what)

    def _cells(self, dimensions: list[Dimension], base: dict, grid: dict[str, list]) -> list[Cell]:
        cells: list[Cell] = []
        seen: dict[str, dict] = {}
        for point in points(dimensions, base):
            changed = apply(base, settings(point))
            shown = {name: value.shown for name, value in point.items()}
            absent = {d.name: take(base, d.name) for d in dimensions if d.name not in point}
            for protocol in grid["protocols"]:
                for task in grid["tasks"]:
                    for seed in grid["seeds"]:
                        own = {"eval.task": task, "eval.protocol": protocol, "seed": seed}
                        config = CellConfig.model_validate(apply(changed, own))
                        place = {**absent, **shown, "task": task, "protocol": protocol, "seed": seed}
                        said = canonical(config.model_dump(mode="json", exclude={"resources"}))
                        if said in seen:
                            self._twice(place, seen[said])
                            return cells
                        seen[said] = place
                        cells.append(Cell(self.name, config, place))
        return cells

    def _twice(self, one: dict, other: dict) -> None:
        differ = [k for k in one if one[k] != other.get(k)]
        first, second = ({k: p.get(k) for k in differ} for p in (other, one))
        place = self.axis_place.get(differ[0], ("axes",)) if differ else ("axes",)
        self._say(place, "axes", f"the points {first} and {second} are the same cell; drop one")

    def _say(self, path: tuple, key: str, what: str) -> None:
        self.problems.append(self.source.problem(path, key, what))

    def _raise(self) -> None:
        if self.problems:
            raise SpecError(self.problems)
