"""Which cell of a plan is meant, by its key, by the start of it, or by coordinates."""

from __future__ import annotations

from typing import Any

import yaml

from harness.keys import canonical
from harness.layers import take
from harness.plan import Plan, PlannedCell
from mvmlm.errors import ConfigError
from mvmlm.registry import did_you_mean

SHOWN = 8
KEY_DIGITS = 8


def choose_cell(plan: Plan, said: list[str]) -> PlannedCell:
    """The cell that is meant; the first where nothing is said.

    Cells that stand on the same training are the same here, and so are those whose training differs in the seed alone:
    the first of them is taken.

    Parameters
    ----------
    said : list of str
        A key or the start of one, or ``coordinate=value`` as often as needed; any dotted setting is a coordinate.

    Raises
    ------
    ConfigError
        When no cell fits, or several trainings do; the message names the candidates.
    """
    found = plan.cells
    for words in said:
        fits = _by_setting(words, found) if "=" in words else [c for c in found if c.key.startswith(words)]
        if not fits:
            raise ConfigError(f"CELL {words}: {_why_none(plan, words, found)}")
        found = fits
    if said and len(trainings := _trainings(plan, found)) > 1:
        raise ConfigError(f"CELL {' '.join(said)}: {len(trainings)} trainings fit: {_listed(trainings)}")
    return found[0]


def _by_setting(words: str, cells: list[PlannedCell]) -> list[PlannedCell]:
    path, _, value = words.partition("=")
    return [cell for cell in cells if _same(_value(cell, path), value)]


def _value(cell: PlannedCell, path: str) -> Any:
    """What a table shows for a coordinate, else the setting at this path; None where there is none."""
    coordinates = cell.cell.coordinates
    short = [name for name in coordinates if name == path or name.endswith(f".{path}")]
    return coordinates[short[0]] if len(short) == 1 else take(cell.cell.config.model_dump(mode="json"), path)


def _same(value: Any, said: str) -> bool:
    if str(value) == said:
        return True
    try:
        read = yaml.safe_load(said)
    except yaml.YAMLError:
        return False
    return value is not None and type(read) is type(value) and read == value


def _why_none(plan: Plan, words: str, cells: list[PlannedCell]) -> str:
    if "=" not in words:
        return f"no cell has such a key; there are, one for each training: {_listed(_trainings(plan, cells))}"
    path = words.partition("=")[0]
    values = list(dict.fromkeys(str(v) for cell in cells if (v := _value(cell, path)) is not None))
    if values:
        return f"no cell has this value; there are {', '.join(values[:SHOWN])}"
    known = list(cells[0].cell.coordinates)
    near = did_you_mean(path, [*known, *(name.rpartition(".")[2] for name in known)])
    return f"no cell has such a coordinate{near} (known: {', '.join(known)})"


def _trainings(plan: Plan, cells: list[PlannedCell]) -> list[PlannedCell]:
    """The first cell of each training, trainings that differ in the seed alone being one."""
    first: dict[str, PlannedCell] = {}
    for cell in cells:
        node = plan.nodes[cell.stages["pretrain"]]
        said = {k: v for k, v in node.config.items() if k != "seed"}
        first.setdefault(canonical([said, node.inputs]), cell)
    return list(first.values())


def _listed(cells: list[PlannedCell]) -> str:
    """Key and coordinates of some cells, without the coordinates that are the same for all."""
    places = [cell.cell.coordinates for cell in cells]
    differing = [name for name in places[0] if len({str(place.get(name)) for place in places}) > 1]
    said = [
        " ".join([cell.key[:KEY_DIGITS], *(f"{name}={cell.cell.coordinates.get(name)}" for name in differing)])
        for cell in cells[:SHOWN]
    ]
    return ", ".join(said) + (f" and {len(cells) - SHOWN} more" if len(cells) > SHOWN else "")
