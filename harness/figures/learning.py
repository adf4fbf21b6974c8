"""Learning curves: training and validation loss against the epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.figures.axis import room
from harness.figures.page import finish, sheet
from harness.figures.style import MAX_LINES, NO_NOTES, PAGE, NoFigureError, Notes, limited, mark, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOSSES = {"loss": "training loss", "val_loss": "validation loss"}
"""Name in a history to the panel's."""
FEW = 12
"""Epochs of a curve that are all marked; of a longer one, about so many are."""


@dataclass(frozen=True)
class Training:
    """One arm's trainings.

    Attributes
    ----------
    runs : sequence of sequence of mapping
        A history a seed: its epochs, each with ``epoch``, ``loss`` and, where there was validation, ``val_loss``.
    """

    label: str
    runs: Sequence[Sequence[Mapping[str, Any]]]


@styled
def learning_figure(trainings: Sequence[Training], *, notes: Notes = NO_NOTES) -> Figure:
    """Draw losses against the epoch: a line an arm, the mean over its seeds, with their range as a band.

    Raises
    ------
    DataError
        When no history has a loss.
    """
    names, left_out = limited([training.label for training in trainings], MAX_LINES, "lines")
    trainings = trainings[: len(names)]
    curves = {name: [_curve(t.runs, name) for t in trainings] for name in LOSSES}
    shown = [name for name, of in curves.items() if any(len(epochs) for epochs, _ in of)]
    if not shown:
        raise NoFigureError("learning curves", "no history has a finite loss")
    figure, axes = sheet(len(shown), **({"width": PAGE} if len(shown) > 1 else {}))
    for axis, name in zip(axes, shown):
        for i, (epochs, losses) in enumerate(curves[name]):
            if len(epochs):
                _line(axis, epochs, losses, i)
        _dress(axis, LOSSES[name], [c for c in curves[name] if len(c[0])])
    band = "Bands: from the lowest to the highest seed." if any(len(t.runs) > 1 for t in trainings) else ""
    caption = " ".join(filter(None, (notes.caption, band, left_out)))
    return finish(figure, Notes(caption, notes.simulated, notes.title), _legend(names))


def _curve(runs: Sequence[Sequence[Mapping[str, Any]]], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Epochs, shape (E,), and losses, shape (runs, E), as far as every run that has any goes.

    A mean of those that go on would rise or fall where a run ends.
    """
    said = [{int(r["epoch"]): r.get(name) for r in run} for run in runs]
    epochs = sorted({epoch for run in said for epoch in run})
    losses = np.array([[run.get(e) for e in epochs] for run in said], dtype=float).reshape(len(said), len(epochs))
    losses = np.where(np.isfinite(losses), losses, np.nan)
    losses = losses[np.isfinite(losses).any(axis=1)]
    kept = np.isfinite(losses).all(axis=0) & bool(len(losses))
    return np.array(epochs, int)[kept], losses[:, kept]


def _line(axis: Axes, epochs: np.ndarray, losses: np.ndarray, number: int) -> None:
    look = mark(number)
    every = max(1, len(epochs) // FEW)
    style = {"color": look.colour, "linestyle": look.stroke, "marker": look.marker, "markevery": every}
    axis.plot(epochs, np.nanmean(losses, axis=0), markersize=3.4, **style)
    if len(losses) > 1:
        ends = np.nanmin(losses, axis=0), np.nanmax(losses, axis=0)
        axis.fill_between(epochs, *ends, color=look.colour, alpha=0.16, linewidth=0)


def _dress(axis: Axes, name: str, curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    from matplotlib.ticker import MaxNLocator

    last = max(int(epochs[-1]) for epochs, _ in curves)
    axis.set_xlim(0.5, last + 0.5)
    axis.set_ylim(room([v for _, losses in curves for v in losses.ravel().tolist()]))
    axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axis.locator_params(axis="y", nbins=5)
    axis.set_xlabel("epoch")
    axis.set_ylabel(name)
    axis.grid(axis="y", color="0.9", linewidth=0.6)


def _legend(names: Sequence[str]) -> list[tuple[Any, str]]:
    from matplotlib.lines import Line2D

    if len(names) < 2 and not any(names):
        return []
    looks = [mark(i) for i in range(len(names))]
    lines = [Line2D([], [], color=k.colour, linestyle=k.stroke, marker=k.marker, markersize=3.4) for k in looks]
    return list(zip(lines, names))
