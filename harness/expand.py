"""From an ablation file, a profile and overrides to cells; everything that is wrong comes back at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import Any

from harness.axes import Axes, resolve_axes
from harness.checking import settings_part, valid_part
from harness.config import CellConfig
from harness.discover import find_ablation, find_profile, profile_names
from harness.errors import Problem, SpecError
from harness.grid import Dimension, apply, points, settings
from harness.keys import canonical
from harness.layers import Layer, Layers, take
from harness.overrides import LISTS, Overrides, read_overrides
from harness.protocol_fit import evaluates, protocol_problem, protocol_reads, without_partner
from harness.spec import (
    OWN_COORDINATES,
    OWNED,
    AblationSpec,
    ProfileFile,
    ProfilePart,
    TableConfig,
    path_problem,
)
from harness.stages import ORDER
from harness.table_checks import (
    averaged_over,
    axis_problems,
    beside_problems,
    metric_problems,
    reference_problems,
    task_metric_problems,
    unmatched,
)
from harness.yaml_source import Source, Where, load_yaml
from mvmlm.registry import did_you_mean

NO_RESULT = {"resources": True, "train": {"workers", "checkpoint_minutes", "nodes"}}
"""Settings that say where and how fast, not what: two cells that differ in nothing else are the same cell."""
LISTS_OF_COORDINATES = ("tasks", "protocols", "seeds")
"""Lists of the file that give the values of ``task``, ``protocol`` and ``seed``, in that order."""


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


STAND_IN = {"question": "?", "axes": {}, "tasks": [CellConfig().eval.task], "table": {"rows": ["seed"]}}
"""Takes the place of required sections that are missing, so that the rest is checked all the same."""


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
    scale_source = load_yaml(find_profile(profile, path))
    spec, problems = _model(AblationSpec, source, STAND_IN)
    scale, more = _model(ProfileFile, scale_source, {})
    problems += more
    known = profile_names(path)
    for name in spec.profiles:
        if name not in known:
            what = f"is no profile{did_you_mean(name, known)} (known: {', '.join(known)})"
            problems.append(source.problem(("profiles", name), f"profiles.{name}", what))
    part = spec.profiles.get(profile, ProfilePart())
    found = read_overrides(overrides, seeds, {*spec.axes, *part.axes})
    expander = _Expander(path.stem, profile, source, spec, part, found)
    expander.problems += [*problems, *found.problems]
    expander.layers.layers.insert(0, Layer(scale_source, ("base",), scale.base))
    return expander.expand()


def _model(kind: type, source: Source, stand_in: dict) -> tuple[Any, list[Problem]]:
    """The file as a model, as far as it can be read, and what is wrong with it."""
    if not isinstance(source.data, dict):
        what = f"expected a mapping with {', '.join(kind.model_fields)}"
        raise SpecError([Problem(source.path, 1, 1, "", what)])
    model, _, found = valid_part(kind, source.data, stand_in)
    problems = [source.problem(path, key, what) for path, key, what in found]
    if model is None:
        raise SpecError(problems)
    return model, problems


class _Expander:
    """Holds the pieces while problems are collected."""

    def __init__(
        self,
        name: str,
        profile: str,
        source: Source,
        spec: AblationSpec,
        part: ProfilePart,
        overrides: Overrides,
    ) -> None:
        self.name, self.profile, self.source = name, profile, source
        self.spec, self.part, self.overrides = spec, part, overrides
        self.problems: list[Problem] = []
        self.layers = Layers()
        self.layers.add(source, ("base",), spec.base)
        self.layers.add(source, ("profiles", profile, "base"), part.base)
        own = "reference" in part.model_fields_set
        self.reference = (part.reference if own else spec.table.reference) or {}
        self.reference_place = self._at(*(("profiles", profile) if own else ("table",)), "reference")

    def expand(self) -> Expansion:
        broken = {problem.key.split(".")[0] for problem in self.problems}
        axes = resolve_axes(self.spec, self.part, self.profile, self.source, self.overrides)
        self.problems += axes.problems
        self._owned()
        self._override_layers(axes)
        base = self.layers.merged()
        grid = {name: self._list(name) for name in LISTS}
        clean, found = settings_part(base)
        self.problems += [self.layers.problem(path, key, what) for path, key, what in found]
        self._values(axes, clean, grid)
        if isinstance(self.source.data.get("axes"), dict):
            self._table(axes, grid, broken)
        self._raise()
        for name, i, what in without_partner(grid["protocols"], grid["tasks"]):
            self.problems.append(self._listed(name)[1].inside(i).problem(name, what))
        self._raise()
        cells = self._cells(axes, base, grid)
        self._against_cells(axes, cells)
        self._raise()
        return self._expansion(axes, base, grid, cells)

    def _expansion(self, axes: Axes, base: dict, grid: dict[str, list], cells: list[Cell]) -> Expansion:
        shown = {d.name: [v.shown for v in d.values] for d in axes.dimensions}
        sets = {d.name: sorted({path for v in d.values for path in v.settings} - {d.name}) for d in axes.dimensions}
        table = self.spec.table.model_copy(update={"reference": self.reference or None})
        return Expansion(
            name=self.name,
            profile=self.profile,
            question=self.spec.question,
            table=table,
            cells=cells,
            coordinates=[*shown, *OWN_COORDINATES],
            resolved={"base": base, "axes": shown, "sets": {axis: s for axis, s in sets.items() if s}, **grid},
        )

    def _owned(self) -> None:
        """Settings that the lists of tasks, protocols and seeds set must not stand in a base."""
        for layer in self.layers.layers:
            for path, name in OWNED.items():
                if take(layer.data, path) is not None:
                    place = (*layer.prefix, *path.split("."))
                    what = f"is set by {name}; list its values there"
                    self.problems.append(layer.source.problem(place, path, what))

    def _override_layers(self, axes: Axes) -> None:
        """Overrides on top; a data set's name first, so that its folder may stand before it."""
        pinned = {d.name: d.values[0].settings for d in axes.dimensions if d.name in axes.pins}
        ordered = sorted(self.overrides.settings, key=lambda o: o.key not in ("data", "data.name"))
        for override in ordered:
            own = {override.key: override.value}
            changes = pinned.get(override.key, {}) if override.key in axes.places else own
            if not any(path_problem(path) for path in changes):
                self.layers.add(override.where.source, (), apply({}, changes))

    def _list(self, name: str) -> list:
        values, place = self._listed(name)
        if not values:
            self.problems.append(place.problem(name, "is empty; give at least one"))
        for i, value in enumerate(values):
            if value in values[:i]:
                self.problems.append(place.inside(i).problem(name, f"has {value!r} twice"))
        return list(values)

    def _listed(self, name: str) -> tuple[list, Where]:
        """One of the lists and where it stands: an override, the profile's section, or the top of the file."""
        if name in self.overrides.lists:
            override = self.overrides.lists[name]
            return override.value, override.where
        own = getattr(self.part, name)
        if own is not None:
            return own, self._at("profiles", self.profile, name)
        return getattr(self.spec, name), self._at(name)

    def _values(self, axes: Axes, base: dict, grid: dict[str, list]) -> None:
        """Each value by itself, so that a wrong one is said once and at its place."""
        for path, name in OWNED.items():
            place = self._listed(name)[1]
            for i, value in enumerate(grid[name]):
                for _, _, what in settings_part(apply(base, {path: value}))[1]:
                    self.problems.append(place.inside(i).problem(name, what))
        for dim in axes.dimensions:
            place = axes.places[dim.name]
            for path, allowed in dim.when.items():
                for value in allowed:
                    self._one(base, {path: value}, place.inside("when", path), {})
            if dim.name not in axes.pins:
                first = {path: allowed[0] for path, allowed in dim.when.items()}
                for i, value in enumerate(dim.values):
                    self._one(base, value.settings, axes.value_place(dim, i), first)

    def _one(self, base: dict, changes: dict, place: Where, given: dict) -> None:
        """Problems that some changes bring; those of the conditions ``given`` are said elsewhere."""
        if any(path_problem(path) for path in (*changes, *given)):
            return
        elsewhere = [tuple(path.split(".")) for path in given if path not in changes]
        for path, key, what in settings_part(apply(base, {**given, **changes}))[1]:
            if not any(path[: len(other)] == other for other in elsewhere):
                inner = [p for p in changes if p in (key, ".".join(map(str, path[: p.count(".") + 1])))]
                self.problems.append(place.inside(*inner[:1]).problem(key, what))

    def _table(self, axes: Axes, grid: dict[str, list], broken: set[str]) -> None:
        dropped = [name for name, axis in self.part.axes.items() if axis is None]
        said = [name for name in self.source.data["axes"] if name not in dropped]
        known = list(dict.fromkeys([*said, *axes.places, *OWN_COORDINATES]))
        self.problems += axis_problems(self.spec.table, self._at("table"), known)
        self.problems += metric_problems(self.spec.table, self._at("table")) or task_metric_problems(
            self.spec.table, self._at("table"), grid["tasks"], grid["protocols"]
        )
        self.problems += beside_problems(self.spec.table, self._at("table"), list(ORDER))
        values: dict[str, list | None] = dict.fromkeys(known)
        for dim in axes.dimensions:
            if dim.name not in axes.pins:
                # Where its condition is not met, the axis shows the base's value: known only of the cells.
                values[dim.name] = None if dim.when else [v.shown for v in dim.values]
        for coordinate, name in zip(OWN_COORDINATES, LISTS_OF_COORDINATES):
            if name not in self.overrides.lists and not broken & {name, "profiles"}:
                values[coordinate] = grid[name]
        self.problems += reference_problems(self.reference, self.reference_place, values)

    def _cells(self, axes: Axes, base: dict, grid: dict[str, list]) -> list[Cell]:
        cells: list[Cell] = []
        seen: dict[str, dict] = {}
        for point in points(axes.dimensions, base):
            changed = apply(base, settings(point))
            shown = {d.name: point[d.name].shown if d.name in point else take(changed, d.name) for d in axes.dimensions}
            for protocol, task, seed in product(grid["protocols"], grid["tasks"], grid["seeds"]):
                if not evaluates(protocol, task):
                    continue
                own = {"eval.task": task, "eval.protocol": protocol, "seed": seed}
                config = CellConfig.model_validate(apply(changed, own))
                place = {**shown, "task": task, "protocol": protocol, "seed": seed}
                said = canonical(config.model_dump(mode="json", exclude=NO_RESULT))
                if said in seen:
                    self._twice(axes, place, seen[said])
                    return cells
                seen[said] = place
                cells.append(Cell(self.name, config, place))
        return cells

    def _against_cells(self, axes: Axes, cells: list[Cell]) -> None:
        """What only shows when all cells are there; an override may narrow an ablation as it likes."""
        self._set_twice(axes, cells)
        self._protocols(cells)
        places = [cell.coordinates for cell in cells]
        averaged = averaged_over(self.spec.table, places)
        if averaged and not self.problems:
            what = f"an entry would average over {', '.join(averaged)}; add to table.rows or table.columns"
            self.problems.append(self._at("table").problem("table", what))
        if self.overrides or self.problems:
            return
        if self.reference and unmatched(self.reference, places):
            self.problems.append(self._no_reference())
        for dim in axes.dimensions:
            if dim.when and not any(_met(dim, cell.config) for cell in cells):
                self.problems.append(axes.places[dim.name].inside("when").problem(dim.name, "when is never met"))

    def _set_twice(self, axes: Axes, cells: list[Cell]) -> None:
        """An axis that sets what the same cells search would show values that nothing was trained with."""
        for dim in axes.dimensions:
            for value in dim.values:
                there = [cell.config.search for cell in cells if cell.coordinates[dim.name] == value.shown]
                for path in value.settings:
                    if any(search.trials and path in search.space for search in there):
                        what = f"sets {path}, which search.space searches as well; keep one of the two"
                        self.problems.append(axes.places[dim.name].problem(dim.name, what))
                        return

    def _protocols(self, cells: list[Cell]) -> None:
        """Cells that their protocol cannot evaluate: of each protocol, what is wrong with the first."""
        values, place = self._listed("protocols")
        for i, protocol in enumerate(values):
            different = {protocol_reads(c.config): c.config for c in cells if c.config.eval.protocol == protocol}
            if why := next(filter(None, map(protocol_problem, different.values())), ""):
                self.problems.append(place.inside(i).problem("protocols", why))

    def _no_reference(self) -> Problem:
        place = self.reference_place
        return place.problem(".".join(place.path), "matches no cell of this ablation")

    def _twice(self, axes: Axes, one: dict, other: dict) -> None:
        differ = [k for k in one if one[k] != other.get(k)]
        first, second = ({k: p.get(k) for k in differ} for p in (other, one))
        place = axes.places.get(differ[0], self._at("axes")) if differ else self._at("axes")
        what = f"the points {first} and {second} are the same cell; drop one"
        self.problems.append(place.problem("axes", what))

    def _at(self, *path: Any) -> Where:
        return Where(self.source, path)

    def _raise(self) -> None:
        if self.problems:
            raise SpecError(self.problems)


def _met(dim: Dimension, config: CellConfig) -> bool:
    said = config.model_dump(mode="json")
    return all(take(said, path) in allowed for path, allowed in dim.when.items())
