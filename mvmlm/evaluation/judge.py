"""From predictions to every metric of a cell, at each level asked for: values, draws, intervals, circumstances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.bootstrap import PatientBootstrap, percentile_interval
from mvmlm.evaluation.levels import LEVELS, at_level, class_columns, describe, fuse
from mvmlm.evaluation.panel import METRICS, Panel, Sample, binary_panel, multiclass_panel
from mvmlm.evaluation.samples import as_probability, require_scale
from mvmlm.evaluation.strata import STRATA, draw_patients, patient_strata
from mvmlm.evaluation.subgroups import by_subgroup, subgroups_of

#: What is compared over subgroups, by kind.
SUBGROUP_METRIC = {"binary": "auc", "multiclass": "kappa"}
NO_REFERENCE = "no validation or out-of-fold scores to choose a threshold on"


@dataclass(frozen=True)
class Terms:
    """What predictions are, and how they are to be judged.

    Attributes
    ----------
    kind : str
        ``binary`` or ``multiclass``.
    level : str
        Level of the predictions.
    levels : tuple of str
        Levels to judge at, from ``level`` upwards; ``level`` alone if empty.
    primary : str
        The one of ``levels`` that comes first, whose rows patients are drawn by and subgroups made of; the lowest if
        empty.
    rule : str
        How scores climb, one of `levels.RULES`; ``finding`` for binary tasks.
    scale : str
        What a binary score is, one of `samples.SCALES`.
    draws : int
        Bootstrap draws.
    interval : float
        Coverage of all intervals, in (0, 1).
    seed : int
        Of the bootstrap: the same for all cells, so that equal patients mean equal draws.
    """

    kind: str = "binary"
    level: str = "breast"
    levels: tuple[str, ...] = ()
    primary: str = ""
    rule: str = "finding"
    scale: str = "probability"
    draws: int = 1000
    interval: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in METRICS:
            raise ConfigError(f"kind is {self.kind!r}; known: {', '.join(METRICS)}")
        require_scale(self.scale)
        levels = tuple(dict.fromkeys(self.levels)) or (self.level,)
        for level in levels:
            describe(self.rule, self.level, level)
        levels = sorted(levels, key=LEVELS.index)
        primary = self.primary or levels[0]
        if primary not in levels:
            raise ConfigError(f"primary is {primary!r}, which is not judged at (levels: {', '.join(levels)})")
        object.__setattr__(self, "primary", primary)
        object.__setattr__(self, "levels", (primary, *(level for level in levels if level != primary)))


@dataclass(frozen=True, eq=False)
class Judgement:
    """All numbers of a cell.

    Attributes
    ----------
    metrics : dict
        ``<metric>@<level>`` to value, each followed by its ``/low`` and ``/high``; the primary metric of the primary
        level first. Only what is defined is there.
    draws : dict
        ``<metric>@<level>`` to bootstrap draws, shape (B,), float32; NaN where a draw leaves it undefined.
    details : dict
        Plain JSON: ``levels`` (how scores came there, numbers of rows), ``operating``, ``calibration`` (by level),
        ``subgroups`` (of the primary level), ``left_out`` (full name to reason), ``bootstrap``.
    predictions : dict
        Level to predictions, rows of unknown label left out, sorted by ``unit_id``.
    """

    metrics: dict[str, float]
    draws: dict[str, np.ndarray]
    details: dict[str, Any]
    predictions: dict[str, pd.DataFrame]


def judge(
    predictions: pd.DataFrame,
    terms: Terms,
    *,
    units: pd.DataFrame | None = None,
    people: pd.DataFrame | None = None,
    reference: pd.DataFrame | None = None,
) -> Judgement:
    """All metrics of a cell's test predictions.

    Parameters
    ----------
    predictions : DataFrame
        Test rows: ``unit_id, patient_id, label, score``, and ``p0 … pK-1`` for classes (``score`` then being the
        expected class index).
    terms : Terms
    units : DataFrame, optional
        Where units belong, as `levels.fuse`; not needed where nothing is fused.
    people : DataFrame, optional
        Ids of the primary level's units to subgroup attributes, as `subgroups.subgroups_of`; no subgroups if None.
    reference : DataFrame, optional
        Validation rows, or out-of-fold scores of training patients, in the schema of ``predictions`` and on the same
        scale: thresholds are chosen on them, after they were fused by the same rules. Metrics that need a threshold
        are left out, and said to be, if None. Not read for classes.

    Raises
    ------
    DataError
        If a score is NaN, the rows of the primary level are of one class, or test patients are in the reference.
    """
    _require_apart(predictions, reference)
    fused = {level: _fused(predictions, units, terms, level) for level in terms.levels}
    frames = {level: _known(frame) for level, frame in fused.items()}
    primary = terms.primary
    if frames[primary]["label"].nunique() < 2:
        raise DataError(_one_class(frames[primary], primary))
    first = frames[primary]
    bootstrap = draw_patients(
        first["patient_id"].to_numpy(), first["label"].to_numpy(), kind=terms.kind, draws=terms.draws, seed=terms.seed
    )
    found = _Found(terms)
    for level, frame in frames.items():
        if frame["label"].nunique() < 2:
            found.leave_out(level, _one_class(frame, level))
            continue
        sample = _sample(frame, terms, bootstrap)
        found.add(level, _panel(sample, reference, units, terms, level), len(frame))
        if level == primary and people is not None:
            found.details["subgroups"] = _subgroups(sample, first, people, terms)
    found.details["levels"] = {
        level: _facts(frame, terms, level, len(fused[level]) - len(frame)) for level, frame in frames.items()
    }
    found.details["bootstrap"] = _bootstrap_facts(first, terms, found.draws)
    return Judgement(found.metrics, found.draws, found.details, frames)


class _Found:
    """Collects panels under full names."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self.metrics: dict[str, float] = {}
        self.draws: dict[str, np.ndarray] = {}
        self.details: dict[str, Any] = {"operating": {}, "calibration": {}, "subgroups": None, "left_out": {}}
        if terms.kind == "multiclass":
            del self.details["operating"], self.details["calibration"]

    def add(self, level: str, panel: Panel, rows: int) -> None:
        for metric in METRICS[self.terms.kind]:
            name = at_level(metric, level)
            if metric in panel.left_out:
                self.details["left_out"][name] = panel.left_out[metric]
                continue
            value, drawn = panel.values[metric]
            self.metrics[name], self.draws[name] = value, drawn.astype(np.float32)
            low, high = percentile_interval(self.draws[name], self.terms.interval)
            if not np.isnan(low):
                self.metrics |= {f"{name}/low": low, f"{name}/high": high}
        for metric, told in panel.details.get("operating", {}).items():
            self.details["operating"][at_level(metric, level)] = told
        if "calibration" in panel.details:
            self.details["calibration"][level] = panel.details["calibration"]

    def leave_out(self, level: str, why: str) -> None:
        names = (at_level(metric, level) for metric in METRICS[self.terms.kind])
        self.details["left_out"].update(dict.fromkeys(names, why))


