"""Subgroups, calibration and operating points of the reference and the best other row, from ``details.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.figures.from_table import shown_columns
from harness.figures.representatives import Representative, representatives
from harness.figures.words import column_label_of
from harness.report.called import called_differently
from harness.report.sources import Sources
from harness.wording import metric_title, number, p_words, plural
from mvmlm.errors import DataError

DETAILS = "details.json"
NOT_KEPT = "its details were not kept: run the cell again"
POINTS = {
    "sens_at_spec90": "specificity ≥ 90 %",
    "spec_at_sens90": "sensitivity ≥ 90 %",
    "balanced_accuracy": "best balanced accuracy",
}
"""What a threshold was chosen for."""


@dataclass(frozen=True)
class Group:
    """A subgroup: its size, and its value where it is large enough for one."""

    attribute: str
    name: str
    n: int
    positive: int
    value: str
    interval: str
    is_worst: bool


@dataclass(frozen=True)
class Point:
    """A threshold, what it gave where it was chosen, and what it gives on the test set."""

    chosen_for: str
    level: str
    threshold: str
    chosen: tuple[str, str]
    test: tuple[str, str]
    is_coarse: bool


@dataclass(frozen=True)
class Curve:
    """A reliability curve.

    Attributes
    ----------
    said : str
        The error, and what a perfectly calibrated score would show.
    bins : list of dict
        ``n, mean, observed, low, high`` from the lowest probabilities up.
    """

    title: str
    said: str
    bins: list[dict[str, Any]]


@dataclass(frozen=True)
class Looked:
    """What is known of one cell.

    Attributes
    ----------
    worst : list of str
        A sentence an attribute that names the worst group.
    left_out : dict
        Reason to the metrics that there are not because of it.
    why : str
        Why nothing is known; '' where something is.
    """

    label: str
    key: str
    groups: list[Group] = field(default_factory=list)
    worst: list[str] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    metric: str = ""
    least: int = 0
    why: str = ""


@dataclass(frozen=True)
class Differently:
    """Patients of one class whom just one of two rows calls rightly.

    Attributes
    ----------
    of : str
        ``with``, or ``without`` a finding.
    p : str
        Exact, as words.
    """

    chosen_for: str
    of: str
    n: int
    ours: int
    theirs: int
    p: str


@dataclass(frozen=True)
class Section:
    """A column of the table and the cells that are looked into.

    Attributes
    ----------
    differently : list of Differently
        Whom a row and the reference that it is held against call differently.
    why : str
        Why that is not known, where both have thresholds.
    """

    title: str
    cells: list[Looked]
    differently: list[Differently] = field(default_factory=list)
    why: str = ""


def looked_into(sources: Sources) -> list[Section]:
    """One section a task: the reference and the best other row, of each the first seed that is done."""
    table = sources.table
    found = []
    for column in shown_columns(table).columns:
        try:
            chosen = representatives(table, column, blind=False)
        except DataError:
            continue
        told = [_details(sources, one) for one in chosen]
        cells = [_looked(one, said) for one, said in zip(chosen, told)]
        differently, why = _differently(sources, chosen, told) if len(chosen) == 2 else ([], "")
        found.append(Section(column_label_of(table, column), cells, differently, why))
    return found


def _differently(
    sources: Sources, pair: Sequence[Representative], told: Sequence[Mapping[str, Any]]
) -> tuple[list[Differently], str]:
    contrast, operating = pair[1].contrast, [said.get("operating") or {} for said in told]
    if contrast is None or not all(operating):
        return [], ""
    if contrast.refusals:
        return [], "; ".join(refusal.words for refusal in contrast.refusals)
    try:
        found = called_differently(pair, operating, sources.files)
    except DataError as error:
        return [], getattr(error, "why", str(error))
    sides = [(c, of, d) for c in found for of, d in (("with", c.positive), ("without", c.negative)) if d.n]
    return [
        Differently(POINTS.get(c.metric, c.metric), of, d.n, d.arm_only, d.reference_only, p_words(d.p))
        for c, of, d in sides
    ], ""


def _looked(one: Representative, said: Mapping[str, Any]) -> Looked:
    label, key = f"{one.label}, seed {one.cell.seed}", one.cell.key or ""
    groups = said.get("subgroups") or {}
    points = _points(said.get("operating") or {})
    curves = _curves(said.get("calibration") or {})
    left_out: dict[str, list[str]] = {}
    for name, why in (said.get("left_out") or {}).items():
        left_out.setdefault(why, []).append(metric_title(name))
    return Looked(
        label,
        key,
        _groups(groups),
        _worst(groups),
        points,
        curves,
        left_out,
        metric=metric_title(groups["metric"]) if groups else "",
        least=groups.get("least", 0),
        why="" if groups or points or curves or left_out else NOT_KEPT,
    )


def _details(sources: Sources, one: Representative) -> dict[str, Any]:
    """What a cell's judge noted; nothing where that cannot be read."""
    path = sources.files(one.cell, DETAILS)
    try:
        said = json.loads(path.read_text()) if path else {}
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _groups(said: Mapping[str, Any]) -> list[Group]:
    return [
        Group(
            attribute,
            row["group"],
            row["n"],
            row["n_positive"],
            "" if row["value"] is None else number(row["value"]),
            f"{number(row['low'])} to {number(row['high'])}" if "low" in row else "",
            row["group"] == told.get("worst"),
        )
        for attribute, told in said.get("attributes", {}).items()
        for row in told["groups"]
    ]


