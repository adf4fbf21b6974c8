"""CBIS-DDSM's folder, written here by hand in both of its downloaded forms, with the oddities of the real one."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mvmlm.data.exam_table import SCHEMA, breast_table
from mvmlm.data.readers.cbis_ddsm import TABLES, CbisDdsm
from mvmlm.data.regions import read_regions
from mvmlm.errors import ConfigError, DataError
from mvmlm.reports.guard import allowed_fields
from mvmlm.reports.record import record_from_breast
from tests.mvmlm.data.dicom_files import make

PATHS = "image file path,cropped image file path,ROI mask file path"
HEADS = {
    "mass": f"patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,mass shape,"
    f"mass margins,assessment,pathology,subtlety,{PATHS}",
    "calc": f"patient_id,breast density,left or right breast,image view,abnormality id,abnormality type,calc type,"
    f"calc distribution,assessment,pathology,subtlety,{PATHS}",
}
#: Patient, density, side, view, abnormality, two descriptions, assessment, pathology.
ROWS = {
    ("mass", "train"): [
        ("P_00001", 3, "LEFT", "CC", 1, "IRREGULAR-ARCHITECTURAL_DISTORTION", "SPICULATED", 4, "MALIGNANT"),
        ("P_00001", 3, "LEFT", "MLO", 1, "OVAL", "ILL_DEFINED-SPICULATED", 4, "BENIGN"),
        ("P_00044", 2, "RIGHT", "CC", 1, "OVAL", "CIRCUMSCRIBED", 0, "BENIGN"),
        ("P_00044", 2, "RIGHT", "CC", 2, "LOBULATED", "OBSCURED", 3, "BENIGN_WITHOUT_CALLBACK"),
        ("P_00077", 0, "LEFT", "MLO", 1, "LYMPH_NODE", "N/A", 0, "BENIGN_WITHOUT_CALLBACK"),
        ("P_00100", 1, "LEFT", "CC", 1, "FOCAL_ASYMMETRIC_DENSITY", "", 5, "MALIGNANT"),
    ],
    ("mass", "test"): [
        ("P_00016", 4, "LEFT", "CC", 1, "ROUND-OVAL", "MICROLOBULATED", 5, "MALIGNANT"),
    ],
    ("calc", "train"): [
        ("P_00005", 3, "RIGHT", "CC", 1, "AMORPHOUS", "CLUSTERED", 3, "MALIGNANT"),
        ("P_00100", 1, "LEFT", "CC", 1, "PUNCTATE-AMORPHOUS", "REGIONAL-REGIONAL", 2, "BENIGN"),
        ("P_00100", 1, "LEFT", "MLO", 1, "LUCENT_CENTERED", "DIFFUSELY_SCATTERED", 2, "BENIGN"),
    ],
    ("calc", "test"): [
        (
            "P_00041",
            2,
            "LEFT",
            "CC",
            2,
            "PLEOMORPHIC-FINE_LINEAR_BRANCHING",
            "CLUSTERED-LINEAR",
            5,
            "MALIGNANT",
        ),
        ("P_00001", 3, "LEFT", "CC", 1, "N/A", "LINEAR", 2, "BENIGN"),
    ],
}
SHAPE = (12, 10)


def case(kind, split, patient, side, view):
    return f"{kind.capitalize()}-{'Training' if split == 'train' else 'Test'}_{patient}_{side}_{view}"


def files_of(kind, split, row):
    """Case folders, made-up UIDs and names of an abnormality's image, crop and mask, as the tables have them."""
    name = case(kind, split, *row[:1], *row[2:4])
    uid = f"1.3.6.1.4.1.9590.100.1.2.{sum(map(ord, name))}"
    part = f"{name}_{row[4]}/{uid}2/{uid}3"
    return f"{name}/{uid}0/{uid}1/000000.dcm", f"{part}/000000.dcm", f"{part}/000001.dcm"


def write_tables(folder):
    folder.mkdir(exist_ok=True)
    for (kind, split), rows in ROWS.items():
        lines = [HEADS[kind]]
        for row in rows:
            image, crop, mask = files_of(kind, split, row)
            what = "mass" if kind == "mass" else "calcification"
            told = (*row[:5], what, *row[5:], 3, image, f'"{crop}\n"', f'"{mask} \n"')
            lines.append(",".join(map(str, told)))
        (folder / f"{kind}_case_description_{split}_set.csv").write_text("\n".join(lines) + "\n")


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path.parent, pixels).rename(path)


