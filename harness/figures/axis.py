"""A metric against an ordered axis: one panel a task, a line a method, its intervals as bands."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.figures.page import finish, inches_of, sheet, titled, x_labelled
from harness.figures.style import (
    DASHES,
    GREY,
    LOG_SPAN,
    MARKER_SIZE,
    MAX_LINES,
    MAX_PANELS,
    NO_NOTES,
    SMALL,
    Mark,
    NoFigureError,
    Notes,
    limited,
    mark,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BANDS = 3
"""Lines of a panel whose intervals are bands; of more, the bands would hide each other, and they are whiskers."""

CROWD = 20
"""Points of a line above which its markers are small."""


@dataclass(frozen=True)
class Line:
    """A line of a panel.

    Attributes
    ----------
    label : str
        For the legend; lines of one label look alike in every panel.
    x, y : sequence of float
        NaN in ``y`` where there is no value: the line is broken.
    low, high : sequence of float
        Ends of the intervals, NaN where there is none; empty: no intervals.
    partial : collection of float
        Values of the axis at which only some seeds have a result: hollow.
    lost : collection of float
        Values of the axis at which there should be a result and is none: a cross at the foot.
    under : str or None
        Not None for a row that sees no image, drawn thin and without marks: the label of the line that it belongs to,
        '' where it belongs to all.
    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    partial: Collection[float] = ()
    lost: Collection[float] = ()
    under: str | None = None


@dataclass(frozen=True)
class Panel:
    """A panel and its lines."""

    title: str
    lines: Sequence[Line]


@styled
def axis_figure(
    panels: Sequence[Panel], *, x_label: str, y_label: str, ticks: Mapping[float, str], notes: Notes = NO_NOTES
) -> Figure:
    """Draw a metric against an ordered axis, on a log scale where the values span a factor of 8 or more.

    Parameters
    ----------
    ticks : mapping
        Values of the axis to their labels; there are no other ticks.

    Raises
    ------
    DataError
        When no line has a value.
    """
    panels, left_out = _legible(panels)
    if not any(np.isfinite(np.asarray(line.y, float)).any() for panel in panels for line in panel.lines):
        raise NoFigureError("axis figure", "no line has a value")
    names = list(dict.fromkeys(line.label for panel in panels for line in panel.lines if line.under is None))
    marks = {name: mark(i) for i, name in enumerate(names)}
    figure, axes = sheet(len(panels), sharey=True)
    axes[0].set_ylim(room([v for panel in panels for line in panel.lines for v in (*line.y, *line.low, *line.high)]))
    across = axes[0].get_gridspec().ncols
    for i, (axis, panel) in enumerate(zip(axes, panels)):
        scale_axis(axis, list(ticks))
        _panel(axis, panel, marks)
        tick_axis(axis, ticks, (figure.get_figwidth() - 0.45) / across - 0.1)
        titled(axis, panel.title, across)
        x_labelled(axis, x_label, across)
        if i % across == 0:
            axis.set_ylabel(y_label)
    caption = " ".join(filter(None, (notes.caption, left_out)))
    return finish(figure, Notes(caption, notes.simulated, notes.title), _legend(panels, marks))


def scale_axis(axis: Axes, values: Sequence[float]) -> None:
    """A linear axis over these values; a log scale where the positive ones span :data:`LOG_SPAN` or more."""
    positive = [v for v in values if v > 0]
    if positive and min(values) >= 0 and max(positive) / min(positive) >= LOG_SPAN:
        if len(positive) == len(values):
            axis.set_xscale("log")
        else:  # with a zero: linear up to the smallest value, log beyond
            axis.set_xscale("symlog", linthresh=min(positive))
    way = axis.xaxis.get_transform()
    low, high = way.transform(np.array([min(values), max(values)], float))
    pad = 0.08 * (high - low) or 0.05 * (abs(high) or 1.0)
    axis.set_xlim(way.inverted().transform(np.array([low - pad, high + pad])))


def room(values: Sequence[float | None]) -> tuple[float, float]:
    """Limits that hold all finite values with some room around them."""
    finite = np.array([v for v in values if v is not None and math.isfinite(v)], float)
    low, high = float(finite.min()), float(finite.max())
    pad = 0.08 * (high - low) or 0.1 * (abs(high) or 1.0)
    return low - pad, high + pad


def tick_axis(axis: Axes, ticks: Mapping[float, str], inches: float) -> None:
    """Ticks at the values, their labels aslant where they would touch, some left out where even that does not help."""
    values = sorted(ticks)
    axis.set_xticks(values, [ticks[v] for v in values], minor=False)
    axis.xaxis.set_minor_locator(_no_ticks())
    place = axis.transData.transform([(v, 0) for v in values])[:, 0]
    low, high = axis.bbox.x0, axis.bbox.x1
    where = (place - low) / (high - low) * inches
    figure = axis.get_figure()
    wide = [inches_of(figure, ticks[v], SMALL) for v in values]
    gaps = np.diff(where) - (np.array(wide[1:]) + wide[:-1]) / 2
    if (gaps >= 0.03).all():
        return
    shown: list[int] = []
    for i in range(len(values) - 1, -1, -1):
        if not shown or where[shown[-1]] - where[i] >= 0.14:
            shown.append(i)
    kept = [values[i] for i in reversed(shown)]
    axis.set_xticks(kept, [ticks[v] for v in kept], rotation=45, ha="right", rotation_mode="anchor")


