"""What a figure shows, as tests ask for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def texts(figure: Figure) -> str:
    """Every text that is drawn, a line each."""
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text())


def foot(figure: Figure) -> str:
    """What stands below the panels, as one line."""
    return " ".join(text.get_text() for text in figure.texts)


def legend(figure: Figure) -> list[str]:
    """Entries of the legend."""
    return [text.get_text() for of in figure.legends for text in of.get_texts()]


def lines(axis: Axes) -> list[np.ndarray]:
    """Points of every line that joins two or more, in the order drawn, shape (n, 2)."""
    joined = [
        line for line in axis.get_lines() if line.get_linestyle() not in ("None", "") and len(line.get_xdata()) > 1
    ]
    return [
        np.column_stack([np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)]) for line in joined
    ]


def looks(figure: Figure) -> list[tuple]:
    """Stroke and marker of the legend's entries, what is left of them in grey."""
    handles = [handle for of in figure.legends for handle in of.legend_handles]
    return [(str(h._unscaled_dash_pattern), str(h.get_marker()), h.get_markerfacecolor() == "white") for h in handles]


def is_whole(path: Path) -> bool:
    """Whether a picture has a white edge all round, so that nothing is cut off."""
    pixels = cv2.imread(str(path))
    return all((edge == 255).all() for edge in (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]))


def inside(figure: Figure) -> bool:
    """Whether every text lies within the figure; ticks beyond the limits, which are not drawn, aside."""
    figure.draw_without_rendering()  # ticks go to their places
    renderer = figure.canvas.get_renderer()
    width, height = figure.bbox.width, figure.bbox.height
    shown = [*figure.texts, *(text for of in figure.legends for text in of.get_texts())]
    for axis in figure.axes:
        shown += [*axis.texts, axis.title, axis.xaxis.label, axis.yaxis.label]
        for each in (axis.xaxis, axis.yaxis):
            low, high = sorted(each.get_view_interval())
            shown += [tick.label1 for tick in each.get_major_ticks() if low <= tick.get_loc() <= high]
    boxes = [text.get_window_extent(renderer) for text in shown if text.get_text().strip()]
    return all(b.x0 >= -1 and b.y0 >= -1 and b.x1 <= width + 1 and b.y1 <= height + 1 for b in boxes)


def apart(figure: Figure) -> bool:
    """Whether no legend, axis label or line of the foot lies over another."""
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    parts = [*figure.texts, *figure.legends]
    parts += [label for axis in figure.axes for label in (axis.xaxis.label, axis.yaxis.label) if label.get_text()]
    boxes = [part.get_window_extent(renderer) for part in parts]
    shrunk = [box.padded(-1.5) for box in boxes]
    return not any(a.overlaps(b) for i, a in enumerate(shrunk) for b in shrunk[:i])