def write_images(folder, place):
    """Images, crops and masks where ``place`` puts the published path; in the test set crops and masks are swapped."""
    image = np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)
    mask = np.zeros(SHAPE, np.uint8)
    mask[3:7, 2:5] = 255
    for (kind, split), rows in ROWS.items():
        for row in rows:
            full, crop, drawn = files_of(kind, split, row)
            if split == "test":
                crop, drawn = drawn, crop
            write(folder / place(full), image)
            write(folder / place(crop), image[3:7, 2:5].copy())
            write(folder / place(drawn), mask)


def as_retrieved(published):
    """Where TCIA's retriever puts it: a dated study, a series named by its description, files counted from 1."""
    name, _, series, file = published.split("/")
    of_image = name.endswith(("CC", "MLO"))
    described = "full mammogram images" if of_image else "ROI mask images"
    return (
        f"{name}/08-29-2017-DDSM-NA-{series[-5:]}/1.000000-{described}-{series[-5:]}/1-{int(file[5]) + 1}.dcm"
    )


@pytest.fixture
def root(tmp_path):
    write_tables(tmp_path)
    write_images(tmp_path / "CBIS-DDSM", lambda path: path)
    return tmp_path


@pytest.fixture
def intake(root):
    return CbisDdsm().take_in(root)


@pytest.fixture
def table(intake):
    return intake.exams.set_index("image_id", drop=False)


def test_rows_are_images_whatever_the_number_of_their_abnormalities(root, table):
    assert list(table.columns) == list(SCHEMA)
    assert len(table) == 9
    twice = table.loc["Mass-Training_P_00044_RIGHT_CC"]
    assert (twice["patient_id"], twice["exam_id"], twice["breast_id"]) == ("P_00044", "P_00044", "P_00044_R")
    assert (twice["laterality"], twice["view"], twice["split"]) == ("R", "CC", "train")
    assert [region["category"] for region in json.loads(twice["boxes"])] == ["mass", "mass"]
    assert all((root / path).is_file() for path in table["path"])
    assert table[["age", "manufacturer"]].isna().all(axis=None), "digitised film"


def test_what_the_set_did_not_look_for_is_unknown(table):
    mass, calcification = (
        table.loc["Mass-Training_P_00044_RIGHT_CC"],
        table.loc["Calc-Training_P_00005_RIGHT_CC"],
    )
    assert mass["mass"]
    assert calcification["calcification"]
    for row, labels in ((mass, ["calcification"]), (calcification, ["mass"])):
        assert row[[*labels, "asymmetry", "architectural_distortion"]].isna().all()


def test_malignancy_is_that_of_any_abnormality_and_from_pathology(table):
    assert table["malignancy"].to_dict() == {
        "Mass-Training_P_00044_RIGHT_CC": False,
        "Mass-Training_P_00077_LEFT_MLO": False,
        "Mass-Training_P_00100_LEFT_CC": True,
        "Mass-Test_P_00016_LEFT_CC": True,
        "Calc-Training_P_00005_RIGHT_CC": True,
        "Calc-Training_P_00100_LEFT_CC": True,
        "Calc-Training_P_00100_LEFT_MLO": False,
        "Calc-Test_P_00041_LEFT_CC": True,
        "Calc-Test_P_00001_LEFT_CC": True,
    }
    assert set(table["malignancy_source"]) == {"pathology"}


def test_assessment_0_never_outranks_and_density_0_is_unknown(table):
    assert table.loc["Mass-Training_P_00044_RIGHT_CC", "birads"] == 3
    assert table.loc["Mass-Training_P_00077_LEFT_MLO", "birads"] == 0
    assert table["density"].to_dict()["Mass-Test_P_00016_LEFT_CC"] == "D"
    assert table["density"].isna().tolist() == [
        image == "Mass-Training_P_00077_LEFT_MLO" for image in table.index
    ]