def _fused(rows: pd.DataFrame, units: pd.DataFrame | None, terms: Terms, level: str) -> pd.DataFrame:
    if terms.kind == "multiclass" and not class_columns(rows):
        raise DataError("predictions of classes lack their probabilities p0 … pK-1")
    return fuse(rows, units, level=terms.level, to=level, rule=terms.rule, scale=terms.scale)


def _known(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows whose label is known."""
    return frame[frame["label"].notna()].astype({"label": np.int8}).reset_index(drop=True)


def _require_apart(predictions: pd.DataFrame, reference: pd.DataFrame | None) -> None:
    """A threshold from the test's own patients would be a threshold from the test."""
    if reference is None:
        return
    shared = reference["patient_id"].astype(str).isin(predictions["patient_id"].astype(str))
    if shared.any():
        example = reference.loc[shared, "patient_id"].iloc[0]
        raise DataError(
            f"{reference.loc[shared, 'patient_id'].nunique()} test patients (such as {example}) are in the reference "
            "that thresholds are chosen on: give validation or training patients alone"
        )


def _sample(frame: pd.DataFrame, terms: Terms, bootstrap: PatientBootstrap) -> Sample:
    scores = frame["score"].to_numpy(dtype=np.float64)
    if terms.kind == "multiclass":
        probabilities = frame[class_columns(frame)].to_numpy(dtype=np.float64)
    else:
        probabilities = as_probability(scores, terms.scale)
    clusters = bootstrap.clusters_of(frame["patient_id"].to_numpy())
    return Sample(frame["label"].to_numpy(), scores, probabilities, clusters, bootstrap.counts)


def _panel(
    sample: Sample, reference: pd.DataFrame | None, units: pd.DataFrame | None, terms: Terms, level: str
) -> Panel:
    if terms.kind == "multiclass":
        return multiclass_panel(sample)
    chosen_on = None
    if reference is not None and len(reference):
        rows = _known(_fused(reference, units, terms, level))
        chosen_on = rows["label"].to_numpy(), rows["score"].to_numpy(dtype=np.float64)
    return binary_panel(sample, chosen_on, NO_REFERENCE, terms.interval)


def _subgroups(sample: Sample, frame: pd.DataFrame, people: pd.DataFrame, terms: Terms) -> dict[str, Any]:
    metric = SUBGROUP_METRIC[terms.kind]
    if terms.kind == "binary":
        positive = sample.labels.astype(bool)
    else:
        positive = sample.labels != np.bincount(sample.labels).argmax()
    return by_subgroup(
        subgroups_of(people, frame["unit_id"]),
        positive,
        frame["patient_id"].to_numpy(),
        lambda rows: sample.within(rows).measured(metric),
        metric=at_level(metric, terms.primary),
        interval=terms.interval,
    )


def _facts(frame: pd.DataFrame, terms: Terms, level: str, unknown: int) -> dict[str, Any]:
    counts = frame["label"].value_counts().sort_index()
    return {
        "n": len(frame),
        "n_patients": int(frame["patient_id"].nunique()),
        "labels": {str(label): int(count) for label, count in counts.items()},
        "label_unknown": unknown,
        "fused": describe(terms.rule, terms.level, level),
    }


def _bootstrap_facts(frame: pd.DataFrame, terms: Terms, draws: dict[str, np.ndarray]) -> dict[str, Any]:
    if terms.kind == "binary":
        stratum = frame.groupby("patient_id")["label"].max().to_numpy()
    else:
        _, stratum = patient_strata(frame["patient_id"].to_numpy(), frame["label"].to_numpy())
    numbers, sizes = np.unique(stratum, return_counts=True)
    return {
        "unit": "patient",
        "strata": STRATA[terms.kind],
        "patients_in_strata": {str(n): int(size) for n, size in zip(numbers, sizes)},
        "draws": terms.draws,
        "seed": terms.seed,
        "interval": terms.interval,
        "undefined_draws": {name: int(np.isnan(drawn).sum()) for name, drawn in draws.items()},
    }


def _one_class(frame: pd.DataFrame, level: str) -> str:
    there = f"only label {frame['label'].iloc[0]}" if len(frame) else "no known label"
    return f"{there} among {len(frame)} {level} rows: nothing can be told apart"
