"""From the breast table to exams with follow-up: who has one, and which exams tell nothing of a risk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mvmlm.errors import DataError

#: Years by which dates may disagree before a follow-up contradicts itself: of dates to the day, and of mere years.
DAY, YEAR = 0.02, 1.0
#: Columns that are the exam's and not the breast's, beside age, density, site and so on: summed over its breasts.
SUMMED = ("n_views",)
#: Columns that make no sense for an exam.
OF_BREASTS = ("laterality", "cc", "mlo", "report")


@dataclass(frozen=True, eq=False)
class RiskExams:
    """Exams that tell something of a later event.

    Attributes
    ----------
    table : DataFrame
        Index ``exam_id``, sorted. ``patient_id``, ``split``, ``event`` (bool), ``years`` (float64), and of the other
        columns of the breast table the first known value of the exam's breasts (of ``n_views`` the sum).
    dropped : dict
        Exams left out, by split and reason; each counts under the first reason that holds.
    """

    table: pd.DataFrame
    dropped: dict[str, int]


def risk_exams(breasts: pd.DataFrame, exclude_months: float = 6.0) -> RiskExams:
    """One row an exam; all exams of a patient are kept.

    An exam has an event if one of its breasts has, at the time of the first; else its follow-up is the longest of its
    breasts. An exam is used if it is known to be free of a diagnosis ``exclude_months`` after it: exams with an event
    before that show a cancer that is there, exams followed for less may do so.

    Parameters
    ----------
    breasts : DataFrame
        The breast table, with ``exam_id, patient_id, split, event, years_to_event``, and ``exam_date`` where known.
    exclude_months : float
        [months].

    Raises
    ------
    DataError
        If the data set has no follow-up, or no exam of it can be used.
    """
    named = {"event", "years_to_event"} <= set(breasts)
    if not named or not (breasts["event"].notna() & breasts["years_to_event"].notna()).any():
        which = ", ".join(map(str, breasts["dataset"].dropna().unique())) if "dataset" in breasts else ""
        raise DataError(
            f"task risk: {which or 'this data set'} has no follow-up (no exam with both `event` and `years_to_event`), "
            "so risk cannot be evaluated on it: take a set that has, such as phantom_embed, embed or csaw_cc"
        )
    exams = _exams(breasts)
    reasons = _reasons(exams, exclude_months)
    kept = exams[reasons.isna()].astype({"event": bool, "years": "float64"})
    dropped = exams.groupby([exams["split"], reasons]).size()
    counts = {f"{split}: {reason}": int(count) for (split, reason), count in dropped.items()}
    if kept.empty:
        raise DataError(f"task risk: none of {len(exams)} exams can be used ({_listed(counts)})")
    return RiskExams(kept, counts)


def _exams(breasts: pd.DataFrame) -> pd.DataFrame:
    groups = breasts.groupby("exam_id", sort=True)
    event = breasts["event"].astype("boolean")
    years = breasts["years_to_event"].astype("Float64")
    with_event, without = years.where(event.fillna(False)), years.where(~event.fillna(True))
    told = [c for c in breasts if c not in (*SUMMED, *OF_BREASTS, "exam_id", "event", "years_to_event")]
    exams = groups[told].first()
    for name in SUMMED:
        if name in breasts:
            exams[name] = groups[name].sum()
    exams["event"] = event.groupby(breasts["exam_id"]).max()
    first, longest = (part.groupby(breasts["exam_id"]) for part in (with_event, without))
    exams["years"] = first.min().where(exams["event"].fillna(False), longest.max())
    return exams


def _reasons(exams: pd.DataFrame, exclude_months: float) -> pd.Series:
    """Why each exam is left out; NA for one that is used."""
    event, years = exams["event"], exams["years"].astype("Float64")
    amount = years.to_numpy(dtype=np.float64, na_value=np.nan)
    known = (event.notna() & years.notna()).to_numpy() & ~np.isnan(amount)
    had = event.fillna(False).to_numpy(dtype=bool)
    impossible = known & ((amount < 0) | np.isinf(amount))
    least = exclude_months / 12
    rules = {
        "no follow-up is known": ~known,
        "its follow-up is negative or infinite": impossible,
        "its follow-up goes on after the patient's event": _after_event(exams, had & known & ~impossible, amount),
        f"diagnosis within {exclude_months:g} months": had & (amount < least),
        f"followed for less than {exclude_months:g} months" if least else "not followed at all": ~had
        & (amount < max(least, np.finfo(float).tiny)),
    }
    reason = np.select(list(rules.values()), list(rules), default="")
    return pd.Series(reason, index=exams.index, dtype="string").replace("", pd.NA)


def _after_event(exams: pd.DataFrame, had: np.ndarray, years: np.ndarray) -> np.ndarray:
    """Exams whose event or end of follow-up is after their patient's first event, as far as dates tell; (n,), bool."""
    if "exam_date" not in exams:
        return np.zeros(len(exams), dtype=bool)
    said = exams["exam_date"].astype("string")
    day = pd.to_datetime(said, format="ISO8601", errors="coerce")
    end = ((day - pd.Timestamp(1970, 1, 1)).dt.days / 365.25 + years).to_numpy(dtype=np.float64)
    first = pd.Series(np.where(had, end, np.nan), exams.index).groupby(exams["patient_id"]).transform("min")
    slack = np.where(said.str.len().fillna(0) > 4, DAY, YEAR)
    return end > first.to_numpy() + slack


def _listed(counts: dict[str, int]) -> str:
    return "; ".join(f"{count} {reason}" for reason, count in counts.items())
