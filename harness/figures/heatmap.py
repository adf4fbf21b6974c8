"""One axis against another, the numbers in the cells: for a table whose rows have two levels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.figures.page import finish, inches_of, sheet, short, titled
from harness.figures.style import (
    COLOURS,
    COLUMN,
    MAX_PANELS,
    NO_NOTES,
    PAGE,
    SMALL,
    TINY,
    NoFigureError,
    Notes,
    limited,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL = 0.30
"""Height of a cell [inches]."""
NARROWEST, WITH_INTERVAL = 0.36, 0.56
"""Width of a cell that holds a number, and of one that holds its interval too [inches]."""
MAX_ROWS = 24
LABEL = 28
"""Of a row or a column, in characters."""
SLANT = 35
"""Of column labels that are wider than their cells [degrees]."""
SLANT_SINE = math.sin(math.radians(SLANT))


@dataclass(frozen=True)
class Map:
    """A map.

    Attributes
    ----------
    values, low, high : array, shape (R, C)
        NaN where there is none.
    signs : sequence of sequence of str
        What stands where there is no value, R × C; empty: nothing.
    references : sequence of (row, column)
        Outlined.
    """

    title: str
    values: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    signs: Sequence[Sequence[str]] = ()
    references: Sequence[tuple[int, int]] = ()


@styled
def heatmap_figure(
    maps: Sequence[Map],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    row_label: str,
    column_label: str,
    value_label: str,
    higher_is_better: bool = True,
    notes: Notes = NO_NOTES,
) -> Figure:
    """Draw maps over the same two axes on one scale of shades; the better, the darker.

    Parameters
    ----------
    rows, columns : sequence of str
        Labels along the two axes.
    value_label : str
        What the numbers are.

    Raises
    ------
    DataError
        When no cell has a value, or there are more cells than can be read.
    """
    titles, left_out = limited([m.title for m in maps], MAX_PANELS, "panels")
    maps = maps[: len(titles)]
    finite = np.concatenate([np.ravel(m.values)[np.isfinite(np.ravel(m.values))] for m in maps])
    if not len(finite):
        raise NoFigureError("heat map", "no cell has a value")
    figure, axes, across, wide = _sheet(len(maps), rows, columns)
    ends = float(finite.min()), float(finite.max())
    for i, (axis, each) in enumerate(zip(axes, maps)):
        _map(axis, each, ends, higher_is_better=higher_is_better, intervals=wide >= WITH_INTERVAL)
        titled(axis, each.title, across)
        _labels(axis, [short(c, LABEL) for c in columns], wide)
        axis.set_xlabel(column_label)
        if i % across:
            axis.set_yticks([])
        else:
            axis.set_yticks(np.arange(len(rows)) + 0.5, [short(r, LABEL) for r in rows])
            axis.set_ylabel(row_label)
    said = f"{value_label}; the {'higher' if higher_is_better else 'lower'}, the darker."
    said += " Outlined: reference." if any(m.references for m in maps) else ""
    caption = " ".join(filter(None, (said, notes.caption, left_out)))
    return finish(figure, Notes(caption, notes.simulated, notes.title))


def _sheet(count: int, rows: Sequence[str], columns: Sequence[str]) -> tuple[Figure, list[Axes], int, float]:
    """A sheet with as many maps side by side as leave room for intervals, or else for numbers."""
    if len(rows) > MAX_ROWS:
        raise NoFigureError("heat map", f"{len(rows)} rows cannot be read; {MAX_ROWS} can")
    probe, _ = sheet(1)
    stub = max(inches_of(probe, short(r, LABEL), SMALL) for r in rows) + 0.45

    def cell(across: int, width: float = PAGE) -> float:
        return (width - stub - 0.1 * across) / (across * len(columns))

    most = min(count, 3)
    fits = next((n for n in range(most, 0, -1) if cell(n) >= WITH_INTERVAL), 0)
    fits = fits or next((n for n in range(most, 0, -1) if cell(n) >= NARROWEST), 0)
    if not fits:
        raise NoFigureError("heat map", f"{len(columns)} columns cannot be read on a page")
    one = count == 1 and cell(1, COLUMN) >= WITH_INTERVAL
    width = COLUMN if one else min(PAGE, stub + fits * (len(columns) * 0.95 + 0.1))
    longest = max(inches_of(probe, short(c, LABEL), SMALL) for c in columns)
    down = SLANT_SINE * longest if longest > cell(fits, width) - 0.04 else 0.0
    figure, axes = sheet(count, height=0.75 + CELL * len(rows) + down, columns=fits, width=width)
    across = axes[0].get_gridspec().ncols
    return figure, axes, across, cell(across, width)


def _map(axis: Axes, each: Map, ends: tuple[float, float], *, higher_is_better: bool, intervals: bool) -> None:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Rectangle

    shades = LinearSegmentedColormap.from_list("shades", ["#F4F8FB", COLOURS[0], "#00304D"])
    values = np.asarray(each.values, float)
    low, high = ends
    for (r, c), value in np.ndenumerate(values):
        known = math.isfinite(value)
        share = 0.5 if high == low else (value - low) / (high - low)
        share = 0.9 * (share if higher_is_better else 1 - share) if known else 0.0
        look = {"facecolor": shades(share)} if known else {"facecolor": "white", "hatch": "////"}
        edge = {"edgecolor": "white" if known else "0.75", "linewidth": 0.8}
        axis.add_patch(Rectangle((c, r), 1, 1, **look, **edge))
        ink = "white" if known and _luminance(shades(share)) < 0.18 else "black"
        if known:
            _number(axis, (r, c), each, ink, intervals=intervals)
        elif len(each.signs) and each.signs[r][c]:
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
            axis.text(c + 0.5, r + 0.5, each.signs[r][c], ha="center", va="center", fontsize=TINY, bbox=box)
    for r, c in each.references:
        axis.add_patch(Rectangle((c, r), 1, 1, fill=False, edgecolor="black", linewidth=1.6, zorder=4, clip_on=False))
    axis.set_xlim(0, values.shape[1])
    axis.set_ylim(values.shape[0], 0)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)


def _luminance(colour: Sequence[float]) -> float:
    """Relative luminance as web pages reckon it: black on it and white on it stand out equally at 0.18."""
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def _number(axis: Axes, place: tuple[int, int], each: Map, ink: str, *, intervals: bool) -> None:
    r, c = place
    value = float(each.values[r][c])
    said = {"ha": "center", "va": "center", "color": ink}
    ends = [float(e[r][c]) for e in (each.low, each.high) if e is not None]
    if intervals and len(ends) == 2 and all(map(math.isfinite, ends)):
        axis.text(c + 0.5, r + 0.36, f"{value:.3f}", fontsize=SMALL, **said)
        axis.text(c + 0.5, r + 0.74, f"{ends[0]:.2f}–{ends[1]:.2f}", fontsize=TINY, **said)
    else:
        axis.text(c + 0.5, r + 0.5, f"{value:.3f}" if intervals else f"{value:.2f}", fontsize=SMALL, **said)


def _labels(axis: Axes, columns: Sequence[str], wide: float) -> None:
    """Column labels, aslant where one is wider than its cell."""
    figure = axis.get_figure()
    slant = any(inches_of(figure, label, SMALL) > wide - 0.04 for label in columns)
    how = {"rotation": SLANT, "ha": "right", "rotation_mode": "anchor"} if slant else {}
    axis.set_xticks(np.arange(len(columns)) + 0.5, columns, **how)
