"""From the predicted risks of the test exams to metrics, bootstrap draws and the numbers of the figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from mvmlm.errors import DataError
from mvmlm.evaluation.bootstrap import PatientBootstrap, percentile_interval
from mvmlm.evaluation.protocols import Evaluation
from mvmlm.evaluation.risk import brier, concordance, dynamic_auc
from mvmlm.evaluation.risk.calibration import calibration_year, curves_by_risk
from mvmlm.evaluation.risk.cohort import RiskCohort
from mvmlm.evaluation.risk.options import RiskOptions
from mvmlm.evaluation.risk.survival import Curve, FollowUp, censoring_curve, kaplan_meier
from mvmlm.evaluation.scoring import BOOTSTRAP_SEED
from mvmlm.evaluation.subgroups import by_subgroup, subgroups_of

#: The unit that is scored: part of every metric's name.
LEVEL = "exam"


@dataclass(frozen=True)
class Measure:
    """A metric of the test exams, and the same of every bootstrap draw (of clusters and counts)."""

    value: Callable[[], float]
    drawn: Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Measured:
    """What came of measures: ``metrics`` with their intervals, ``draws`` (B,) float32, ``left_out`` with reasons."""

    metrics: dict[str, float]
    draws: dict[str, np.ndarray]
    left_out: dict[str, str]


def score_risks(cohort: RiskCohort, risks: np.ndarray, *, options: RiskOptions, details: dict[str, Any]) -> Evaluation:
    """Metrics of the test exams, their patient-bootstrap intervals, calibration and Kaplan–Meier curves.

    The primary metric is Uno's C: what Harrell's tends to depends on how long the women were followed, so that two test
    sets with equally good models differ by it. A metric that the test exams leave undefined, such as the AUC of a year
    without an event, is left out, and ``details["left_out"]`` says why.

    Parameters
    ----------
    risks : array, shape (n_test, years)
        P(event within 1, 2, … years), in the order of ``cohort.test``.
    details : dict
        What the caller has to say; the cohort's, the bootstrap's and the figures' facts are added.

    Raises
    ------
    DataError
        If the primary metric is undefined.
    """
    follow, train = cohort.test_follow, cohort.train_follow
    patients = cohort.test["patient_id"].to_numpy().astype(str)
    bootstrap = PatientBootstrap.draw(patients, follow.events, draws=options.draws, seed=BOOTSTRAP_SEED)
    clusters = np.searchsorted(bootstrap.patients, patients)
    censoring = censoring_curve(train)
    measured = _measure(measures(follow, risks, train, censoring), clusters, bootstrap.counts, options.interval)
    return Evaluation(
        predictions=_predictions(cohort.test, follow, risks),
        metrics={**measured.metrics, **_counts(cohort, len(bootstrap.patients))},
        draws=measured.draws,
        details={
            **details,
            "dropped": cohort.dropped,
            "positive_patients": _positive_patients(cohort),
            "tau": risks.shape[1],
            "left_out": measured.left_out,
            "null": _null(follow, train, censoring, risks.shape[1]),
            "censoring": {"years": censoring.years.tolist(), "followed": censoring.values.tolist()},
            **_figures(follow, risks, clusters, bootstrap.counts, options),
            "subgroups": _subgroups(cohort, risks, censoring, clusters, bootstrap.counts, options.interval),
            "bootstrap": _bootstrap_facts(options, measured.draws),
        },
    )


def measures(follow: FollowUp, risks: np.ndarray, train: FollowUp, censoring: Curve) -> dict[str, Measure]:
    """Every metric by its name without level, the primary one first.

    Parameters
    ----------
    follow : FollowUp
        Of the n test exams.
    risks : array, shape (n, years)
    train : FollowUp
        Of the training exams.
    censoring : Curve
        Theirs too.
    """
    years = np.arange(1, risks.shape[1] + 1)
    last = risks[:, -1]

    def measure(value: Callable, drawn: Callable, *args: Any) -> Measure:
        return Measure(partial(value, follow, *args), partial(drawn, follow, *args))

    found = {
        "c_uno": measure(concordance.c_uno, concordance.weighted_c_uno, last, censoring, float(years[-1])),
        "c_harrell": measure(concordance.c_harrell, concordance.weighted_c_harrell, last),
        "c_mirai_compat": measure(concordance.c_mirai_compat, concordance.weighted_c_mirai_compat, risks, train),
    }
    for year, risk in zip(years.tolist(), risks.T):
        found[f"auc_year{year}"] = measure(dynamic_auc.auc_year, dynamic_auc.weighted_auc_year, risk, year)
        found[f"auc_ipcw_year{year}"] = measure(
            dynamic_auc.auc_ipcw_year, dynamic_auc.weighted_auc_ipcw_year, risk, year, censoring
        )
    found["ibs"] = measure(brier.integrated_brier, brier.weighted_integrated_brier, risks, years, censoring)
    return found


def _measure(asked: dict[str, Measure], clusters: np.ndarray, counts: np.ndarray, interval: float) -> Measured:
    found = Measured({}, {}, {})
    for kind, measure in asked.items():
        name = f"{kind}@{LEVEL}"
        try:
            value, drawn = measure.value(), measure.drawn(clusters, counts).astype(np.float32)
        except DataError as error:
            if not found.metrics:  # the primary one
                raise
            found.left_out[name] = str(error)
            continue
        found.metrics[name], found.draws[name] = value, drawn
        found.metrics[f"{name}/low"], found.metrics[f"{name}/high"] = percentile_interval(drawn, interval)
    return found


def _predictions(test: pd.DataFrame, follow: FollowUp, risks: np.ndarray) -> pd.DataFrame:
    """One row a test exam; ``score`` is the risk at the last year."""
    return pd.DataFrame(
        {
            "unit_id": test.index.astype(str),
            "patient_id": test["patient_id"].to_numpy().astype(str),
            "label": follow.events.astype(np.int8),
            "score": risks[:, -1],
            "years": follow.years,
            **{f"risk{year}": risk for year, risk in enumerate(risks.T, 1)},
        }
    )


def _counts(cohort: RiskCohort, n_patients: int) -> dict[str, float]:
    events = cohort.test_follow.events
    return {
        "n": len(cohort.test),
        "n_patients": n_patients,
        "n_positive": int(events.sum()),
        "prevalence": float(events.mean()),
        "n_train": len(cohort.train),
        "n_train_patients": int(cohort.train["patient_id"].nunique()),
    }


def _positive_patients(cohort: RiskCohort) -> dict[str, int]:
    """Patients with an exam before an event: the number that any learning or testing of risk rests on."""
    parts = {"train": cohort.train, "test": cohort.test}
    return {part: int(rows.loc[rows["event"], "patient_id"].nunique()) for part, rows in parts.items()}


def _null(follow: FollowUp, train: FollowUp, censoring: Curve, years: int) -> dict[str, float | None]:
    """What the same Kaplan–Meier risk for everybody would score."""
    ends = np.arange(1, years + 1)
    flat = np.tile(1 - kaplan_meier(train).at(ends), (len(follow), 1))
    try:
        return {"ibs": brier.integrated_brier(follow, flat, ends, censoring)}
    except DataError:
        return {"ibs": None}


def _figures(
    follow: FollowUp, risks: np.ndarray, clusters: np.ndarray, counts: np.ndarray, options: RiskOptions
) -> dict[str, Any]:
    return {
        "calibration": [
            calibration_year(follow, risk, year, clusters, counts, interval=options.interval)
            for year, risk in enumerate(risks.T, 1)
        ],
        "kaplan_meier": curves_by_risk(follow, risks[:, -1], years=risks.shape[1]),
    }


def _subgroups(
    cohort: RiskCohort,
    risks: np.ndarray,
    censoring: Curve,
    clusters: np.ndarray,
    counts: np.ndarray,
    interval: float,
) -> dict[str, Any]:
    """Uno's C in each group of test exams, each exam against others of its group; events after ``tau`` tell nothing."""
    follow, last, tau = cohort.test_follow, risks[:, -1], float(risks.shape[1])

    def measure(inside: np.ndarray) -> tuple[float, np.ndarray]:
        rows = np.flatnonzero(inside)
        said = follow.take(rows), last[rows], censoring, tau
        return concordance.c_uno(*said), concordance.weighted_c_uno(*said, clusters[rows], counts)

    groups = subgroups_of(cohort.test, cohort.test.index)
    patients = cohort.test["patient_id"].to_numpy().astype(str)
    told = follow.events & (follow.years < tau)
    return by_subgroup(groups, told, patients, measure, metric=f"c_uno@{LEVEL}", interval=interval)


def _bootstrap_facts(options: RiskOptions, draws: dict[str, np.ndarray]) -> dict[str, Any]:
    return {
        "unit": "patient",
        "strata": "any exam with an event",
        "draws": options.draws,
        "seed": BOOTSTRAP_SEED,
        "interval": options.interval,
        "undefined_draws": {name: int(np.isnan(drawn).sum()) for name, drawn in draws.items()},
    }
