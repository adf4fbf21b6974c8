"""Predictions and survival of the rows that a table's curves are drawn of: its reference, its best, and no image."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from harness.contrasts import references
from harness.entries import CellRef, Contrast
from harness.figures.from_table import NO_IMAGE
from harness.figures.style import NoFigureError
from harness.figures.survival import Group, Yearly
from harness.figures.words import row_label
from harness.table_model import ComparisonTable
from harness.wording import lower_is_better
from mvmlm.evaluation.bootstrap import PatientBootstrap
from mvmlm.evaluation.risk.calibration import curves_by_risk, risk_groups
from mvmlm.evaluation.risk.survival import FollowUp, kaplan_meier
from mvmlm.evaluation.scoring import BOOTSTRAP_SEED

FilesOf = Callable[[CellRef, str], Path | None]
PREDICTIONS = "predictions.parquet"
GROUPS, FEWEST = 10, 20
"""Groups of risk, and the fewest exams that one should hold; with fewer there are fewer groups."""


@dataclass(frozen=True, eq=False)
class Representative:
    """A row's cell in one column, the first of its seeds that is done, and what holds it against its reference."""

    label: str
    cell: CellRef
    contrast: Contrast | None = None


def representatives(table: ComparisonTable, column: int, *, blind: bool = True) -> list[Representative]:
    """The best row that is not the reference, the reference that it is held against, and metadata alone.

    The reference comes first; those that have no result are left out.

    Raises
    ------
    DataError
        When none has.
    """
    rows = [(label, table.rows[i]) for label, i in _chosen(table, column)]
    if blind:
        rows += [(NO_IMAGE, row) for row in table.baselines if row.baseline == "metadata"][:1]
    found = [
        Representative(label, entry.done[0], entry.contrast)
        for label, entry in ((label, row.entries[column]) for label, row in rows)
        if entry.done
    ]
    if not found:
        raise NoFigureError("curves", "no row has a result")
    return found


def _chosen(table: ComparisonTable, column: int) -> list[tuple[str, int]]:
    """Labels and rows: the best row that is held against a reference, behind it; else the best reference and other."""
    sign = -1 if lower_is_better(table.spec.metric) else 1
    done = [i for i, row in enumerate(table.rows) if row.entries[column].mean is not None]
    done.sort(key=lambda i: -sign * table.rows[i].entries[column].mean)
    names = [row_label(table, row) for row in table.rows]
    held = references(table.rows, table.spec)
    if pair := next(((held[i], i) for i in done if held.get(i) in done), None):
        return [(f"{names[pair[0]]} (reference)", pair[0]), (f"{names[pair[1]]} (best other)", pair[1])]
    marked, others = ([i for i in done if table.rows[i].reference == is_one] for is_one in (True, False))
    found = [(f"{names[i]} (reference)", i) for i in marked[:1]]
    return found + [(f"{names[i]} ({'best other' if found else 'best'})", i) for i in others[:1]]


def read_predictions(cell: CellRef, files: FilesOf) -> pd.DataFrame:
    """A cell's predictions.

    Raises
    ------
    DataError
        When they are not there, or not whole.
    """
    path = files(cell, PREDICTIONS)
    if path is None:
        raise NoFigureError("curves", "predictions are not at hand")
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's errors are among these
        raise NoFigureError(
            "curves", f"predictions of cell {cell.key} cannot be read ({type(error).__name__})"
        ) from error
    lacking = [name for name in ("label", "score", "patient_id") if name not in frame]
    if lacking:
        raise NoFigureError("curves", f"predictions of cell {cell.key} have no column {', '.join(lacking)}")
    return frame


def risk_curves(frame: pd.DataFrame, *, draws: int) -> list[Group]:
    """Kaplan–Meier curves by group of predicted risk, with patient-bootstrap bands of 95 %.

    Parameters
    ----------
    frame : DataFrame
        ``years, label, score, patient_id``: score is the risk at the last year, which ``risk<k>`` columns tell.

    Raises
    ------
    DataError
        When a follow-up or a risk is not finite, or there is no row.
    """
    if not len(frame):
        raise NoFigureError("Kaplan–Meier curves", "there are no predictions")
    years = last_year(frame)
    follow = FollowUp(frame["years"].to_numpy(float), frame["label"].to_numpy())
    risk = frame["score"].to_numpy(float)
    count = max(2, min(GROUPS, len(frame) // FEWEST))
    group = risk_groups(risk, count)
    patients = frame["patient_id"].to_numpy().astype(str)
    bootstrap = PatientBootstrap.draw(patients, follow.events, draws=draws, seed=BOOTSTRAP_SEED)
    clusters = np.searchsorted(bootstrap.patients, patients)
    found = []
    for number, curve in enumerate(curves_by_risk(follow, risk, years=years, groups=count)):
        rows = np.flatnonzero(group == number)
        low, high = survival_band(follow.take(rows), np.array(curve["years"]), bootstrap.counts[clusters[rows]])
        label = "–".join(dict.fromkeys(f"{100 * end:.1f}" for end in curve["risk"])) + " %"
        found.append(Group(label, curve["years"], curve["free"], curve["at_risk"], low, high, curve["followed"]))
    return found


def last_year(frame: pd.DataFrame) -> int:
    """Years that the risks look ahead."""
    told = [int(name[4:]) for name in frame.columns if name.startswith("risk") and name[4:].isdigit()]
    return max(told) if told else max(1, math.floor(frame["years"].max()))


def survival_band(follow: FollowUp, years: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles of Kaplan–Meier over draws at each time; those of draws that hold none of the rows are left out.

    Parameters
    ----------
    weights : array, shape (n, B)
        Times that each draw holds a row.
    """
    steps = kaplan_meier(follow).years
    still, ends = follow.years >= steps[:, None], follow.events & (follow.years == steps[:, None])
    there, deaths = (rows.astype(float) @ weights for rows in (still, ends))
    kept = np.where(there > 0, 1 - deaths / np.maximum(there, 1), 1.0).cumprod(axis=0)
    kept = np.vstack([np.ones(kept.shape[1]), kept])[:, weights.sum(axis=0) > 0]
    if not kept.shape[1]:
        return np.full(len(years), math.nan), np.full(len(years), math.nan)
    low, high = np.percentile(kept, [2.5, 97.5], axis=1)
    at = np.searchsorted(steps, years, "right")
    return low[at], high[at]


def yearly(one: Representative, files: FilesOf, level: str) -> list[Yearly]:
    """A cell's AUC by year, with weights for censoring and without; those that it has."""
    path = files(one.cell, "metrics.json")
    try:
        said = json.loads(path.read_text()) if path else {}
    except (OSError, ValueError):
        said = {}
    found = []
    for kind, name in (("auc_ipcw_year", f"{one.label}, IPCW"), ("auc_year", one.label)):
        years = [year for year in range(1, 31) if f"{kind}{year}@{level}" in said]
        if years:
            parts = [[said.get(f"{kind}{y}@{level}{end}", math.nan) for y in years] for end in ("", "/low", "/high")]
            found.append(Yearly(name, years, *parts))
    return found
