"""CSAW-CC's folder, written here by hand in its published layout, with the oddities of the real one."""

from __future__ import annotations

import pandas as pd
import pytest

from mvmlm.data.exam_table import SCHEMA, breast_table
from mvmlm.data.readers.csaw_cc import CsawCC
from mvmlm.errors import DataError

NAME = "CSAW-CC_breast_cancer_screening_data.csv"
COLUMNS = (
    "anon_patientid,exam_year,anon_filename,x_case,x_cancer_laterality,x_type,x_age,x_lymphnode_met,rad_timing,rad_r1,"
    "rad_r2,rad_recall,rad_recall_type_right,rad_recall_type_left,imagelaterality,viewposition,libra_breastarea,"
    "libra_densearea,libra_percentdensity"
)
#: Patient to her exams: year and rad_timing; side of the cancer, None for a control.
PATIENTS = {
    "00002": ("Left", [(2009, 3), (2011, 3), (2013, 1)]),
    "00003": ("Right", [(2010, 3), (2011, 2)]),
    "00004": ("Left", [(2010, 3), (2012, 3)]),
    "00005": (None, [(2009, None), (2012, None)]),
    "00006": (None, [(2014, None)]),
    "00007": ("Left", [(2010, None)]),
}


def lines():
    for patient, (cancer, exams) in PATIENTS.items():
        for number, (year, timing) in enumerate(exams, 1):
            for side, view in (("Left", "CC"), ("Left", "MLO"), ("Right", "CC"), ("Right", "MLO")):
                name = f"{patient}_20990909_{side[0]}_{view}_{number}.dcm"
                case = f"1,{cancer},2,1,0.0" if cancer else "0,,,2,"
                yield f"{patient},{year},{name},{case},{timing or ''},1,1,0,,,{side},{view},100.5,20.1,20.0"


@pytest.fixture
def root(tmp_path):
    (tmp_path / NAME).write_text("\n".join([COLUMNS, *lines()]) + "\n")
    for line in lines():
        path = tmp_path / ("batch_1" if line < "00004" else "batch_2/deep") / line.split(",")[2]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"pixels of " + path.name.encode())
    return tmp_path


@pytest.fixture
def intake(root):
    return CsawCC().take_in(root)


@pytest.fixture
def table(intake):
    return intake.exams


def by_exam(table, column, side="L"):
    rows = table[(table["laterality"] == side) & (table["view"] == "CC")].set_index("exam_id")
    return rows[column].to_dict()


def test_rows_are_views_of_yearly_exams_and_files_are_found_anywhere(root, table):
    assert list(table.columns) == list(SCHEMA)
    first = table.iloc[0]
    assert (first["patient_id"], first["exam_id"], first["breast_id"]) == (
        "00002",
        "00002_2009",
        "00002_2009_L",
    )
    assert (first["image_id"], first["path"]) == (
        "00002_20990909_L_CC_1",
        "batch_1/00002_20990909_L_CC_1.dcm",
    )
    assert (first["exam_date"], first["laterality"], first["view"]) == ("2009", "L", "CC"), (
        "not the dummy date"
    )
    assert all((root / path).is_file() for path in table["path"])
    assert table[["age", "density", "birads", "mass", "split"]].isna().all(axis=None)


def test_malignancy_is_a_cancer_that_this_exam_found_on_its_side(table):
    left, right = by_exam(table, "malignancy"), by_exam(table, "malignancy", "R")
    assert (left["00002_2013"], right["00002_2013"]) == (True, False), "the other breast has none"
    assert (left["00002_2009"], left["00002_2011"]) == (False, False), (
        "two years or more before the diagnosis"
    )
    assert pd.isna(right["00003_2011"]), "an interval cancer may have been there or not"
    assert not left["00003_2011"], "the other breast of an interval cancer"
    assert (left["00005_2009"], right["00006_2014"]) == (False, False), "controls"
    assert pd.isna(left["00007_2010"]), "a case without timing"
    assert set(table["malignancy_source"].dropna()) == {"pathology"}


def test_a_case_whose_side_is_unknown_has_unknown_breasts_at_the_diagnosis(root):
    text = (root / NAME).read_text().replace("1,Left,2,1,0.0,1,", "1,,2,1,0.0,1,")
    (root / NAME).write_text(text)
    table = CsawCC().read(root)
    exam = table[table["exam_id"] == "00002_2013"]
    assert exam["malignancy"].isna().all() and len(exam) == 4


