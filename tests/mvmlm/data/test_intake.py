"""Rows on their way into the exam table: what cannot be used is named and counted, what is left is whole."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.data.intake import Log, inside, leads_out, take_in
from mvmlm.errors import DataError


def rows(*changes: dict, count: int = 4) -> pd.DataFrame:
    """Good rows, the first ones changed."""
    made = []
    for i in range(count):
        row = {
            "dataset": "set",
            "patient_id": f"p{i // 2}",
            "exam_id": f"p{i // 2}",
            "breast_id": f"p{i // 2}_L",
            "image_id": f"i{i}",
            "laterality": "L",
            "view": ("CC", "MLO")[i % 2],
            "path": f"images/{i}.dcm",
            "split": "train",
            "age": 50,
        }
        made.append({**row, **(changes[i] if i < len(changes) else {})})
    return pd.DataFrame(made)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"path": "../../etc/passwd"}, "path leads out of the folder"),
        ({"path": "/etc/passwd"}, "path leads out of the folder"),
        ({"path": "C:\\windows\\x.dcm"}, "path leads out of the folder"),
        ({"path": "a\\..\\..\\x.dcm"}, "path leads out of the folder"),
        ({"path": None}, "path is unknown"),
        ({"laterality": "B"}, "laterality 'B' is none"),
        ({"laterality": None}, "laterality is unknown"),
        ({"view": None}, "view is unknown"),
        ({"patient_id": None}, "patient_id is unknown"),
        ({"split": "holdout"}, "split 'holdout' is none"),
        ({"image_id": "i3"}, "image_id is there already"),
    ],
)
def test_a_row_that_cannot_be_used_is_set_aside_with_its_reason(change, reason):
    intake = take_in(rows(change), Log())
    assert len(intake.exams) == 3
    assert intake.set_aside["reason"].tolist() == [reason]
    assert len(intake.bad) == 1


def test_of_a_patient_on_both_sides_the_training_rows_go_and_the_test_set_stays_whole():
    intake = take_in(rows({"split": "test"}), Log())
    assert intake.set_aside["image_id"].tolist() == ["i1"]
    assert intake.set_aside["reason"].iloc[0] == "its patient is in the test set too"
    assert intake.exams["split"].tolist() == ["test", "train", "train"]
    assert not len(intake.bad), "the split is at fault, not the folder"


def test_an_impossible_age_is_unknown_and_told():
    intake = take_in(rows({"age": 400}, {"age": -1}), Log())
    assert intake.exams["age"].isna().tolist() == [True, True, False, False]
    assert intake.notes == ("2 ages are not between 0 and 120 years and count as unknown",)


def test_what_is_something_else_is_counted_apart_and_not_as_bad():
    log = Log()
    given_rows = log.keep_apart(rows(), pd.Series([True, False, False, False]), "tomosynthesis")
    intake = take_in(given_rows, log)
    assert (intake.apart, len(intake.set_aside), len(intake.exams)) == ({"tomosynthesis": 1}, 0, 3)


def test_where_no_row_is_left_the_reasons_are_said():
    bad = [{"path": "../x"}] * 3 + [{"laterality": "?"}]
    with pytest.raises(DataError, match=r"no row .* can be used: path leads out of the folder \(3\); laterality"):
        take_in(rows(*bad), Log())


def test_a_table_without_rows():
    with pytest.raises(DataError, match="has no row"):
        take_in(rows(count=0), Log())


parts = st.sampled_from(["..", ".", "a", "b.dcm", "", "~", "…", "C:", " ", "a b"])


@settings(max_examples=200, deadline=None)
@given(st.lists(parts, min_size=1, max_size=6), st.sampled_from("/\\"), st.booleans())
def test_no_path_that_is_let_in_climbs_out(tmp_path_factory, names, slash, absolute):
    root = tmp_path_factory.getbasetemp() / "root"
    root.mkdir(exist_ok=True)
    path = slash * absolute + slash.join(names)
    if not leads_out(path):
        assert inside(root, path.replace("\\", "/")).resolve().is_relative_to(root.resolve())


def test_a_link_out_of_the_root_is_refused_unless_it_is_allowed(tmp_path):
    root, other = tmp_path / "root", tmp_path / "other"
    root.mkdir()
    other.mkdir()
    (root / "linked").symlink_to(other)
    with pytest.raises(DataError, match="symbolic link leads out"):
        inside(root, "linked/a.dcm")
    assert inside(root, "linked/a.dcm", follow_links=True) == root / "linked/a.dcm"


def test_a_root_that_is_a_link_itself_is_fine(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.dcm").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert inside(tmp_path / "link", "a.dcm") == tmp_path / "link" / "a.dcm"