def _no_ticks() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _legible(panels: Sequence[Panel]) -> tuple[list[Panel], str]:
    """The panels and lines that can be told apart, and what is left out."""
    titles, no_panels = limited([panel.title for panel in panels], MAX_PANELS, "panels")
    names = list(dict.fromkeys(line.label for panel in panels for line in panel.lines if line.under is None))
    kept, no_lines = limited(names, MAX_LINES, "lines")
    shown = [
        Panel(p.title, [x for x in p.lines if x.label in kept or x.under == "" or x.under in kept])
        for p in panels[: len(titles)]
    ]
    return shown, " ".join(filter(None, (no_panels, no_lines)))


def _panel(axis: Axes, panel: Panel, marks: Mapping[str, Mark]) -> None:
    full = [line for line in panel.lines if line.under is None]
    for line in panel.lines:
        if line.under is not None:
            _no_image(axis, line, marks)
    for i, line in enumerate(full):
        shift = (i - (len(full) - 1) / 2) * min(3.2, 16 / len(full)) if len(full) > BANDS else 0.0
        draw_line(axis, line, marks[line.label], shift, bands=len(full) <= BANDS)
        _lost(axis, line, marks[line.label], shift=5.0 * (i - (len(full) - 1) / 2))
    axis.grid(axis="y", color="0.9", linewidth=0.6)
    axis.locator_params(axis="y", nbins=5)


def draw_line(axis: Axes, line: Line, look: Mark, shift: float, *, bands: bool) -> None:
    """A line with its intervals, moved sideways by so many points that whiskers stand side by side."""
    from matplotlib.transforms import offset_copy

    x, y = _sorted(line, "y")
    over = {"transform": offset_copy(axis.transData, axis.get_figure(), x=shift, units="points")}
    style = {"color": look.colour, "linestyle": look.stroke}
    axis.plot(x, y, **style, **over, label=line.label)
    if len(line.low):
        low, high = _sorted(line, "low")[1], _sorted(line, "high")[1]
        _intervals(axis, x, (low, high), look.colour, over, bands=bands)
    hollow = np.isin(x, list(line.partial))
    for rows, inside in ((~hollow, look.colour), (hollow, "white")):
        dots = {"marker": look.marker, "markerfacecolor": inside, "markeredgecolor": look.colour, "linestyle": ""}
        dots["markersize"] = MARKER_SIZE if len(x) <= CROWD else MARKER_SIZE / 2
        axis.plot(x[rows], y[rows], zorder=3, **dots, **over)


def _lost(axis: Axes, line: Line, look: Mark, *, shift: float) -> None:
    """Crosses at the foot, those of several lines side by side."""
    from matplotlib.transforms import offset_copy

    if lost := sorted(line.lost):
        foot = offset_copy(axis.get_xaxis_transform(), axis.get_figure(), x=shift, units="points")
        axis.plot(lost, [0.03] * len(lost), color=look.colour, marker="x", linestyle="", transform=foot, clip_on=False)


def _intervals(axis: Axes, x: np.ndarray, ends: tuple, colour: str, over: dict, *, bands: bool) -> None:
    """A band, and whiskers where it has no width: at a point without neighbours, or everywhere."""
    low, high = ends
    known = np.isfinite(low) & np.isfinite(high)
    alone = known & ~(np.r_[False, known[:-1]] | np.r_[known[1:], False])
    if bands and (known & ~alone).any():
        axis.fill_between(x, low, high, where=known, color=colour, alpha=0.16, linewidth=0, **over)
    whiskers = alone if bands else known
    if whiskers.any():
        axis.vlines(x[whiskers], low[whiskers], high[whiskers], color=colour, linewidth=0.9, **over)


def _no_image(axis: Axes, line: Line, marks: Mapping[str, Mark]) -> None:
    look = marks.get(line.under or "")
    style = {"color": look.colour if look else GREY, "linestyle": look.stroke if look else DASHES}
    x, y = _sorted(line, "y")
    axis.plot(x, y, linewidth=0.8, zorder=1, **style)


def _sorted(line: Line, name: str) -> tuple[np.ndarray, np.ndarray]:
    x = np.asarray(line.x, float)
    order = np.argsort(x, kind="stable")
    y = np.array([math.nan if v is None else v for v in getattr(line, name)], float)
    return x[order], np.where(np.isfinite(y), y, math.nan)[order]


def _legend(panels: Sequence[Panel], marks: Mapping[str, Mark]) -> list[tuple[Any, str]]:
    from matplotlib.lines import Line2D

    lines = [line for panel in panels for line in panel.lines]
    found: list[tuple[Any, str]] = []
    if len(marks) > 1 or any(marks):
        for name, look in marks.items():
            style = {"color": look.colour, "linestyle": look.stroke, "marker": look.marker}
            found.append((Line2D([], [], **style), name))
    blind = {line.label: line.under for line in lines if line.under is not None}
    for name in blind:
        of_lines = any(line.under for line in lines if line.label == name)
        how = " (thin lines)" if of_lines else ""
        dashed = Line2D([], [], color=GREY, linestyle="-" if of_lines else DASHES, linewidth=0.8)
        found.append((dashed, f"{name}{how}"))
    grey = {"color": GREY, "linestyle": ""}
    if any(len(line.partial) for line in lines):
        found.append((Line2D([], [], **grey, marker="o", markerfacecolor="white"), "some seeds have no result"))
    if any(len(line.lost) for line in lines):
        found.append((Line2D([], [], **grey, marker="x"), "no result"))
    return found
