"""What an exam table holds, counted under fixed names, so that a set can be held against its publication."""

from __future__ import annotations

import pandas as pd

from mvmlm.data.exam_table import LABELS

UNITS = {"images": "image_id", "breasts": "breast_id", "exams": "exam_id", "patients": "patient_id"}
#: Columns whose every value is counted: ``density B images``, ``view MLO images``.
GRADED = ("density", "birads", "view", "site", "subtype", "manufacturer")


def counts(exams: pd.DataFrame) -> dict[str, int]:
    """Number of units by name.

    Parameters
    ----------
    exams : DataFrame
        A validated exam table.

    Returns
    -------
    dict
        ``"images"``, ``"mass breasts"`` (positive), ``"known mass breasts"`` (labelled), ``"density B images"``,
        ``"implant patients"``, ``"event patients"``, each also with ``train`` or ``test`` before it where the set is
        split.
    """
    found = _of(exams, "")
    for split in ("train", "test"):
        mine = exams[(exams["split"] == split).fillna(False)]
        if len(mine):
            found |= _of(mine, f"{split} ")
    return found


def _of(exams: pd.DataFrame, before: str) -> dict[str, int]:
    found = {}
    for unit, column in UNITS.items():
        found[f"{before}{unit}"] = exams[column].nunique()
        for label in (*LABELS, "implant", "event"):
            known = exams[label].notna()
            if known.any():
                found[f"{before}{label} {unit}"] = exams.loc[exams[label].fillna(False), column].nunique()
                found[f"{before}known {label} {unit}"] = exams.loc[known, column].nunique()
        for name in GRADED:
            for value, members in exams.groupby(name, sort=True)[column]:
                found[f"{before}{name} {value} {unit}"] = members.nunique()
    return found
