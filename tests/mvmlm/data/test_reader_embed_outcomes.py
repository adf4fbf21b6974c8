"""EMBED: what came of an exam: pathology, and follow-up to the first cancer."""

from __future__ import annotations

import pandas as pd
import pytest

from mvmlm.data.exam_table import breast_table
from tests.mvmlm.data.embed_folder import DIAGNOSTIC, finding, four, reader_in, take_in


@pytest.fixture
def read(tmp_path):
    return reader_in(tmp_path)


@pytest.mark.parametrize(
    "asses, severity, malignant, source",
    [
        ("S", "0.0", True, "pathology"),
        ("S", "1", True, "pathology"),
        ("S", "2", False, "pathology"),
        ("M", "4", False, "pathology"),
        ("S", "5", pd.NA, pd.NA),
        ("S", "6", pd.NA, pd.NA),
        ("N", "", False, "birads 6"),
        ("P", "", False, "birads 6"),
        ("K", "", True, "birads 6"),
        ("A", "", pd.NA, pd.NA),
        ("S", "", pd.NA, pd.NA),
        ("M", "", pd.NA, pd.NA),
        ("X", "", pd.NA, pd.NA),
    ],
)
def test_malignancy_is_pathology_and_else_what_birads_settles(tmp_path, asses, severity, malignant, source):
    findings = [finding("100", side="L", asses=asses, path_severity=severity)]
    row = take_in(tmp_path, findings, four("100")).exams.iloc[0]
    assert [row["malignancy"], row["malignancy_source"]] == [malignant, source]


def test_pathology_recorded_under_the_diagnostic_exam_speaks_for_the_screening_before_it(read):
    findings = [
        finding("100", side="L", asses="A", massshape="O"),
        finding("200", day="2014-03-20", side="L", asses="S", massshape="O", desc=DIAGNOSTIC, path_severity="0",
                procdate_anon="2014-04-02"),
        finding("050", day="2013-02-01", asses="N"),
    ]  # fmt: skip
    breasts = read(findings)
    assert breasts.loc["100_L", ["malignancy", "malignancy_source"]].tolist() == [True, "pathology"]
    assert breasts.loc["100_R", ["malignancy", "malignancy_source"]].tolist() == [False, "birads 6"]
    assert breasts.loc["050_L", ["malignancy", "malignancy_source"]].tolist() == [False, "birads 6"]
    assert pd.isna(read(findings, pathology_days=10).loc["100_L", "malignancy"])


def test_the_specimens_own_side_counts_before_the_findings(read):
    breasts = read([finding("100", side="B", asses="S", massshape="O", path_severity="0", bside="R")])
    assert pd.isna(breasts.loc["100_L", "malignancy"])
    assert breasts.loc["100_R", "malignancy"]


def test_the_gravest_specimen_of_a_breast_counts(read):
    rows = [finding("100", side="L", asses="S", numfind=n, path_severity=s) for n, s in enumerate("402", 1)]
    assert read(rows).loc["100_L", "malignancy"]


def test_years_run_by_days_to_the_first_cancer_of_either_breast_or_to_the_last_exam(read):
    breasts = read(
        [
            finding("100", day="2013-12-31", asses="N"),
            finding(
                "200", day="2014-01-10", side="R", asses="S", path_severity="1", procdate_anon="2014-01-20"
            ),
            finding(
                "201", day="2014-06-01", side="R", asses="S", path_severity="0", procdate_anon="2014-06-10"
            ),
            finding("300", patient="78", day="2014-01-01", asses="B"),
            finding("301", patient="78", day="2016-01-01", asses="B"),
            finding("400", patient="79", day="2015-01-01", asses="N"),
            finding("401", patient="79", day="2015-01-31", side="L", asses="K"),
        ]
    )
    left = breasts.filter(like="_L", axis=0)
    assert left["event"].tolist() == [True, True, pd.NA, False, False, True, True]
    years = left["years_to_event"].astype("Float64") * 365.25
    assert years.round(6).tolist() == [20, 10, pd.NA, 730, 0, 30, 0]
    assert breasts.loc["100_R", "years_to_event"] == breasts.loc["100_L", "years_to_event"], "the patient's"


def test_an_exam_known_from_the_clinical_table_alone_counts_as_follow_up(read):
    breasts = read(
        [finding("100", day="2014-01-01"), finding("101", day="2015-01-01", desc="MG US Breast Left")],
        images=four("100", day="2014-01-01"),
    )
    assert breasts.loc["100_L", "years_to_event"] == pytest.approx(365 / 365.25)


def test_dates_out_of_order_and_dates_that_are_none_are_told(tmp_path):
    findings = [
        finding("100", side="L", asses="S", path_severity="0", procdate_anon="2013-01-01"),
        finding("200", patient="78", side="L", asses="K", path_severity="0", procdate_anon="2013-01-01"),
        finding("300", patient="79", day="2014-02-31", side="L", asses="S", path_severity="0"),
    ]
    images = [*four("100"), *four("200", "78"), *four("300", "79", "soon")]
    intake = take_in(tmp_path, findings, images)
    breasts = breast_table(intake.exams)
    assert breasts.loc["100_L", ["event", "years_to_event"]].tolist() == [True, 0]
    assert breasts.loc[["200_L", "300_L"], ["event", "years_to_event"]].isna().all(axis=None)
    assert breasts.loc[["200_L", "300_L"], "malignancy"].all()
    notes = "; ".join(intake.notes)
    assert "1 procedures are dated before the exam of their finding" in notes
    assert "4 cells of EMBED_OpenData_metadata.csv: study_date_anon are no date (such as 'soon')" in notes
    assert "(such as '2014-02-31')" in notes
    assert "1 exams come after the patient's first cancer" in notes
    assert "1 exams are of patients whose cancer has no date" in notes


def test_the_day_is_that_of_acquisition_not_of_the_signed_report(tmp_path):
    table = take_in(tmp_path, [finding("100", day="2014-03-04")], four("100")).exams
    assert set(table["exam_date"]) == {"2014-03-01"}
