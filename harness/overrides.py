"""``--set key=value`` and ``--seeds``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from harness.errors import Problem, SpecError
from harness.spec import OWNED, path_problem
from harness.yaml_source import Source, Where, parse_yaml
from mvmlm.registry import did_you_mean

LISTS = ("seeds", "tasks", "protocols")


@dataclass(frozen=True)
class Override:
    """One ``--set``."""

    key: str
    value: Any
    where: Where


@dataclass
class Overrides:
    """What the command line says.

    Attributes
    ----------
    lists : dict
        The last override of each of ``seeds``, ``tasks``, ``protocols``.
    settings : list of Override
        In the order of the command line.
    problems : list of Problem
        What cannot be used.
    """

    lists: dict[str, Override] = field(default_factory=dict)
    settings: list[Override] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def pin(self, axis: str) -> Override | None:
        """The override that pins an axis; None where none does."""
        return next((o for o in reversed(self.settings) if o.key == axis), None)

    def __bool__(self) -> bool:
        return bool(self.lists or self.settings)


def read_overrides(
    given: list[str] | None, seeds: list[int] | None, axes: Collection[str] = ()
) -> Overrides:
    """Parse the command line's overrides.

    Parameters
    ----------
    axes : collection of str
        Names of axes, which may be pinned whether or not they name a setting.
    """
    found = Overrides()
    for number, text in enumerate(given or [], start=1):
        where = Where(Source("--set", None, {(): (number, 1)}))
        key, equals, raw = text.partition("=")
        key = key.strip()
        if not equals or not key:
            found.problems.append(where.problem(text, "expected dotted.key=value"))
            continue
        try:
            value = parse_yaml(raw, "--set").data if raw.strip() else None
        except SpecError as error:
            what = f"{raw!r} is no value: {error.problems[0].what}"
            found.problems.append(where.problem(key, what))
            continue
        if key in LISTS:
            found.lists[key] = Override(key, value if isinstance(value, list) else [value], where)
        elif why := "" if key in axes else _refusal(key, axes):
            found.problems.append(where.problem(key, why))
        else:
            found.settings.append(Override(key, value, where))
    if seeds is not None:
        found.lists["seeds"] = Override("seeds", seeds, Where(Source("--seeds", None)))
    return found


def _refusal(key: str, axes: Collection[str]) -> str:
    if key in OWNED:
        return f"is set by {OWNED[key]}; say --set {OWNED[key]}=[…]"
    why = path_problem(key)
    if why and (near := did_you_mean(key, (*LISTS, *axes))):
        return why.partition(";")[0] + near
    return why
