"""VinDr-Mammo's folder, written here by hand in its published layout, with the oddities of the real one."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from mvmlm.data.exam_table import SCHEMA, breast_table
from mvmlm.data.findings_place import PLACED
from mvmlm.data.readers.vindr import VinDr
from mvmlm.errors import DataError
from mvmlm.reports.record import record_from_breast

BREASTS = """\
study_id,series_id,image_id,laterality,view_position,height,width,breast_birads,breast_density,split
001e,s1,aa01,L,CC,3518,2800,BI-RADS 4,DENSITY C,training
001e,s1,aa02,L,MLO,3518,2800,BI-RADS 4,DENSITY C,training
001e,s1,aa03,R,CC,3518,2800,BI-RADS 1,DENSITY C,training
001e,s1,aa04,R,MLO,3518,2800,BI-RADS 1,DENSITY C,training
0042,s2,bb01,L,CC,2812,2012,BI-RADS 5,DENSITY A,test
0042,s2,bb02,L,MLO,2812,2012,BI-RADS 5,DENSITY A,test
"""
FINDINGS = """\
study_id,series_id,image_id,laterality,view_position,height,width,breast_birads,breast_density,\
finding_categories,finding_birads,xmin,ymin,xmax,ymax,split
001e,s1,aa01,L,CC,3518,2800,BI-RADS 4,DENSITY C,['Mass'],BI-RADS 4,2600.5,1000.0,2900.0,1200.0,training
001e,s1,aa01,L,CC,3518,2800,BI-RADS 4,DENSITY C,\
"['Suspicious Calcification', 'Focal Asymmetry']",BI-RADS 3,-5.0,10.0,50.0,60.0,training
001e,s1,aa02,L,MLO,3518,2800,BI-RADS 4,DENSITY C,['No Finding'],,,,,,training
001e,s1,aa03,R,CC,3518,2800,BI-RADS 1,DENSITY C,['No Finding'],,,,,,training
001e,s1,aa04,R,MLO,3518,2800,BI-RADS 1,DENSITY C,['No Finding'],,,,,,training
0042,s2,bb01,L,CC,2812,2012,BI-RADS 5,DENSITY A,['Nipple Retraction'],,100.0,100.0,200.0,200.0,test
"""
METADATA = """\
SOP Instance UID,Series Instance UID,SOP Instance UID,Patient's Age,Imager Pixel Spacing,Pixel Spacing,Manufacturer
aa01,s1,aa01,053Y,"[0.07, 0.07]",,SIEMENS
aa02,s1,aa02,053Y,,"[0.085, 0.085]",SIEMENS
SOP Instance UID,Series Instance UID,SOP Instance UID,Patient's Age,Imager Pixel Spacing,Pixel Spacing,Manufacturer
aa03,s1,aa03,,"['0.1', '0.1']",,IMS
bb01,s2,bb01,61,"[0.07, 0.07]",,
bb02,s2,bb02,,,,
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "breast-level_annotations.csv").write_text(BREASTS)
    (tmp_path / "finding_annotations.csv").write_text(FINDINGS)
    (tmp_path / "metadata.csv").write_text(METADATA)
    for line in BREASTS.splitlines()[1:]:
        study, _, image = line.split(",")[:3]
        path = tmp_path / "images" / study / f"{image}.dicom"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"pixels of " + image.encode())
    return tmp_path


@pytest.fixture
def table(root):
    return VinDr().read(root).set_index("image_id", drop=False)


def test_rows_are_views_with_the_names_of_the_set(root, table):
    assert list(table.columns) == list(SCHEMA)
    first = table.loc["aa01"]
    assert (first["patient_id"], first["breast_id"], first["split"]) == ("001e", "001e_L", "train")
    assert (first["birads"], first["density"], first["view"]) == (4, "C", "CC")
    assert (first["image_height"], first["image_width"]) == (3518, 2800)
    assert (table["patient_id"].iloc[-1], table["split"].iloc[-1]) == ("0042", "test"), "ids keep their zeros"
    assert all((root / path).is_file() for path in table["path"])


def test_finding_rows_that_disagree_add_up(root, table):
    labels = table[["mass", "calcification", "asymmetry", "architectural_distortion"]]
    assert labels.loc["aa01"].tolist() == [True, True, True, False]
    assert labels.loc["aa02"].tolist() == [False] * 4
    assert labels.loc["bb01"].tolist() == [False] * 4, "a finding that is none of the labels"
    assert labels.loc["bb02"].isna().all(), "no row is unknown, not negative"
    assert breast_table(VinDr().read(root)).loc["001e_L", "mass"]


