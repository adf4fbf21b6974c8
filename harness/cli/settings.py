"""Settings of one cell from a profile, ``--set`` and a command's own arguments, without an ablation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.config import CellConfig


def cell_settings(
    profile: str, overrides: list[str], given: Mapping[str, Any], *, sections: Iterable[str], asked: Iterable[str]
) -> CellConfig:
    """The profile's settings with what was asked for on top.

    Parameters
    ----------
    overrides : list of str
        ``KEY=VALUE``.
    given : mapping
        Dotted key to value, of a command's own arguments; None is not given. ``data.name`` decides which of the
        profile's settings hold.
    sections : iterable of str
        Sections of the profile that are read.
    asked : iterable of str
        Sections that ``--set`` may change.

    Raises
    ------
    SpecError
        When one cannot be used.
    """
    from harness.checking import valid_part
    from harness.config import CellConfig
    from harness.discover import SHIPPED, find_profile
    from harness.errors import Problem, SpecError
    from harness.layers import merge, of_data_set, put
    from harness.overrides import read_overrides
    from harness.yaml_source import load_yaml

    base = load_yaml(find_profile(profile, SHIPPED / "command.yaml")).data.get("base", {})
    settings = {name: base[name] for name in sections if name in base}
    if given.get("data.name"):
        settings = merge(of_data_set(settings, given["data.name"]), {"data": {"name": given["data.name"]}})
    found = read_overrides(overrides, None)
    problems = list(found.problems)
    allowed = list(asked)
    for override in found.settings:
        if override.key.partition(".")[0] not in allowed:
            words = [f"{name}.…" for name in allowed]
            listed = " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
            problems.append(override.where.problem(override.key, f"is not read here; only {listed} are"))
        put(settings, override.key, override.value)
    for key, value in given.items():
        if value is not None:
            put(settings, key, value)
    model, _, wrong = valid_part(CellConfig, settings, {})
    problems += [Problem("command line", 1, 1, key, what) for _, key, what in wrong]
    if problems:
        raise SpecError(problems)
    return model