def _worst(said: Mapping[str, Any]) -> list[str]:
    """The worst group of each attribute, with the gap that chance alone would show."""
    sentences = []
    for attribute, told in said.get("attributes", {}).items():
        if "worst" not in told:
            sentences.append(f"By {attribute}: fewer than two groups are large enough to be compared.")
            continue
        values = {row["group"]: row["value"] for row in told["groups"]}
        gap = f"{number(values[told['worst']])}, {number(told['gap'])} below {told['best']}"
        chance = ""
        if "chance" in told:
            held = "no more than chance shows" if told["gap"] <= told["chance"] else "more than chance shows"
            p = p_words(told["p"])
            chance = f": {held} (groups that are equal differ by up to {number(told['chance'])}; p {p}, uncorrected)"
        sentences.append(f"By {attribute}, the worst group is {told['worst']} ({gap}){chance}.")
    return sentences


def _points(said: Mapping[str, Any]) -> list[Point]:
    found = []
    for name, told in said.items():
        metric, _, level = name.partition("@")
        threshold = "none" if told["threshold"] is None else f"{told['threshold']:.3g}"
        sides = (told[side] for side in ("reference", "test"))
        chosen, test = ((number(side["sensitivity"]), number(side["specificity"])) for side in sides)
        is_coarse = bool(told["reference"].get("coarse"))
        found.append(Point(POINTS.get(metric, metric), level, threshold, chosen, test, is_coarse))
    return found


def _curves(said: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[Curve]:
    """Of binary scores by level, or of risk by year."""
    if isinstance(said, Mapping):
        return [_reliability(level, told) for level, told in said.items()]
    return [_yearly(told) for told in said]


def _reliability(level: str, told: Mapping[str, Any]) -> Curve:
    bins = told["curve"]
    rows = sum(one["n"] for one in bins)
    error = math.fsum(one["n"] * abs(one["mean"] - one["observed"]) for one in bins) / rows
    said = (
        f"Expected calibration error {number(error)}; a perfectly calibrated score would show "
        f"{number(told['chance_error'])} on so many rows."
    )
    return Curve(f"per {level}", said, list(bins))


def _yearly(told: Mapping[str, Any]) -> Curve:
    ratio = told.get("expected_over_observed")
    if ratio is not None:
        said = f"Expected over observed events {ratio:.2f}; 1 is calibrated."
    else:
        said = "The follow-up ends before." if told.get("observed") is None else "No event was observed."
    bins = [{**one, "mean": one["predicted"]} for one in told["groups"] if one.get("observed") is not None]
    return Curve(f"within {plural(told['year'], 'year')}", said, bins)
