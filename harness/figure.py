"""A figure beside a table whose rows run along a number: the metric against it, with interval whiskers."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from harness.caption import SIMULATED
from harness.entries import LEVEL
from harness.render import publish
from harness.table_model import ComparisonTable, Entry, Row
from harness.wording import level_name, metric_title, value_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito (2008), apart for colour-blind readers; their yellow is left out, white paper swallows it."""
MARKERS = "osD^vPX"
GREY = "0.3"
DASHES = (0, (4, 3))
Lines = dict[tuple[str, ...], int]
PNG_DPI = 200
MAX_TICKS = 12
MIN_WIDTH = 5.8
"""Of a figure [inches]: the note on simulated data fits."""
CHARACTERS = 12
"""Of the title to an inch."""


def numeric_level(table: ComparisonTable) -> int | None:
    """The only level of the rows with nothing but numbers, two or more of them; None where there is none."""
    numeric = []
    for level in range(len(table.spec.rows)):
        values = {row.values[level] for row in table.rows}
        if len(values) > 1 and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            numeric.append(level)
    return numeric[0] if len(numeric) == 1 else None


def write_figure(table: ComparisonTable, folder: Path, *, stem: str = "figure") -> list[Path]:
    """Write ``<stem>.png`` and ``<stem>.svg``; the same table gives the same bytes.

    One panel a value of the outermost column level; one line for each of the other columns and row levels.

    Returns
    -------
    list of Path
        Empty where the rows have no numeric axis, or more than one.

    Raises
    ------
    RenderError
        When the folder cannot be written.
    """
    level = numeric_level(table)
    if level is None:
        return []
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    bare = {"axes.spines.top": False, "axes.spines.right": False}
    settings = {"svg.hashsalt": table.spec.ablation, "font.size": 9, **bare}
    with mpl.rc_context(settings):
        figure = _draw(table, level)
        FigureCanvasAgg(figure)
        paths = []
        for name, said in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
            content = io.BytesIO()
            figure.savefig(content, format=name, dpi=PNG_DPI, metadata=said)
            paths.append(publish(Path(folder) / f"{stem}.{name}", content.getvalue()))
    return paths


def _draw(table: ComparisonTable, level: int) -> Figure:
    from matplotlib.figure import Figure

    panels = list(_panels(table))
    columns = min(len(panels), 3)
    rows = math.ceil(len(panels) / columns)
    size = (max(MIN_WIDTH, 1.0 + 2.6 * columns), 1.6 + 2.5 * rows)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    lines = _line_names(table, level)
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    for i, (axis, (title, members)) in enumerate(zip(axes.flat, panels)):
        _panel(axis, table, level, members, lines)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(level_name(table.spec.rows[level], table.spec.rows))
        if i % columns == 0:
            axis.set_ylabel(metric_title(table.spec.metric))
    _legend(figure, table, lines)
    return figure


def _panels(table: ComparisonTable) -> Iterator[tuple[str, list[int]]]:
    """Titles and columns of the panels."""
    found: dict[str, list[int]] = {}
    for i, column in enumerate(table.columns):
        found.setdefault(column.labels[0], []).append(i)
    yield from found.items()


def _line_names(table: ComparisonTable, level: int) -> Lines:
    """Every line that a panel may have, numbered: its inner column labels and its other row labels."""
    names = (_line_name(row.labels, column.labels, level) for row in table.rows for column in table.columns)
    return {name: i for i, name in enumerate(dict.fromkeys(names))}


def _line_name(row: tuple[str, ...], column: tuple[str, ...], level: int) -> tuple[str, ...]:
    return (*row[:level], *row[level + 1 :], *column[1:])


def _panel(axis: Axes, table: ComparisonTable, level: int, members: list[int], lines: Lines) -> None:
    values = sorted({row.values[level] for row in table.rows})
    place = _scale(axis, table.spec.rows[level], values)
    blind: dict[tuple, str] = {}
    for index in members:
        series: dict[int, list[tuple[float, Entry]]] = {}
        for row in table.rows:
            number = lines[_line_name(row.labels, table.columns[index].labels, level)]
            series.setdefault(number, []).append((row.values[level], row.entries[index]))
        for number, points in series.items():
            shift = (number - (len(lines) - 1) / 2) * min(0.12, 0.5 / len(lines))
            where = [(place[value] + shift, entry) for value, entry in sorted(points, key=lambda p: p[0])]
            _line(axis, where, COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)])
        points = tuple((row.values[level], row.entries[index].mean) for row in _metadata(table))
        own = COLOURS[number % len(COLOURS)] if len(series) == 1 else GREY
        blind[points] = GREY if points in blind else own
    for points, colour in blind.items():
        _no_image(axis, points, place, colour)
    axis.grid(axis="y", color="0.9", linewidth=0.6)
    axis.set_axisbelow(True)


