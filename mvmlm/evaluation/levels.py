"""Levels of scoring: how views become breasts, breasts exams and exams patients, and the level in a metric's name.

One model's AUC by breast is no better or worse than its AUC by patient: they are answers to different questions. So
the level is part of every metric's name (``auc@breast``), and the rules by which scores and labels climb from one level
to the next are few and stated here.

Labels climb in the same way for all tasks: a unit is positive if any member is, and has the highest class of its
members. Where members' labels are unknown, those that are known speak for a breast, as in the breast table: a finding
is marked in the view that shows it. An exam or patient is then unknown, unless a known member has the highest label
that there is: the unlabelled breast may hold what is asked for. Units that are not among the predictions take no part.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.samples import as_probability, known_scores, probability_sample, require_scale
from mvmlm.registry import did_you_mean

LEVELS = ("view", "breast", "exam", "patient")

MEAN_LOGIT = "mean of logits"
MEAN_PROBABILITIES = "mean of class probabilities"
HIGHEST = "highest"

#: Rule to how scores climb to each level. ``finding``: something is there or not, and one place suffices (mass,
#: malignancy). ``assessment``: ordered classes of which the worst counts (BI-RADS). ``density``: ordered classes of the
#: woman, on which all images have a say.
RULES: dict[str, dict[str, str]] = {
    "finding": {"breast": MEAN_LOGIT, "exam": HIGHEST, "patient": HIGHEST},
    "assessment": {"breast": MEAN_PROBABILITIES, "exam": HIGHEST, "patient": HIGHEST},
    "density": dict.fromkeys(LEVELS[1:], MEAN_PROBABILITIES),
}

#: How close to 0 and 1 a probability may come when its logit is taken: 9e-13.
NEAREST = 2.0**-40


def at_level(metric: str, level: str) -> str:
    """A metric's full name, ``auc@breast``."""
    _place(level)
    return f"{metric}@{level}"


def steps(level: str, to: str) -> tuple[str, ...]:
    """Levels passed on the way up, the last one included; none where both are the same.

    Raises
    ------
    ConfigError
        If a level is unknown or ``to`` is the finer one.
    """
    start, end = _place(level), _place(to)
    if end < start:
        raise ConfigError(f"scores at level {level} cannot be taken apart into scores at level {to}")
    return LEVELS[start + 1 : end + 1]


def describe(rule: str, level: str, to: str) -> str:
    """What a caption says of the way up: ``breast: mean of logits over views; exam: highest over breasts``."""
    return "; ".join(f"{step}: {_rule(rule)[step]} over {LEVELS[_place(step) - 1]}s" for step in steps(level, to))


def fuse(
    predictions: pd.DataFrame,
    units: pd.DataFrame | None = None,
    *,
    level: str,
    to: str,
    rule: str,
    scale: str = "probability",
) -> pd.DataFrame:
    """Predictions of a coarser level, through each level between.

    Parameters
    ----------
    predictions : DataFrame
        ``unit_id, patient_id, label, score``, and ``p0 … pK-1`` for classes; ``label`` may be NA.
    units : DataFrame, optional
        ``unit_id`` to the ids of the levels passed: ``breast_id``, ``exam_id``, whichever the way needs. Such as the
        exam table by image or the breast table; further rows and columns are not read.
    level, to : str
        Levels of the predictions given and asked for.
    rule : str
        One of `RULES`.
    scale : str
        Of ``score``, one of `samples.SCALES`; a mean is taken of logits, and given back on this scale. Scores of
        scale ``order`` are averaged as they are.

    Returns
    -------
    DataFrame
        In the same schema, sorted by ``unit_id``. ``label`` is int8, or Int8 where some are unknown. A unit with one
        member has that member's numbers, bit for bit. Where the highest counts, its class probabilities come along;
        of equally high members, those of the first id.

    Raises
    ------
    DataError
        If a unit is not in ``units``, belongs to none or to two others at once, or its score cannot be averaged.
    ConfigError
        If a level, rule or scale is unknown, or the rule does not fit the predictions.
    """
    require_scale(scale)
    way, hows = steps(level, to), _rule(rule)
    columns = class_columns(predictions)
    if (rule == "finding") == bool(columns):
        have = "class probabilities" if columns else "no class probabilities"
        raise ConfigError(f"rule {rule!r} does not fit predictions with {have}")
    top = max(1, len(columns) - 1)
    table = predictions[["unit_id", "patient_id", "label", "score", *columns]].sort_values("unit_id", kind="stable")
    _require_sound(table, "order" if columns else scale)
    table = _with_parents(table.reset_index(drop=True), units, way)
    for step in way:
        labels = _fused_labels(table, step, top)
        table = _climb(table, step, hows[step], scale, columns).assign(label=labels)
    labels = table["label"].astype("Int8")
    table["label"] = labels if labels.isna().any() else labels.astype(np.int8)
    return table[["unit_id", "patient_id", "label", "score", *columns]]


def class_columns(predictions: pd.DataFrame) -> list[str]:
    """``p0 … pK-1``, as many as there are without a gap."""
    found = []
    while f"p{len(found)}" in predictions:
        found.append(f"p{len(found)}")
    return found


