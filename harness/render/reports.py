"""Reports as one HTML page: how true each source is to its records, and records with their texts side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.preview import KINDS, marks_line, tokens_line
from harness.render.pages import PAGES

if TYPE_CHECKING:
    from harness.preview import Shown


@dataclass(frozen=True)
class SourceRow:
    """One reports stage of a run.

    Attributes
    ----------
    source : str
        With what tells it apart: samples, what happens to unfaithful texts, model.
    measures : dict
        As the stage's card has them.
    by_field : dict
        Kind of fault to field to number of distinct texts.
    wrong : list of dict
        Some of its unfaithful texts: ``fields, text, marks``.
    """

    source: str
    measures: dict[str, float]
    by_field: dict[str, dict[str, int]] = field(default_factory=dict)
    wrong: list[dict[str, Any]] = field(default_factory=list)


def render(
    shown: Sequence[Shown],
    *,
    limit: int,
    simulated: bool,
    title: str = "Reports, source by source",
    rows: Sequence[SourceRow] = (),
) -> str:
    """The page; it needs nothing beside itself.

    Parameters
    ----------
    shown : sequence of Shown
        Records with their texts.
    limit : int
        Tokens that the text encoder reads.
    rows : sequence of SourceRow
        Sources of a run; without them the page shows texts alone.
    """
    return PAGES.get_template("reports.html.j2").render(
        shown=shown,
        rows=rows,
        limit=limit,
        simulated=simulated,
        title=title,
        kinds=KINDS,
        marks_line=marks_line,
        tokens_line=tokens_line,
        level=level,
        value=value,
    )


def level(marks: dict[str, Any]) -> str:
    """Class of a text's marks: bad where it says something untrue, odd where it leaves something out."""
    if {"hallucinated", "contradicted"} & set(marks):
        return "bad"
    return "odd" if marks else "good"


def value(said: Any) -> str:
    """A field's value for people."""
    if isinstance(said, bool):
        return "yes" if said else "no"
    return str(said)