def test_descriptions_become_terms_of_the_lexicon(table, intake):
    def terms(image, *columns):
        return table.loc[image, list(columns)].fillna("").tolist()

    mass, calcification = (
        ("mass_shape", "mass_margin"),
        ("calcification_morphology", "calcification_distribution"),
    )
    assert terms("Mass-Training_P_00044_RIGHT_CC", *mass) == ["oval", "obscured"]
    assert terms("Mass-Test_P_00016_LEFT_CC", *mass) == ["round", "microlobulated"]
    assert terms("Mass-Training_P_00077_LEFT_MLO", *mass) == ["", ""]
    assert terms("Calc-Training_P_00005_RIGHT_CC", *calcification) == ["amorphous", "grouped"]
    assert terms("Calc-Training_P_00100_LEFT_CC", *calcification) == ["amorphous", "regional"]
    assert terms("Calc-Training_P_00100_LEFT_MLO", *calcification) == ["rim", "diffuse"]
    gravest = ["fine linear or fine-linear branching", "linear"]
    assert terms("Calc-Test_P_00041_LEFT_CC", *calcification) == gravest
    assert table.loc["Mass-Training_P_00100_LEFT_CC", "asymmetry"]
    assert "5 descriptions hold several terms (such as ROUND-OVAL); the gravest counts" in intake.notes
    assert any(
        note.startswith("2 descriptions hold no term of BI-RADS (such as LYMPH_NODE)")
        for note in intake.notes
    )


def test_the_two_files_of_one_view_have_the_labels_of_both(table, intake):
    both = table.loc[["Mass-Training_P_00100_LEFT_CC", "Calc-Training_P_00100_LEFT_CC"]]
    assert both[["mass", "calcification", "malignancy"]].all(axis=None)
    assert both["birads"].tolist() == [5, 5]
    assert [json.loads(boxes)[0]["category"] for boxes in both["boxes"]] == ["mass", "calcification"]
    assert "2 views have a file in the mass set and one in the calcification set" in intake.notes


def test_a_woman_in_training_and_test_tables_stays_in_the_test_set_alone(table, intake):
    assert table.query("patient_id == 'P_00001'")["split"].tolist() == ["test"]
    aside = intake.set_aside
    assert aside["image_id"].tolist() == ["Mass-Training_P_00001_LEFT_CC", "Mass-Training_P_00001_LEFT_MLO"]
    assert set(aside["reason"]) == {"its patient is in the test set too"}
    shared = table.loc["Calc-Test_P_00001_LEFT_CC"]
    assert (shared["mass_shape"], shared["architectural_distortion"]) == ("irregular", True), (
        "it is the same film"
    )


def test_boxes_come_from_the_mask_where_it_is_swapped_with_the_crop(root, table):
    for boxes in table["boxes"]:
        for region in read_regions(boxes, root, SHAPE):
            assert region.box == (2, 3, 5, 7)
        assert len(read_regions(boxes, root, SHAPE)) == len(json.loads(boxes))


def test_every_breast_makes_a_record(intake):
    fields = allowed_fields(CbisDdsm())
    records = {name: record_from_breast(row, fields) for name, row in breast_table(intake.exams).iterrows()}
    assert records["P_00041_L"].seen("calcification")
    assert records["P_00041_L"].mass is None


def test_the_folders_of_the_retriever_give_the_same_table(root, table, tmp_path_factory):
    other = tmp_path_factory.mktemp("retrieved")
    write_tables(other)
    write_images(other / "manifest-1" / "CBIS-DDSM", as_retrieved)
    read = CbisDdsm().read(other)
    where = ["path", "boxes"]
    assert read.drop(columns=where).equals(table.reset_index(drop=True).drop(columns=where))
    assert (
        read["path"]
        .str.fullmatch(r"manifest-1/CBIS-DDSM/[^/]+/[^/]+/1\.000000-full mammogram [^/]+/1-1\.dcm")
        .all()
    )
    assert all(read_regions(boxes, other, SHAPE)[0].box == (2, 3, 5, 7) for boxes in read["boxes"])


