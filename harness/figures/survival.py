"""Risk over the years: Kaplan–Meier by group of predicted risk, and AUC by year."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.figures.axis import Line, draw_line, room
from harness.figures.page import finish, inches_of, sheet, short
from harness.figures.style import (
    COLUMN,
    MAX_LINES,
    NO_NOTES,
    PAGE,
    SMALLER,
    STROKES,
    NoFigureError,
    Notes,
    limited,
    mark,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_GROUPS = 12
BANDS = 4
"""Groups that all have bands; of more, the lowest and the highest risk have."""
TABLE_TOP, TABLE_ROW = 0.47, 0.115
"""Of the table of numbers at risk: its first row below the axis, and the height of a row [inches]."""


@dataclass(frozen=True)
class Group:
    """A group of risk and its Kaplan–Meier curve.

    Attributes
    ----------
    years, free : sequence of float
        Steps of the event-free share; the first is (0, 1).
    at_risk : sequence of int
        Followed still at 0, 1, … years.
    low, high : sequence of float
        Ends of the interval at each step; empty: none.
    followed : float or None
        Where the curve ends [years]; its last step, if None.
    """

    label: str
    years: Sequence[float]
    free: Sequence[float]
    at_risk: Sequence[int] = ()
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    followed: float | None = None


@dataclass(frozen=True)
class Yearly:
    """A metric by year; NaN where it is undefined."""

    label: str
    years: Sequence[float]
    values: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@styled
def survival_figure(
    groups: Sequence[Group],
    *,
    y_label: str = "free of cancer",
    by: str = "predicted risk",
    unit: str = "exams",
    notes: Notes = NO_NOTES,
) -> Figure:
    """Draw Kaplan–Meier curves, lowest risk first, over a table of how many are still followed.

    The groups are ordered, so their colours are steps of one scale that darkens with the risk.

    Parameters
    ----------
    by : str
        What the groups are of: the head over their labels.
    unit : str
        What the table counts.

    Raises
    ------
    DataError
        When no group has a curve.
    """
    groups = [g for g in groups if len(g.years) and np.isfinite(np.asarray(g.free, float)).all()]
    if not groups:
        raise NoFigureError("Kaplan–Meier curves", "no group has a curve")
    groups = groups[:MAX_GROUPS]
    rows = len(groups) if any(len(g.at_risk) for g in groups) else 0
    width = COLUMN if len(groups) <= 4 else PAGE * 0.72
    figure, (axis,) = sheet(1, height=2.2 + (rows + 1) * TABLE_ROW, width=width)
    last = max(g.followed or g.years[-1] for g in groups)
    banded = range(len(groups)) if len(groups) <= BANDS else (0, len(groups) - 1)
    for i, group in enumerate(groups):
        _steps(axis, group, _look(i, len(groups)), band=i in banded)
    axis.set_xlim(-0.02 * last, 1.02 * last)
    low, high = room([v for g in groups for v in (*g.free, *g.low)])
    axis.set_ylim(max(low, -0.02), min(high, 1.0 + 0.02 * (1 - low)))
    axis.set_xticks(range(math.floor(last) + 1))
    axis.set_ylabel(y_label)
    axis.set_xlabel("years")
    axis.grid(axis="y", color="0.9", linewidth=0.6)
    axis.locator_params(axis="y", nbins=5)
    if rows:
        _at_risk(axis, groups, by, unit)
    some = len(groups) > BANDS and any(len(g.low) for g in groups)
    few = "They are drawn for the lowest and the highest risk." if some else ""
    caption = " ".join(filter(None, (notes.caption, few)))
    return finish(figure, Notes(caption, notes.simulated, notes.title), [] if rows else _legend(groups))


@styled
def yearly_figure(curves: Sequence[Yearly], *, y_label: str = "AUC(t)", notes: Notes = NO_NOTES) -> Figure:
    """Draw a metric by year, whiskers side by side.

    Raises
    ------
    DataError
        When no curve has a value.
    """
    names, left_out = limited([c.label for c in curves], MAX_LINES, "lines")
    curves = curves[: len(names)]
    if not any(np.isfinite(np.asarray(c.values, float)).any() for c in curves):
        raise NoFigureError("AUC by year", "no year has a value")
    figure, (axis,) = sheet(1)
    axis.set_ylim(room([v for c in curves for v in (*c.values, *c.low, *c.high)]))
    for i, curve in enumerate(curves):
        shift = (i - (len(curves) - 1) / 2) * min(3.2, 16 / len(curves))
        line = Line(curve.label, curve.years, curve.values, curve.low, curve.high)
        draw_line(axis, line, mark(i), shift, bands=False)
    years = sorted({year for c in curves for year in c.years})
    axis.set_xlim(years[0] - 0.4, years[-1] + 0.4)
    axis.set_xticks(years, [f"{year:g}" for year in years])
    axis.set_xlabel("years")
    axis.set_ylabel(y_label)
    axis.grid(axis="y", color="0.9", linewidth=0.6)
    caption = " ".join(filter(None, (notes.caption, left_out)))
    return finish(figure, Notes(caption, notes.simulated, notes.title), _line_legend(names))


def _look(number: int, count: int) -> dict[str, Any]:
    """Colour from light to dark with the risk, strokes that differ from neighbour to neighbour."""
    import matplotlib as mpl

    shade = mpl.colormaps["cividis"](0.8 * (1 - number / max(1, count - 1)))
    return {"color": shade, "linestyle": STROKES[number % len(STROKES)]}


def _steps(axis: Axes, group: Group, look: dict[str, Any], *, band: bool) -> None:
    """A curve to where its follow-up ends."""
    years = np.asarray(group.years, float)
    x = np.r_[years, max(group.followed or 0.0, years[-1])]
    axis.plot(x, _held(group.free), drawstyle="steps-post", **look)
    if band and len(group.low):
        ends = _held(group.low), _held(group.high)
        axis.fill_between(x, *ends, step="post", color=look["color"], alpha=0.15, linewidth=0)


def _held(values: Sequence[float]) -> np.ndarray:
    """Values with the last one twice."""
    return np.r_[np.asarray(values, float), values[-1]]


def _at_risk(axis: Axes, groups: Sequence[Group], by: str, unit: str) -> None:
    """Numbers below the axis, under their years; each row begins with its curve's line, and so is the legend too."""
    from matplotlib.lines import Line2D
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    figure = axis.get_figure()
    inches = figure.dpi_scale_trans + ScaledTranslation(0, 0, axis.transAxes)  # from the corner of the axes
    under = blended_transform_factory(axis.transData, inches)
    labels = [short(group.label, 24) for group in groups]
    text = -max(inches_of(figure, label, SMALLER) for label in (by, *labels)) - 0.2
    said = {"va": "center", "fontsize": SMALLER}
    axis.text(text, -TABLE_TOP, by, transform=inches, style="italic", **said)
    axis.text(-0.12, -TABLE_TOP, f"{unit} at risk", transform=inches, style="italic", **said)
    for i, (group, label) in enumerate(zip(groups, labels)):
        down = -TABLE_TOP - (i + 1) * TABLE_ROW
        key = {"transform": inches, "clip_on": False, "linewidth": 1.2, **_look(i, len(groups))}
        axis.add_artist(Line2D([text - 0.38, text - 0.06], [down, down], **key))
        axis.text(text, down, label, transform=inches, **said)
        for year, count in zip(axis.get_xticks(), group.at_risk):
            axis.text(year, down, f"{count:,}", transform=under, ha="center", **said)


def _legend(groups: Sequence[Group]) -> list[tuple[Any, str]]:
    from matplotlib.lines import Line2D

    return [(Line2D([], [], **_look(i, len(groups))), group.label) for i, group in enumerate(groups)]


def _line_legend(names: Sequence[str]) -> list[tuple[Any, str]]:
    from matplotlib.lines import Line2D

    looks = [mark(i) for i in range(len(names))]
    return [
        (Line2D([], [], color=look.colour, linestyle=look.stroke, marker=look.marker), name)
        for look, name in zip(looks, names)
    ]
