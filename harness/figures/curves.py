"""ROC, precision–recall and calibration curves, one over the other, from predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from harness.figures.operating_curves import GRID, Sample, bands, precision_recall, roc
from harness.figures.page import finish, sheet
from harness.figures.style import GREY, MAX_LINES, NO_NOTES, Mark, NoFigureError, Notes, limited, mark, styled
from mvmlm.errors import DataError
from mvmlm.evaluation.calibration_curve import BINS, equal_mass_edges, reliability_curve
from mvmlm.evaluation.metrics import auc
from mvmlm.evaluation.scoring import BOOTSTRAP_SEED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = ("roc", "precision–recall", "calibration")
HEIGHTS = {1: 3.1, 2: 3.1, 3: 2.15}
"""Of so many square panels side by side [inches]."""
IN_BIN = 40
"""Rows that a bin of a calibration curve should hold; with fewer rows there are fewer bins."""
LEVEL = 95


@dataclass(frozen=True, eq=False)
class Predictions:
    """A cell's test predictions.

    Attributes
    ----------
    frame : DataFrame
        ``label`` (0 or 1), ``score``; ``patient_id`` for bands; ``p1`` where scores are no probabilities.
    """

    label: str
    frame: pd.DataFrame


@styled
def curves_figure(
    predictions: Sequence[Predictions],
    *,
    kinds: Sequence[str] = KINDS,
    unit: str = "units",
    draws: int = 0,
    notes: Notes = NO_NOTES,
) -> Figure:
    """Draw a panel a kind, a line for each of the predictions.

    Parameters
    ----------
    kinds : sequence of str
        Of :data:`KINDS`. Calibration is drawn for those whose scores are probabilities.
    unit : str
        What a row of the predictions is, in the plural.
    draws : int
        Bootstrap draws of patients for bands of 95 %, pointwise; 0 for none.

    Raises
    ------
    DataError
        When some predictions have not both classes or a score that is not finite, or there are none.
    """
    names, left_out = limited([p.label for p in predictions], MAX_LINES, "lines")
    if not names:
        raise NoFigureError("curves", "there are no predictions")
    shown = predictions[: len(names)]
    samples = [_sample(p) for p in shown]
    chances = [probabilities(p.frame) for p in shown]
    kinds = [k for k in kinds if k != "calibration" or any(c is not None for c in chances)]
    figure, axes = sheet(len(kinds), height=HEIGHTS[len(kinds)])
    drawn = [bands(s, draws, BOOTSTRAP_SEED, LEVEL) if draws and s.patients is not None else None for s in samples]
    for axis, kind in zip(axes, kinds):
        if kind == "calibration":
            _square(axis, _calibration(axis, shown, chances, unit))
        else:
            _operating(axis, kind, samples, drawn)
            _square(axis, 1.0)
    said = _said(kinds, chances, draws)
    caption = " ".join(filter(None, (notes.caption, *said, left_out)))
    return finish(figure, Notes(caption, notes.simulated, notes.title), _legend(names, samples, kinds))


def probabilities(frame: pd.DataFrame) -> np.ndarray | None:
    """Of the positive class: ``p1``, or scores that all lie in [0, 1]; None where there are none."""
    said = frame["p1" if "p1" in frame else "score"].to_numpy(float)
    return said if np.isfinite(said).all() and (said >= 0).all() and (said <= 1).all() else None


def _sample(predictions: Predictions) -> Sample:
    frame = predictions.frame
    people = frame["patient_id"].to_numpy() if "patient_id" in frame else None
    try:
        return Sample.of(frame["label"].to_numpy(), frame["score"].to_numpy(float), people)
    except DataError as error:
        raise NoFigureError("curves", f"{predictions.label}: {error}") from error


def _operating(
    axis: Axes, kind: str, samples: Sequence[Sample], drawn: Sequence[tuple[np.ndarray, np.ndarray] | None]
) -> None:
    curve, which = (roc, 0) if kind == "roc" else (precision_recall, 1)
    for i, (sample, both) in enumerate(zip(samples, drawn)):
        look = mark(i)
        if both is not None:
            axis.fill_between(GRID, *both[which], color=look.colour, alpha=0.14, linewidth=0)
        x, y = curve(sample)
        how = {} if kind == "roc" else {"drawstyle": "steps-pre"}
        axis.plot(x, y, color=look.colour, linestyle=look.stroke, **how)
    chance = {"color": GREY, "linewidth": 0.7, "linestyle": (0, (1, 2)), "zorder": 1}
    if kind == "roc":
        axis.plot([0, 1], [0, 1], **chance)
        axis.set_xlabel("1 − specificity")
        axis.set_ylabel("sensitivity")
    else:
        axis.axhline(float(samples[0].labels.mean()), **chance)
        axis.set_xlabel("recall (sensitivity)")
        axis.set_ylabel("precision")


def _calibration(axis: Axes, shown: Sequence[Predictions], chances: Sequence[np.ndarray | None], unit: str) -> float:
    """Observed share against mean probability, bin by bin; returns the highest number drawn."""
    axis.plot([0, 1], [0, 1], color=GREY, linewidth=0.7, linestyle=(0, (1, 2)), zorder=1)
    top = 0.0
    for i, (predictions, chance) in enumerate(zip(shown, chances)):
        if chance is None:
            continue
        look: Mark = mark(i)
        edges = equal_mass_edges(chance, min(BINS, max(3, len(chance) // IN_BIN)))
        bins = reliability_curve(predictions.frame["label"].to_numpy(), chance, edges, LEVEL / 100)
        x, y = [b["mean"] for b in bins], [b["observed"] for b in bins]
        axis.vlines(x, [b["low"] for b in bins], [b["high"] for b in bins], color=look.colour, linewidth=0.7, alpha=0.6)
        axis.plot(x, y, color=look.colour, linestyle=look.stroke, marker=look.marker, markersize=3.2)
        top = max(top, *x, *(b["high"] for b in bins))
    axis.set_xlabel("predicted probability")
    axis.set_ylabel(f"observed share of {unit}")
    return top


def _square(axis: Axes, top: float) -> None:
    """Both axes from 0 to the same end."""
    from matplotlib.ticker import MaxNLocator

    axis.set_xlim(-0.02 * top, 1.02 * top)
    axis.set_ylim(-0.02 * top, 1.02 * top)
    axis.set_aspect("equal")
    for each in (axis.xaxis, axis.yaxis):
        each.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.grid(color="0.92", linewidth=0.5)


def _said(kinds: Sequence[str], chances: Sequence[np.ndarray | None], draws: int) -> list[str]:
    said = []
    if draws and any(k != "calibration" for k in kinds):
        said.append(f"Bands: {LEVEL} %, pointwise, {draws:,} bootstrap draws of patients.")
    if "calibration" in kinds:
        said.append(f"Calibration: bins of equal size, {LEVEL} % Wilson intervals.")
    if "precision–recall" in kinds:
        said.append("Dotted: chance." if "calibration" not in kinds else "Dotted: chance, or perfect calibration.")
    if any(c is None for c in chances):
        said.append("Calibration is not drawn where scores are no probabilities.")
    return said


def _legend(names: Sequence[str], samples: Sequence[Sample], kinds: Sequence[str]) -> list[tuple[Any, str]]:
    from matplotlib.lines import Line2D

    found = []
    for i, (name, sample) in enumerate(zip(names, samples)):
        look = mark(i)
        style = {"color": look.colour, "linestyle": look.stroke}
        if "calibration" in kinds:
            style |= {"marker": look.marker, "markersize": 3.2}
        said = f"AUC {auc(sample.labels, sample.scores):.3f}"
        found.append((Line2D([], [], **style), f"{name}: {said}" if name else said))
    return found
