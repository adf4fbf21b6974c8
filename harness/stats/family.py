"""A declared family of comparisons: which of them may be made, and what is left of them after correction."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from harness.stats.difference import Difference
from harness.stats.holm import holm
from mvmlm.errors import DataError

SHARED = {
    "patients": "test patients",
    "splits": "splits",
    "code": "code version",
    "budget": "training budget",
}
"""What two arms must have in common before a mark may stand between them, and its words for a caption."""

MARKS = ((0.01, "‡"), (0.05, "†"))
"""Adjusted p below, and its mark."""


@dataclass(frozen=True)
class Arm:
    """One side of a comparison.

    Attributes
    ----------
    name : str
    cells : sequence of mapping
        One a cell (a seed): the names of :data:`SHARED` to what tells equal from unequal, a fingerprint or a number.
    """

    name: str
    cells: Sequence[Mapping[str, str | int | float | None]]


@dataclass(frozen=True)
class Refusal:
    """Why a comparison is not made.

    Attributes
    ----------
    what : str
        A name of :data:`SHARED`, or ``test`` where the test itself refused.
    words : str
        For a caption.
    unknown : bool
        Whether it is not known of one side, rather than known to differ.
    """

    what: str
    words: str
    unknown: bool = False


@dataclass(frozen=True)
class Comparison:
    """An arm against its reference: a difference, or the reasons why there is none.

    One that was declared and has neither, since a side has no result, still counts in its family.
    """

    arm: str
    reference: str
    difference: Difference | None = None
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class Judged:
    """A comparison within its family.

    Attributes
    ----------
    p : float
        Adjusted by Holm; NaN where there is none.
    mark : str
        One of :data:`MARKS`, or ''.
    """

    comparison: Comparison
    p: float
    mark: str


def compare(arm: Arm, reference: Arm, test: Callable[[], Difference], *, varied: Collection[str] = ()) -> Comparison:
    """Compare two arms, unless something but the method tells them apart.

    Parameters
    ----------
    test : callable
        Makes the difference; called only if nothing speaks against it. Its DataError is a refusal.
    varied : collection of str
        Names of :data:`SHARED` that are the very question (an ablation of the budget), and so no reason to refuse.
    """
    refused = refusals(arm, reference, varied=varied)
    if refused:
        return Comparison(arm.name, reference.name, refusals=refused)
    try:
        return Comparison(arm.name, reference.name, test())
    except DataError as error:
        return Comparison(arm.name, reference.name, refusals=(Refusal("test", str(error)),))


def refusals(arm: Arm, reference: Arm, *, varied: Collection[str] = ()) -> tuple[Refusal, ...]:
    """What speaks against a mark between two arms, in the order of :data:`SHARED`."""
    found = []
    for what, words in SHARED.items():
        if what in varied:
            continue
        values = [{cell.get(what) for cell in side.cells} for side in (arm, reference)]
        if None in values[0] | values[1]:
            verb = "are" if words.endswith("s") else "is"
            found.append(Refusal(what, f"the {words} of {arm.name} or {reference.name} {verb} not known", unknown=True))
        elif len(values[0] | values[1]) > 1:
            found.append(Refusal(what, f"{arm.name} and {reference.name} differ in {words}"))
    return tuple(found)


def correct(comparisons: Sequence[Comparison]) -> list[Judged]:
    """Correct a family by Holm; those that were not made count, since they were declared."""
    adjusted = holm([c.difference.p if c.difference else math.nan for c in comparisons])
    return [Judged(c, float(p), _mark(p)) for c, p in zip(comparisons, adjusted)]


def _mark(p: float) -> str:
    return next((mark for below, mark in MARKS if p < below), "")
