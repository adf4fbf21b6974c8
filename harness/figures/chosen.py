"""Which figures a comparison table gets, from its axes and from what is at hand, and where they are written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.entries import CellRef
from harness.figures.axis import axis_figure
from harness.figures.cost import Panel, cost_figure
from harness.figures.forest import MAX_ROWS, forest_figure
from harness.figures.from_table import (
    NO_IMAGE,
    Shown,
    along,
    axis_panels,
    differences,
    heat_maps,
    reference_name,
    shown_columns,
    ticks,
)
from harness.figures.heatmap import heatmap_figure
from harness.figures.learning import learning_figure
from harness.figures.page import write
from harness.figures.style import MAX_PANELS, NoFigureError, Notes
from harness.figures.trainings import column_on, memory_panels, time_panels, trainings
from harness.figures.words import axis_words, column_label_of, intervals, notes, refusals, tests
from harness.store import Card, Store
from harness.table_model import ComparisonTable
from harness.wording import lower_is_better, metric_title, unit
from mvmlm.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BAND_DRAWS = 200
"""Bootstrap draws of a band that no number is read off."""


@dataclass(frozen=True)
class Drawn:
    """What came of a table's figures.

    Attributes
    ----------
    paths : list of Path
        PDF and PNG of each figure, in the order of a report.
    skipped : dict
        Figure to one line that says why it was not drawn.
    """

    paths: list[Path] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """For a terminal: what was drawn and where, and why the rest was not; equal reasons stand once."""
        said = []
        if self.paths:
            names = dict.fromkeys(path.stem for path in self.paths)
            said.append(f"figures {self.paths[0].parent}/  ({', '.join(names)}; PDF and PNG)")
        reasons: dict[str, list[str]] = {}
        for name, reason in self.skipped.items():
            reasons.setdefault(reason, []).append(name)
        return [*said, *(f"        no {', '.join(names)}: {reason}" for reason, names in reasons.items())]


@dataclass(frozen=True)
class Asked:
    """A table and where what lies behind it is found."""

    table: ComparisonTable
    shown: Shown
    store: Store | None
    card: Callable[[str, str], Card | None]
    files: Callable[[CellRef, str], Path | None]

    @property
    def metric(self) -> str:
        """In words."""
        return metric_title(self.table.spec.metric)

    @property
    def upward(self) -> bool:
        """Whether higher is better."""
        return not lower_is_better(self.table.spec.metric)


def write_figures(
    table: ComparisonTable,
    folder: Path,
    *,
    stem: str,
    store: Store | None = None,
    files: Callable[[CellRef, str], Path | None] | None = None,
) -> Drawn:
    """Draw every figure that a table has the data for, and write ``<stem>-<figure>.pdf`` and ``.png``.

    Figures of an earlier call that are no longer drawn are removed.

    Parameters
    ----------
    folder : Path
        Made if need be.
    store : Store, optional
        Where the stages behind the cells are; without it there are no costs and no learning curves.
    files : callable, optional
        A cell and the name of a file to where the file is, None where it is nowhere; by default in the store.

    Raises
    ------
    RenderError
        When the folder cannot be written.
    """
    asked = Asked(
        table,
        shown_columns(table),
        store,
        card=cache(store.card) if store else lambda stage, key: None,
        files=files or partial(_in_store, store),
    )
    drawn = Drawn()
    for name, draw in _figures(asked):
        try:
            figure = draw()
        except DataError as error:
            drawn.skipped[name] = " ".join((error.why if isinstance(error, NoFigureError) else str(error)).split())
            continue
        drawn.paths.extend(write(figure, folder, f"{stem}-{name}"))
    _remove_stale(Path(folder), stem, drawn.paths)
    return drawn


def _figures(asked: Asked) -> Iterator[tuple[str, Callable[[], Figure]]]:
    """Names, and what draws them or says why not."""
    yield "axis", partial(_axis, asked)
    yield "forest", partial(_forest, asked)
    yield "heatmap", partial(_heatmap, asked)
    yield "cost", partial(_cost, asked, time_panels)
    yield "memory", partial(_cost, asked, memory_panels)
    yield "learning", partial(_learning, asked, "pretrain", "Losses of different methods are not on one scale.")
    if column_on(asked.table, asked.shown, asked.card, "finetune") is not None:
        yield "tuning", partial(_learning, asked, "finetune", "Of each row the learning rate that was chosen.")
    kinds = {"survival": _survival, "years": _years} if _is_risk(asked) else {"curves": _curves}
    titles = asked.shown.titles[:MAX_PANELS]
    for kind, draw in kinds.items():
        for title, column in zip(titles, asked.shown.columns):
            yield f"{kind}-{_slug(title)}" if title else kind, partial(draw, asked, column)


def _axis(asked: Asked) -> Figure:
    table = asked.table
    way = along(table)
    every = range(len(table.columns))
    return axis_figure(
        axis_panels(table, way),
        x_label=axis_words(way.path, (*table.spec.rows, *table.spec.columns)),
        y_label=asked.metric,
        ticks=ticks(table, way),
        notes=notes(table, every, intervals(table, every)),
    )


def _forest(asked: Asked) -> Figure:
    table = asked.table
    if not table.spec.reference:
        raise NoFigureError("forest plot", "the table has no reference")
    effects, columns, said = differences(table), range(len(table.columns)), ""
    if (why := refusals(table)) and not any(math.isfinite(effect.delta) for effect in effects):
        raise NoFigureError("forest plot", f"no row could be compared with the reference: {why}")
    if sum(math.isfinite(effect.delta) for effect in effects) > MAX_ROWS:
        columns, said = asked.shown.columns, asked.shown.said
        groups = {column_label_of(table, i) for i in columns}
        effects = [effect for effect in effects if effect.group in groups]
    return forest_figure(
        effects,
        x_label=asked.metric,
        reference=reference_name(table),
        level=100 * (table.spec.compare or {}).get("level", 0.95),
        higher_is_better=asked.upward,
        notes=notes(table, columns, tests(table), said),
    )


def _heatmap(asked: Asked) -> Figure:
    table, shown = asked.table, asked.shown
    maps, names = heat_maps(table, shown)
    said = notes(table, shown.columns, intervals(table, shown.columns), shown.said)
    return heatmap_figure(maps, **names, value_label=asked.metric, higher_is_better=asked.upward, notes=said)


def _cost(asked: Asked, panels_of: Callable[..., tuple[list[Panel], str]]) -> Figure:
    table, shown = asked.table, asked.shown
    if asked.store is None:
        raise NoFigureError("cost figure", "no store of stages is at hand")
    panels, label = panels_of(table, shown, asked.card)
    said = notes(table, shown.columns, intervals(table, shown.columns), shown.said)
    return cost_figure(panels, x_label=label, y_label=asked.metric, higher_is_better=asked.upward, notes=said)


def _learning(asked: Asked, stage: str, aside: str) -> Figure:
    table, shown = asked.table, asked.shown
    if asked.store is None:
        raise NoFigureError("learning curves", "no store of stages is at hand")
    found = trainings(table, shown, asked.card, asked.store.path, stage)
    spec = table.spec
    said = f"Data: {spec.dataset}, profile {spec.profile}. {aside}"
    return learning_figure(found, notes=Notes(said, spec.simulated, spec.question))


def _curves(asked: Asked, column: int) -> Figure:
    from harness.figures.curves import Predictions, curves_figure
    from harness.figures.representatives import PREDICTIONS, read_predictions, representatives

    table = asked.table
    found = representatives(table, column)
    shown = [
        Predictions(one.label, read_predictions(one.cell, asked.files))
        for one in found
        if one.label != NO_IMAGE or asked.files(one.cell, PREDICTIONS)
    ]
    units, below = unit(table.spec.metric), ""
    if units == "patients" and any(p.frame["patient_id"].duplicated().any() for p in shown):
        units, below = "rows", "Curves of the predictions as they were made, several a patient."
    said = _one_cell(asked, column, found[0].cell, below)
    return curves_figure(shown, unit=units, draws=BAND_DRAWS, notes=said)


def _survival(asked: Asked, column: int) -> Figure:
    from harness.figures.representatives import last_year, read_predictions, representatives, risk_curves
    from harness.figures.survival import survival_figure

    one = representatives(asked.table, column, blind=False)[0]
    frame = read_predictions(one.cell, asked.files)
    if "years" not in frame:
        raise NoFigureError("Kaplan–Meier curves", "the predictions tell no follow-up")
    years = last_year(frame)
    what = f"{one.label}: exams in groups of equal size by their predicted risk within {years} years."
    bands = f"Bands: 95 %, {BAND_DRAWS} bootstrap draws of patients."
    return survival_figure(
        risk_curves(frame, draws=BAND_DRAWS),
        by=f"risk at {years} years",
        unit=unit(asked.table.spec.metric),
        notes=_one_cell(asked, column, one.cell, what, bands),
    )


def _years(asked: Asked, column: int) -> Figure:
    from harness.figures.representatives import representatives, yearly
    from harness.figures.survival import yearly_figure

    level = asked.table.spec.metric.partition("@")[2]
    found = representatives(asked.table, column)
    curves = [curve for one in found for curve in yearly(one, asked.files, level)]
    said = _one_cell(asked, column, found[0].cell, "Whiskers: 95 %, bootstrap of patients.")
    return yearly_figure(curves, y_label=f"AUC(t) per {level}", notes=said)


def _one_cell(asked: Asked, column: int, cell: CellRef, *said: str) -> Notes:
    """The foot of a figure that shows single cells."""
    table = asked.table
    which = f"Seed {cell.seed} alone." if len(table.seeds) > 1 else ""
    return notes(table, [column], which, *said, seeds=False)


def _is_risk(asked: Asked) -> bool:
    name = asked.table.spec.metric.partition("@")[0]
    return name == "ibs" or name.startswith(("c_", "auc_year", "auc_ipcw"))


def _in_store(store: Store | None, cell: CellRef, name: str) -> Path | None:
    path = store.path("evaluate", cell.key) / name if store and cell.key else None
    return path if path and path.is_file() else None


def _slug(title: str) -> str:
    """A title as a part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "column"


def _remove_stale(folder: Path, stem: str, kept: Sequence[Path]) -> None:
    """Remove pictures that an earlier table got under this stem and this one did not."""
    single, of_columns = "axis|forest|heatmap|cost|memory|learning|tuning", "curves|survival|years"
    ours = re.compile(rf"{re.escape(stem)}-({single}|({of_columns})(-[a-z0-9-]+)?)\.(pdf|png)")
    for path in folder.glob("*"):
        if ours.fullmatch(path.name) and path not in kept:
            path.unlink(missing_ok=True)
