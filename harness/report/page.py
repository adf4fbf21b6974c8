"""The page of a report: everything that its sections show, in one HTML file that fetches nothing."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader

from harness.caption import caption
from harness.entries import LEVEL
from harness.figures.chosen import Drawn
from harness.figures.from_table import shown_columns
from harness.render import html, publish
from harness.render.blocks import blocks
from harness.render.pages import PAGES
from harness.report.answer import answer
from harness.report.costs import costs, duration
from harness.report.data import data_cards, listed_options
from harness.report.failures import failures
from harness.report.groups import looked_into
from harness.report.provenance import provenance
from harness.report.sources import Sources
from harness.table_model import ComparisonTable
from harness.wording import level_name, metric_title, p_words, plural, signed

MOST_COLUMNS = 6
"""Of one table: so many fit a printed page."""
SCALE = 0.6
"""Pixels of a page a pixel of a figure, which is drawn at 200 a inch."""
TEMPLATES = PAGES.overlay(loader=FileSystemLoader([Path(__file__).parent, Path(html.__file__).parent]))

TITLES = {
    "axis": "Along the axis",
    "forest": "Differences from the reference",
    "heatmap": "One axis against another",
    "cost": "Against the time of training",
    "memory": "Against the memory of training",
    "learning": "Learning curves of pretraining",
    "tuning": "Learning curves of fine-tuning",
    "curves": "ROC, precision–recall and calibration",
    "survival": "Kaplan–Meier by group of predicted risk",
    "years": "AUC by year",
}
"""Kind of figure, the start of its name, to its title."""


@dataclass(frozen=True)
class Picture:
    """A figure within the page.

    Attributes
    ----------
    width, height : int
        Of its place on the page [px].
    uri : str
        The picture itself.
    """

    title: str
    text: str
    width: int
    height: int
    uri: str


def write_report(sources: Sources, path: Path) -> Path:
    """Write the page.

    Raises
    ------
    RenderError
        When it cannot be written; a page that was there stays as it was.
    """
    return publish(Path(path), render(sources).encode())


def render(sources: Sources) -> str:
    """The page as text; equal sources give equal pages."""
    table, cards = sources.table, sources.cards()
    return TEMPLATES.get_template("report.html.j2").render(
        **html.words(),
        table=table,
        cut=list(blocks(table, _fits)),
        caption=caption(table),
        **_asked(table),
        answer=answer(table),
        pictures=pictures(table, sources.drawn),
        skipped=_by_reason(sources.drawn),
        sections=looked_into(sources),
        which=shown_columns(table).said,
        costs=costs(sources, cards),
        failures=failures(sources),
        data=data_cards(sources, cards),
        origin=provenance(sources, cards),
        environment=sources.environment,
        run_id=sources.run_id,
        duration=duration,
        listed_options=listed_options,
        plural=plural,
    )


def _asked(table: ComparisonTable) -> dict[str, Any]:
    """What the tables of slopes and of all columns are headed with, and the words of their numbers."""
    compare = table.spec.compare or {}
    axis = compare.get("trend")
    return {
        "axis": level_name(axis, (*table.spec.rows, *table.spec.columns)) if axis else "",
        "interval": f"{100 * compare.get('level', LEVEL / 100):g} % interval",
        "signed": signed,
        "p_words": p_words,
    }


def pictures(table: ComparisonTable, drawn: Drawn) -> list[Picture]:
    """The figures of a table, in their order."""
    found = []
    for path in drawn.paths:
        if path.suffix == ".png":
            kind, _, column = path.stem.removeprefix(f"{table.spec.profile}-").partition("-")
            title = _title(kind, column)
            content = path.read_bytes()
            width, height = struct.unpack(">II", content[16:24])
            said = f"{title}; {metric_title(table.spec.metric)}, {table.spec.dataset}"
            uri = f"data:image/png;base64,{base64.b64encode(content).decode()}"
            found.append(Picture(title, said, round(SCALE * width), round(SCALE * height), uri))
    return found


def _title(kind: str, column: str) -> str:
    return TITLES.get(kind, kind) + (f": {column.replace('-', ' ')}" if column else "")


def _by_reason(drawn: Drawn) -> dict[str, list[str]]:
    """Why figures are not there, each reason once, with their titles."""
    reasons: dict[str, list[str]] = {}
    for name, reason in drawn.skipped.items():
        kind, _, column = name.partition("-")
        reasons.setdefault(reason, []).append(_title(kind, column))
    return reasons


def _fits(table: ComparisonTable) -> bool:
    return len(table.columns) + len(table.beside) <= MOST_COLUMNS


__all__: Sequence[str] = ["Picture", "pictures", "render", "write_report"]
