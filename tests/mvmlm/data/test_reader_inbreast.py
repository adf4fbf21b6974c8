"""INbreast's folder, written here by hand in its published layout, with the oddities of the real one."""

from __future__ import annotations

import plistlib

import pandas as pd
import pytest

from mvmlm.data.exam_table import SCHEMA
from mvmlm.data.readers import _inbreast_regions
from mvmlm.data.readers.inbreast import INbreast
from mvmlm.data.regions import read_regions
from mvmlm.errors import DataError
from tests.layouts import write_sheet

ANN, EVE = "6c613a14b80a8591", "fe7d005dcbbfb46d"
TABLE = """\
Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads
removed;removed;R;CC;201001;20586908;4;1
removed;removed;L;CC;201001;20586934;4;4a
removed;removed;R;MLO;201001;20586960;4;1
removed;removed;L;FMLO;201001;20586986;4;4c
removed;removed;L;MLO;200805;20587054;     ;2
removed;removed;L;CC;200805;20587080;2 ;6
removed;removed;R;CC;200902;20587106;1;5
"""
FILES = {
    "20586908": (ANN, "R_CC"),
    "20586934": (ANN, "L_CC"),
    "20586960": (ANN, "R_ML"),
    "20586986": (ANN, "L_ML"),
    "20587054": (EVE, "L_ML"),
    "20587080": (EVE, "L_CC"),
    "20587106": (EVE, "R_CC"),
}
SQUARE = [(10, 20), (50, 20), (50, 80), (10, 80)]
REGIONS = {
    "20586934": [("Mass", SQUARE), ("Espiculated Region", SQUARE), ("Calcification", [(5.5, 6.25)])],
    "20586986": [("Cluster", SQUARE), ("Assymetry", SQUARE)],
    "20587080": [("Unnamed", [(1, 1), (4, 2)]), ("Distortion", SQUARE)],
    "20587106": [("Calcifications", [(7, 7)])],
}


def write_regions(path, regions):
    path.parent.mkdir(exist_ok=True)
    rois = [
        {"Name": name, "NumberOfPoints": len(points), "Point_px": [f"({x:.6f}, {y:.6f})" for x, y in points]}
        for name, points in regions
    ]
    path.write_bytes(plistlib.dumps({"Images": [{"NumberOfROIs": len(rois), "ROIs": rois}]}))


def write(root):
    root.mkdir(exist_ok=True)
    (root / "INbreast.csv").write_text(TABLE)
    (root / "AllDICOMs").mkdir()
    for file, (patient, rest) in FILES.items():
        (root / "AllDICOMs" / f"{file}_{patient}_MG_{rest}_ANON.dcm").write_bytes(
            b"pixels of " + file.encode()
        )
    for file, regions in REGIONS.items():
        write_regions(root / "AllXML" / f"{file}.xml", regions)
    return root


@pytest.fixture
def root(tmp_path):
    return write(tmp_path)


@pytest.fixture
def intake(root):
    return INbreast().take_in(root)


@pytest.fixture
def table(intake):
    return intake.exams.set_index("image_id", drop=False)


def test_patients_are_the_hashes_of_file_names_and_exams_their_dates(root, table):
    assert list(table.columns) == list(SCHEMA)
    assert table["patient_id"].tolist() == [ANN] * 4 + [EVE] * 3
    assert table.loc["20586908", "breast_id"] == f"{ANN}_201001_R"
    assert table.groupby("patient_id")["exam_id"].nunique().to_dict() == {ANN: 1, EVE: 2}
    assert table["exam_date"].tolist() == ["2010"] * 4 + ["2008", "2008", "2009"]
    assert table["age"].isna().all(), "it is blanked"
    assert all((root / path).is_file() for path in table["path"])


def test_every_oblique_view_is_an_mlo(table):
    assert table["view"].tolist() == ["CC", "CC", "MLO", "MLO", "MLO", "CC", "CC"]


def test_grades_of_the_table(table):
    assert table["birads"].tolist() == [1, 4, 1, 4, 2, 6, 5]
    assert table["density"].tolist() == ["D", "D", "D", "D", pd.NA, "B", "A"], "blanks are unknown"
    assert table["malignancy"].tolist() == [False, True, False, True, False, True, True]
    assert set(table["malignancy_source"]) == {"birads"}


def test_findings_are_what_regions_are_named(table):
    labels = table[["mass", "calcification", "asymmetry", "architectural_distortion"]]
    assert labels.loc["20586934"].tolist() == [True, True, False, False]
    assert labels.loc["20586986"].tolist() == [False, True, True, False]
    assert labels.loc["20587106"].tolist() == [False, True, False, False]


def test_no_file_of_regions_is_no_finding_for_birads_1_alone(intake, table):
    labels = table[["mass", "calcification", "asymmetry", "architectural_distortion"]]
    assert not labels.loc[["20586908", "20586960"]].any(axis=None)
    assert table.loc["20586908", "boxes"] == "[]"
    assert labels.loc["20587054"].isna().all(), "BI-RADS 2 says that there is something"
    assert any(note.startswith("1 images have no XML file and are not of BI-RADS 1") for note in intake.notes)


