"""Which metrics a kind of task has, each with its value and its bootstrap draws."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mvmlm.errors import DataError
from mvmlm.evaluation import calibration_curve, multiclass, operating, probability, ranking
from mvmlm.evaluation.metrics import auc, weighted_auc

#: Metrics of each kind, the primary one first.
METRICS: dict[str, tuple[str, ...]] = {
    "binary": (
        "auc", "ap", "sens_at_spec90", "spec_at_sens90", "balanced_accuracy", "brier", "ece", "pf1",
    ),
    "multiclass": ("macro_auc", "kappa", "accuracy", "balanced_accuracy"),
}  # fmt: skip

#: Plain and weighted form of each metric that needs no threshold. Those of classes take the class probabilities.
_FORMS: dict[str, tuple[Callable, Callable]] = {
    "auc": (auc, weighted_auc),
    "ap": (ranking.average_precision, ranking.weighted_average_precision),
    "brier": (probability.brier, probability.weighted_brier),
    "pf1": (probability.pf1, probability.weighted_pf1),
    "ece": (calibration_curve.ece, calibration_curve.weighted_ece),
    "macro_auc": (multiclass.macro_auc, multiclass.weighted_macro_auc),
    "kappa": (multiclass.kappa, multiclass.weighted_kappa),
    "accuracy": (multiclass.accuracy, multiclass.weighted_accuracy),
    "balanced_accuracy": (multiclass.balanced_accuracy, multiclass.weighted_balanced_accuracy),
}


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows to judge and the draws of their patients.

    Attributes
    ----------
    labels : ndarray, shape (n,)
        0/1, or class indices.
    scores : ndarray, shape (n,), float64
    probabilities : ndarray or None
        Of the positive class, shape (n,), or of the classes, shape (n, K); None where scores are a mere order.
    clusters : ndarray, shape (n,), int
    counts : ndarray, shape (n_clusters, B)
        As `draw_sums.draw_sums`.
    """

    labels: np.ndarray
    scores: np.ndarray
    probabilities: np.ndarray | None
    clusters: np.ndarray
    counts: np.ndarray

    def within(self, rows: np.ndarray) -> Sample:
        """Some of the rows, and the draws of their patients alone."""
        used, clusters = np.unique(self.clusters[rows], return_inverse=True)
        kept = None if self.probabilities is None else self.probabilities[rows]
        return Sample(self.labels[rows], self.scores[rows], kept, clusters, self.counts[used])

    def measured(self, metric: str) -> tuple[float, np.ndarray]:
        """Value and draws of a metric of `_FORMS`."""
        plain, weighted = _FORMS[metric]
        given = self.scores if metric in ("auc", "ap") else self.probabilities
        return plain(self.labels, given), weighted(self.labels, given, self.clusters, self.counts)


@dataclass(frozen=True, eq=False)
class Panel:
    """Metrics of one sample.

    Attributes
    ----------
    values : dict
        Metric to value and draws (B,).
    details : dict
        ``operating`` (metric to threshold and rates) and ``calibration``, of a binary sample. Plain JSON.
    left_out : dict
        Metric to why it is not among the values.
    """

    values: dict[str, tuple[float, np.ndarray]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def multiclass_panel(sample: Sample) -> Panel:
    """All metrics of ordered classes."""
    return Panel({metric: sample.measured(metric) for metric in METRICS["multiclass"]})


def binary_panel(
    sample: Sample, reference: tuple[np.ndarray, np.ndarray] | None, why_none: str, interval: float
) -> Panel:
    """All metrics of a binary sample.

    Parameters
    ----------
    reference : (labels, scores), each of shape (m,), or None
        What thresholds are chosen on: never the sample itself.
    why_none : str
        What to say where there is none.
    interval : float
        Coverage of the reliability curve's intervals.
    """
    found = Panel()
    for metric in ("auc", "ap"):
        found.values[metric] = sample.measured(metric)
    _add_operating_points(found, sample, reference, why_none)
    if sample.probabilities is None:
        why = "scores are an order and no probabilities"
        found.left_out.update(dict.fromkeys(("brier", "ece", "pf1"), why))
        return found
    for metric in ("brier", "ece", "pf1"):
        found.values[metric] = sample.measured(metric)
    edges = calibration_curve.equal_mass_edges(sample.probabilities)
    found.details["calibration"] = {
        "bins": calibration_curve.BINS,
        "chance_error": calibration_curve.chance_error(sample.probabilities, edges),
        "curve": calibration_curve.reliability_curve(sample.labels, sample.probabilities, edges, interval),
    }
    return found


def _add_operating_points(found: Panel, sample: Sample, reference, why_none: str) -> None:
    choosers = {
        "sens_at_spec90": operating.at_specificity,
        "spec_at_sens90": operating.at_sensitivity,
        "balanced_accuracy": operating.at_best_balance,
    }
    told = found.details["operating"] = {}
    for metric, choose in choosers.items():
        if reference is None:
            found.left_out[metric] = why_none
            continue
        try:
            point = choose(*reference)
        except DataError as error:
            found.left_out[metric] = f"no threshold from the reference scores: {error}"
            continue
        sensitivity, specificity = operating.rates(sample.labels, sample.scores, point.threshold)
        drawn = operating.weighted_rates(sample.labels, sample.scores, point.threshold, sample.clusters, sample.counts)
        found.values[metric] = {
            "sens_at_spec90": (sensitivity, drawn[0]),
            "spec_at_sens90": (specificity, drawn[1]),
            "balanced_accuracy": ((sensitivity + specificity) / 2, (drawn[0] + drawn[1]) / 2),
        }[metric]
        told[metric] = {
            "threshold": point.threshold if math.isfinite(point.threshold) else None,
            "reference": {
                "sensitivity": point.sensitivity,
                "specificity": point.specificity,
                "n_positive": point.n_positive,
                "n_negative": point.n_negative,
                "coarse": point.coarse,
            },
            "test": {"sensitivity": sensitivity, "specificity": specificity},
        }