def test_boxes_are_clipped_to_the_image(table):
    boxes = json.loads(table.loc["aa01", "boxes"])
    assert boxes[0] == {"category": "Mass", "x0": 2600.5, "y0": 1000.0, "x1": 2800.0, "y1": 1200.0}
    assert [b["category"] for b in boxes] == ["Mass", "Suspicious Calcification", "Focal Asymmetry"]
    assert boxes[1]["x0"] == 0.0
    assert json.loads(table.loc["aa02", "boxes"]) == []
    assert pd.isna(table.loc["bb02", "boxes"])


def test_boxes_place_the_findings_of_a_breast_in_its_record(root):
    breast = breast_table(VinDr().read(root)).loc["001e_L"]
    record = record_from_breast(breast, VinDr.report_fields)
    assert (record.mass_size, record.mass_location, record.mass_depth) == (14, "outer", "anterior")
    assert (record.calcification_location, record.calcification_depth) == ("outer", "posterior")
    assert set(PLACED) < VinDr.report_fields


def test_malignancy_stands_for_birads_and_says_so(table):
    assert table["malignancy"].tolist() == [True, True, False, False, True, True]
    assert set(table["malignancy_source"]) == {"birads"}


def test_metadata_with_its_header_twice_and_ages_missing(table):
    assert table["age"].tolist() == [53, 53, pd.NA, pd.NA, 61, pd.NA]
    assert table["pixel_spacing"].tolist() == [0.07, 0.085, 0.1, pd.NA, 0.07, pd.NA]
    assert table["manufacturer"].tolist() == ["SIEMENS", "SIEMENS", "IMS", pd.NA, pd.NA, pd.NA]


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    "name, old, new, said",
    [
        ("breast-level_annotations.csv", "breast_birads", "breast_birad", "did you mean 'breast_birad'"),
        ("finding_annotations.csv", "finding_categories", "categories", "has no column 'finding_categories'"),
        ("metadata.csv", "SOP Instance UID", "UID", "has no column 'SOP Instance UID'"),
        ("finding_annotations.csv", "['Mass']", "Mass", "finding_categories is no list: 'Mass'"),
        ("finding_annotations.csv", "['Mass']", "['Masses']", "'Masses' is no published category; did you mean"),
        ("finding_annotations.csv", ",aa03,", ",zz03,", "2 of 6 images of breast-level_annotations.csv have no"),
        ("metadata.csv", "aa02", "zz02", "metadata.csv: 2 of 6 images"),
        ("breast-level_annotations.csv", "MLO,2812,2012,BI-RADS 5", "MLO,2812,2012,high", "(such as 'high')"),
        ("finding_annotations.csv", "2600.5", "wide", "finding_annotations.csv: is no table"),
    ],
)  # fmt: skip
def test_a_table_that_is_not_as_published(root, name, old, new, said):
    edit(root / name, old, new)
    with pytest.raises(DataError) as error:
        VinDr().read(root)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


BB02 = "bb02,L,MLO,2812,2012,BI-RADS 5,DENSITY A,"


@pytest.mark.parametrize(
    ("old", "new", "aside"),
    [
        ("aa02", "aa01", ["image_id is there already"]),
        (f"{BB02}test", f"{BB02}training", ["its patient is in the test set too"]),
    ],
)
def test_a_row_that_cannot_be_right_is_set_aside(root, old, new, aside):
    edit(root / "breast-level_annotations.csv", old, new)
    intake = VinDr().take_in(root)
    assert intake.set_aside["reason"].tolist() == aside and len(intake.exams) == 5


@pytest.mark.parametrize("name", ["breast-level_annotations.csv", "finding_annotations.csv", "metadata.csv"])
def test_a_missing_table(root, name):
    (root / name).unlink()
    for use in (VinDr().read, VinDr.fingerprint):
        with pytest.raises(DataError, match=f"{name}: no such file"):
            use(root)


def test_a_folder_that_is_no_vindr(tmp_path):
    with pytest.raises(DataError, match=r"no VinDr-Mammo here; expected images/<study>/<image>\.dicom"):
        VinDr().read(tmp_path)
    with pytest.raises(DataError, match=r"nowhere: no such folder; data\.root must hold images/<study>"):
        VinDr().read(tmp_path / "nowhere")


def test_the_fingerprint_follows_tables_and_images(root, tmp_path_factory):
    first = VinDr.fingerprint(root)
    assert VinDr.fingerprint(root) == first
    moved = tmp_path_factory.mktemp("moved") / "vindr"
    root.rename(moved)
    assert VinDr.fingerprint(moved) == first, "where the data lie is no part of it"
    edit(moved / "finding_annotations.csv", "BI-RADS 3", "BI-RADS 2")
    second = VinDr.fingerprint(moved)
    (moved / "images" / "001e" / "aa01.dicom").write_bytes(b"longer pixels than before")
    third = VinDr.fingerprint(moved)
    (moved / "images" / "001e" / "aa02.dicom").unlink()
    assert len({first, second, third, VinDr.fingerprint(moved)}) == 4
