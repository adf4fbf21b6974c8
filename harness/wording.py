"""The words and numbers of tables and figures: level names, value labels, signs, formats."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

DASH = "–"

SIGNS = {
    "failed": ("failed", "ended in an error"),
    "upstream": ("upstream", "not evaluated, because a stage that it stands on failed"),
    "stopped": ("stopped", "stopped before its end"),
    "unplaceable": ("no place", "no machine of the cluster can hold it"),
    "missing": ("not run", "not run yet"),
    "waiting": ("not run", "not run yet"),
    "running": ("running", "still running when the table was written"),
    "undefined": ("undefined", "ran, but the metric is undefined"),
    "absent": (DASH, "not part of the grid"),
}
"""Status of a cell without a number: its sign in a table, and what the sign means."""

BASELINE_TITLES = {"metadata": "metadata only", "majority": "majority class", "text": "text only"}

_UNITS = {"breast": "breasts", "patient": "patients", "exam": "exams", "view": "views", "image": "images"}
_METRICS = {"auc": "AUC"}


def metric_title(metric: str) -> str:
    """``auc@breast`` → ``AUC per breast``; the level stays part of the name."""
    name, _, level = metric.partition("@")
    title = _METRICS.get(name, name.replace("_", " "))
    return f"{title} per {level}" if level else title


def unit(metric: str) -> str:
    """What a test set is counted in: ``auc@breast`` → ``breasts``."""
    level = metric.partition("@")[2]
    return _UNITS.get(level, "units")


def level_name(path: str, among: Sequence[str] = ()) -> str:
    """Short name of a coordinate: ``method.tokens`` → ``tokens``, ``method.name`` → ``method``.

    Parameters
    ----------
    among : sequence of str
        The coordinates that it stands beside; where two short names would be equal, the path is kept.
    """

    def short(dotted: str) -> str:
        section, _, last = dotted.rpartition(".")
        return (section.rpartition(".")[2] if last == "name" and section else last).replace("_", " ")

    return path if any(other != path and short(other) == short(path) for other in among) else short(path)


def is_fraction(path: str) -> bool:
    """Whether values of this coordinate are shares, shown in percent."""
    return path.endswith("fraction")


def value_label(path: str, value: Any) -> str:
    """A coordinate's value for people: ``0.1`` → ``10 %`` for a fraction, ``256.0`` → ``256``."""
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if is_fraction(path):
            return f"{100 * value:.6g} %"
        return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(value_label(path, v) for v in value)
    return " ".join(str(value).split())


def column_label(path: str, value: Any) -> str:
    """A value as a column's head, where a bare number would not say what it counts: ``tokens 128``."""
    label = value_label(path, value)
    bare = value is None or (isinstance(value, bool | int | float) and not is_fraction(path))
    return f"{level_name(path)} {label}" if bare else label


def plain(value: Any) -> Any:
    """A coordinate's value as one that can be hashed and compared: missing is None, lists are tuples."""
    if hasattr(value, "item") and not isinstance(value, list | tuple | dict):
        value = value.item()
    if isinstance(value, list | tuple):
        return tuple(plain(v) for v in value)
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True, default=str)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    return None if type(value).__name__ in ("NAType", "NaTType") else str(value)


def number(value: float) -> str:
    """A metric with three decimals: ``0.712``."""
    return f"{value:.3f}"


def percent(share: float) -> str:
    """A share with one decimal: ``12.5 %``."""
    return f"{100 * share:.1f} %"


def listed(values: Sequence[Any]) -> str:
    """``0, 1, 2``."""
    return ", ".join(value_label("", v) for v in values)


def plural(count: int, noun: str) -> str:
    """``1 seed``, ``3 seeds``; thousands are marked."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
