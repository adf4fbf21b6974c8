"""CMMD's folder, written here by hand in its published layout: a spreadsheet, and headers that hold side and view."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mvmlm.data.counts import counts
from mvmlm.data.exam_table import SCHEMA, breast_table
from mvmlm.data.readers.cmmd import Cmmd, CmmdOptions
from mvmlm.data.spreadsheet import read_sheet
from mvmlm.errors import ConfigError, DataError
from mvmlm.reports.guard import allowed_fields
from tests.layouts import write_sheet
from tests.mvmlm.data.dicom_files import code, make

COLUMNS = ["ID1", "LeftRight", "Age", "number", "abnormality", "classification", "subtype"]
ROWS = [
    ("D1-0001", "R", 44, 2, "calcification", "Benign", None),
    ("D1-0021", "L", 22, 2, "both", "Benign", None),
    ("D1-0021", "R", 22, 2, "mass", "Malignant", None),
    ("D2-0013", "L ", 57, 2, "mass", "Malignant", "triple negative"),
    ("D2-0220", "L", 49, 2, "both", "Malignant", None),
]
CODES = {"CC": "399162004", "MLO": "399368009"}
#: Patient, study and the sides that were imaged, each in both views.
STUDIES = [
    ("D1-0001", "07-18-2010-NA-NA-79377", "R"),
    ("D1-0021", "07-18-2011-NA-NA-00002", "LR"),
    ("D2-0013", "07-18-2012-NA-NA-00003", "LR"),
]


def write_image(root, patient, study, number, **elements):
    folder = root / "CMMD" / patient / study / "1.000000-NA-70244"
    folder.mkdir(parents=True, exist_ok=True)
    made = make(folder, np.arange(16, dtype=np.uint8).reshape(4, 4), PatientID=patient, **elements)
    return made.rename(folder / f"1-{number}.dcm")


def write_table(root, rows):
    write_sheet(root / "CMMD_clinicaldata_revision.xlsx", {"Sheet1": pd.DataFrame(rows, columns=COLUMNS)})


@pytest.fixture
def root(tmp_path):
    for patient, study, sides in STUDIES:
        views = [(side, view) for side in sides for view in CODES]
        for number, (side, view) in enumerate(views, 1):
            said = {"ImageLaterality": side, "ViewCodeSequence": [code(CODES[view])]}
            write_image(tmp_path, patient, study, number, Manufacturer="SIEMENS", **said)
    write_table(tmp_path, ROWS)
    return tmp_path


@pytest.fixture
def intake(root):
    return Cmmd().take_in(root)


def test_side_and_view_come_from_the_header_and_the_rest_from_the_table(root, intake):
    table = intake.exams
    assert list(table.columns) == list(SCHEMA)
    assert len(table) == 10
    first = table.iloc[0]
    assert first["path"] == "CMMD/D1-0001/07-18-2010-NA-NA-79377/1.000000-NA-70244/1-1.dcm"
    assert (first["patient_id"], first["laterality"], first["view"], first["age"]) == (
        "D1-0001",
        "R",
        "CC",
        44,
    )
    assert (first["image_height"], first["image_width"], first["manufacturer"]) == (4, 4, "SIEMENS")
    assert table.groupby("breast_id")["view"].apply(set).map(len).eq(2).all()
    assert table["exam_id"].nunique() == 3
    assert all((root / path).is_file() for path in table["path"])
    assert table["split"].isna().all(), "there is no official split"


def test_a_breast_has_the_labels_of_its_own_row(intake):
    breasts = breast_table(intake.exams).reset_index().set_index(["patient_id", "laterality"])
    labels = breasts[["mass", "calcification", "malignancy"]]
    assert labels.loc["D1-0001", "R"].tolist() == [False, True, False]
    assert labels.loc["D1-0021", "L"].tolist() == [True, True, False]
    assert labels.loc["D1-0021", "R"].tolist() == [True, False, True], "a row a breast where both are listed"
    assert breasts.loc["D2-0013", "L"][["subtype", "malignancy_source"]].tolist() == [
        "triple negative",
        "pathology",
    ]
    assert counts(intake.exams)["subtype triple negative breasts"] == 1


def test_the_other_breast_is_unknown_unless_it_is_assumed_to_be_normal(root, intake):
    def other(table):
        return table[(table["patient_id"] == "D2-0013") & (table["laterality"] == "R")]

    labels = ["mass", "calcification", "malignancy", "malignancy_source", "subtype"]
    assert other(intake.exams)[labels].isna().all(axis=None)
    assert (other(intake.exams)["age"] == 57).all(), "age is the patient's"
    assumed = Cmmd().take_in(root, CmmdOptions(contralateral="normal"))
    mine = other(assumed.exams)
    assert (~mine[["mass", "calcification", "malignancy"]]).all(axis=None)
    assert mine[["malignancy_source", "subtype"]].isna().all(axis=None), "no pathology says so"
    assert any(note.startswith("2 images of breasts without a row count as normal") for note in assumed.notes)
    pd.testing.assert_frame_equal(assumed.exams.drop(mine.index), intake.exams.drop(mine.index))


def test_a_listed_breast_without_findings_is_not_assumed_to_be_normal(root):
    write_table(root, [(*ROWS[0][:4], None, None, None), *ROWS[1:]])
    table = Cmmd().read(root, CmmdOptions(contralateral="normal")).query("patient_id == 'D1-0001'")
    assert table[["mass", "calcification", "malignancy", "malignancy_source"]].isna().all(axis=None)


def test_an_unknown_option_is_refused():
    with pytest.raises(ConfigError, match="contralateral: 'benign' is none of unknown, normal"):
        CmmdOptions(contralateral="benign")


def test_images_that_cannot_be_used_are_set_aside_with_their_reason(root):
    write_image(root, "D1-0999", "07-18-2010-NA-NA-1", 1, ImageLaterality="L")
    write_image(root, "D2-0013", "07-18-2012-NA-NA-00003", 5, ImageLaterality="L")
    write_image(root, "D2-0013", "07-18-2012-NA-NA-00003", 6, ViewCodeSequence=[code(CODES["CC"])])
    write_image(root, "D2-0013", "07-18-2012-NA-NA-00003", 7).write_bytes(b"half a file")
    intake = Cmmd().take_in(root)
    reasons = intake.set_aside.set_index(intake.set_aside["path"].str[-7:])["reason"]
    assert reasons["1-1.dcm"] == "its patient has no row in CMMD_clinicaldata_revision"
    assert reasons["1-5.dcm"] == "its header names no view"
    assert reasons["1-6.dcm"] == "its header names no side"
    assert "DICOM" in reasons["1-7.dcm"]
    assert len(reasons) == 4
    assert len(intake.exams) == 10


def test_rows_without_an_image_are_counted(intake):
    assert any("1 of 5 breasts" in note and "D2-0220 L" in note for note in intake.notes)


def test_a_breast_that_is_listed_twice_has_its_first_row(root):
    write_table(root, [*ROWS, ("D1-0001", "R", 44, 2, "mass", "Malignant", None)])
    intake = Cmmd().take_in(root)
    assert not intake.exams.query("patient_id == 'D1-0001'")["malignancy"].any()
    assert any(note.startswith("1 rows of CMMD_clinicaldata_revision.xlsx") for note in intake.notes)


def test_the_folder_of_images_as_the_root_with_the_table_as_csv(root, intake):
    pd.DataFrame(ROWS, columns=COLUMNS).to_csv(root / "CMMD" / "CMMD_clinicaldata_revision.csv", index=False)
    inner = Cmmd().read(root / "CMMD")
    assert inner["path"].iloc[0].startswith("D1-0001/")
    pd.testing.assert_frame_equal(inner.drop(columns="path"), intake.exams.drop(columns="path"))


def test_values_that_were_not_published(root):
    write_table(root, [("D1-0001", "R", 44, 2, "mass", "Suspicious", None)])
    with pytest.raises(
        DataError, match=r"classification: 1 cells are none of malignant, benign \(such as 'Suspicious'"
    ):
        Cmmd().read(root)


def test_folders_that_are_no_cmmd(root, tmp_path_factory):
    with pytest.raises(DataError, match="no CMMD here; expected CMMD/<ID1>/<study>/<series>"):
        Cmmd().read(tmp_path_factory.mktemp("empty"))
    bare = tmp_path_factory.mktemp("bare")
    write_table(bare, ROWS)
    for use in (Cmmd().read, Cmmd.fingerprint):
        with pytest.raises(DataError, match=r"no image is at <ID1>/<study>/<series>/1-1\.dcm"):
            use(bare)


def test_outcomes_stay_out_of_reports():
    assert allowed_fields(Cmmd()) == ("age", "calcification", "mass")
    for outcome in ("malignancy", "subtype"):
        with pytest.raises(ConfigError):
            allowed_fields(Cmmd(), [outcome])


def test_the_fingerprint_follows_table_images_and_options(root):
    first = Cmmd.fingerprint(root)
    assert Cmmd.fingerprint(root) == first
    other = Cmmd.fingerprint(root, CmmdOptions(contralateral="normal"))
    write_table(root, ROWS[:3])
    fewer = Cmmd.fingerprint(root)
    next((root / "CMMD" / "D1-0001").rglob("1-2.dcm")).unlink()
    assert len({first, other, fewer, Cmmd.fingerprint(root)}) == 4


def test_a_sheet_is_found_by_its_name_and_keeps_its_types(tmp_path):
    path = tmp_path / "book.xlsx"
    numbers = pd.DataFrame({"n": [1, 2], "x": [0.5, None], "word": ["a", None]})
    write_sheet(path, {"first": pd.DataFrame({"a": ["b"]}), "second": numbers})
    assert list(read_sheet(path, ["a"])) == ["a"]
    second = read_sheet(path, ["n", "x"], "second")
    assert second["n"].tolist() == [1, 2]
    assert second[["x", "word"]].isna().to_numpy().tolist() == [[False, False], [True, True]]


@pytest.mark.parametrize(
    "content, columns, sheet, said",
    [
        (None, [], None, "no such file; data.root must be the folder as it was published"),
        (b"not a spreadsheet", [], None, "is no table"),
        ("cut", [], None, "is no table"),
        ("whole", [], "third", "is no table"),
        (
            "whole",
            ["subtypes"],
            None,
            "has no column 'subtypes'; did you mean 'subtype'? (it has: ID1, LeftRight",
        ),
    ],
)
def test_a_spreadsheet_that_cannot_be_used(tmp_path, content, columns, sheet, said):
    path = tmp_path / "CMMD_clinicaldata_revision.xlsx"
    write_table(tmp_path, ROWS)
    if content is None:
        path.unlink()
    elif content == "cut":
        path.write_bytes(path.read_bytes()[:300])
    elif content != "whole":
        path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read_sheet(path, columns, sheet)
    assert f"{path}: {said}" in str(error.value)
    assert "\n" not in str(error.value)
