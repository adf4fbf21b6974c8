"""A figure from an empty sheet to its files: panels, legend, what stands at the foot, PDF and PNG."""

from __future__ import annotations

import io
import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.caption import SIMULATED
from harness.figures.style import COLUMN, GREY, PAGE, SMALL, SMALLER, WARNING, Notes, styled
from harness.render import publish

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PNG_DPI = 200
MARGIN = 0.06
"""Left and right of what stands at the foot [inches]."""
LEADING = 1.3
KEY = 0.48
"""Width of a legend's entry beside its text [inches]."""
LONGEST_LABEL = 60
"""Of a legend's entry, in characters."""


def sheet(
    count: int, *, height: float = 2.1, columns: int = 3, width: float | None = None, **how: Any
) -> tuple[Figure, list[Axes]]:
    """An empty figure with so many panels: one column of a paper wide for one panel, else two.

    Parameters
    ----------
    height : float
        Of each row of panels [inches]; legend and foot come on top of it.
    how
        For matplotlib's ``Figure.subplots``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across = min(count, columns)
    if count == 4 and columns == 3:
        across = 2
    down = math.ceil(count / across)
    size = (width or (COLUMN if count == 1 else PAGE), height * down)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(down, across, squeeze=False, **how).flat)
    for axis in axes[count:]:
        axis.remove()
    return figure, axes[:count]


def finish(figure: Figure, notes: Notes, marks: Sequence[tuple[Artist, str]] = ()) -> Figure:
    """Put legend and foot below the panels, make the figure higher by as much, and fix where everything stands.

    Parameters
    ----------
    marks : sequence of (artist, text)
        The legend.
    """
    width, panels = figure.get_size_inches()
    lines = _foot(figure, notes)
    foot = sum(size * LEADING / 72 for _, size, _ in lines) + (0.05 if lines else 0.0)
    legend, key = _legend(figure, marks)
    height = panels + foot + key
    figure.set_size_inches(width, height)
    _write_foot(figure, lines, foot)
    if legend is not None:
        legend.set_bbox_to_anchor((0.5, foot / height), transform=figure.transFigure)
    below = (foot + key) / height
    figure.set_layout_engine("constrained", rect=(0, below, 1, 1 - below), w_pad=0.05, h_pad=0.05, wspace=0.02)
    _without_ligatures(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    figure.set_label(notes.title)
    return figure


@styled
def write(figure: Figure, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.pdf`` and ``<stem>.png``; the same figure gives the same bytes.

    Raises
    ------
    RenderError
        When the folder cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    title = {"Title": figure.get_label()} if figure.get_label() else {}
    pdf, png, dpi = io.BytesIO(), io.BytesIO(), figure.dpi
    undated = {"CreationDate": None, "Creator": None, "Producer": None}
    try:  # not by savefig, which draws everything once more to see where it stands: that is fixed already
        FigureCanvasPdf(figure).print_pdf(pdf, metadata={**title, **undated})
        figure.dpi = PNG_DPI
        FigureCanvasAgg(figure).print_png(png, metadata={**title, "Software": None})
    finally:
        figure.dpi = dpi
        FigureCanvasAgg(figure)
    files = {"pdf": pdf, "png": png}
    return [publish(Path(folder) / f"{stem}.{name}", content.getvalue()) for name, content in files.items()]


def inches_of(figure: Figure, text: str, size: float) -> float:
    """Width of a line of text."""
    from matplotlib.font_manager import FontProperties

    renderer = figure.canvas.get_renderer()
    width, _, _ = renderer.get_text_width_height_descent(text, FontProperties(size=size), ismath=False)
    return width / figure.dpi


def wrapped(figure: Figure, text: str, size: float, width: float) -> list[str]:
    """Lines of a text that are no wider than so many inches; a word that is wider by itself is broken."""
    lines: list[str] = []
    for word in text.split():
        joined = f"{lines[-1]} {word}" if lines else word
        if lines and inches_of(figure, joined, size) <= width:
            lines[-1] = joined
            continue
        rest = word
        while inches_of(figure, rest, size) > width and len(rest) > 1:
            lengths = range(1, len(rest))
            fits = max(1, bisect_right(lengths, width, key=lambda n: inches_of(figure, rest[:n], size)))
            lines.append(rest[:fits])
            rest = rest[fits:]
        lines.append(rest)
    return lines


def short(text: str, most: int = LONGEST_LABEL) -> str:
    """A label of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def x_labelled(axis: Axes, label: str, across: int) -> None:
    """The name of a panel's horizontal axis, in as many lines as its width asks for."""
    figure = axis.get_figure()
    axis.set_xlabel("\n".join(wrapped(figure, label, 8, figure.get_figwidth() / across - 0.3)))


def titled(axis: Axes, title: str, across: int) -> None:
    """A panel's title, in as many lines as the panel's width asks for."""
    figure = axis.get_figure()
    width = figure.get_figwidth() / across - 0.55
    axis.set_title("\n".join(wrapped(figure, title, 8, width)))


def _without_ligatures(figure: Figure) -> None:
    """Where this matplotlib knows ligatures: a PDF holds a font once more for them, and words are not found in it."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if hasattr(text, "set_fontfeatures"):
            text.set_fontfeatures(["-liga"])


def _foot(figure: Figure, notes: Notes) -> list[tuple[str, float, str]]:
    """Lines, their sizes and their colours, from the top down."""
    width = figure.get_figwidth() - 2 * MARGIN
    stamp = wrapped(figure, SIMULATED, SMALL, width) if notes.simulated else []
    caption = wrapped(figure, notes.caption, SMALLER, width)
    return [*((line, SMALL, WARNING) for line in stamp), *((line, SMALLER, GREY) for line in caption)]


def _write_foot(figure: Figure, lines: Sequence[tuple[str, float, str]], foot: float) -> None:
    width, height = figure.get_size_inches()
    top = foot - 0.02
    for line, size, colour in lines:
        said = {"fontsize": size, "ha": "left", "va": "top", "color": colour}
        figure.text(MARGIN / width, top / height, line, **said).set_in_layout(False)
        top -= size * LEADING / 72


def _columns_width(wide: Sequence[float], columns: int) -> float:
    """Of a legend whose entries are that wide, filled column by column as matplotlib fills them [inches]."""
    rows, longer = divmod(len(wide), columns)
    ends = [i * rows + min(i, longer) for i in range(columns + 1)]
    return sum(max(wide[start:end], default=0.0) for start, end in pairwise(ends))


def _legend(figure: Figure, marks: Sequence[tuple[Artist, str]]) -> tuple[Any, float]:
    """The legend with as many columns as fit, and its height [inches]."""
    if not marks:
        return None, 0.0
    handles, labels = [artist for artist, _ in marks], [short(text) for _, text in marks]
    room = figure.get_figwidth() - 2 * MARGIN
    wide = [inches_of(figure, label, SMALL) + KEY for label in labels]
    if max(wide) > room:
        labels = ["\n".join(wrapped(figure, label, SMALL, room - KEY)) for label in labels]
    columns = max((n for n in range(1, 5) if _columns_width(wide, n) <= room), default=1)
    legend = figure.legend(
        handles,
        labels,
        loc="lower center",
        ncols=columns,
        frameon=False,
        fontsize=SMALL,
        handlelength=2.6,
        columnspacing=1.0,
        labelspacing=0.35,
        borderpad=0.2,
        borderaxespad=0.0,
    )
    legend.set_in_layout(False)
    return legend, legend.get_window_extent(figure.canvas.get_renderer()).height / figure.dpi + 0.07
