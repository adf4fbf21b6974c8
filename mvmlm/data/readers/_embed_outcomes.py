"""EMBED's pathology and follow-up: which breast of which exam had cancer, and when a patient's first one was found."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mvmlm.data.intake import Log
from mvmlm.data.readers._embed_findings import BREAST

CANCER = (0, 1)  # path_severity: invasive, in situ
BENIGN = (2, 3, 4)  # high risk, borderline, benign; 5 and 6 (negative, not of the breast) decide nothing
PROVEN = "K"
YEAR = 365.25  # days


def specimens(findings: pd.DataFrame, log: Log) -> pd.DataFrame:
    """One row a specimen and breast, from findings with a pathology.

    The side is the specimen's own (``bside``), else the finding's; the date the procedure's, else the exam's. A
    procedure dated before the exam that its finding is of is dated by that exam, unless cancer was known by then (K).

    Returns
    -------
    DataFrame
        ``patient_id, exam_id, laterality, severity`` and ``found``, a date.
    """
    rows = findings[findings["severity"].notna()].copy()
    rows["found"] = rows["procedure"].fillna(rows["exam_day"])
    early = (rows["found"] < rows["exam_day"]) & (rows["asses"] != PROVEN).fillna(True)
    if early.any():
        log.note(
            f"{int(early.sum())} procedures are dated before the exam of their finding and count from that exam"
        )
    rows["found"] = rows["found"].mask(early, rows["exam_day"])
    side = rows["bside"].where(rows["bside"].isin(("L", "R", "B"))).fillna(rows["side"]).fillna("B")
    both = pd.concat([rows[side.isin((s, "B"))].assign(laterality=s) for s in "LR"], ignore_index=True)
    return both[[*BREAST, "severity", "found"]]


def malignancy(breasts: pd.DataFrame, taken: pd.DataFrame, days: int) -> pd.DataFrame:
    """Malignancy of each breast of an exam, by pathology and else by BI-RADS.

    A specimen speaks for the breasts of its own exam, and for the same breast in any exam up to ``days`` before it:
    it may be recorded under the diagnostic exam alone. Without a specimen, BI-RADS 1 to 3 is benign and 6 malignant;
    0, 4 and 5 asked for a biopsy whose outcome is not known.

    Parameters
    ----------
    breasts : DataFrame
        `BREAST`, ``exam_day``, ``birads``; a row a breast of an exam.
    taken : DataFrame
        As `specimens` returns it.
    days : int
        [days].

    Returns
    -------
    DataFrame
        ``malignancy`` and ``malignancy_source``, with the index of ``breasts``.
    """
    pairs = breasts.reset_index().merge(taken, on=["patient_id", "laterality"], suffixes=("", "_taken"))
    wait = (pairs["found"] - pairs["exam_day"]).dt.days
    pairs = pairs[(pairs["exam_id"] == pairs["exam_id_taken"]) | wait.between(0, days)]
    severity = pairs.groupby("index")["severity"]
    cancer = severity.agg(lambda found: found.isin(CANCER).any()).reindex(breasts.index).astype("boolean")
    benign = severity.agg(lambda found: found.isin(BENIGN).any()).reindex(breasts.index).astype("boolean")
    birads = breasts["birads"]
    by_birads = (birads == 6).mask(birads.isin((0, 4, 5))).astype("boolean").mask(cancer.notna())
    proven = cancer.mask((~cancer & ~benign).fillna(False))
    source = pd.Series(pd.NA, index=breasts.index, dtype="string")
    source = source.mask(by_birads.notna(), "birads 6").mask(proven.notna(), "pathology")
    return pd.DataFrame({"malignancy": proven.fillna(by_birads), "malignancy_source": source})


def follow_up(exams: pd.DataFrame, findings: pd.DataFrame, taken: pd.DataFrame, log: Log) -> pd.DataFrame:
    """Time from each exam to the patient's first cancer in either breast, or to her last exam.

    The first cancer is the earliest specimen of invasive or in-situ cancer, or exam of known cancer (K). An exam
    after it is out of the risk set: unknown. So are all exams of a patient whose cancer has no date, and exams of
    patients of whom nothing is recorded.

    Parameters
    ----------
    exams : DataFrame
        ``patient_id`` and ``exam_day``; index ``exam_id``. All of a patient's exams, whether imaged here or not.
    findings : DataFrame
        ``patient_id, asses, exam_day``.

    Returns
    -------
    DataFrame
        ``event`` and ``years_to_event`` (days / 365.25), with the index of ``exams``.
    """
    known = findings[(findings["asses"] == PROVEN).fillna(False)][["patient_id", "exam_day"]]
    cancers = pd.concat(
        [
            taken.loc[taken["severity"].isin(CANCER), ["patient_id", "found"]],
            known.rename(columns={"exam_day": "found"}),
        ]
    )
    first = exams["patient_id"].map(cancers.groupby("patient_id")["found"].min())
    undated = exams["patient_id"].isin(cancers.loc[cancers["found"].isna(), "patient_id"])
    last = exams.groupby("patient_id")["exam_day"].transform("max")
    after = first < exams["exam_day"]
    unknown = undated | after | exams["exam_day"].isna() | ~exams["patient_id"].isin(findings["patient_id"])
    if after.any():
        log.note(
            f"{int(after.sum())} exams come after the patient's first cancer; their follow-up is unknown"
        )
    if undated.any():
        log.note(
            f"{int(undated.sum())} exams are of patients whose cancer has no date; their follow-up is unknown"
        )
    years = (first.fillna(last) - exams["exam_day"]).dt.days / YEAR
    event = first.notna().astype("boolean")
    return pd.DataFrame({"event": event.mask(unknown), "years_to_event": years.mask(unknown, np.nan)})
