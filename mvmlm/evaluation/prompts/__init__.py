"""Prompts of protocol ``zero_shot``: what a report would say of each class of a task, in several wordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mvmlm.errors import ConfigError
from mvmlm.evaluation.tasks import TASKS
from mvmlm.registry import did_you_mean

SHIPPED = Path(__file__).parent

#: Class to its prompts, in the order of the class indices.
Ensemble = dict[str, list[str]]


def load_prompts(path: str | Path | None = None) -> dict[str, Ensemble]:
    """Task to its prompts.

    Parameters
    ----------
    path : path, optional
        A YAML file: tasks, below each its classes, below each a list of prompts. It stands in place of the files that
        come with the package, which are of the same form; none: those.

    Raises
    ------
    ConfigError
        If there is no such file, it is no YAML, names a task that there is not, or a class has no prompt. Classes of
        a binary task are ``negative`` and ``positive``; of any other, the values of its label, in their order.
    """
    if path is not None:
        return _read(Path(path).expanduser())
    return {task: classes for file in sorted(SHIPPED.glob("*.yaml")) for task, classes in _read(file).items()}


def prompts_of(task: str, path: str | Path | None = None) -> Ensemble:
    """Prompts of one task; `load_prompts` has the rest.

    Raises
    ------
    ConfigError
        Also if the file says nothing of the task.
    """
    shipped = SHIPPED / f"{task}.yaml"
    known = _read(shipped) if path is None and shipped.is_file() else load_prompts(path)
    if task not in known:
        where = "eval.zero_shot.prompts names none" if path is None else f"{path} has none"
        raise ConfigError(f"no prompts for task {task}: {where} (there are some for: {', '.join(known)})")
    return known[task]


def _read(file: Path) -> dict[str, Ensemble]:
    try:
        said = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: there is no such file of prompts ({type(error).__name__})") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: is no YAML ({' '.join(str(error).split())[:120]})") from error
    if not isinstance(said, dict) or not said:
        raise ConfigError(f"{file}: expected tasks, below each its classes and their prompts")
    return {str(task): _classes(said[task], str(task), file) for task in said}


def _classes(said: Any, task: str, file: Path) -> Ensemble:
    known = {name: names for name in TASKS if (names := TASKS.get(name).class_names)}
    if task not in known:
        hint = did_you_mean(task, known)
        raise ConfigError(f"{file}: there is no task {task!r} with classes{hint} (known: {', '.join(known)})")
    if not isinstance(said, dict):
        raise ConfigError(f"{file}: {task}: expected classes, below each a list of prompts")
    found = {str(name): _texts(texts, f"{file}: {task}: {name}") for name, texts in said.items()}
    if set(found) != set(known[task]):
        wanted, got = ", ".join(known[task]), ", ".join(found) or "none"
        raise ConfigError(f"{file}: {task}: expected the classes {wanted}, got {got}")
    return {name: found[name] for name in known[task]}


def _texts(said: Any, where: str) -> list[str]:
    if not isinstance(said, list) or not said:
        raise ConfigError(f"{where}: has no prompts; give at least one, as a list")
    for text in said:
        if not isinstance(text, str) or not text.strip():
            raise ConfigError(f"{where}: {text!r} is no text; put quotes around a prompt that holds a colon")
        if said.count(text) > 1:
            raise ConfigError(f"{where}: {text!r} is there twice and would count double")
    return list(said)
