"""Differences to a reference, one below the other, with their intervals and what is left of them after correction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from harness.figures.page import finish, inches_of, sheet, short
from harness.figures.style import COLOURS, GREY, NO_NOTES, PAGE, SMALL, NoFigureError, Notes, styled
from harness.wording import p_words, plural, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.165
"""Height of a row [inches]."""
MAX_ROWS = 40
ALPHA = 0.05


@dataclass(frozen=True)
class Effect:
    """A row less its reference.

    Attributes
    ----------
    group : str
        What it stands below: a task.
    delta, low, high : float
        Difference and its interval; NaN where there is none. Without a difference, a row is counted and not drawn.
    p : float or None
        Adjusted for the family.
    """

    label: str
    delta: float
    low: float
    high: float
    p: float | None = None
    group: str = ""


@styled
def forest_figure(
    effects: Sequence[Effect],
    *,
    x_label: str,
    reference: str = "reference",
    level: float = 95,
    higher_is_better: bool = True,
    notes: Notes = NO_NOTES,
) -> Figure:
    """Draw differences with their intervals; filled where they are real, hollow where they may be none.

    Parameters
    ----------
    x_label : str
        What differs: ``AUC per breast``.
    reference : str
        What is subtracted.
    level : float
        Coverage of the intervals [%].

    Raises
    ------
    DataError
        When there is no difference to draw.
    """
    known = [e for e in effects if e.delta is not None and math.isfinite(e.delta)]
    if not known:
        raise NoFigureError("forest plot", "no row has a difference to the reference")
    shown = known[:MAX_ROWS]
    lines = _lines(shown)
    figure, (axis,) = sheet(1, height=0.72 + ROW * len(lines), width=PAGE)
    ends = [v for e in shown for v in (e.delta, e.low, e.high) if math.isfinite(v)]
    pad = 0.06 * (max(*ends, 0.0) - min(*ends, 0.0)) or 0.01
    axis.set_xlim(min(*ends, 0.0) - pad, max(*ends, 0.0) + pad)
    axis.set_ylim(len(lines) - 0.4, -0.6)
    axis.axvline(0, color="black", linewidth=0.7)
    for place, line in enumerate(lines):
        if isinstance(line, Effect):
            _row(axis, place, line)
    _words(axis, lines, level)
    better = "better →" if higher_is_better else "← better"
    axis.set_xlabel(f"{x_label}: row − {short(reference, 40)}   ({better})")
    axis.grid(axis="x", color="0.9", linewidth=0.6)
    axis.spines["left"].set_visible(False)
    lacking = len(effects) - len(known)
    without = f"Left out: {plural(lacking, 'comparison')} that could not be made." if lacking else ""
    left_out = f"The first {MAX_ROWS} of {len(known)} differences." if len(known) > MAX_ROWS else ""
    caption = " ".join(filter(None, (notes.caption, _filled(shown), without, left_out)))
    return finish(figure, Notes(caption, notes.simulated, notes.title))


def _apart(effect: Effect) -> bool:
    """Whether a difference is real: by its adjusted p, or by its interval where there is none."""
    return effect.p < ALPHA if _has_p(effect) else effect.low > 0 or effect.high < 0


def _has_p(effect: Effect) -> bool:
    return effect.p is not None and math.isfinite(effect.p)


def _filled(effects: Sequence[Effect]) -> str:
    """What a filled mark says, where there is one."""
    if not any(map(_apart, effects)):
        return ""
    by_p = f"adjusted p < {ALPHA}" if any(map(_has_p, effects)) else ""
    by_interval = "the interval, which is not adjusted, leaves out zero" if not all(map(_has_p, effects)) else ""
    return f"Filled: {'; without p: '.join(filter(None, (by_p, by_interval)))}."


def _lines(effects: Sequence[Effect]) -> list[Effect | str]:
    """Rows of the plot, a line with its name above each group that has one."""
    lines: list[Effect | str] = []
    for group, members in groupby(effects, key=lambda e: e.group):
        lines += [*filter(None, [group]), *members]
    return lines


def _row(axis: Axes, place: int, effect: Effect) -> None:
    colour = COLOURS[0]
    if math.isfinite(effect.low) and math.isfinite(effect.high):
        axis.hlines(place, effect.low, effect.high, color=colour, linewidth=1.1)
        for end in (effect.low, effect.high):
            axis.plot(end, place, marker="|", color=colour, markersize=4, linestyle="")
    inside = colour if _apart(effect) else "white"
    axis.plot(effect.delta, place, marker="s", color=colour, markerfacecolor=inside, linestyle="", zorder=3)


def _words(axis: Axes, lines: Sequence[Effect | str], level: float) -> None:
    """Labels at the left; difference, interval and p at the right."""
    labels = [short(line.label, 44) if isinstance(line, Effect) else short(line, 44) for line in lines]
    axis.set_yticks(range(len(lines)), labels)
    axis.tick_params("y", length=0, labelsize=SMALL)
    for text, line in zip(axis.get_yticklabels(), lines):
        if not isinstance(line, Effect):
            text.set_fontweight("bold")
    with_p = any(isinstance(line, Effect) and line.p is not None for line in lines)
    effects = {place: line for place, line in enumerate(lines) if isinstance(line, Effect)}
    right = _column(axis, f"Δ [{level:g} % interval]", {i: _numbers(e) for i, e in effects.items()}, 0.08)
    if with_p:
        _column(axis, "adjusted p", {i: _p(e) for i, e in effects.items()}, right + 0.14)


def _column(axis: Axes, head: str, texts: Mapping[int, str], left: float) -> float:
    """Texts so many inches right of the axes, by their rows; returns where they end."""
    from matplotlib.transforms import ScaledTranslation

    figure = axis.get_figure()
    where = axis.get_yaxis_transform() + ScaledTranslation(left, 0, figure.dpi_scale_trans)
    beside = {"transform": where, "va": "center", "fontsize": SMALL}
    for place, text in {-1.05: head, **texts}.items():
        axis.text(1, place, text, **beside, color=GREY if text == head else "black")
    return left + max(inches_of(figure, text, SMALL) for text in (head, *texts.values()))


def _numbers(effect: Effect) -> str:
    if not (math.isfinite(effect.low) and math.isfinite(effect.high)):
        return signed(effect.delta)
    return f"{signed(effect.delta)} [{signed(effect.low)}, {signed(effect.high)}]"


def _p(effect: Effect) -> str:
    return p_words(effect.p) if _has_p(effect) else "–"
