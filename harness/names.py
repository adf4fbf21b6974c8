"""Names and options that only the registries know: methods, encoders, data sets, sources, tasks, protocols."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from typing import Any

from harness.config import CellConfig
from mvmlm.errors import ConfigError
from mvmlm.registry import did_you_mean


def name_problems(config: CellConfig) -> list[tuple[tuple[str, ...], str]]:
    """What no registry knows: (path, what is wrong)."""
    problems = []
    for path, value in (
        (("data", "name"), config.data.name),
        (("method", "name"), config.method.name),
        (("reports", "source"), config.reports.source),
        (("eval", "task"), config.eval.task),
        (("eval", "protocol"), config.eval.protocol),
    ):
        if why := _unknown(path, value):
            problems.append((path, why))
    if not problems:
        problems += [(("method", key), why) for key, why in _method_options(config)]
        problems += [(("data", "options", key), why) for key, why in _reader_options(config)]
    return problems


@functools.cache
def _registry(path: tuple[str, ...]) -> Any:
    """The registry that the setting at ``path`` names an entry of."""
    if path == ("data", "name"):
        from mvmlm.data.readers import DATASETS as registry
    elif path == ("method", "name"):
        from mvmlm.methods import METHODS as registry
    elif path == ("reports", "source"):
        from mvmlm.reports import SOURCES as registry
    elif path == ("eval", "task"):
        from mvmlm.evaluation.tasks import TASKS as registry
    else:
        from mvmlm.evaluation.protocols import PROTOCOLS as registry
    return registry


@functools.cache
def _unknown(path: tuple[str, ...], value: str) -> str:
    try:
        _registry(path).get(value)
    except ConfigError as error:
        return str(error)
    return ""


def _method_options(config: CellConfig) -> list[tuple[str, str]]:
    """Options that no registered method has, or of a type that the method does not take."""
    given = {k: v for k, v in config.method.model_dump().items() if k != "name"}
    known = _all_method_options()
    own = _registry(("method", "name")).get(config.method.name).Options
    hints = typing.get_type_hints(own)
    found = []
    for key, value in given.items():
        if key not in known:
            found.append(
                (key, f"is an option of no method{did_you_mean(key, known)} (known: {', '.join(known)})")
            )
        elif key in hints and not _is(value, hints[key]):
            found.append((key, f"expected {_type_name(hints[key])}, got {value!r}"))
        elif key == "encoder" and (why := _encoder_problem(value)):
            found.append((key, why))
    return found


@functools.cache
def _all_method_options() -> tuple[str, ...]:
    methods = _registry(("method", "name"))
    return tuple(sorted({f.name for name in methods for f in dataclasses.fields(methods.get(name).Options)}))


def _reader_options(config: CellConfig) -> list[tuple[str, str]]:
    known = [f.name for f in dataclasses.fields(_registry(("data", "name")).get(config.data.name).Options)]
    said = ", ".join(known) or "none"
    return [
        (key, f"the {config.data.name} reader has no such option{did_you_mean(key, known)} (it has: {said})")
        for key in config.data.options
        if key not in known
    ]


@functools.cache
def _encoder_problem(name: str) -> str:
    import timm

    if timm.is_model(name.split(".", maxsplit=1)[0]):
        return ""
    near = did_you_mean(name.split(".", maxsplit=1)[0], timm.list_models())
    return f"timm knows no encoder {name!r}{near} (list them: python -m harness ls encoders)"


def _is(value: Any, hint: Any) -> bool:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(_is(value, inner) for inner in typing.get_args(hint))
    if typing.get_origin(hint) is typing.Literal:
        return value in typing.get_args(hint)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint is type(None):
        return value is None
    return isinstance(value, hint) if isinstance(hint, type) else True


def _type_name(hint: Any) -> str:
    names = {
        int: "a whole number",
        float: "a number",
        str: "a text",
        bool: "true or false",
        type(None): "nothing",
    }
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " or ".join(_type_name(inner) for inner in typing.get_args(hint))
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(str(v) for v in typing.get_args(hint))
    return names.get(hint, getattr(hint, "__name__", str(hint)))