def _require_sound(table: pd.DataFrame, scale: str) -> None:
    """Raise `DataError` where ids repeat or scores are not what ``scale`` says."""
    twice = table["unit_id"].duplicated()
    if twice.any():
        raise DataError(f"{twice.sum()} units are there more than once (such as {table['unit_id'][twice].iloc[0]})")
    scores = known_scores(table["score"], len(table))
    if scale == "probability":
        probability_sample(np.zeros(len(scores)), scores)


def _with_parents(table: pd.DataFrame, units: pd.DataFrame | None, way: tuple[str, ...]) -> pd.DataFrame:
    """The table with an id column for each level passed (``patient_id`` it has)."""
    named = [f"{step}_id" for step in way if step != "patient"]
    ids = table["unit_id"].astype(str)
    if named:
        lacking = [name for name in named if units is None or name not in units]
        if lacking:
            raise DataError(f"nothing says which {' and '.join(lacking)} the units belong to: give the table that does")
        table = table.assign(**_parents_of(ids, units[named].set_axis(units.index.astype(str))))
    chain = ["unit_id", *named, "patient_id"]
    for child, parent in pairwise(chain):
        parents = table.groupby(child)[parent].nunique(dropna=False)
        if (parents > 1).any():
            raise DataError(f"{child} {parents.index[parents > 1][0]} belongs to {parents.max()} of {parent} at once")
    return table


def _parents_of(ids: pd.Series, units: pd.DataFrame) -> dict[str, np.ndarray]:
    """Each column of ``units``, as strings, in the order of the ids; raises where one is missing, or there are two."""
    mine = units[units.index.isin(ids)]
    absent = ~ids.isin(mine.index)
    if absent.any():
        raise DataError(f"{absent.sum()} units are not in the table of units (such as {ids[absent].iloc[0]})")
    for name in units:
        gaps = mine.index[mine[name].isna()]
        if len(gaps):
            raise DataError(f"{len(gaps)} units have no {name} in the table of units (such as {gaps[0]})")
    mine = mine.astype(str)
    mine = mine[~mine.reset_index().duplicated().to_numpy()]
    several = mine.index[mine.index.duplicated()]
    if len(several):
        raise DataError(f"unit {several[0]} is in the table of units twice, with other parents each time")
    return {name: mine.loc[ids, name].to_numpy() for name in mine}


def _climb(table: pd.DataFrame, step: str, how: str, scale: str, columns: list[str]) -> pd.DataFrame:
    """Scores one level up; a row a unit, sorted by ``unit_id``, with the columns that the table has."""
    parents, at, sizes = np.unique(table[f"{step}_id"].astype(str), return_inverse=True, return_counts=True)
    scores = table["score"].to_numpy(dtype=np.float64)
    # The member that stands for its unit: the first one with the highest score.
    order = np.lexsort((-scores, at))
    first = order[np.searchsorted(at[order], np.arange(len(parents)))]
    up = table.iloc[first].reset_index(drop=True).assign(unit_id=parents)
    several = sizes > 1
    if how == MEAN_LOGIT:
        mean = _mean_logit(scores, at, sizes, scale)
        up["score"] = np.where(several, mean, up["score"])
    elif how == MEAN_PROBABILITIES:
        means = np.column_stack([np.bincount(at, table[c].to_numpy(dtype=np.float64)) / sizes for c in columns])
        up[columns] = means
        up["score"] = np.where(several, means @ np.arange(len(columns)), up["score"])
    return up


def _mean_logit(scores: np.ndarray, at: np.ndarray, sizes: np.ndarray, scale: str) -> np.ndarray:
    """Mean of each unit's members, averaged as logits where the scale allows."""
    if scale == "probability":
        inside = np.clip(scores, NEAREST, 1 - NEAREST)
        scores = np.log(inside) - np.log1p(-inside)
    if not np.isfinite(scores).all():
        raise DataError(f"{(~np.isfinite(scores)).sum()} of {len(scores)} scores are not finite: they have no mean")
    mean = np.bincount(at, scores) / sizes
    return as_probability(mean, "logit") if scale == "probability" else mean


def _fused_labels(table: pd.DataFrame, step: str, top: int) -> pd.array:
    """Highest label of each unit's members, in the order of the units' ids; NA as the module's text says."""
    parents, at = np.unique(table[f"{step}_id"].astype(str), return_inverse=True)
    known = table["label"].notna().to_numpy()
    highest = np.full(len(parents), -1, dtype=np.int8)
    np.maximum.at(highest, at[known], table["label"][known].to_numpy(dtype=np.int8))
    unknown = highest < 0
    if step != "breast":
        unknown[at[~known]] |= highest[at[~known]] < top
    return pd.arrays.IntegerArray(np.maximum(highest, 0), unknown)


def _rule(name: str) -> dict[str, str]:
    if name not in RULES:
        raise ConfigError(f"unknown rule {name!r}{did_you_mean(name, list(RULES))} (known: {', '.join(RULES)})")
    return RULES[name]


def _place(level: str) -> int:
    if level not in LEVELS:
        raise ConfigError(f"unknown level {level!r}{did_you_mean(level, list(LEVELS))} (known: {', '.join(LEVELS)})")
    return LEVELS.index(level)
