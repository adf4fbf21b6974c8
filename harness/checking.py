"""What is right in settings that are partly wrong, so that one look finds every problem."""

from __future__ import annotations

import copy
from typing import Any

from pydantic import BaseModel, ValidationError

from harness.config import CellConfig
from harness.names import name_problems
from harness.spec import explain

Found = tuple[tuple, str, str]
"""Path, dotted key, what is wrong."""


def valid_part(
    model: type[BaseModel], data: dict, stand_in: dict | None = None
) -> tuple[Any, dict, list[Found]]:
    """Validate, and where something is wrong, what remains without it.

    Parameters
    ----------
    stand_in : dict
        Takes the place of required keys that are missing or wrong.

    Returns
    -------
    instance : BaseModel or None
        Of the valid part; None when even that is no whole.
    kept : dict
        The data without what is wrong.
    found : list of (path, key, what)
    """
    try:
        return model.model_validate(data), data, []
    except ValidationError as error:
        found = explain(error, model)
    kept = without(data, [path for path, _, _ in found])
    try:
        return model.model_validate({**(stand_in or {}), **kept}), kept, found
    except ValidationError:
        return None, kept, found


def settings_part(data: dict) -> tuple[dict, list[Found]]:
    """A cell's settings without what types or registries refuse, and all of that.

    What is refused only because of a default that took a wrong name's place goes too, and is not said.
    """
    config, kept, found = valid_part(CellConfig, data)
    said = found
    while config is not None and (named := name_problems(config)):
        if said is found:
            said = [*found, *((path, ".".join(path), what) for path, what in named)]
        kept = without(kept, [path for path, _ in named])
        config, kept, _ = valid_part(CellConfig, kept)
    return kept, said


def without(data: dict, paths: list[tuple]) -> dict:
    """A copy without the keys at some paths; a list with a wrong item goes as a whole."""
    kept = copy.deepcopy(data)
    for path in paths:
        _drop(kept, path)
    return kept


def _drop(data: dict, path: tuple) -> None:
    holder, key = None, None
    here: Any = data
    for part in path:
        if not isinstance(here, dict) or part not in here:
            break
        holder, key, here = here, part, here[part]
    if holder is not None:
        del holder[key]