def test_years_run_to_the_diagnosis_within_what_the_timing_says(table):
    years, event = by_exam(table, "years_to_event"), by_exam(table, "event")
    assert [years[f"00002_{y}"] for y in (2009, 2011, 2013)] == [4, 2, 0]
    assert years["00003_2010"] == 2, "a year to the last exam and one more to an interval cancer"
    assert years["00003_2011"] == 1
    assert all(event[f"{exam}"] for exam in ("00002_2009", "00002_2013", "00003_2010", "00003_2011"))


def test_a_case_followed_to_an_earlier_exam_alone_is_free_of_cancer_for_two_years_more(table):
    years, event = by_exam(table, "years_to_event"), by_exam(table, "event")
    assert (event["00004_2010"], event["00004_2012"]) == (False, False)
    assert (years["00004_2010"], years["00004_2012"]) == (4, 2)


def test_controls_are_followed_to_their_last_exam(table):
    years, event = by_exam(table, "years_to_event"), by_exam(table, "event")
    assert [years[exam] for exam in ("00005_2009", "00005_2012", "00006_2014")] == [3, 0, 0]
    assert not any(event[exam] for exam in ("00005_2009", "00005_2012", "00006_2014"))


def test_a_case_without_timing_has_unknown_follow_up(table):
    assert pd.isna(by_exam(table, "event")["00007_2010"])
    assert pd.isna(by_exam(table, "years_to_event")["00007_2010"])


def test_blurred_years_do_not_contradict_the_timing(root):
    text = (root / NAME).read_text()
    text = text.replace("00002,2011,", "00002,2012,").replace("00003,2010,", "00003,2008,")
    text = text.replace("1,Right,2,1,0.0,3,", "1,Right,2,1,0.0,2,")
    (root / NAME).write_text(text)
    years = by_exam(CsawCC().read(root), "years_to_event")
    assert years["00002_2012"] == pytest.approx(730 / 365.25), "one calendar year, and 730 days or more"
    assert years["00003_2008"] == pytest.approx(729 / 365.25), "four calendar years, and 729 days at most"


def test_notes_say_what_the_design_forbids(intake):
    notes = " ".join(intake.notes)
    assert "4 of 6 patients are cases, by design" in notes
    assert "calendar years" in notes
    assert "6 images of cases have unknown malignancy" in notes


def test_two_exams_of_one_year_are_one_with_a_note(root):
    (root / NAME).write_text((root / NAME).read_text().replace("00005,2012,", "00005,2009,"))
    intake = CsawCC().take_in(root)
    assert any(note.startswith("2 breasts have a view more than once in a year") for note in intake.notes)
    breasts = breast_table(intake.exams)
    assert breasts.loc["00005_2009_L", "n_views"] == 4


def test_a_file_that_is_not_there_keeps_its_row(root, table):
    (root / table["path"].iloc[0]).unlink()
    again = CsawCC().read(root)
    assert (len(again), again["path"].iloc[0]) == (len(table), "00002_20990909_L_CC_1.dcm")


def test_exports_of_the_same_names_are_read(root, table):
    for path in table["path"]:
        (root / path).rename((root / path).with_suffix(".png"))
    assert all((root / path).is_file() for path in CsawCC().read(root)["path"])


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("rad_timing", "timing", "has no column 'rad_timing'"),
        ("5_20990909_L_CC_1.dcm,0,", "5_20990909_L_CC_1.dcm,yes,", "x_case: 1 cells are none of 0, 1"),
        ("0.0,1,1,1,0", "0.0,4,1,1,0", "rad_timing: 4 cells are none of 1, 2, 3 (such as '4')"),
    ],
)
def test_a_table_that_is_not_as_published(root, old, new, said):
    text = (root / NAME).read_text()
    assert old in text
    (root / NAME).write_text(text.replace(old, new))
    with pytest.raises(DataError) as error:
        CsawCC().read(root)
    assert said in str(error.value)


def test_a_folder_that_is_no_csaw_cc(tmp_path):
    for use in (CsawCC().read, CsawCC.fingerprint):
        with pytest.raises(DataError, match="no CSAW-CC here; expected CSAW-CC_breast_cancer_screening_data"):
            use(tmp_path)


def test_the_fingerprint_follows_table_and_images(root):
    found = {CsawCC.fingerprint(root)}
    assert {CsawCC.fingerprint(root)} == found
    next(root.rglob("*.dcm")).unlink()
    found.add(CsawCC.fingerprint(root))
    (root / NAME).write_text((root / NAME).read_text().replace("2014", "2013"))
    found.add(CsawCC.fingerprint(root))
    assert len(found) == 3
