"""The ablation file: a question, a base, axes, and the table that answers it."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from harness.config import CellConfig, Section
from mvmlm.registry import did_you_mean

OWN_COORDINATES = ("task", "protocol", "seed")
FREE = (("method",), ("data", "options"))
"""Sections whose keys a method or a reader declares; they are checked by name later."""
OWNED = {"eval.task": "tasks", "eval.protocol": "protocols", "seed": "seeds"}
"""Settings that the ablation's lists set; giving them anywhere else would have no effect."""
BRANCHES = ("list[any]", "Conditional")


class Conditional(Section):
    """An axis that varies only where other settings have certain values."""

    values: list[Any] = Field(min_length=1)
    when: dict[str, Any] = Field(min_length=1)


Axis = list[Any] | Conditional


class CompareConfig(Section):
    """How rows are compared with the reference; what each word means is in docs/statistics.md."""

    test: Literal["auto", "two_way", "delong", "bootstrap"] = "auto"
    family: Literal["column", "table"] = Field("column", description="comparisons that Holm corrects together")
    level: float = Field(0.95, gt=0, lt=1, description="coverage of the intervals of differences")
    margin: float | None = Field(None, gt=0, description="loss against the reference that is accepted")
    trend: str | None = Field(None, description="an ordered axis of rows or columns, along which slopes are tested")
    overall: bool = Field(False, description="each row over all columns, where there are enough seeds")


class TableConfig(Section):
    """The table: which coordinates are its rows and its columns; seeds are averaged.

    ``beside`` names measures of stages, such as ``reports/omitted``, to stand right of the test results.
    """

    rows: list[str] = Field(min_length=1)
    columns: list[str] = Field(default_factory=lambda: ["task"])
    metric: str = Field("auc@breast", description="a metric and the level that it is taken at")
    reference: dict[str, Any] | None = None
    beside: list[str] = Field(default_factory=list)
    compare: CompareConfig = CompareConfig()
    digits: int = Field(3, ge=1, le=6, description="decimals of the metric")


class ProfilePart(Section):
    """What an ablation changes at one scale."""

    base: dict[str, Any] = Field(default_factory=dict)
    axes: dict[str, Axis | None] = Field(default_factory=dict)
    seeds: list[int] | None = Field(None, min_length=1)
    tasks: list[str] | None = Field(None, min_length=1)
    protocols: list[str] | None = Field(None, min_length=1)
    reference: dict[str, Any] | None = Field(None, description="in place of ``table.reference``")


class AblationSpec(Section):
    """One file under ``ablations/``."""

    question: str = Field(min_length=1)
    base: dict[str, Any] = Field(default_factory=dict)
    axes: dict[str, Axis]
    seeds: list[int] = Field(default_factory=lambda: [0], min_length=1)
    tasks: list[str] = Field(min_length=1)
    protocols: list[str] = Field(default_factory=lambda: ["linear_probe"], min_length=1)
    table: TableConfig
    profiles: dict[str, ProfilePart] = Field(default_factory=dict)


class ProfileFile(Section):
    """One file under ``ablations/profiles/``: a scale that all ablations share."""

    description: str = ""
    base: dict[str, Any] = Field(default_factory=dict)


def explain(error: ValidationError, model: type[BaseModel]) -> list[tuple[tuple, str, str]]:
    """Pydantic's errors as (path, dotted key, what is wrong), without its jargon; one a place."""
    found: dict[tuple, tuple[tuple, str, str]] = {}
    for item in error.errors():
        if _other_branch(item):
            continue
        path = tuple(p for p in item["loc"] if p not in BRANCHES)
        found.setdefault(path, (path, ".".join(str(p) for p in path), _words(item, path, model)))
    return list(found.values())


def _other_branch(item: ErrorDetails) -> bool:
    """Whether an error is of the kind of axis that was not meant: a mapping means a conditional one."""
    branch = item["loc"][-1]
    return branch == "Conditional" or (branch == "list[any]" and isinstance(item["input"], dict))


def _words(item: ErrorDetails, path: tuple, model: type[BaseModel]) -> str:
    kind, given, limits = item["type"], item["input"], item.get("ctx", {})
    if kind == "extra_forbidden":
        known = known_keys(model, path[:-1])
        return f"is no key here{did_you_mean(str(path[-1]), known)} (known: {', '.join(known)})"
    if kind == "missing":
        return "is missing"
    if kind in ("too_short", "string_too_short"):
        return "is empty; give at least one"
    if kind == "literal_error":
        choices = limits["expected"].replace("'", "")
        return f"is {given!r}; expected {choices}{did_you_mean(str(given), choices.replace(' or ', ', ').split(', '))}"
    bounds = {"greater_than": ">", "greater_than_equal": ">=", "less_than": "<", "less_than_equal": "<="}
    if kind in bounds:
        return f"is {given!r}; must be {bounds[kind]} {next(iter(limits.values())):g}"
    hint = number_hint(given) if kind.startswith("float") else ""
    return f"expected {_expected(kind)}, got {_shown(given)}{hint}"


def _expected(kind: str) -> str:
    names = {
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "string": "a text",
        "list": "a list",
        "dict": "a mapping",
        "model": "a mapping",
    }
    return names.get(kind.split("_", maxsplit=1)[0], kind.replace("_", " "))


def _shown(value: Any) -> str:
    names = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "the text",
        type(None): "nothing",
    }
    named = names.get(type(value), {list: "a list", dict: "a mapping"}.get(type(value), type(value).__name__))
    return f"{named} {value!r}" if isinstance(value, int | float | str) and not isinstance(value, bool) else named


def number_hint(value: Any) -> str:
    """YAML 1.1 takes ``1e-3`` for a text; it wants a dot."""
    if isinstance(value, str) and "e" in value.lower() and "." not in value:
        try:
            return f" (YAML wants a dot: {float(value):.1e})"
        except ValueError:
            return ""
    return ""


def known_keys(model: type[BaseModel], path: tuple) -> list[str]:
    """Keys that a mapping at ``path`` may have."""
    for part in path:
        field = model.model_fields.get(str(part))
        inner = _model_in(field.annotation) if field else None
        if inner is None:
            continue
        model = inner
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation) if get_origin(annotation) else ():
        if found := _model_in(inner):
            return found
    return None


def path_problem(dotted: str) -> str:
    """Why a dotted path names no setting; empty when it does."""
    parts = tuple(dotted.split("."))
    model: type[BaseModel] = CellConfig
    for depth, part in enumerate(parts):
        if part not in model.model_fields:
            nearest = did_you_mean(dotted, all_paths()) or did_you_mean(part, model.model_fields)
            return f"names no setting{nearest}"
        if parts[: depth + 1] in FREE:
            return "" if all(parts) else "names no setting"
        inner = _model_in(model.model_fields[part].annotation)
        if inner is None:
            return "" if depth == len(parts) - 1 else f"{'.'.join(parts[: depth + 1])} has no keys of its own"
        model = inner
    return ""


def all_paths(model: type[BaseModel] = CellConfig, prefix: str = "") -> list[str]:
    """Every dotted path of a setting."""
    paths: list[str] = []
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        paths += all_paths(inner, f"{prefix}{name}.") if inner else [prefix + name]
    return paths
