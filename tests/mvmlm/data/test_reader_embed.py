"""EMBED's folder, written here by hand in the open release's layout, with the oddities of the real one."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from mvmlm.data.exam_table import DESCRIPTORS, SCHEMA, breast_table
from mvmlm.data.readers.embed import Embed
from mvmlm.errors import ConfigError, DataError
from mvmlm.reports.guard import allowed_fields
from mvmlm.reports.record import record_from_breast
from tests.mvmlm.data.embed_folder import DIAGNOSTIC, finding, four, image, reader_in, take_in, write


@pytest.fixture
def read(tmp_path):
    return reader_in(tmp_path)


def test_a_file_is_one_row_however_many_findings_its_breast_has(tmp_path):
    findings = [
        finding("100", side="L", asses="A", massshape=shape, numfind=n) for n, shape in enumerate("OXQ", 1)
    ]
    intake = take_in(tmp_path, findings, four("100"))
    table = intake.exams
    assert list(table.columns) == list(SCHEMA)
    assert len(table) == 4 and not len(intake.set_aside)
    first = table.iloc[0]
    assert (first["patient_id"], first["exam_id"], first["breast_id"]) == ("77", "100", "100_L")
    assert (first["image_id"], first["exam_date"]) == ("1.2.826.1000", "2014-03-01")
    assert (first["age"], first["race"], first["site"]) == (61.4, "African American  or Black", "2")
    assert (first["image_height"], first["image_width"], first["machine"]) == (
        3328,
        2560,
        "Selenia Dimensions",
    )
    assert (first["density"], first["implant"]) == ("B", False)
    assert table["split"].isna().all()


def test_findings_go_to_the_breast_that_they_name(read):
    breasts = read(
        [
            finding("100", side="L", asses="A", massshape="G"),
            finding("100", side="R", asses="A", numfind="2", calcdistri="C"),
            finding("200", patient="78", side="B", asses="B", massshape="N"),
            finding("300", patient="79", asses="N"),
        ]
    )
    assert breasts["mass"].to_dict() == {
        "100_L": True, "100_R": False, "200_L": True, "200_R": True, "300_L": False, "300_R": False,
    }  # fmt: skip
    assert breasts.loc[["100_L", "100_R"], "calcification"].tolist() == [False, True]
    assert breasts.loc["300_L", "birads"] == 1


@pytest.mark.parametrize(
    "described, label",
    [
        ({"massshape": "O"}, "mass"),
        ({"massmargin": "S"}, "mass"),
        ({"massdens": "="}, "mass"),
        ({"massdens": "0", "massshape": "F"}, "asymmetry"),
        ({"massshape": "T"}, "asymmetry"),
        ({"massshape": "Q"}, "architectural_distortion"),
        ({"massshape": "A"}, "architectural_distortion"),
        ({"calcfind": "9"}, "calcification"),
        ({"calcdistri": "G"}, "calcification"),
        ({"calcnumber": "3"}, "calcification"),
    ],
)
def test_which_codes_make_which_finding(read, described, label):
    breast = read([finding("100", side="L", asses="S", **described)]).loc["100_L"]
    labels = ("mass", "calcification", "asymmetry", "architectural_distortion")
    assert [name for name in labels if breast[name]] == [label]


def test_a_recall_that_describes_nothing_leaves_its_findings_unknown(read):
    breasts = read(
        [
            finding("100", side="L", asses="A"),
            finding("200", patient="78", side="L", asses="A", massshape="O"),
            finding("200", patient="78", side="L", asses="A", numfind="2"),
        ]
    )
    assert breasts.loc["100_L", ["mass", "calcification"]].isna().all()
    assert breasts.loc["200_L", "mass"] and pd.isna(breasts.loc["200_L", "calcification"])


def test_a_negative_assessment_has_no_finding_whatever_it_describes(read):
    assert not read([finding("100", side="L", asses="N", massshape="O")]).loc["100_L", "mass"]


def test_the_other_breast_of_a_bilateral_exam_is_negative_and_of_a_unilateral_one_unknown(tmp_path):
    findings = [
        finding("100", side="L", asses="A", massshape="O"),
        finding("200", patient="78", side="L", asses="S", massshape="O", desc=DIAGNOSTIC),
    ]
    intake = take_in(tmp_path, findings, [*four("100"), *four("200", "78")])
    breasts = breast_table(intake.exams)
    assert (breasts.loc["100_R", "birads"], breasts.loc["100_R", "mass"]) == (1, False)
    assert breasts.loc["200_R", ["birads", "mass"]].isna().all()
    assert any(note.startswith("1 breasts have no row in a bilateral exam") for note in intake.notes)


@pytest.mark.parametrize(
    "letters, birads",
    [("NB", 2), ("BP", 3), ("PA", 0), ("AS", 4), ("SM", 5), ("MK", 6), ("AN", 0), ("NX", 1), ("X", pd.NA)],
)
def test_of_several_assessments_the_gravest_counts(read, letters, birads):
    rows = [finding("100", side="L", asses=letter, numfind=n) for n, letter in enumerate(letters, 1)]
    found = read(rows).loc["100_L", "birads"]
    assert found is pd.NA if birads is pd.NA else found == birads


def test_descriptors_are_those_of_the_gravest_finding_in_birads_terms(read):
    breast = read(
        [
            finding("100", side="L", asses="B", massshape="O", massmargin="D", calcfind="V"),
            finding("100", side="L", asses="S", numfind="2", massshape="X"),
            finding("100", side="L", asses="S", numfind="3", massshape="R", massmargin="S"),
            finding("100", side="L", asses="P", numfind="4", calcfind="F", calcdistri="C"),
        ]
    ).loc["100_L"]
    assert (breast["mass_shape"], breast["mass_margin"]) == ("irregular", pd.NA), "of one mass, not of two"
    assert breast["calcification_morphology"] == "fine linear or fine-linear branching"
    assert breast["calcification_distribution"] == "grouped"
    record = record_from_breast(breast, allowed_fields(Embed))
    assert (record.birads, record.mass, record.density) == (4, True, "B")
    assert set(DESCRIPTORS) < Embed.report_fields


@pytest.mark.parametrize(
    "code, density", [("+", "high"), ("=", "equal"), ("-", "low"), ("0", "fat-containing"), ("", None)]
)
def test_the_density_of_a_mass_is_that_of_the_legend(read, code, density):
    breast = read([finding("100", side="L", asses="S", massshape="O", massdens=code)]).loc["100_L"]
    assert record_from_breast(breast, Embed.report_fields).mass_density == density


def test_an_earlier_exam_is_a_prior_and_an_unnamed_region_is_that_of_the_only_finding(tmp_path):
    findings = [
        finding("100", side="L", asses="B"),
        finding("200", day="2016-03-01", side="L", asses="S", massshape="O"),
    ]
    region = {"ROI_coords": "((400, 300, 600, 500),)"}
    files = [image("a", "100"), image("b", "200", day="2016-03-01", **region)]
    breasts = breast_table(take_in(tmp_path, findings, files).exams)
    assert breasts["prior"].loc[["100_L", "200_L"]].tolist() == [pd.NA, True]
    record = record_from_breast(breasts.loc["200_L"], Embed.report_fields)
    assert (record.prior, record.implant, record.mass_location) == (True, False, "outer")
    assert record.mass_size is None and not {"mass_size", "mass_depth"} & Embed.report_fields


def test_codes_outside_the_legend_are_told(tmp_path):
    findings = [finding("100", side="L", asses="S", calcfind="AK", massshape="?")]
    intake = take_in(tmp_path, findings, four("100"))
    assert breast_table(intake.exams).loc["100_L", "calcification"]
    notes = "; ".join(intake.notes)
    assert "1 cells of calcfind are no code of the legend (such as 'AK')" in notes
    assert "1 cells of massshape are no code of the legend (such as '?')" in notes


def test_what_is_no_standard_2d_image_is_kept_apart_by_name(tmp_path):
    images = [
        *four("100"),
        image("c", "100", FinalImageType="C-view"),
        image("r", "100", FinalImageType="ROI_SSC"),
        image("m", "100", spot_mag="1.0"),
        image("z", "100", spot_mag="0"),
        image("n", "100", FinalImageType=""),
        *four("200", "88"),
    ]
    findings = [finding("100"), finding("200", patient="88", tissueden="5")]
    intake = take_in(tmp_path, findings, images)
    assert intake.apart == {"C-view": 1, "ROI_SSC": 1, "spot or magnification": 1, "male patient": 4}
    assert intake.set_aside["reason"].tolist() == ["FinalImageType is unknown"]
    assert len(intake.exams) == 5
    assert len(take_in(tmp_path, findings, images, image_types=("2D", "cview")).exams) == 6


def test_screening_alone(tmp_path):
    findings = [finding("100"), finding("200", patient="78", desc=DIAGNOSTIC)]
    intake = take_in(tmp_path, findings, [*four("100"), *four("200", "78")], screening_only=True)
    assert set(intake.exams["exam_id"]) == {"100"}
    assert intake.apart == {"exam that is no screening": 4}


@pytest.mark.parametrize(
    "given, folder, options, path",
    [
        ("/mnt/NAS2/mammo/anon_dicom/cohort_2/1/2/3.dcm", "images", {}, "images/cohort_2/1/2/3.dcm"),
        ("./images/cohort_1/1/2/4/3.dcm", "images", {}, "images/cohort_1/1/2/4/3.dcm"),
        ("/data/mine/cohort_1/1/2/3.dcm", ".", {}, "cohort_1/1/2/3.dcm"),
        (r"D:\embed\cohort_1\1\2\3.dcm", ".", {}, "cohort_1/1/2/3.dcm"),
        ("cohort_1/1/2/3.dcm", "images", {"suffix": ".png", "images": "png"}, "png/cohort_1/1/2/3.png"),
        ("/mnt/NAS2/mammo/anon_dicom/1/2/3.dcm", ".", {}, "1/2/3.dcm"),
    ],
)
def test_paths_start_at_the_cohort(tmp_path, given, folder, options, path):
    (tmp_path / folder).mkdir(exist_ok=True)
    row = take_in(
        tmp_path, [finding("100")], [image("a", "100", anon_dicom_path=given)], **options
    ).exams.iloc[0]
    assert (row["path"], row["image_id"]) == (path, "3")


def test_a_path_of_nowhere_and_a_repeated_file(tmp_path):
    images = [image("a", "100"), image("a", "100"), image("b", "100", anon_dicom_path="/elsewhere/b.dcm")]
    intake = take_in(tmp_path, [finding("100")], images)
    assert len(intake.exams) == 1
    assert intake.set_aside["reason"].tolist() == ["path leads out of the folder"]
    assert any(
        note.startswith("1 rows of the metadata name a file that an earlier row has") for note in intake.notes
    )


def test_regions_are_turned_round_and_none_saved_is_unknown(tmp_path):
    images = [
        image("a", "100", ROI_coords="((992, 202, 1276, 647), (2098, 302, 2647, 1089))"),
        image("b", "100", ROI_coords="(([1224, 172, 1457, 559],),)"),
        image("c", "100", ROI_coords="()"),
        image("d", "100", ROI_coords="(1, 2, 3)"),
    ]
    intake = take_in(tmp_path, [finding("100")], images)
    boxes = intake.exams["boxes"]
    assert json.loads(boxes[0]) == [
        {"category": "region", "x0": 202, "y0": 992, "x1": 647, "y1": 1276},
        {"category": "region", "x0": 302, "y0": 2098, "x1": 1089, "y1": 2647},
    ]
    assert len(json.loads(boxes[1])) == 1
    assert boxes[2:].isna().all()
    assert any(note.startswith("1 cells of ROI_coords") for note in intake.notes)


def test_a_view_that_only_the_series_names(tmp_path):
    unnamed = image("a", "100", ViewPosition="", SeriesDescription="L MLO Combo")
    images = [unnamed, image("b", "100", ViewPosition="XCCL")]
    table = take_in(tmp_path, [finding("100")], images).exams
    assert table["view"].tolist() == ["MLO", "XCCL"]
    assert table["standard_view"].tolist() == [True, False]


def test_an_exam_of_two_patients_and_one_without_a_clinical_row(tmp_path):
    images = [image("a", "100"), image("b", "100", patient="78"), image("c", "200", patient="79")]
    intake = take_in(tmp_path, [finding("100")], images)
    assert intake.set_aside["reason"].tolist() == ["exam has two patients"] * 2
    assert intake.exams.loc[0, ["mass", "birads", "malignancy", "event"]].isna().all()
    assert any("1 images are of exams without a clinical row" in note for note in intake.notes)


def test_the_reduced_tables_in_the_root(tmp_path):
    gone = ("calcnumber", "age_at_study", "loc_num", "procdate_anon")
    findings = [{k: v for k, v in finding("100.0", patient="77.0").items() if k not in gone}]
    more = (
        "Manufacturer",
        "ManufacturerModelName",
        "Rows",
        "Columns",
        "BreastImplantPresent",
        "SeriesDescription",
    )
    images = [{k: v for k, v in row.items() if k not in more} for row in four("100")]
    table = Embed().read(write(tmp_path, findings, images, tables=".", kind="_reduced"))
    assert table["mass"].tolist() == [False] * 4, "ids match though one table has them decimal"
    assert table[["age", "site", "implant", "image_height"]].isna().all(axis=None)


def test_races_that_were_not_recorded_are_unknown(tmp_path):
    table = take_in(tmp_path, [finding("100", RACE_DESC="Not Recorded")], four("100")).exams
    assert table["race"].isna().all()


def test_weights_may_not_be_released():
    assert Embed.releasable is False


def test_tables_that_are_not_there_or_not_as_published(tmp_path):
    for use in (Embed().read, Embed.fingerprint):
        with pytest.raises(
            DataError, match=r"neither EMBED_OpenData_clinical\.csv nor EMBED_OpenData_clinical_red"
        ):
            use(tmp_path)
    findings = [{k if k != "massshape" else "mass_shape": v for k, v in finding("100").items()}]
    with pytest.raises(DataError, match="has no column 'massshape'; did you mean 'mass_shape'"):
        take_in(tmp_path, findings, four("100"))
    with pytest.raises(DataError, match=r"no image is of a kind in data\.options\.image_types \(3D\)"):
        take_in(tmp_path, [finding("100")], four("100"), image_types=("3D",))


@pytest.mark.parametrize("wrong", [{"image_types": ()}, {"pathology_days": -1}, {"suffix": "png"}])
def test_options_that_cannot_be(wrong):
    with pytest.raises(ConfigError, match=f"embed: {next(iter(wrong))}:"):
        Embed.Options(**wrong)


def test_the_fingerprint_follows_tables_images_and_options(tmp_path):
    write(tmp_path, [finding("100")], four("100"))
    first = Embed.fingerprint(tmp_path)
    assert Embed.fingerprint(tmp_path, Embed.Options()) == first
    path = tmp_path / "images" / "cohort_1" / "77" / "1.2.100" / "1.2.3" / "1.2.826.1000.dcm"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"pixels")
    second = Embed.fingerprint(tmp_path)
    write(tmp_path, [finding("100", asses="B")], four("100"))
    third = Embed.fingerprint(tmp_path)
    assert len({first, second, third, Embed.fingerprint(tmp_path, Embed.Options(screening_only=True))}) == 4
