"""A metric against what it cost: a point a row, its interval, and the rows that none beats at both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.figures.axis import room, scale_axis
from harness.figures.page import finish, sheet, titled, x_labelled
from harness.figures.style import (
    MARKER_SIZE,
    MAX_LINES,
    MAX_PANELS,
    NO_NOTES,
    NoFigureError,
    Notes,
    limited,
    mark,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FAINT = "0.6"
FRONT = "0.5"


@dataclass(frozen=True)
class Point:
    """A row of the table.

    Attributes
    ----------
    cost : float
        In the unit that the axis names; above 0.
    low, high : float or None
        Ends of the value's interval.
    """

    label: str
    cost: float
    value: float
    low: float | None = None
    high: float | None = None
    reference: bool = False


@dataclass(frozen=True)
class Panel:
    """A panel and its points."""

    title: str
    points: Sequence[Point]


@styled
def cost_figure(
    panels: Sequence[Panel], *, x_label: str, y_label: str, higher_is_better: bool = True, notes: Notes = NO_NOTES
) -> Figure:
    """Draw a metric against its cost, with the Pareto front; costs that span a factor of 8 are on a log scale.

    Where there are more rows than marks, the reference and the rows on a front are marked, and the others are dots.

    Raises
    ------
    DataError
        When no row has both a cost and a value.
    """
    titles, left_out = limited([panel.title for panel in panels], MAX_PANELS, "panels")
    panels = [Panel(p.title, [x for x in p.points if _known(x)]) for p in panels[: len(titles)]]
    points = [point for panel in panels for point in panel.points]
    if not points:
        raise NoFigureError("cost figure", "no row has both a cost and a value")
    fronts = [pareto_front(panel.points, higher_is_better=higher_is_better) for panel in panels]
    marked = _marked(panels, fronts)
    figure, axes = sheet(len(panels), sharey=True)
    across = axes[0].get_gridspec().ncols
    axes[0].set_ylim(room([v for p in points for v in (p.value, p.low, p.high)]))
    for i, (axis, panel, front) in enumerate(zip(axes, panels, fronts)):
        scale_axis(axis, [point.cost for point in points])
        _plain_ticks(axis)
        _panel(axis, panel, front, marked)
        titled(axis, panel.title, across)
        x_labelled(axis, x_label, across)
        if i % across == 0:
            axis.set_ylabel(y_label)
    caption = " ".join(filter(None, (notes.caption, left_out)))
    return finish(figure, Notes(caption, notes.simulated, notes.title), _legend(panels, fronts, marked))


def pareto_front(points: Sequence[Point], *, higher_is_better: bool = True) -> list[Point]:
    """Points that no other is at least as cheap and as good as, and better at one of the two; by rising cost."""
    sign = -1.0 if higher_is_better else 1.0
    front: list[Point] = []
    for point in sorted(filter(_known, points), key=lambda p: (p.cost, sign * p.value)):
        equal = bool(front) and (point.cost, point.value) == (front[-1].cost, front[-1].value)
        if not front or equal or sign * point.value < sign * front[-1].value:
            front.append(point)
    return front


def _known(point: Point) -> bool:
    return math.isfinite(point.cost) and point.cost > 0 and point.value is not None and math.isfinite(point.value)


def _marked(panels: Sequence[Panel], fronts: Sequence[Sequence[Point]]) -> dict[str, int]:
    """Labels with a mark of their own, numbered."""
    labels = list(dict.fromkeys(point.label for panel in panels for point in panel.points))
    if len(labels) > MAX_LINES:
        first = [point.label for panel in panels for point in panel.points if point.reference]
        first += [point.label for front in fronts for point in reversed(front)]
        chosen = list(dict.fromkeys(first))[:MAX_LINES]
        labels = [label for label in labels if label in chosen]
    return {label: i for i, label in enumerate(labels)}


def _panel(axis: Axes, panel: Panel, front: Sequence[Point], marked: dict[str, int]) -> None:
    if front:
        right = axis.get_xlim()[1]
        x, y = [p.cost for p in front], [p.value for p in front]
        axis.plot([*x, right], [*y, y[-1]], drawstyle="steps-post", color=FRONT, linewidth=0.9, zorder=1)
    for point in panel.points:
        look = mark(marked[point.label]) if point.label in marked else None
        colour = look.colour if look else FAINT
        if point.low is not None and point.high is not None and math.isfinite(point.high - point.low):
            axis.vlines(point.cost, point.low, point.high, color=colour, linewidth=0.9 if look else 0.5, zorder=2)
        dot = {"marker": look.marker if look else ".", "color": colour, "linestyle": ""}
        axis.plot(point.cost, point.value, markersize=MARKER_SIZE + 1.2 * bool(look), zorder=3, **dot)
        if point.reference:
            ring = {"marker": "o", "markerfacecolor": "none", "markeredgecolor": "black", "markeredgewidth": 0.8}
            axis.plot(point.cost, point.value, linestyle="", markersize=MARKER_SIZE + 5, zorder=4, **ring)
    axis.grid(axis="y", color="0.9", linewidth=0.6)
    axis.locator_params(axis="y", nbins=5)


def _plain_ticks(axis: Axes) -> None:
    """Few round numbers, written out: ``2,000``."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    if axis.get_xscale() == "log":
        low, high = axis.get_xlim()
        decades = math.log10(high / low)
        parts = (1, 2, 5) if decades < 1.6 else (1, 3) if decades < 2.6 else (1,)
        axis.xaxis.set_major_locator(LogLocator(subs=parts, numticks=5))
        axis.xaxis.set_minor_locator(NullLocator())
    else:
        axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def _legend(
    panels: Sequence[Panel], fronts: Sequence[Sequence[Point]], marked: dict[str, int]
) -> list[tuple[Any, str]]:
    from matplotlib.lines import Line2D

    points = [point for panel in panels for point in panel.points]
    found: list[tuple[Any, str]] = []
    for label, i in marked.items():
        look = mark(i)
        dot = {"marker": look.marker, "color": look.colour, "linestyle": "", "markersize": MARKER_SIZE + 1.2}
        found.append((Line2D([], [], **dot), label))
    others = {point.label for point in points} - set(marked)
    if others:
        found.append((Line2D([], [], marker=".", color=FAINT, linestyle=""), f"other rows ({len(others)})"))
    if any(point.reference for point in points):
        ring = {"marker": "o", "markerfacecolor": "none", "markeredgecolor": "black", "linestyle": ""}
        found.append((Line2D([], [], markersize=MARKER_SIZE + 4, **ring), "reference"))
    if any(fronts):
        found.append((Line2D([], [], color=FRONT, linewidth=0.9), "front: none cheaper is as good"))
    return found
