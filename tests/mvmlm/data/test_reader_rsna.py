"""RSNA's folder, written here by hand in its published layout, with the oddities of the real one."""

from __future__ import annotations

import pandas as pd
import pytest

from mvmlm.data.counts import counts
from mvmlm.data.exam_table import SCHEMA, breast_table
from mvmlm.data.readers.rsna import Rsna
from mvmlm.errors import ConfigError, DataError
from mvmlm.reports.guard import allowed_fields

TABLE = """\
site_id,patient_id,image_id,laterality,view,age,cancer,biopsy,invasive,BIRADS,implant,density,machine_id,\
difficult_negative_case
2,10006,462822612,L,CC,61.0,0,0,0,,0,,29,False
2,10006,1459541791,L,MLO,61.0,0,0,0,,0,,29,False
2,10006,1864590858,R,MLO,61.0,1,1,1,,0,,29,False
2,10006,1874946579,R,CC,61.0,1,1,1,,0,,29,False
1,106,5001,L,CC,,0,0,0,2.0,1,B,49,False
1,106,5002,L,MLO,,0,0,0,2.0,1,B,49,False
1,106,5003,L,LMO,,0,0,0,2.0,1,B,93,False
1,207,7001,R,CC,48.0,1,1,0,0.0,0,C,49,False
1,207,7002,R,CC,48.0,0,0,0,0.0,0,C,49,True
1,207,7003,R,MLO,48.0,1,1,0,0.0,0,C,49,False
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "train.csv").write_text(TABLE)
    for line in TABLE.splitlines()[1:]:
        _, patient, image = line.split(",")[:3]
        path = tmp_path / "train_images" / patient / f"{image}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"pixels of " + image.encode())
    return tmp_path


@pytest.fixture
def intake(root):
    return Rsna().take_in(root)


@pytest.fixture
def table(intake):
    return intake.exams.set_index("image_id", drop=False)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_rows_are_views_and_their_files_are_there(root, table):
    assert list(table.columns) == list(SCHEMA)
    first = table.loc["462822612"]
    assert (first["patient_id"], first["exam_id"], first["breast_id"]) == ("10006", "10006", "10006_L")
    assert (first["view"], first["age"], first["site"], first["machine"]) == ("CC", 61, "2", "29")
    assert all((root / path).is_file() for path in table["path"])
    assert table["split"].isna().all(), "no test set with labels was published"


def test_cancer_is_the_breasts_and_comes_from_pathology(intake, table):
    assert table["malignancy"].tolist() == [False, False, True, True, *[False] * 3, *[True] * 3]
    assert set(table["malignancy_source"]) == {"pathology"}
    assert any(note.startswith("1 breasts have views with and without cancer") for note in intake.notes)
    assert breast_table(intake.exams)["malignancy"].tolist() == [False, True, False, True]


def test_an_unknown_cancer_stays_unknown(root):
    edit(root / "train.csv", "1,106,5001,L,CC,,0,", "1,106,5001,L,CC,,,")
    edit(root / "train.csv", "1,106,5002,L,MLO,,0,", "1,106,5002,L,MLO,,,")
    edit(root / "train.csv", "1,106,5003,L,LMO,,0,", "1,106,5003,L,LMO,,,")
    mine = Rsna().read(root).query("patient_id == '106'")
    assert mine["malignancy"].isna().all()
    assert mine["malignancy_source"].isna().all()


def test_birads_as_published_and_unknown_where_missing(table):
    assert table["birads"].tolist() == [*[pd.NA] * 4, *[2] * 3, *[0] * 3]
    assert table["density"].tolist() == [*[pd.NA] * 4, *"BBB", *"CCC"]
    assert table.loc["5001", "age"] is pd.NA


def test_implants_of_the_site_that_did_not_record_them_are_unknown(table):
    assert table["implant"].tolist() == [*[pd.NA] * 4, *[True] * 3, *[False] * 3]


def test_views_beside_the_four_stay_and_are_marked(table):
    assert table.loc["5003", "view"] == "LMO"
    assert not table.loc["5003", "standard_view"]
    assert table["standard_view"].sum() == 9


def test_outcomes_and_birads_never_enter_a_report():
    assert allowed_fields(Rsna) == ("age", "density")
    for field in ("birads", "cancer", "biopsy", "invasive", "difficult_negative_case", "malignancy"):
        with pytest.raises(ConfigError, match=r"enters no report"):
            allowed_fields(Rsna, [field])
    assert not {"biopsy", "invasive", "difficult_negative_case"} & set(SCHEMA)


def test_ids_that_a_spreadsheet_made_decimal(root):
    edit(root / "train.csv", "2,10006,", "2.0,10006.0,")
    edit(root / "train.csv", ",29,False", ",29.0,False")
    mine = Rsna().read(root).iloc[0]
    assert (mine["patient_id"], mine["site"], mine["machine"]) == ("10006", "2", "29")
    assert mine["path"] == "train_images/10006/462822612.dcm"


def test_an_export_to_png_with_the_same_names(root):
    (root / "train_images").rename(root / "png")
    for path in list((root / "png").glob("*/*.dcm")):
        path.rename(path.with_suffix(".png"))
    options = Rsna.Options(images="png", suffix=".png")
    assert all((root / path).is_file() for path in Rsna().read(root, options)["path"])
    assert Rsna.fingerprint(root, options)


def test_what_repeats_is_told(intake):
    notes = "; ".join(intake.notes)
    assert "1 breasts have a view more than once" in notes
    assert "1 patients were imaged by more than one machine" in notes


def test_a_row_without_a_side_is_set_aside(root):
    edit(root / "train.csv", "10006,462822612,L", "10006,462822612,")
    intake = Rsna().take_in(root)
    assert intake.set_aside["image_id"].tolist() == ["462822612"]
    assert len(intake.exams) == 9


def test_published_counts_have_the_names_that_the_counting_gives(intake):
    found = counts(intake.exams)
    of_other_views = {"view AT images", "view LM images", "view ML images"}
    assert set(Rsna.published) - set(found) == of_other_views
    assert (found["malignancy breasts"], found["site 1 patients"], found["implant images"]) == (2, 2, 3)


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("machine_id", "machine", "has no column 'machine_id'; did you mean 'machine'"),
        ("cancer", "cancers", "did you mean 'cancers'"),
        (",61.0,0,", ",61.0,no,", "cancer: 2 cells are neither 0 nor 1 (such as 'no')"),
        (",2.0,1,B", ",7.0,1,B", "BIRADS: 3 cells are none of 0, 1, 2 (such as '7.0')"),
        (",2.0,1,B", ",2.0,yes,B", "implant: 3 cells are neither 0 nor 1 (such as 'yes')"),
        ("1,B,", "1,E,", "density is none of A, B, C, D in 3 rows"),
    ],
)
def test_a_table_that_is_not_as_published(root, old, new, said):
    edit(root / "train.csv", old, new)
    with pytest.raises(DataError) as error:
        Rsna().read(root)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_missing_is_named(root):
    with pytest.raises(DataError, match=r"data\.options\.images names another folder than pngs"):
        Rsna().read(root, Rsna.Options(images="pngs"))
    (root / "train.csv").unlink()
    for use in (Rsna().read, Rsna.fingerprint):
        with pytest.raises(DataError, match=r"train\.csv: no such file"):
            use(root)


@pytest.mark.parametrize("wrong", [{"suffix": "png"}, {"images": ""}])
def test_options_that_cannot_be(wrong):
    with pytest.raises(ConfigError, match=f"rsna: {next(iter(wrong))}:"):
        Rsna.Options(**wrong)


def test_the_fingerprint_follows_tables_images_and_options(root):
    first = Rsna.fingerprint(root)
    assert Rsna.fingerprint(root, Rsna.Options()) == first
    edit(root / "train.csv", "61.0", "62.0")
    second = Rsna.fingerprint(root)
    (root / "train_images" / "106" / "5001.dcm").write_bytes(b"longer pixels than before")
    assert len({first, second, Rsna.fingerprint(root)}) == 3
