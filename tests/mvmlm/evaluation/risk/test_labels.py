"""From breasts to exams with follow-up; every way in which a follow-up can be bad."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mvmlm.errors import DataError
from mvmlm.evaluation.risk.labels import risk_exams


def table(*rows: tuple, **more: list) -> pd.DataFrame:
    """Breasts from (exam, side, event, years); an exam ``a1`` is of patient ``a``."""
    exams, sides, events, years = zip(*rows)
    frame = pd.DataFrame(
        {
            "dataset": "made-up",
            "exam_id": exams,
            "patient_id": [e[0] for e in exams],
            "laterality": sides,
            "split": "train",
            "event": pd.array(events, dtype="boolean"),
            "years_to_event": pd.array(years, dtype="Float64"),
            "n_views": 2,
            **more,
        }
    )
    return frame.set_index(pd.Index([f"{e}_{s}" for e, s in zip(exams, sides)], name="breast_id"))


def test_all_exams_of_a_patient_are_kept_one_row_each():
    found = risk_exams(table(("a1", "L", 1, 3.0), ("a1", "R", 1, 3.0), ("a2", "L", 1, 1.5), ("b1", "R", 0, 4.0)))
    assert found.table.index.tolist() == ["a1", "a2", "b1"]
    assert found.table["years"].tolist() == [3.0, 1.5, 4.0]
    assert found.table["event"].tolist() == [True, True, False]
    assert found.table["n_views"].tolist() == [4, 2, 2]
    assert found.dropped == {}


def test_an_event_of_one_breast_is_the_exam_s_at_the_time_of_the_first():
    found = risk_exams(
        table(("a1", "L", 0, 6.0), ("a1", "R", 1, 3.0), ("b1", "L", 1, 4.0), ("b1", "R", 1, 2.0), ("c1", "L", 0, 1.0),
              ("c1", "R", 0, 2.0), ("d1", "L", None, None), ("d1", "R", 0, 5.0))
    )  # fmt: skip
    assert found.table["years"].to_dict() == {"a1": 3.0, "b1": 2.0, "c1": 2.0, "d1": 5.0}
    assert found.table["event"].to_dict() == {"a1": True, "b1": True, "c1": False, "d1": False}


def test_exams_close_to_a_diagnosis_and_those_not_followed_as_long_are_left_out_and_counted():
    breasts = table(
        ("a1", "L", 1, 0.49), ("a2", "L", 1, 0.5), ("b1", "L", 0, 0.3), ("c1", "L", 0, 0.0), ("d1", "L", 0, 0.5)
    )
    found = risk_exams(breasts, 6.0)
    assert found.table.index.tolist() == ["a2", "d1"]
    assert found.dropped == {"train: diagnosis within 6 months": 1, "train: followed for less than 6 months": 2}
    found = risk_exams(breasts, 0.0)
    assert found.table.index.tolist() == ["a1", "a2", "b1", "d1"]
    assert found.dropped == {"train: not followed at all": 1}


@pytest.mark.parametrize(
    ("event", "years", "reason"),
    [
        (None, 2.0, "no follow-up is known"),
        (True, None, "no follow-up is known"),
        (True, np.nan, "no follow-up is known"),
        (True, -1.0, "its follow-up is negative or infinite"),
        (False, -0.1, "its follow-up is negative or infinite"),
        (False, np.inf, "its follow-up is negative or infinite"),
    ],
)
def test_follow_up_that_cannot_be_is_left_out_under_its_name(event, years, reason):
    found = risk_exams(table(("a1", "L", event, years), ("b1", "L", False, 3.0)))
    assert found.table.index.tolist() == ["b1"]
    assert found.dropped == {f"train: {reason}": 1}


def test_follow_up_beyond_the_patient_s_own_event_contradicts_itself():
    rows = (("a1", "L", 1, 2.0), ("a2", "L", 0, 3.0), ("a3", "L", 1, 1.0), ("b1", "L", 0, 9.0))
    dated = table(*rows, exam_date=["2010-01-01", "2011-01-01", "2011-01-01", "2010-01-01"])
    found = risk_exams(dated)
    assert found.table.index.tolist() == ["a1", "a3", "b1"]
    assert found.dropped == {"train: its follow-up goes on after the patient's event": 1}
    by_year = table(*rows, exam_date=["2010", "2011", "2011", "2010"])
    assert len(risk_exams(by_year).table) == 3
    assert len(risk_exams(table(*rows)).table) == 4  # without dates nobody can tell


def test_a_second_event_after_the_first_is_none_that_an_exam_foretells():
    dated = table(("a1", "L", 1, 1.0), ("a2", "L", 1, 2.0), exam_date=["2010-01-01", "2012-01-01"])
    assert risk_exams(dated).table.index.tolist() == ["a1"]


@pytest.mark.parametrize("lack", ["column", "events", "years"])
def test_a_data_set_without_follow_up_is_refused_in_one_line(lack):
    breasts = table(("a1", "L", None if lack == "events" else 1, None if lack == "years" else 2.0))
    if lack == "column":
        breasts = breasts.drop(columns=["event", "years_to_event"])
    with pytest.raises(DataError, match=r"^task risk: made-up has no follow-up .* take a set that has") as told:
        risk_exams(breasts)
    assert "\n" not in str(told.value)


def test_where_nothing_is_left_the_reasons_are_counted():
    with pytest.raises(DataError, match=r"none of 2 exams can be used \(1 train: diagnosis within 6 months; 1 tr"):
        risk_exams(table(("a1", "L", 1, 0.1), ("b1", "L", 0, 0.2)))
