"""YAML that remembers where each key and value stands, so that an error can point at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.errors import Problem, SpecError

Place = tuple[int, int]
KeyPath = tuple[Any, ...]


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
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        source = Source(shown, None)
        problems: list[Problem] = []
        source.data = _build(node, (), source, problems, loader) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise SpecError(
            [Problem(shown, line, column, "", f"is no YAML: {error.problem or error.context}")]
        ) from error
    except yaml.YAMLError as error:
        raise SpecError([Problem(shown, 1, 1, "", f"is no YAML: {' '.join(str(error).split())}")]) from error
    finally:
        loader.dispose()
    if problems:
        raise SpecError(problems)
    return source


def _build(node: yaml.Node, path: KeyPath, source: Source, problems: list[Problem], loader: Any) -> Any:
    source.places.setdefault(path, _at(node))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, source, problems, loader)
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*path, i), source, problems, loader) for i, item in enumerate(node.value)]
    return loader.construct_object(node)


def _mapping(
    node: yaml.MappingNode, path: KeyPath, source: Source, problems: list[Problem], loader: Any
) -> dict:
    built: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node)
        if not isinstance(key, str | int | float | bool):
            problems.append(Problem(source.path, *_at(key_node), str(key), "a key must be a plain word"))
            continue
        here = (*path, key)
        if key in built:
            first = source.places[here][0]
            problems.append(
                Problem(source.path, *_at(key_node), str(key), f"is there twice (first in line {first})")
            )
            continue
        source.places[here] = _at(key_node)
        built[key] = _build(value_node, here, source, problems, loader)
    return built


def _at(node: yaml.Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1
