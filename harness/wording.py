"""The words and numbers of tables and figures: level names, value labels, signs, formats."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Measure:
    """How a number that a stage hands over, which is no test metric, is written.

    Attributes
    ----------
    title : str
        Its column's head.
    meaning : str
        For the caption; '' where it is not known.
    share : bool
        Whether it is a share from 0 to 1, shown in percent.
    """

    title: str
    meaning: str = ""
    share: bool = False


MEASURES = {
    measure.title.replace(" ", "_"): measure
    for measure in (
        Measure("hallucinated", "share of its training texts that state something their record does not hold", True),
        Measure("contradicted", "share of its training texts that state another value than their record's", True),
        Measure("omitted", "share of its training texts that leave out a field that their record knows", True),
        Measure("truncated", "share of its training texts that are longer than the text encoder takes", True),
        Measure("regenerated", "share of its texts that were written again because they were not faithful", True),
        Measure("replaced", "share of its texts that were replaced by the template's", True),
        Measure("dropped", "share of its texts that were left out of training", True),
        Measure("as written unfaithful", "share of its texts that were not faithful as first written", True),
        Measure("distinct", "number of distinct training texts"),
        Measure("records", "number of distinct records that its training texts were written of"),
        Measure("seconds", "time that its training took [s]"),
        Measure("words", "mean number of words of a training text"),
    )
}
"""Name below its stage to how it is written."""

LEVELS = ("view", "breast", "exam", "patient")
"""At which a metric can be taken; part of its name."""
_UNITS = {"breast": "breasts", "patient": "patients", "exam": "exams", "view": "views", "image": "images"}
MOST_YEARS = 30
"""That `eval.risk.years` may look ahead."""
METRICS = {
    "auc": "AUC",
    "ap": "average precision",
    "sens_at_spec90": "sensitivity at 90 % specificity",
    "spec_at_sens90": "specificity at 90 % sensitivity",
    "balanced_accuracy": "balanced accuracy",
    "brier": "Brier score",
    "ece": "calibration error",
    "pf1": "probabilistic F1",
    "macro_auc": "macro AUC",
    "kappa": "quadratic kappa",
    "accuracy": "accuracy",
    "c_harrell": "C-index (Harrell)",
    "c_uno": "C-index (Uno)",
    "c_mirai_compat": "C-index (as in Mirai's code)",
    "ibs": "integrated Brier score",
    "recall_at_1": "recall at 1",
    "recall_at_5": "recall at 5",
    "recall_at_10": "recall at 10",
    "median_rank": "median rank",
    **{f"image_recall_at_{k}": f"recall at {k}, report to image" for k in (1, 5, 10)},
    "image_median_rank": "median rank, report to image",
    **{f"auc_year{k}": f"AUC within {k} year{'s' * (k > 1)}" for k in range(1, MOST_YEARS + 1)},
    **{f"auc_ipcw_year{k}": f"AUC within {k} year{'s' * (k > 1)} (IPCW)" for k in range(1, MOST_YEARS + 1)},
}
"""Metric, without its level, to its title."""
_OF_ERRORS = frozenset({"brier", "ece", "ibs", "median_rank", "image_median_rank"})


def metric_title(metric: str) -> str:
    """``auc@breast`` → ``AUC per breast``; the level stays part of the name."""
    name, _, level = metric.partition("@")
    title = METRICS.get(name, name.replace("_", " "))
    return f"{title} per {level}" if level else title


def lower_is_better(metric: str) -> bool:
    """Whether a metric measures errors."""
    return metric.partition("@")[0] in _OF_ERRORS


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


def number(value: float, digits: int = 3) -> str:
    """A metric with three decimals, or as many as asked: ``0.712``."""
    return f"{value:.{digits}f}"


def given(value: float, digits: int = 3) -> str:
    """A number that was set: as a metric where that is all of it, else with every digit: ``0.020``, ``0.0005``."""
    shown = number(value, digits)
    return shown if float(shown) == value else f"{value:g}"


def signed(value: float, digits: int = 3) -> str:
    """``+0.120``, ``−0.031``; what would be shown as zero and is not keeps two digits."""
    shown = f"{value:+.{digits}f}"
    return (shown if float(shown) or not value else f"{value:+.2g}").replace("-", "−")


def p_words(p: float) -> str:
    """``.021``, ``< .001``, ``1``; never rounded to the other side of .05 or .01."""
    if p < 0.001:
        return "< .001"
    if p >= 1:
        return "1"
    digits = next((n for n in range(2, 8) if _same_side(float(f"{p:.{n}g}"), p)), 8)
    return f"{p:.{digits}g}".removeprefix("0")


def _same_side(shown: float, p: float) -> bool:
    return shown < 1 and all((shown < line) == (p < line) for line in (0.05, 0.01))


def percent(share: float) -> str:
    """A share with one decimal: ``12.5 %``."""
    return f"{100 * share:.1f} %"


def measure(name: str) -> Measure:
    """How ``reports/omitted`` is written; one that is not in :data:`MEASURES` is a plain number under its bare name."""
    bare = name.rpartition("/")[2]
    return MEASURES.get(bare) or Measure(bare.replace("_", " "))


def measure_value(name: str, low: float, mean: float, high: float) -> str:
    """A measure's mean, or its range where the two ends differ as printed: ``2.1 %``, ``1.9–2.3 %``, ``312``."""
    shown = percent if measure(name).share else _digits
    ends = shown(low), shown(high)
    return shown(mean) if ends[0] == ends[1] else "–".join(ends).replace(" %–", "–")


def _digits(value: float) -> str:
    """Three digits, and every one before the decimal point; thousands are marked."""
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.3g}"


def listed(values: Sequence[Any]) -> str:
    """``0, 1, 2``."""
    return ", ".join(value_label("", v) for v in values)


def plural(count: int, noun: str, more: str = "") -> str:
    """``1 seed``, ``3 seeds``; thousands are marked. ``more`` is the plural where it is no «s»."""
    return f"{count:,} {noun if count == 1 else more or f'{noun}s'}"
