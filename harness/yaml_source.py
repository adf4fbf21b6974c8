"""YAML that remembers where each key and value stands, so that an error can point at it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.errors import Problem, SpecError

Place = tuple[int, int]
KeyPath = tuple[Any, ...]
MERGE = "tag:yaml.org,2002:merge"


@dataclass
class Source:
    """A parsed file.

    Attributes
    ----------
    data : object
        What the YAML says, as plain Python.
    places : dict
        Path of keys to (line, column), both from 1; the place of a key, or of a list's item.
    """

    path: str
    data: Any
    places: dict[KeyPath, Place] = field(default_factory=dict)

    def place(self, path: KeyPath) -> Place:
        """Where ``path`` stands, or the nearest thing above it that is in the file."""
        path = tuple(path)
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))

    def problem(self, path: KeyPath, key: str, what: str) -> Problem:
        """A problem at ``path``."""
        line, column = self.place(path)
        return Problem(self.path, line, column, key, what)


@dataclass(frozen=True)
class Where:
    """A place that problems are reported at: a path of keys in a source."""

    source: Source
    path: KeyPath = ()

    def inside(self, *more: Any) -> Where:
        """A place further down."""
        return Where(self.source, (*self.path, *more))

    def problem(self, key: str, what: str) -> Problem:
        """A problem here."""
        return self.source.problem(self.path, key, what)


def load_yaml(path: Path, shown: str | None = None) -> Source:
    """Read a file.

    Raises
    ------
    SpecError
        When it is not there, is no YAML, or has a key twice.
    """
    shown = shown or str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise SpecError([Problem(shown, 1, 1, "", f"cannot be read: {why}")]) from error
    return parse_yaml(text, shown)


def parse_yaml(text: str, shown: str) -> Source:
    """Parse a text; see :func:`load_yaml`."""
    source = Source(shown, None)
    problems: list[Problem] = []
    try:
        source.data = _read(text, source, problems)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = f"is no YAML: {error.problem or error.context}"
        raise SpecError([Problem(shown, line, column, "", what)]) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position].split("\n")
        what = f"is no YAML: the character U+{ord(text[error.position]):04X} is not allowed"
        raise SpecError([Problem(shown, len(before), len(before[-1]) + 1, "", what)]) from error
    except RecursionError as error:
        what = "is nested too deeply, or an anchor holds itself"
        raise SpecError([Problem(shown, 1, 1, "", what)]) from error
    if problems:
        raise SpecError(problems)
    return source


def _read(text: str, source: Source, problems: list[Problem]) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        return _build(node, (), source, problems, loader) if node is not None else {}
    finally:
        loader.dispose()


def _build(node: yaml.Node, path: KeyPath, source: Source, problems: list[Problem], loader: Any) -> Any:
    source.places.setdefault(path, _at(node))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, source, problems, loader)
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*path, i), source, problems, loader) for i, item in enumerate(node.value)]
    value = _scalar(node, loader)
    if why := _not_plain(value):
        shown = ".".join(str(part) for part in path)
        problems.append(Problem(source.path, *_at(node), shown, f"{node.value!r} {why}"))
    return value


def _scalar(node: yaml.Node, loader: Any) -> Any:
    """The scalar as Python; ``NotImplemented`` for what only looks like a date, such as ``2024-13-45``."""
    try:
        return loader.construct_object(node)
    except ValueError:
        return NotImplemented


def _not_plain(value: Any) -> str:
    """Why a scalar is not one that settings can hold; empty when it is."""
    if isinstance(value, float) and not math.isfinite(value):
        return "is no finite number"
    if value is None or isinstance(value, str | int | float):
        return ""
    return "is neither a text, a number nor true or false; put it in quotes to make it a text"


def _mapping(
    node: yaml.MappingNode, path: KeyPath, source: Source, problems: list[Problem], loader: Any
) -> dict:
    built: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = None if key_node.tag == MERGE else _scalar(key_node, loader)
        if not isinstance(key, str):
            said = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
            what = "is not supported; write the settings out" if said == "<<" else "a key must be a text; quote it"
            problems.append(Problem(source.path, *_at(key_node), said, what))
            continue
        here = (*path, key)
        if key in built:
            first = source.places[here][0]
            problems.append(
                Problem(source.path, *_at(key_node), key, f"is there twice (first in line {first})")
            )
            continue
        source.places[here] = _at(key_node)
        built[key] = _build(value_node, here, source, problems, loader)
    return built


def _at(node: yaml.Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1