def _scale(axis: Axes, path: str, values: list[float]) -> dict[float, float]:
    """Ticks at the values alone, evenly apart on a log scale where they span a factor of four or more."""
    log = values[0] > 0 and values[-1] / values[0] >= 4
    raw = [math.log2(v) if log else float(v) for v in values]
    step = min(b - a for a, b in pairwise(raw))
    place = {v: (x - raw[0]) / step for v, x in zip(values, raw)}
    shown = values[:: math.ceil(len(values) / MAX_TICKS)]
    axis.set_xticks([place[v] for v in shown], [value_label(path, v) for v in shown])
    if max(place.values()) > 4:  # labels of close neighbours would run into each other
        axis.tick_params("x", rotation=40)
    axis.set_xlim(-0.5, max(place.values()) + 0.5)
    return place


def _line(axis: Axes, points: list[tuple[float, Entry]], colour: str, marker: str) -> None:
    """A line with whiskers; hollow where seeds are lost, broken and crossed at the foot where all are."""
    means = [math.nan if e.mean is None else e.mean for _, e in points]
    axis.plot([x for x, _ in points], means, color=colour, linewidth=1.2)
    whiskers = [(x, e.low, e.high) for x, e in points if e.low is not None]
    if whiskers:
        axis.vlines(*zip(*whiskers), color=colour, linewidth=0.9, alpha=0.7)
    for whole, inside in ((True, colour), (False, "white")):
        shown = [(x, e.mean) for x, e in points if e.mean is not None and (e.status == "done") == whole]
        dots = {"marker": marker, "markerfacecolor": inside, "markersize": 4.5}
        axis.plot([x for x, _ in shown], [y for _, y in shown], color=colour, linestyle="", **dots)
    lost = [x for x, e in points if e.mean is None and e.cells]
    if lost:
        foot = {"transform": axis.get_xaxis_transform(), "clip_on": False}
        axis.plot(lost, [0.03] * len(lost), color=colour, marker="x", markersize=5, linestyle="", **foot)


def _metadata(table: ComparisonTable) -> list[Row]:
    return [row for row in table.baselines if row.baseline == "metadata"]


def _no_image(axis: Axes, points: tuple, place: dict[float, float], colour: str) -> None:
    """Metadata alone, dashed: along the axis where it depends on it, else level; grey for several lines."""
    style = {"color": colour, "linewidth": 0.9, "linestyle": DASHES}
    along = sorted((place[value], mean) for value, mean in points if value in place and mean is not None)
    axis.plot([x for x, _ in along], [y for _, y in along], **style)
    for value, mean in points:
        if value is None and mean is not None:
            axis.axhline(mean, **style)


def _legend(figure: Figure, table: ComparisonTable, lines: Lines) -> None:
    from matplotlib.lines import Line2D

    entries = [e for row in table.rows for e in row.entries]
    marks = []
    for name, i in lines.items():
        style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
        text = ", ".join(name) or metric_title(table.spec.metric)
        marks.append((Line2D([], [], linewidth=1.2, markersize=4.5, **style), text))
    grey = {"color": GREY, "linestyle": ""}
    if _metadata(table):
        dashed = Line2D([], [], color=GREY, linestyle=DASHES, linewidth=0.9)
        marks.append((dashed, "metadata only, no image"))
    if any(e.share for e in entries):
        hollow = Line2D([], [], **grey, marker="o", markerfacecolor="white", markersize=4.5)
        marks.append((hollow, "some seeds have no result"))
    if any(e.mean is None and e.cells for e in entries):
        marks.append((Line2D([], [], **grey, marker="x", markersize=5), "no result"))
    legend = figure.legend(
        [mark for mark, _ in marks],
        [text for _, text in marks],
        title=SIMULATED if table.spec.simulated else None,
        loc="outside lower center",
        ncols=min(len(marks), 3),
        frameon=False,
        fontsize=8,
    )
    legend.get_title().set(color="#9C2A00", fontsize=8.5, fontweight="bold")
    seeds = f"mean over {len(table.seeds)} seeds" if len(table.seeds) > 1 else "one seed"
    said = f"{table.spec.dataset}, profile {table.spec.profile}: {seeds}"
    if any(e.low is not None for e in entries):
        said += f"; whiskers: {LEVEL} % interval over test patients"
    width = int(figure.get_figwidth() * CHARACTERS)
    figure.suptitle("\n".join([*wrap(table.spec.question, width), *wrap(said, width)]), fontsize=9)
