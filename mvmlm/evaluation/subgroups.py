"""A metric by subgroup: who is in each, how sure its value is, which group fares worst, and what chance would do.

The worst of many groups looks bad by chance alone, and the gap between best and worst is never negative. Its interval
is that of the two groups named, as if they had been named beforehand; ``chance`` and ``p`` say what gap equal groups of
these sizes would show, and are what to read before a group is called disadvantaged. Nothing is corrected over
attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from mvmlm.errors import DataError
from mvmlm.evaluation.bootstrap import percentile_interval

#: Rows of either kind (positive, negative) that a group needs to be given a value. Ours.
LEAST = 10
UNKNOWN = "unknown"
#: Lower ends of the age bands [years].
AGES = (40, 50, 60, 70)
#: Columns that rows are grouped by, where a table has them.
ATTRIBUTES = ("age", "density", "manufacturer", "machine", "site", "race")

#: Which rows, bool (n,), to the metric over them and its draws (B,).
Measure = Callable[[np.ndarray], tuple[float, np.ndarray]]


def subgroups_of(people: pd.DataFrame, unit_ids: pd.Series) -> pd.DataFrame:
    """Group of each unit by each attribute, strings; `UNKNOWN` where it is missing.

    Parameters
    ----------
    people : DataFrame
        Index: unit ids, such as the breast table's. Columns: whichever of `ATTRIBUTES` there are.
    unit_ids : array or Series, shape (n,)

    Returns
    -------
    DataFrame, shape (n, attributes)
        Without attributes that these units do not differ in.

    Raises
    ------
    DataError
        If a unit is not among the people.
    """
    ids = pd.Index(np.asarray(unit_ids).astype(str))
    rows = people.set_axis(people.index.astype(str))[[a for a in ATTRIBUTES if a in people]]
    absent = ~ids.isin(rows.index)
    if absent.any():
        raise DataError(f"{absent.sum()} units are not in the table of subgroups (such as {ids[absent][0]})")
    rows = rows[~rows.index.duplicated()].loc[ids].reset_index(drop=True)
    groups = pd.DataFrame(index=rows.index)
    for name in rows:
        group = age_bands(rows[name]) if name == "age" else rows[name].astype("string")
        group = group.fillna(UNKNOWN).astype(str)
        if (group != UNKNOWN).any() and group.nunique() > 1:
            groups[name] = group
    return groups


def age_bands(ages: pd.Series) -> pd.Series:
    """Age in years to its band, strings: ``0–39``, ``40–49``, …, ``70 and over``; NA stays NA."""
    names = [f"{low}–{high - 1}" for low, high in pairwise((0, *AGES))] + [f"{AGES[-1]} and over"]
    years = pd.to_numeric(ages, errors="coerce").astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    bands = pd.cut(years, [-np.inf, *AGES, np.inf], right=False, labels=names)
    return pd.Series(bands, index=ages.index).astype("string")


def by_subgroup(
    groups: pd.DataFrame,
    positive: np.ndarray,
    patients: np.ndarray,
    measure: Measure,
    *,
    metric: str,
    interval: float = 0.95,
) -> dict[str, Any]:
    """The metric in each group of each attribute, as plain JSON.

    Parameters
    ----------
    groups : DataFrame, shape (n, attributes)
        As `subgroups_of` gives it.
    positive : array, shape (n,), bool
        The rows of one kind; a group with fewer than `LEAST` of either kind is too small for a value. For classes:
        the rows outside the commonest one.
    patients : array, shape (n,)
    measure : callable
        The metric over some of the rows, higher being better, and its draws; the draws of all groups are of the same
        bootstrap.
    interval : float
        Coverage, in (0, 1).

    Returns
    -------
    dict
        ``metric``, ``least``, ``attributes`` (name to what `_attribute` returns) and ``worst`` (attribute, group and
        value of the lowest of all; None where no attribute has two groups with a value).
    """
    positive = np.asarray(positive, dtype=bool)
    found = {
        name: _attribute(groups[name].to_numpy(), positive, np.asarray(patients), measure, interval) for name in groups
    }
    ranked = [
        (row["value"], name, row["group"])
        for name, attribute in found.items()
        for row in attribute["groups"]
        if row["group"] == attribute.get("worst")
    ]
    worst = dict(zip(("value", "attribute", "group"), min(ranked))) if ranked else None
    return {"metric": metric, "least": LEAST, "attributes": found, "worst": worst}


def _attribute(
    group: np.ndarray, positive: np.ndarray, patients: np.ndarray, measure: Measure, interval: float
) -> dict[str, Any]:
    """``groups`` (rows by name, the unknown last) and, where two or more have a value, what `_gap` returns."""
    rows, values, draws = [], {}, {}
    for name in sorted(np.unique(group), key=lambda name: (name == UNKNOWN, name)):
        inside = group == name
        row = {
            "group": str(name),
            "n": int(inside.sum()),
            "n_positive": int(positive[inside].sum()),
            "n_patients": len(np.unique(patients[inside])),
            "small": bool(min(positive[inside].sum(), (~positive[inside]).sum()) < LEAST),
            "value": None,
        }
        found = None if row["small"] else _measured(measure, inside)
        if found is None:
            row["small"] = True
        else:
            row["value"], drawn = found
            low, high = percentile_interval(drawn, interval)
            row |= {} if np.isnan(low) else {"low": low, "high": high}
            if name != UNKNOWN:
                values[row["group"]], draws[row["group"]] = row["value"], drawn
        rows.append(row)
    return {"groups": rows, **(_gap(values, draws, interval) if len(values) > 1 else {})}


def _measured(measure: Measure, inside: np.ndarray) -> tuple[float, np.ndarray] | None:
    """The metric of a group; None where its rows leave it undefined, such as a concordance without a pair."""
    try:
        return measure(inside)
    except DataError:
        return None


def _gap(values: dict[str, float], draws: dict[str, np.ndarray], interval: float) -> dict[str, Any]:
    """``worst, best, gap, low, high, chance, p``.

    ``low`` and ``high`` hold the two groups fixed. ``chance`` is the gap that equal groups stay below with the
    interval's probability, and ``p`` how often equal groups show this gap or a wider one: each group's draws are moved
    to a common value, and the range over groups is taken in every draw.
    """
    worst, best = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    gap = values[best] - values[worst]
    centred = np.stack([draws[name] - values[name] for name in values])
    ranges = np.ptp(centred, axis=0)
    ranges = ranges[~np.isnan(ranges)]
    low, high = percentile_interval(draws[best] - draws[worst], interval)
    found = {"worst": worst, "best": best, "gap": gap}
    if len(ranges):
        found |= {
            "low": low,
            "high": high,
            "chance": float(np.quantile(ranges, interval)),
            "p": float((1 + np.sum(ranges >= gap)) / (1 + len(ranges))),
        }
    return found
