"""What a search may vary: what is wrong in ``search.space``, what of it an arm reads, and its types."""

from __future__ import annotations

import math
import typing
from typing import Any

from harness.config import CellConfig
from harness.keys import canonical
from harness.spec import all_paths, number_hint
from mvmlm.registry import did_you_mean

SECTIONS = ("train", "loss", "method")
RANGE = ("low", "high", "log", "step")
FIXED = {
    "method.name": "is the arm itself; make it an axis",
    "method.weights": "names a file, whose content is part of the key; make it an axis",
    "train.processes": "does not differ between trials: each is trained by one process",
}
"""Settings that cannot be searched, and why."""


def search_problems(config: CellConfig) -> list[tuple[tuple[str, ...], str]]:
    """What is wrong in the ``search`` section beyond its types: (path, what), one a mistake."""
    search = config.search
    problems = [
        (("search", "space", path), why) for path, said in search.space.items() if (why := _problem(config, path, said))
    ]
    if search.space and not problems and not read_paths(config):
        why = f"method {config.method.name} reads none of {', '.join(search.space)}; add one that it reads: train.lr"
        problems.append((("search", "space"), why))
    if search.trials and not search.space:
        problems.append((("search", "trials"), f"is {search.trials}, and search.space does not say what is searched"))
    elif search.trials and not validation_share(config):
        why = "needs validation patients to score on; raise data.val_fraction or search.val_fraction"
        problems.append((("search", "trials"), why))
    problems += [(("search", "tasks"), why) for name in search.tasks if (why := _no_label(name))]
    return problems


def validation_share(config: CellConfig) -> float:
    """Share of the training patients that trials are scored on."""
    said = config.search.val_fraction
    return config.data.val_fraction if said is None else said


def read_paths(config: CellConfig) -> list[str]:
    """Paths of the space that the cell's method reads; the others are left out of its search."""
    from mvmlm.methods import METHODS

    kind = METHODS.get(config.method.name)
    options = typing.get_type_hints(kind.Options)

    def read(path: str) -> bool:
        section, _, rest = path.partition(".")
        return rest in options if section == "method" else section == "train" or section in kind.uses

    return [path for path in config.search.space if read(path)]


def resolved(config: CellConfig) -> dict[str, dict]:
    """The part of the space that the method reads, every number of the type that its setting has.

    Returns
    -------
    dict
        Path to ``{choices}`` or ``{low, high, log, step, whole}``.
    """
    found = {}
    for path in read_paths(config):
        kind, said = _type(config, path), config.search.space[path]
        number = float if kind is float else lambda value: value
        if isinstance(said, list):
            found[path] = {"choices": [number(v) if _is_number(v) else v for v in said]}
        else:
            step = said.get("step")
            found[path] = {
                "low": number(said["low"]),
                "high": number(said["high"]),
                "log": said.get("log", False),
                "step": None if step is None else number(step),
                "whole": kind is int,
            }
    return found


def _problem(config: CellConfig, path: str, said: Any) -> str:
    if why := _unknown_path(path):
        return why
    if isinstance(said, list):
        why, values = _choices_problem(said), said
    elif isinstance(said, dict):
        why, values = _range_problem(said), [said.get("low"), said.get("high")]
    else:
        return f"is {said!r}; expected a list of choices, or a range {{low: …, high: …}}"
    if why or path not in read_paths(config):
        return why
    if isinstance(said, dict) and _type(config, path) not in (int, float):
        return "is no number, so it has no range; give a list of choices"
    if isinstance(said, dict) and _type(config, path) is int and not isinstance(said.get("step", 1), int):
        return f"step is {said['step']!r}; the setting is a whole number, and so must its step be"
    return next((why for value in values if (why := _refused(config, path, value))), "")


def _unknown_path(path: str) -> str:
    from harness.expand import NO_RESULT
    from harness.names import method_option_names

    if path in FIXED:
        return FIXED[path]
    idle = {f"{section}.{key}" for section, keys in NO_RESULT.items() if isinstance(keys, set) for key in keys}
    if path in idle:
        return "changes no result, so there is nothing to search"
    known = [p for p in all_paths() if p.startswith(("train.", "loss.")) and p not in idle]
    known += [f"method.{name}" for name in method_option_names()]
    if path in known:
        return ""
    if str(path).partition(".")[0] not in SECTIONS:
        return f"cannot be searched: only settings under {', '.join(SECTIONS)} can{did_you_mean(str(path), known)}"
    return f"names no setting{did_you_mean(path, known)}"


def _choices_problem(said: list) -> str:
    odd = next((v for v in said if not isinstance(v, str | int | float | bool | None)), None)
    if odd is not None:
        return f"has the choice {odd!r}; a choice is a number, a text, true, false or null"
    if len({canonical(v) for v in said}) < len(said):
        return f"has a choice twice: {said}"
    return "" if len(said) > 1 else "has fewer than two choices, so there is nothing to search; set it in base"


def _range_problem(said: dict) -> str:
    if odd := [key for key in said if key not in RANGE]:
        return f"has no {odd[0]!r}{did_you_mean(str(odd[0]), RANGE)} (a range has: {', '.join(RANGE)})"
    if lacking := [key for key in ("low", "high") if key not in said]:
        return f"lacks {lacking[0]!r}; a range needs low and high"
    for key in ("low", "high", "step"):
        value = said.get(key)
        if key in said and not (_is_number(value) and math.isfinite(value)):
            return f"{key} is {value!r}; expected a number{number_hint(value)}"
    return _bounds_problem(said["low"], said["high"], said.get("log", False), said.get("step"))


def _bounds_problem(low: float, high: float, log: Any, step: float | None) -> str:
    problems = (
        (not isinstance(log, bool), f"log is {log!r}; expected true or false"),
        (low >= high, f"low is {low:g} and high {high:g}; low must be below high"),
        (log is True and low <= 0, f"low is {low:g}; a range with log: true must start above 0"),
        (log is True and step is not None, "has both log and step; a logarithmic range has no steps"),
        (
            step is not None and not 0 < step <= high - low,
            f"step is {step}; it must be above 0 and at most high − low = {high - low:g}",
        ),
    )
    return next((why for wrong, why in problems if wrong), "")


def _refused(config: CellConfig, path: str, value: Any) -> str:
    """Why the setting itself does not take a value."""
    from harness.checking import settings_part
    from harness.layers import put

    data = put({"method": {"name": config.method.name}}, path, value)
    found = next((what for _, _, what in settings_part(data)[1]), "")
    return f"{value!r} is refused by the setting: {found}" if found else ""


def _type(config: CellConfig, path: str) -> type | None:
    """int, float, or None for a setting that is no number."""
    section, _, rest = path.partition(".")
    if section == "method":
        from mvmlm.methods import METHODS

        hint: Any = typing.get_type_hints(METHODS.get(config.method.name).Options)[rest]
    else:
        model: Any = type(config)
        for part in path.split("."):
            hint = model.model_fields[part].annotation
            model = hint
    inner = {kind for kind in (hint, *typing.get_args(hint)) if kind in (int, float)}
    return float if float in inner else int if int in inner else None


def _no_label(name: str) -> str:
    from mvmlm.errors import ConfigError
    from mvmlm.evaluation.tasks import TASKS

    try:
        task = TASKS.get(name)
    except ConfigError as error:
        return str(error)
    if task.class_names:
        return ""
    labelled = ", ".join(known for known in TASKS if TASKS.get(known).class_names)
    return f"trials are judged by a linear probe, and task {name} has no labels for one; known: {labelled}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
