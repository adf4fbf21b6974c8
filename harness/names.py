"""Names and options that only the registries know: methods, encoders, data sets, sources, tasks, protocols."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Sequence
from typing import Any

from harness.config import CellConfig
from harness.search_space import search_problems
from harness.spec import number_hint
from mvmlm.errors import ConfigError
from mvmlm.registry import did_you_mean

SEQUENCES = (list, tuple, Sequence)
"""Type hints that a YAML list satisfies; all their items are of one type."""


def name_problems(config: CellConfig) -> list[tuple[tuple[str, ...], str]]:
    """What no registry knows, and machines that processes cannot be spread over: (path, what is wrong)."""
    named = {
        ("data", "name"): config.data.name,
        ("method", "name"): config.method.name,
        ("reports", "source"): config.reports.source,
        ("eval", "task"): config.eval.task,
        ("eval", "protocol"): config.eval.protocol,
    }
    problems = [(path, why) for path, value in named.items() if (why := _unknown(path, value))]
    problems += [(("method", key), why) for key, why in _method_options(config)]
    if config.train.processes % config.train.nodes:
        said = f"{config.train.processes} processes cannot be spread evenly over {config.train.nodes} machines"
        problems.append((("train", "nodes"), said))
    if why := _text_problem(config.text.encoder):
        problems.append((("text", "encoder"), why))
    if not _unknown(("data", "name"), config.data.name):
        problems += [(("data", "options", *key), why) for key, why in _reader_options(config)]
        if why := _fields_problem(config.data.name, config.reports.fields):
            problems.append((("reports", "fields"), why))
    if not _unknown(("method", "name"), config.method.name):
        problems += search_problems(config)
    if why := _prompts_problem(config.eval.zero_shot.prompts):
        problems.append((("eval", "zero_shot", "prompts"), why))
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
    known = method_option_names()
    methods = _registry(("method", "name"))
    hints = _hints(methods.get(config.method.name).Options) if config.method.name in methods else {}
    found = []
    for key, value in given.items():
        if key not in known:
            why = f"is an option of no method{did_you_mean(key, ('name', *known))} (known: {', '.join(known)})"
        else:
            why = _wrong_type(value, hints[key]) if key in hints else ""
            if key == "encoder" and not why:
                why = _encoder_problem(str(value))
        if why:
            found.append((key, why))
    return found


@functools.cache
def method_option_names() -> tuple[str, ...]:
    """Options of all methods, by name."""
    methods = _registry(("method", "name"))
    return tuple(sorted({f.name for name in methods for f in dataclasses.fields(methods.get(name).Options)}))


def _reader_options(config: CellConfig) -> list[tuple[tuple[str, ...], str]]:
    """Options that the reader does not have, of a type that it does not take, or out of its bounds."""
    name, given = config.data.name, config.data.options
    kind = _registry(("data", "name")).get(name).Options
    known = [f.name for f in dataclasses.fields(kind)]
    said = ", ".join(known) or "none"
    hints = _hints(kind)
    found = []
    for key, value in given.items():
        if key not in known:
            what = f"the {name} reader has no such option{did_you_mean(key, known)} (it has: {said})"
            found.append(((key,), what))
        elif key in hints and (why := _wrong_type(value, hints[key])):
            found.append(((key,), why))
    if found:
        return found
    try:
        kind(**given)
    except ConfigError as error:
        named = next((key for key in given if f" {key}:" in str(error)), None)
        return [((named,) if named else (), str(error))]
    return []


def _fields_problem(data: str, fields: list[str] | None) -> str:
    from mvmlm.reports.guard import allowed_fields

    if fields is None:
        return ""
    try:
        allowed_fields(_registry(("data", "name")).get(data), fields)
    except ConfigError as error:
        return str(error).removeprefix("reports.fields: ")
    return ""


@functools.cache
def _text_problem(encoder: str) -> str:
    from mvmlm.models.text_encoder import resolve_encoder

    try:
        resolve_encoder(encoder)
    except ConfigError as error:
        return str(error).removeprefix("text.encoder: ")
    return ""


def _prompts_problem(file: str | None) -> str:
    from mvmlm.evaluation.prompts import load_prompts

    try:
        if file is not None:
            load_prompts(file)
    except ConfigError as error:
        return str(error)
    return ""


@functools.cache
def _encoder_problem(name: str) -> str:
    import timm

    if timm.is_model(name.split(".", maxsplit=1)[0]):
        return ""
    near = did_you_mean(name.split(".", maxsplit=1)[0], timm.list_models())
    return f"timm knows no encoder {name!r}{near} (list them: python -m harness ls encoders)"


@functools.cache
def _hints(options: type) -> dict[str, Any]:
    return typing.get_type_hints(options)


def _wrong_type(value: Any, hint: Any) -> str:
    if _is(value, hint):
        return ""
    return f"expected {_type_name(hint)}, got {value!r}{number_hint(value) if hint is float else ''}"


def _is(value: Any, hint: Any) -> bool:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_is(value, one) for one in inner)
    if origin is typing.Literal:
        return value in inner
    if origin in SEQUENCES:
        return isinstance(value, list | tuple) and all(_is(item, inner[0]) for item in value)
    kind = origin or hint
    if kind in (int, float):
        return isinstance(value, int | kind) and not isinstance(value, bool)
    return isinstance(value, kind) if isinstance(kind, type) else True


def _type_name(hint: Any) -> str:
    names = {
        int: "a whole number",
        float: "a number",
        str: "a text",
        bool: "true or false",
        type(None): "nothing",
    }
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type_name(one) for one in inner)
    if origin is typing.Literal:
        return " or ".join(str(v) for v in inner)
    if origin in SEQUENCES:
        return f"a list, each {_type_name(inner[0])}"
    if origin is not None:
        return "a mapping"
    return names.get(hint, getattr(hint, "__name__", str(hint)))
