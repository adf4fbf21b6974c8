"""The exam table refuses what cannot be; the breast table keeps what any view shows."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.data.exam_table import LABELS, SCHEMA, breast_table, validate
from mvmlm.errors import DataError


def views(*changes: dict) -> pd.DataFrame:
    """One row for each change, over four views of one patient a row of four."""
    order = itertools.cycle([("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO")])
    rows = []
    for number, (change, (side, view)) in enumerate(zip(changes, order)):
        who = f"p{number // 4}"
        rows.append(
            {
                "dataset": "set",
                "patient_id": who,
                "exam_id": who,
                "breast_id": f"{who}_{side}",
                "image_id": f"i{number:03}",
                "laterality": side,
                "view": view,
                "path": f"{number}.png",
                **change,
            }
        )
    return pd.DataFrame(rows)


def test_columns_are_completed_typed_and_ordered():
    table = validate(views({"birads": 4.0, "mass": True, "view": "ML"}, {"birads": None}))
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == SCHEMA
    assert list(table.columns) == list(SCHEMA)
    assert table["standard_view"].tolist() == [False, True]
    assert table["birads"].tolist() == [4, pd.NA]
    assert table["calcification"].isna().all()


@pytest.mark.parametrize(
    "changes, said",
    [
        ([{"image_id": "x"}, {"image_id": "x"}], "image_id is there more than once in 2 rows (such as x)"),
        ([{"split": "train"}, {"split": "test"}], "1 patients are on both sides of the split (such as p0)"),
        ([{"laterality": "B"}], "laterality is none of L, R in 1 rows (such as B)"),
        ([{"birads": 7}, {"birads": 2}], "birads is none of 0, 1, 2, 3, 4, 5, 6 in 1 rows (such as 7)"),
        ([{"birads": "four"}], "birads: not all values are Int64 (such as four)"),
        ([{"density": "E"}], "density is none of A, B, C, D in 1 rows"),
        ([{"age": 400.0}], "age is not between 0 and 120 years in 1 rows (such as 400.0)"),
        ([{"breast_id": "b"}, {}, {"breast_id": "b"}], "1 breasts have two lateralities (such as b)"),
        ([{"patient_id": None}], "patient_id is unknown in 1 rows (such as i000)"),
        ([{"split": "valid"}], "split is none of train, test in 1 rows (such as valid)"),
    ],
)
def test_each_problem_is_named_with_its_count_and_an_example(changes, said):
    with pytest.raises(DataError) as error:
        validate(views(*changes))
    assert said in str(error.value)


def test_all_problems_come_in_one_line():
    with pytest.raises(DataError) as error:
        validate(views({"birads": 9, "density": "F", "age": -1.0}))
    line = str(error.value)
    assert "\n" not in line
    assert all(word in line for word in ("birads", "density", "age"))


def test_required_columns():
    with pytest.raises(DataError, match="columns are missing: laterality, path"):
        validate(views({}).drop(columns=["laterality", "path"]))


def test_a_breast_has_its_views_by_row_number():
    frame = validate(views(*[{}] * 4, {}, {"view": "ML"}).iloc[::-1])
    breasts = breast_table(frame)
    assert list(breasts.index) == ["p0_L", "p0_R", "p1_L"]
    for breast, row in breasts.iterrows():
        for view, name in (("CC", "cc"), ("MLO", "mlo")):
            at = row[name]
            held = frame[(frame["breast_id"] == breast) & (frame["view"] == view)]
            assert (frame["image_id"].iloc[at] == held["image_id"].iloc[0]) if at >= 0 else held.empty
    assert breasts["n_views"].tolist() == [2, 2, 2]


def test_of_two_images_of_a_view_the_first_by_name_is_taken():
    frame = validate(views({"image_id": "z"}, {"image_id": "a", "view": "CC"}))
    assert breast_table(frame).loc["p0_L", "cc"] == 1


def test_birads_is_the_highest():
    frame = validate(views({"birads": 2}, {"birads": 4}, {"birads": None}))
    assert breast_table(frame)["birads"].tolist() == [4, pd.NA]


truth = st.sampled_from([True, False, None])


@settings(deadline=None, max_examples=40)
@given(st.lists(truth, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_a_label_is_true_if_any_view_says_so_and_unknown_if_none_says_anything(values, random):
    frame = validate(views(*[{"mass": v} for v in values]))
    breasts = breast_table(frame)
    for breast, rows in frame.groupby("breast_id"):
        said = [bool(v) for v in rows["mass"] if not pd.isna(v)]
        found = breasts.loc[breast, "mass"]
        assert pd.isna(found) if not said else bool(found) == any(said)
    order = random.sample(range(len(frame)), len(frame))
    mixed = breast_table(frame.iloc[order])
    pd.testing.assert_frame_equal(mixed.drop(columns=["cc", "mlo"]), breasts.drop(columns=["cc", "mlo"]))
    assert all(str(breasts[label].dtype) == "boolean" for label in LABELS)


def reports(*changes: dict) -> dict[str, str]:
    return breast_table(validate(views(*changes)))["report"].to_dict()


def test_a_report_is_the_distinct_texts_of_the_standard_views_in_the_order_of_their_images():
    three = {"laterality": "L", "breast_id": "p0_L"}
    found = reports(
        {"report": " High density mass ", "image_id": "c"},
        {"report": "Distortion", "image_id": "a"},
        {**three, "view": "MLO", "report": "High density mass", "image_id": "d"},
        {**three, "view": "ML", "report": "Of another view", "image_id": "b"},
    )
    assert found == {"p0_L": "Distortion\nHigh density mass"}


def test_without_a_text_there_is_no_report():
    found = reports({"report": None}, {"report": "  "}, {"report": "Normal"}, {})
    assert pd.isna(found["p0_L"]) and found["p0_R"] == "Normal"
    assert breast_table(validate(views({})))["report"].isna().all()


def prior(*dates: str | None, same_exam: bool = False) -> list:
    """Of the exams of one patient, a left breast each, in the order of ``dates``."""
    rows = []
    for number, date in enumerate(dates):
        exam = "e" if same_exam else f"e{number}"
        ids = {"patient_id": "p", "exam_id": exam, "breast_id": f"{exam}_L", "laterality": "L"}
        rows.append({**ids, "exam_date": date})
    found = breast_table(validate(views(*rows)))["prior"]
    assert str(found.dtype) == "boolean"
    return found.tolist()


@pytest.mark.parametrize(
    "dates, found",
    [
        (["2014-03-01", "2012-01-31", "2013-05-05"], [True, pd.NA, True]),
        (["2014-03-01", "2014-03-01"], [pd.NA, pd.NA]),
        (["2014-03-01", None, "2015-03-01"], [pd.NA, pd.NA, True]),
        ([None, None], [pd.NA, pd.NA]),
        (["2008", "2010"], [pd.NA, True]),
        (["no date", "2010-01-01"], [pd.NA, pd.NA]),
    ],
)
def test_prior_is_true_after_an_exam_of_an_earlier_day_and_else_unknown(dates, found):
    assert prior(*dates) == found


def test_views_of_one_exam_are_no_priors_of_each_other():
    assert prior("2014-03-01", "2014-03-02", same_exam=True) == [pd.NA]


def test_an_exam_of_another_patient_is_no_prior():
    table = validate(views({"exam_date": "2010-01-01"}, *[{}] * 3, {"exam_date": "2012-01-01"}))
    assert breast_table(table)["prior"].isna().all()


def test_an_implant_of_any_view_is_one_of_the_breast_and_density_of_a_mass_the_first_known():
    table = validate(views({"implant": False}, {"implant": True, "mass_density": "equal"}, {"implant": None}))
    breasts = breast_table(table)
    assert breasts["implant"].tolist() == [True, pd.NA]
    assert breasts["mass_density"].tolist() == ["equal", pd.NA]
