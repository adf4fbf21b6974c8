"""Numbers of the literature beside ours: what has a place in a table, and what is said of it."""

from __future__ import annotations

import pandas as pd
import pytest

from harness.published import Ours, compare, footnote, read_published
from harness.published_checks import LEVELS
from tests.harness.published_files import GOOD, SHIPPED, row

PLACE = Ours("mass", "linear_probe", 0.1, "auc@breast", "vindr", "official test split")


@pytest.fixture(scope="module")
def shipped() -> pd.DataFrame:
    return read_published(SHIPPED)


def test_an_equal_place_leaves_the_row_s_own_reason_alone(tmp_path):
    match = compare(row(tmp_path), PLACE)
    assert match.fits
    assert match.sentence == "not comparable because the epoch was chosen on the test split"


def test_a_row_with_nothing_against_it_says_so(tmp_path):
    found = row(tmp_path, not_comparable="", note="comparable because split, level and rule are ours")
    assert compare(found, PLACE).sentence == ""
    assert compare(found, Ours(dataset="rsna", metric="auc@breast")).reasons == ("our data are rsna, theirs vindr",)


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({"task": "calcification"}, ("task",)),
        ({"protocol": "finetune"}, ("protocol",)),
        ({"fraction": "1"}, ("fraction",)),
        ({"metric": "accuracy"}, ("metric",)),
        ({"task": "density", "metric": "accuracy"}, ("task", "metric")),
    ],
)
def test_what_is_another_thing_has_no_place(tmp_path, changes, differs):
    match = compare(row(tmp_path, **changes), PLACE)
    assert match.differs == differs
    assert not match.fits


def test_what_the_table_does_not_tell_apart_rules_nothing_out(tmp_path):
    assert compare(row(tmp_path, protocol="", fraction=""), Ours(task="mass", metric="auc")).fits


def test_an_unstated_protocol_or_share_is_no_match_and_is_told(tmp_path):
    match = compare(row(tmp_path, protocol="", fraction=""), PLACE)
    assert match.unstated == ("protocol", "fraction")
    assert not match.fits
    assert "its protocol and share of the labels are not stated" in match.sentence


def test_a_share_of_labels_means_nothing_to_zero_shot(tmp_path):
    place = Ours("mass", "zero_shot", 1.0, "auc@breast")
    assert compare(row(tmp_path, protocol="zero_shot", fraction=""), place).fits


@pytest.mark.parametrize(
    ("changes", "place", "reason"),
    [
        ({}, Ours(simulated=True, dataset="phantom"), "ours are simulated data, theirs are vindr"),
        ({"dataset": ""}, Ours(simulated=True), "theirs are a set that is not stated"),
        ({}, Ours(dataset="rsna"), "our data are rsna, theirs vindr"),
        ({"split": "fold 0"}, PLACE, "ours are tested on: official test split; theirs on: fold 0"),
        ({"split": ""}, PLACE, "its split is not stated"),
        ({"level": "finding"}, PLACE, "scored per row of the findings table, ours per breast"),
        ({"level": "view"}, PLACE, "scored per view, ours per breast"),
        ({"level": ""}, PLACE, "its level is not stated"),
        ({"dataset": "", "level": ""}, PLACE, "its data set and level are not stated"),
    ],
)
def test_another_set_split_or_level_is_a_reason_and_no_bar(tmp_path, changes, place, reason):
    match = compare(row(tmp_path, **changes), place)
    assert match.fits
    assert reason in match.sentence
    assert match.reasons[-1] == GOOD["not_comparable"]


@pytest.mark.parametrize(
    ("theirs", "ours", "reason"),
    [
        ("c_index", "c_uno@patient", "kind of C-index"),
        ("c_harrell", "c_uno@patient", "its C-index is c_harrell, ours c_uno"),
        ("auc_year5", "auc_ipcw_year5@patient", "ours alone is known to be weighted"),
        ("auc_ipcw_year5", "auc_year5@patient", "theirs alone is known to be weighted"),
    ],
)
def test_kinds_of_one_metric_share_a_column_and_say_so(tmp_path, theirs, ours, reason):
    match = compare(row(tmp_path, metric=theirs), Ours(metric=ours))
    assert match.fits
    assert reason in match.sentence


@pytest.mark.parametrize(("theirs", "ours"), [("auc_year4", "auc_year5"), ("auc", "auc_year5"), ("c_index", "auc")])
def test_other_metrics_do_not(tmp_path, theirs, ours):
    assert compare(row(tmp_path, metric=theirs), Ours(metric=ours)).differs == ("metric",)


def test_shipped_rows_for_a_column_of_the_main_table(shipped):
    place = Ours("mass", "linear_probe", 1.0, "auc@breast")
    found = [(row, match) for row in shipped.to_dict("records") if (match := compare(row, place)).fits]
    assert {row["source"] for row, _ in found} == {"MV-MLM", "Mammo-CLIP"}
    assert all(match.sentence.startswith("not comparable because ") for _, match in found)
    clip = [match.sentence for row, match in found if row["source"] == "Mammo-CLIP"]
    assert all("scored per row of the findings table, ours per breast" in sentence for sentence in clip)
    assert "0.7649" not in {row["printed"] for row, _ in found}, "whose protocol is not stated"


def test_shipped_rows_of_risk_stand_beside_any_c_index(shipped):
    place = Ours("risk", metric="c_uno@exam")
    found = [(row, match) for row in shipped.to_dict("records") if (match := compare(row, place)).fits]
    assert {"MV-MLM", "PRIME+", "Mirai"} <= {row["source"] for row, _ in found}
    assert all("kind of C-index" in match.sentence for _, match in found)


def test_every_shipped_row_has_a_footnote_in_one_line(shipped):
    for found in shipped.to_dict("records"):
        text = footnote(found, compare(found, Ours(simulated=True, dataset="phantom", metric="auc@breast")))
        assert text.isprintable()
        assert found["citation"] in text
        assert found["where"] in text
        assert "Not comparable because ours are simulated data" in text


def test_footnote_names_data_split_level_and_size(tmp_path):
    found = row(tmp_path, level="finding", n="4095", note="a remark")
    assert footnote(found, compare(found, PLACE)) == (
        "Author et al. 2024, Some Model, arXiv:2401.00001. On vindr, official test split, per row of the findings "
        "table, n = 4,095. Seen in: Table 1. Not comparable because scored per row of the findings table, ours per "
        "breast; the epoch was chosen on the test split. A remark."
    )


def test_levels_hold_all_of_ours():
    assert {"view", "breast", "exam", "patient"} < set(LEVELS)
