"""Who trains and who is tested for risk: exams of the patients that the label fraction grants, and test exams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mvmlm.data.splits import label_fraction
from mvmlm.errors import DataError
from mvmlm.evaluation.risk.labels import risk_exams
from mvmlm.evaluation.risk.survival import FollowUp, last_free_year


@dataclass(frozen=True, eq=False)
class RiskCohort:
    """Exams with follow-up.

    Attributes
    ----------
    train, test : DataFrame
        As `labels.RiskExams.table`, sorted by ``exam_id``.
    dropped : dict
        Exams left out, by split and reason.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    dropped: dict[str, int]

    @property
    def train_follow(self) -> FollowUp:
        """Of the training exams."""
        return FollowUp(self.train["years"].to_numpy(), self.train["event"].to_numpy())

    @property
    def test_follow(self) -> FollowUp:
        """Of the test exams."""
        return FollowUp(self.test["years"].to_numpy(), self.test["event"].to_numpy())


def select_risk_cohort(
    breasts: pd.DataFrame, seen: np.ndarray, *, exclude_months: float, years: int, fraction: float, seed: int
) -> RiskCohort:
    """Training exams of the granted patients, and test exams, all with follow-up and a usable view.

    The fraction grants the patients that it grants every other protocol for the column ``event``.

    Parameters
    ----------
    breasts : DataFrame
        The breast table, every ``split`` known.
    seen : ndarray, shape (n_breasts,), bool
        Breasts with features.
    years : int
        Last year that is predicted.

    Raises
    ------
    DataError
        If the set has no follow-up; if training or test exams have no event, or none is followed long enough.
    """
    exams = risk_exams(breasts, exclude_months)
    table, dropped = exams.table, dict(exams.dropped)
    imaged = _imaged(table, breasts, seen)
    for split in ("train", "test"):
        if lost := int(((table["split"] == split) & ~imaged).sum()):
            dropped[f"{split}: no usable standard view"] = lost
    table = table[imaged]
    train = _granted(table[table["split"] == "train"], breasts, years, fraction, seed)
    cohort = RiskCohort(train, table[table["split"] == "test"], dropped)
    _require(cohort.test_follow, years, "test set", "enlarge the test set")
    return cohort


def granted_exams(
    breasts: pd.DataFrame, seen: np.ndarray, *, exclude_months: float, years: int, fraction: float, seed: int
) -> pd.DataFrame:
    """`RiskCohort.train` of `select_risk_cohort`, for what is trained: nothing of a test breast is looked at."""
    training = _training(breasts)
    table = risk_exams(breasts[training], exclude_months).table
    return _granted(table[_imaged(table, breasts, seen & training)], breasts, years, fraction, seed)


def _training(breasts: pd.DataFrame) -> np.ndarray:
    return (breasts["split"] == "train").fillna(False).to_numpy(dtype=bool)


def _imaged(table: pd.DataFrame, breasts: pd.DataFrame, seen: np.ndarray) -> np.ndarray:
    """Exams of which a breast is seen, shape (n_exams,), bool."""
    return table.index.isin(breasts["exam_id"][seen].astype(str))


def _granted(exams: pd.DataFrame, breasts: pd.DataFrame, years: int, fraction: float, seed: int) -> pd.DataFrame:
    """Training exams of the patients that the fraction grants."""
    training = _training(breasts)
    granted = label_fraction(breasts[training], breasts["event"][training], fraction, seed)
    train = exams[exams["patient_id"].isin(granted)]
    follow = FollowUp(train["years"].to_numpy(), train["event"].to_numpy())
    _require(follow, years, f"training set (fraction {fraction:g})", "raise eval.fraction")
    return train


def _require(follow: FollowUp, years: int, what: str, remedy: str) -> None:
    if not follow.events.any():
        raise DataError(
            f"task risk: none of the {len(follow)} exams of the {what} is followed by an event: {remedy} or leave the "
            "task out"
        )
    if (last := last_free_year(follow)) < years:
        fewer = f"set eval.risk.years={last} or " if last else ""
        raise DataError(
            f"task risk: no exam of the {what} is known to be free of an event through year {years} (the last such "
            f"year is {last}): {fewer}{remedy}"
        )