def test_an_image_folder_with_several_files_is_told_by_its_series(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("retrieved")
    write_tables(other)
    write_images(other, as_retrieved)
    full = next((other / "Mass-Test_P_00016_LEFT_CC").rglob("1-1.dcm"))
    write(full.parents[1] / "1.000000-cropped images-11111" / "1-1.dcm", np.ones(SHAPE, np.uint8))
    unclear = next((other / "Calc-Test_P_00041_LEFT_CC").rglob("1-1.dcm"))
    write(unclear.with_name("1-2.dcm"), np.ones(SHAPE, np.uint8))
    intake = CbisDdsm().take_in(other)
    paths = intake.exams.set_index("image_id")["path"]
    assert paths["Mass-Test_P_00016_LEFT_CC"] == full.relative_to(other).as_posix()
    aside = intake.set_aside.set_index("image_id")["reason"]
    assert "none is told to be the full mammogram" in aside["Calc-Test_P_00041_LEFT_CC"]


def test_a_file_that_is_not_there_keeps_its_published_path(root):
    lost = "Mass-Training_P_00044_RIGHT_CC"
    next((root / "CBIS-DDSM" / lost).rglob("*.dcm")).unlink()
    path = CbisDdsm().read(root).set_index("image_id").loc[lost, "path"]
    assert path == "CBIS-DDSM/" + files_of("mass", "train", ROWS["mass", "train"][2])[0]


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_rows_without_a_usable_path_or_side_are_set_aside(root):
    test = root / "mass_case_description_test_set.csv"
    edit(test, files_of("mass", "test", ROWS["mass", "test"][0])[0], "  ")
    edit(root / "calc_case_description_train_set.csv", "P_00005,3,RIGHT", "P_00005,3,BOTH")
    outside = files_of("mass", "train", ROWS["mass", "train"][4])[0]
    edit(root / "mass_case_description_train_set.csv", outside, "../" + outside)
    reasons = set(CbisDdsm().take_in(root).set_aside["reason"])
    assert {
        "image file path is empty",
        "laterality 'BOTH' is none",
        "path leads out of the folder",
    } <= reasons


@pytest.mark.parametrize(
    "name, old, new, said",
    [
        ("mass_case_description_train_set.csv", "mass margins", "mass margin", "did you mean 'mass margin'"),
        (
            "calc_case_description_test_set.csv",
            "breast density",
            "density",
            "'breast_density', nor 'breast density'",
        ),
        (
            "mass_case_description_train_set.csv",
            "BENIGN",
            "BENIGNE",
            "pathology: 1 cells are none of MALIGNANT, BENIGN",
        ),
        (
            "calc_case_description_train_set.csv",
            "CLUSTERED,3",
            "CLUSTERED,4a",
            "assessment: 1 cells are none of 0, 1",
        ),
        (
            "calc_case_description_train_set.csv",
            "P_00005,3",
            "P_00005,9",
            "density: 1 cells are none of 0, 1, 2, 3, 4",
        ),
    ],
)
def test_a_table_that_is_not_as_published(root, name, old, new, said):
    edit(root / name, old, new)
    with pytest.raises(DataError) as error:
        CbisDdsm().read(root)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", TABLES)
def test_a_missing_table(root, name):
    (root / name).unlink()
    for use in (CbisDdsm().read, CbisDdsm.fingerprint):
        with pytest.raises(DataError, match=f"{name}: no such file"):
            use(root)


def test_a_folder_that_is_no_cbis_ddsm(tmp_path):
    with pytest.raises(DataError, match=r"no CBIS-DDSM here; expected mass_case_description_train_set\.csv"):
        CbisDdsm().read(tmp_path)


def test_pathology_stays_out_of_reports():
    with pytest.raises(ConfigError):
        allowed_fields(CbisDdsm(), ["malignancy"])


def test_the_fingerprint_follows_tables_images_and_masks(root):
    first = CbisDdsm.fingerprint(root)
    assert CbisDdsm.fingerprint(root) == first
    edit(root / TABLES[0], "SPICULATED,4", "SPICULATED,5")
    second = CbisDdsm.fingerprint(root)
    mask = files_of("mass", "train", ROWS["mass", "train"][0])[2]
    (root / "CBIS-DDSM" / mask).unlink()
    assert len({first, second, CbisDdsm.fingerprint(root)}) == 3