def test_a_region_without_a_telling_name_could_be_anything(intake, table):
    labels = table.loc["20587080", ["mass", "calcification", "asymmetry", "architectural_distortion"]]
    assert labels.tolist() == [pd.NA, pd.NA, pd.NA, True]
    assert any("name does not say what they are" in note and "20587080" in note for note in intake.notes)


def test_regions_have_outlines_and_single_points_a_pixel(table):
    mass, spicules, speck = read_regions(table.loc["20586934", "boxes"])
    assert (mass.category, mass.box) == ("Mass", (10, 20, 50, 80))
    assert mass.polygon.tolist() == [list(map(float, point)) for point in SQUARE]
    assert spicules.category == "Espiculated Region"
    assert (speck.box, speck.polygon) == ((5.5, 6.25, 6.5, 7.25), None)


def test_without_any_regions_all_findings_are_unknown(root):
    for path in (root / "AllXML").iterdir():
        path.unlink()
    table = INbreast().read(root)
    assert table[["mass", "calcification", "boxes"]].isna().all(axis=None)
    assert table["birads"].notna().all()


@pytest.mark.parametrize(
    "content", [b"<plist>cut off", b"", b"<plist><dict/></plist>", b'<!DOCTYPE x [<!ENTITY a "b">]><plist/>']
)
def test_a_damaged_list_costs_its_own_image_alone(root, content):
    (root / "AllXML" / "20586934.xml").write_bytes(content)
    intake = INbreast().take_in(root)
    table = intake.exams.set_index("image_id")
    assert pd.isna(table.loc["20586934", "mass"])
    assert table.loc["20586986", "asymmetry"]
    assert any("1 XML files cannot be read" in note and "20586934.xml" in note for note in intake.notes)


def test_a_list_that_is_far_too_large_is_not_read(root, monkeypatch):
    monkeypatch.setattr(_inbreast_regions, "MOST_BYTES", 2**10)
    write_regions(root / "AllXML" / "20586934.xml", [("Mass", SQUARE * 200)])
    assert any("as no list of regions" in note for note in INbreast().take_in(root).notes)


def test_an_image_without_a_file_has_no_patient_and_is_set_aside(root):
    next((root / "AllDICOMs").glob("20587106_*")).unlink()
    intake = INbreast().take_in(root)
    assert intake.set_aside["image_id"].tolist() == ["20587106"]
    assert intake.set_aside["reason"].tolist() == ["no file is named for it: its patient is unknown"]


def test_the_release_s_own_folder_below_the_root(tmp_path):
    write(tmp_path / "INbreast Release 1.0")
    table = INbreast().read(tmp_path)
    assert (len(table), table["mass"].sum()) == (7, 1)
    assert all((tmp_path / path).is_file() for path in table["path"])
    assert len(INbreast.fingerprint(tmp_path)) == 20


def test_the_spreadsheet_with_numbers_and_remarks_below(root):
    rows = [line.split(";") for line in TABLE.splitlines()]
    numbers = [[*row[:4], int(row[4]), float(row[5]), row[6], row[7], None] for row in rows[1:]]
    remarks = [[None] * 9, ["Total", None, None, None, None, "410 images", None, None, None]]
    write_sheet(
        root / "INbreast.xlsx", {"Sheet1": pd.DataFrame(numbers + remarks, columns=[*rows[0], "Mass "])}
    )
    by_csv = INbreast().read(root)
    (root / "INbreast.csv").unlink()
    pd.testing.assert_frame_equal(INbreast().read(root), by_csv)


def test_a_category_that_cannot_be_read(root):
    (root / "INbreast.csv").write_text(TABLE.replace(";4a", ";4d"))
    with pytest.raises(DataError, match=r"INbreast\.csv: Bi-Rads: 1 cells cannot be read \(such as '4d'\)"):
        INbreast().read(root)


def test_a_table_with_commas_is_not_as_published(root):
    (root / "INbreast.csv").write_text(TABLE.replace(";", ","))
    with pytest.raises(DataError, match=r"INbreast\.csv: has no column 'Laterality'"):
        INbreast().read(root)


def test_a_folder_that_is_no_inbreast(tmp_path):
    for use in (INbreast().read, INbreast.fingerprint):
        with pytest.raises(DataError, match=r"no INbreast here; expected INbreast\.csv"):
            use(tmp_path)


def test_the_fingerprint_follows_table_regions_and_images(root):
    found = {INbreast.fingerprint(root)}
    assert {INbreast.fingerprint(root)} == found
    write_regions(root / "AllXML" / "20586934.xml", [("Mass", SQUARE)])
    found.add(INbreast.fingerprint(root))
    next((root / "AllDICOMs").glob("20587106_*")).unlink()
    found.add(INbreast.fingerprint(root))
    (root / "INbreast.csv").write_text(TABLE.replace(";4a", ";4b"))
    found.add(INbreast.fingerprint(root))
    assert len(found) == 4
