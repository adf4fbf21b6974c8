"""CDD-CESM's folder, written here by hand in its published layout, and the real sample where there is one."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pandas as pd
import pytest

from mvmlm.data.counts import counts
from mvmlm.data.exam_table import SCHEMA, breast_table
from mvmlm.data.readers._cdd_cesm_labels import DENSITIES, gravest
from mvmlm.data.readers.cdd_cesm import CddCesm, CddCesmOptions
from mvmlm.data.regions import read_regions
from mvmlm.errors import ConfigError, DataError
from mvmlm.reports.record import record_from_breast
from tests.layouts import write_sheet
from tests.real_images import REAL, needs_real_images

FIELDS = ("Image_name", "Age", "Breast density (ACR)", "BIRADS", "Findings", "Tags", "Machine")
COLUMNS = (*FIELDS, "Pathology Classification/ Follow up")
TEXT = """\
P1_L_DM_MLO|46|C|4|Architectural distortion |suspicious, distortion|1|Malignant
P1_L_DM_CC|46|_|1|Normal|normal|1|Normal
P1_L_CM_MLO|46|_|4|Heterogenous non mass enhancement|suspicious, non mass|1|Malignant
P2_R_DM_CC |31|C|3$2|Multiple equal density  masses$Benign macrocalcifications |benign, masses|2|Benign
P2_R_DM_MLO|31|C|2$4|Mass with no suspicious microcalcifications|benign mas|2|Benign
P2_R_CM_CC|31|_|3|Multiple homogenously enhancing  masses|benign, masses|2|Benign
P2_L_DM_CC|31|_|2|IMLN|benign, IMLN|2|Benign
P3_R_DM_CC|45|B|6|Assymetrical increased density|edema|1|Normal
P3_R_DM_MLO_2|45|B|6|Diffuse edematous changes|asymmetry, edema|1|Normal
P3_R_CM_CC|45|_|6|No mass or non mass enhancement|normal|1|Normal
"""
ROWS = [
    tuple(int(cell) if cell.isdigit() else cell for cell in line.split("|")) for line in TEXT.splitlines()
]
MASS_COLUMNS = ("Image_name", "Mass density/enhancement pattern", "Mass shape", "Mass margin")
MASSES = [
    ("P2_R_DM_CC", "Mixed equal and low", "Round-Oval", "Circumscribed-Obscured"),
    ("P2_R_DM_MLO", "High - Equal", "Irregular", "Speculated ulcerating"),
    ("P2_L_DM_CC", "IMLN", "Round", "Circumscribed"),
]
ENHANCING = [("P2_R_CM_CC", "Homogenous", "Round", "Circumscribed")]
REGIONS = [
    ("P1_L_DM_MLO", {"name": "polygon", "all_points_x": [10, 60, 20], "all_points_y": [10, 20, 110]}),
    ("P2_R_DM_CC", {"name": "circle", "cx": 70, "cy": 50, "r": 20}),
    ("P2_R_DM_CC", {"name": "ellipse", "cx": 40, "cy": 30, "rx": 10, "ry": 4}),
    ("P2_R_DM_MLO", {"name": "point", "cx": 5, "cy": 5}),
]
HEIGHT, WIDTH = 100, 80


def picture(path, height=HEIGHT, width=WIDTH):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((height, width), np.uint8))


def write_regions(root, regions):
    lines = [(f"{name}.jpg", 7, "{}", 1, 0, json.dumps(shape), "{}") for name, shape in regions]
    columns = ["#filename", "file_size", "file_attributes", "region_count", "region_id"]
    table = pd.DataFrame(lines, columns=[*columns, "region_shape_attributes", "region_attributes"])
    table.to_csv(root / "Radiology_hand_drawn_segmentations_v2.csv", index=False)


def write_annotations(root, rows=ROWS):
    sheets = {
        "all": pd.DataFrame(rows, columns=COLUMNS),
        "mass enhancement_description": pd.DataFrame(ENHANCING, columns=MASS_COLUMNS),
        "mass_description": pd.DataFrame(MASSES, columns=MASS_COLUMNS),
        "postoperative": pd.DataFrame({"Image_name": ["P3_R_DM_CC ", "P3_R_CM_CC"]}),
    }
    write_sheet(root / "Radiology-manual-annotations.xlsx", sheets)


@pytest.fixture
def root(tmp_path):
    write_annotations(tmp_path)
    write_regions(tmp_path, REGIONS)
    for row in ROWS:
        folder = "Low energy images of CDD-CESM" if "_DM_" in row[0] else "Subtracted images of CDD-CESM"
        picture(tmp_path / folder / f"{row[0]}.jpg")
    return tmp_path


@pytest.fixture
def intake(root):
    return CddCesm().take_in(root)


@pytest.fixture
def table(intake):
    return intake.exams.set_index("image_id", drop=False)


def test_low_energy_images_are_taken_and_subtracted_ones_kept_apart(root, intake, table):
    assert list(table.columns) == list(SCHEMA)
    assert len(table) == 7
    assert intake.apart == {"subtracted images": 3}
    first = table.loc["P1_L_DM_MLO"]
    assert (first["patient_id"], first["exam_id"], first["breast_id"], first["age"]) == (
        "P1",
        "P1",
        "P1_L",
        46,
    )
    assert (first["laterality"], first["view"], first["machine"]) == ("L", "MLO", "1")
    assert all((root / path).is_file() for path in table["path"]), "one of them has a space before its suffix"
    assert table.loc["P3_R_DM_MLO_2", "view"] == "MLO", "a second take is a view of its own"


def test_findings_are_what_either_text_names_and_does_not_deny(table):
    labels = table[["mass", "calcification", "asymmetry", "architectural_distortion"]]
    assert labels.loc["P1_L_DM_MLO"].tolist() == [False, False, False, True]
    assert labels.loc["P1_L_DM_CC"].tolist() == [False] * 4
    assert labels.loc["P2_R_DM_CC"].tolist() == [True, True, False, False], "benign calcifications count"
    assert labels.loc["P2_R_DM_MLO"].tolist() == [True, False, False, False], "«no … microcalcifications»"
    assert labels.loc["P2_L_DM_CC"].tolist() == [False] * 4, "a lymph node is no mass"
    assert labels.loc["P3_R_DM_CC", "asymmetry"], "as it is spelt there"
    assert labels.loc["P3_R_DM_MLO_2", "asymmetry"], "named by the tags alone"


def test_an_image_without_any_text_has_unknown_findings(root):
    write_annotations(root, [(*row[:4], None, None, *row[6:]) for row in ROWS])
    assert CddCesm().read(root)[["mass", "asymmetry"]].isna().all(axis=None)


def test_what_a_subtracted_image_does_not_name_is_unknown_except_for_masses(root):
    table = CddCesm().read(root, CddCesmOptions("subtracted")).set_index("image_id")
    assert table["mass"].tolist() == [False, True, False], "«non mass» and «no mass» are none"
    assert table[["calcification", "asymmetry", "architectural_distortion"]].isna().all(axis=None)
    assert table["density"].tolist() == ["C", "C", "B"], "of the breast's low-energy images"


def test_both_kinds_of_images(root):
    intake = CddCesm().take_in(root, CddCesmOptions("both"))
    assert (len(intake.exams), intake.apart) == (10, {})
    with pytest.raises(ConfigError, match="'all' is none of low_energy, subtracted, both"):
        CddCesmOptions("all")


def test_of_several_categories_the_highest_counts_and_a_dash_is_no_density(table):
    assert table["birads"].tolist() == [4, 1, 3, 4, 2, 6, 6]
    assert table["density"].tolist() == ["C", "C", "C", "C", pd.NA, "B", "B"]


def test_pathology_is_the_breast_s(intake, table):
    assert table["malignancy"].tolist() == [True, True, False, False, False, False, False]
    assert set(table["malignancy_source"]) == {"pathology"}
    assert any(note.startswith("1 breasts have rows with and without cancer") for note in intake.notes)
    assert any(note.startswith("1 images are of operated breasts") for note in intake.notes)


def test_masses_are_described_by_their_gravest_term_in_terms_of_the_record(table):
    described = table[["mass_shape", "mass_margin", "mass_density"]]
    assert described.loc["P2_R_DM_CC"].tolist() == ["round", "obscured", "equal"]
    assert described.loc["P2_R_DM_MLO"].tolist() == ["irregular", "spiculated", "high"]
    assert described.loc["P2_L_DM_CC"].isna().all(), "a lymph node is on the sheet of masses"
    breasts = breast_table(table.reset_index(drop=True))
    records = [record_from_breast(row, CddCesm.report_fields) for row in breasts.to_dict("records")]
    assert [record.mass_margin for record in records] == [None, None, "obscured", None]
    assert [record.mass_density for record in records] == [None, None, "equal", None]


def test_how_a_subtracted_mass_takes_up_contrast_is_no_density(root):
    mass = CddCesm().read(root, CddCesmOptions("subtracted")).set_index("image_id").loc["P2_R_CM_CC"]
    assert (mass["mass_shape"], mass["mass_density"]) == ("round", pd.NA)


def test_medium_density_is_equal():
    cells = pd.Series(["Medium", "Low", "High with overlying microcalcification", "Mixed", None], dtype="string")
    assert gravest(cells, DENSITIES).tolist() == ["equal", "low", "high", pd.NA, pd.NA]


def test_the_text_of_each_image_is_kept_as_its_report(table):
    assert table.loc["P1_L_DM_MLO", "report"] == "Architectural distortion"
    breasts = breast_table(table.reset_index(drop=True))
    assert breasts.loc["P2_R", "report"].splitlines() == [
        "Multiple equal density  masses$Benign macrocalcifications",
        "Mass with no suspicious microcalcifications",
    ]


def test_regions_have_their_outline_and_stay_inside_the_image(intake, table):
    polygon = read_regions(table.loc["P1_L_DM_MLO", "boxes"])[0]
    assert polygon.box == (10, 10, 60, HEIGHT)
    assert polygon.polygon.tolist() == [[10, 10], [60, 20], [20, HEIGHT]]
    circle, ellipse = read_regions(table.loc["P2_R_DM_CC", "boxes"])
    assert circle.box == pytest.approx((50, 30, WIDTH, 70), abs=0.5)
    assert circle.mask(HEIGHT, WIDTH).sum() == pytest.approx(np.pi * 400 * 0.8, rel=0.05)
    assert ellipse.box == pytest.approx((30, 26, 50, 34), abs=0.5)
    assert table.loc[["P2_R_DM_MLO", "P1_L_DM_CC"], "boxes"].isna().all(), (
        "a point, and nothing, are no region"
    )
    assert any("1 hand-drawn regions are single points" in note for note in intake.notes)


def test_regions_of_resized_pictures_are_not_used(root):
    for path in root.rglob("*.jpg"):
        picture(path, 32, 32)
    intake = CddCesm().take_in(root)
    assert intake.exams["boxes"].isna().all()
    assert any("pictures do not hold the regions that were drawn for them" in note for note in intake.notes)


def test_without_a_table_of_regions_there_are_no_boxes(root):
    (root / "Radiology_hand_drawn_segmentations_v2.csv").unlink()
    intake = CddCesm().take_in(root)
    assert intake.exams["boxes"].isna().all()
    assert any("no table of hand-drawn regions" in note for note in intake.notes)


def test_tables_as_csv_beside_masks_of_the_same_names(tmp_path):
    (tmp_path / "tables").mkdir()
    name = tmp_path / "tables" / "cdd_cesm_radiology_manual_annotations.csv"
    pd.DataFrame(ROWS, columns=COLUMNS).to_csv(name, index=False)
    masses = pd.DataFrame(MASSES, columns=MASS_COLUMNS)
    masses.to_csv(tmp_path / "tables" / "cdd_cesm_sheet_mass_description.csv", index=False)
    picture(tmp_path / "images" / "P2_R_DM_CC.png")
    picture(tmp_path / "a_masks" / "P2_R_DM_CC.png")
    intake = CddCesm().take_in(tmp_path)
    assert intake.exams["path"].tolist() == ["images/P2_R_DM_CC.png"]
    assert intake.exams["mass_margin"].tolist() == ["obscured"]
    assert intake.apart["rows of images that this folder does not hold"] == 6
    before = CddCesm.fingerprint(tmp_path)
    masses.to_csv(tmp_path / "tables" / "cdd_cesm_sheet_mass_description.csv", index=False, header=False)
    assert CddCesm.fingerprint(tmp_path) != before, "what is read is in the fingerprint"


def test_a_missing_picture_of_the_published_folder_keeps_its_row(root):
    (root / "Low energy images of CDD-CESM" / "P1_L_DM_CC.jpg").unlink()
    table = CddCesm().read(root).set_index("image_id")
    assert table.loc["P1_L_DM_CC", "path"] == "Low energy images of CDD-CESM/P1_L_DM_CC.jpg"


@pytest.mark.parametrize(
    "column, value, said",
    [
        ("BIRADS", "high", "BIRADS: 1 cells cannot be read (such as 'high')"),
        ("Pathology Classification/ Follow up", "Unclear", "'Unclear' is none of Malignant, Benign, Normal"),
    ],
)
def test_cells_that_cannot_be_read(root, column, value, said):
    place = COLUMNS.index(column)
    write_annotations(root, [(*ROWS[0][:place], value, *ROWS[0][place + 1 :]), *ROWS[1:]])
    with pytest.raises(DataError) as error:
        CddCesm().read(root)
    assert said in str(error.value)


def test_a_region_that_is_no_shape(root):
    write_regions(root, [("P1_L_DM_MLO", {"name": "spiral"})])
    with pytest.raises(DataError, match=r"P1_L_DM_MLO\.jpg: region_shape_attributes is no shape"):
        CddCesm().read(root)


def test_a_spreadsheet_that_is_cut_off(root):
    path = root / "Radiology-manual-annotations.xlsx"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match=r"Radiology-manual-annotations\.xlsx: is no spreadsheet"):
        CddCesm().read(root)


def test_a_row_of_another_name_is_set_aside(root):
    write_annotations(root, [("Patient 1 left", *ROWS[0][1:]), *ROWS[1:]])
    intake = CddCesm().take_in(root)
    assert intake.set_aside["reason"].tolist() == ["Image_name is not like P1_L_DM_CC"]


def test_a_folder_that_is_no_cdd_cesm(tmp_path):
    for use in (CddCesm().read, CddCesm.fingerprint):
        with pytest.raises(DataError, match="no CDD-CESM here; expected Low energy images"):
            use(tmp_path)
    write_annotations(tmp_path)
    with pytest.raises(DataError, match=r"no picture is named like P1_L_DM_CC\.jpg"):
        CddCesm().read(tmp_path)


def test_the_fingerprint_follows_tables_pictures_and_options(root):
    first = CddCesm.fingerprint(root)
    assert CddCesm.fingerprint(root, CddCesmOptions()) == first
    found = {first, CddCesm.fingerprint(root, CddCesmOptions("both"))}
    write_regions(root, REGIONS[:1])
    found.add(CddCesm.fingerprint(root))
    picture(root / "Low energy images of CDD-CESM" / "P1_L_DM_CC.jpg", 30, 30)
    found.add(CddCesm.fingerprint(root))
    assert len(found) == 4


@needs_real_images
@pytest.mark.parametrize("images, number, patients", [("low_energy", 75, 36), ("both", 150, 41)])
def test_the_real_sample(images, number, patients):
    root = REAL / "cdd_cesm"
    intake = CddCesm().take_in(root, CddCesmOptions(images))
    found = counts(intake.exams)
    assert (found["images"], found["patients"], len(intake.set_aside)) == (number, patients, 0)
    assert (found["malignancy patients"], found["malignancy breasts"]) == (30, 34)
    assert all((root / path).is_file() for path in intake.exams["path"])
    assert intake.exams["boxes"].isna().all(), "its pictures are resized"


@needs_real_images
def test_the_published_table_has_the_published_counts(tmp_path):
    (tmp_path / "tables").symlink_to(REAL / "cdd_cesm" / "tables")
    picture(tmp_path / "Low energy images of CDD-CESM" / "P1_L_DM_MLO.jpg")
    found = counts(CddCesm().read(tmp_path))
    assert {name: found[name] for name in CddCesm.published} == CddCesm.published
    assert (found["mass images"], found["calcification images"]) == (280, 236)
    assert (found["asymmetry images"], found["architectural_distortion images"]) == (116, 50)
