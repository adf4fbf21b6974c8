"""Any table of images: columns by option or alias, labels by rule, and one clear line for what is amiss."""

from __future__ import annotations

import pandas as pd
import pytest

from mvmlm.data.exam_table import breast_table
from mvmlm.data.readers import DATASETS
from mvmlm.data.readers.table import Table, TableOptions
from mvmlm.errors import DataError
from mvmlm.reports.record import record_from_breast
from tests.real_images import REAL, needs_real_images

CSV = """\
file,patient,side,view_position,pathology,findings,birads,density_acr,age,kind,set
a/p1_l_cc.png,p1,LEFT,CC,Malignant,Irregular MASS,4a,C,045Y,dm,training
a/p1_l_mlo.png,p1,Left,mlo,Malignant,Mass and calcifications,5$2,_,45,dm,training
a/p2_r_cc.png,p2,R,CC,Benign,Normal,3|4,b,,dm,test
a/p2_r_mlo.png,p2,right,mediolateral oblique,,,BI-RADS 2,D,61.5,dm,test
a/p2_r_cc_contrast.png,p2,R,CC,Benign,enhancing mass,2,B,61,cm,test
"""
LABELS = {
    "malignancy": {"column": "pathology", "positive": ["malignant"], "negative": ["Benign"]},
    "mass": {"column": "findings", "contains": ["mass"]},
    "calcification": {"column": "findings", "contains": ["calcif"]},
}


@pytest.fixture
def root(tmp_path):
    (tmp_path / "labels.csv").write_text(CSV)
    (tmp_path / "a").mkdir()
    for line in CSV.splitlines()[1:]:
        (tmp_path / line.split(",")[0]).write_bytes(b"picture")
    return tmp_path


def read(root, **options):
    return Table().read(root, TableOptions(**options))


def write(root, *rows, name="labels.csv", sep=","):
    (root / name).write_text("\n".join(sep.join(row) for row in rows) + "\n")


def test_it_is_registered():
    assert DATASETS.get("table") is Table


def test_common_names_of_columns_need_no_option(root):
    table = read(root, labels=LABELS, where={"kind": "DM"})
    assert table["image_id"].tolist() == ["p1_l_cc", "p1_l_mlo", "p2_r_cc", "p2_r_mlo"]
    assert table["breast_id"].tolist() == ["p1_L", "p1_L", "p2_R", "p2_R"]
    assert table["view"].tolist() == ["CC", "MLO"] * 2
    assert table["split"].tolist() == ["train", "train", "test", "test"]
    assert table["density"].tolist() == ["C", pd.NA, "B", "D"]
    assert table["age"].tolist() == [45, 45, pd.NA, 61.5]
    assert table["birads"].tolist() == [4, 5, 4, 2]


def test_a_text_on_the_image_is_its_report_and_the_density_of_its_mass_a_descriptor(root):
    assert read(root)["report"].tolist()[:4] == ["Irregular MASS", "Mass and calcifications", "Normal", pd.NA]
    write(
        root,
        ["path", "patient_id", "laterality", "view", "report", "findings", "mass_density"],
        ["a/p1_l_cc.png", "p1", "L", "CC", "A mass.", "mass", "isodense"],
    )
    row = breast_table(read(root)).iloc[0]
    assert (row["report"], row["mass_density"]) == ("A mass.", "isodense")
    assert record_from_breast(row, Table.report_fields).mass_density == "equal"


def test_labels_by_value_and_by_word(root):
    table = read(root, labels=LABELS)
    assert table["malignancy"].tolist() == [True, True, False, pd.NA, False]
    assert table["mass"].tolist() == [True, True, False, pd.NA, True]
    assert table["calcification"].tolist() == [False, True, False, pd.NA, False]
    assert table["malignancy_source"].tolist() == ["pathology"] * 3 + [pd.NA, "pathology"]


def test_malignancy_from_birads_where_nothing_else_gives_it(root):
    table = read(root)
    assert table["malignancy"].tolist() == [True, True, True, False, False]
    assert set(table["malignancy_source"]) == {"birads"}
    assert table["mass"].isna().all()


def test_neither_pathology_nor_birads_is_unknown(root):
    write(root, ["path", "patient_id", "laterality", "view"], ["a.png", "p", "L", "CC"])
    table = read(root)
    assert table[["malignancy", "malignancy_source"]].isna().all(axis=None)


def test_a_label_has_a_column_of_its_own(root):
    rows = [["a.png", "1"], ["b.png", "no"], ["c.png", ""], ["d.png", "TRUE"]]
    write(root, ["path", "patient_id", "laterality", "view", "mass"], *([p, p, "L", "CC", v] for p, v in rows))
    assert read(root)["mass"].tolist() == [True, False, pd.NA, True]


def test_columns_by_option(root):
    rows = [["a.png", "007", "L", "CC", "v1"], ["b.png", "007", "R", "CC", "v2"]]
    write(root, ["where it is", "who", "which", "how", "visit"], *rows, name="list.tsv", sep="\t")
    columns = {"path": "where it is", "patient_id": "who", "laterality": "which", "view": "how", "exam_id": "visit"}
    table = read(root, csv="list.tsv", columns=columns)
    assert table["patient_id"].tolist() == ["007", "007"]
    assert table["breast_id"].tolist() == ["007_v1_L", "007_v2_R"]


def test_exam_numbers_that_repeat_between_patients_stay_apart(root):
    rows = [[f"{who}{visit}.png", who, "L", "CC", visit] for who in ("p1", "p2") for visit in ("1", "2")]
    write(root, ["path", "patient_id", "laterality", "view", "exam"], *rows)
    breasts = breast_table(read(root))
    assert breasts["patient_id"].to_dict() == {"p1_1_L": "p1", "p1_2_L": "p1", "p2_1_L": "p2", "p2_2_L": "p2"}


def test_an_incomplete_assessment_is_not_benign(root):
    rows = [[f"{birads}.png", f"p{birads}", "L", "CC", birads] for birads in "0346"]
    write(root, ["path", "patient_id", "laterality", "view", "birads"], *rows)
    assert read(root)["malignancy"].tolist() == [pd.NA, False, True, True]


def test_paths_with_backslashes_and_absolute_ones_below_the_root(root):
    rows = [["a\\x.png", "p", "L", "CC"], [f"{root}/a/y.png", "p", "R", "CC"]]
    write(root, ["path", "patient_id", "laterality", "view"], *rows)
    assert read(root)["path"].tolist() == ["a/x.png", "a/y.png"]


@pytest.mark.parametrize("path", ["../x.png", "/etc/x.png"])
def test_paths_out_of_the_root_are_refused(root, path):
    write(root, ["path", "patient_id", "laterality", "view"], [path, "p", "L", "CC"])
    with pytest.raises(DataError, match="leads out of the folder"):
        read(root)


@pytest.mark.parametrize(
    "text, birads", [("3|4", 4), ("5$2", 5), ("4a", 4), ("4C", 4), ("BI-RADS 0", 0), ("6", 6), ("2.0", 2), ("?", pd.NA)]
)
def test_birads_as_tables_write_it(root, text, birads):
    write(root, ["path", "patient_id", "laterality", "view", "birads"], ["a.png", "p", "L", "CC", text])
    assert read(root)["birads"].tolist() == [birads]


@pytest.mark.parametrize(
    "options, said",
    [
        ({"columns": {"path": "fle"}}, "has no column 'fle'; did you mean 'file'?"),
        ({"columns": {"lateralty": "side"}}, "'lateralty' is no such column; did you mean 'laterality'?"),
        ({"columns": {"age": 3}}, "data.options.columns.age: expected a CSV column, got 3"),
        ({"where": {"knd": "dm"}}, "has no column 'knd'; did you mean 'kind'?"),
        ({"where": {"kind": "xx"}}, "leaves no row at 'kind' (it has: 'dm', 'cm')"),
        ({"labels": {"mas": {}}}, "'mas' is no such column; did you mean 'mass'?"),
        ({"labels": {"mass": "findings"}}, "labels.mass: expected {column, positive, negative} or {column, contains}"),
        ({"labels": {"mass": {"column": "findings"}}}, "got the keys column"),
        ({"labels": {"mass": {"column": "finding", "contains": ["x"]}}}, "did you mean 'findings'?"),
        (
            {"labels": {"mass": {"column": "pathology", "positive": ["M"], "negative": ["B"]}}},
            "has none of the values of label 'mass' (it has: 'malignant', 'benign')",
        ),
        ({"csv": "label.csv"}, "label.csv: no such file; name the table with data.options.csv"),
    ],
)
def test_options_that_do_not_fit_the_table(root, options, said):
    with pytest.raises(DataError) as error:
        read(root, **options)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("side", "handedness", "has no column 'laterality'"),
        ("4a", "four", "birads: 1 cells are not BI-RADS categories 0 to 6 (such as 'four')"),
        ("4a", "12", "birads: 1 cells are not"),
        ("4a", "1.5", "birads: 1 cells are not"),
        ("4a", "-1", "birads: 1 cells are not"),
        ("045Y", "old", "age: 1 cells are not numbers (such as 'old')"),
        ("p1_l_mlo", "p1_l_cc", "2 files share their name with another (such as 'p1_l_cc')"),
    ],
)
def test_a_table_that_cannot_be_right(root, old, new, said):
    text = (root / "labels.csv").read_text()
    assert old in text
    (root / "labels.csv").write_text(text.replace(old, new))
    with pytest.raises(DataError) as error:
        read(root)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "old, new, reason",
    [
        ("LEFT", "both", "laterality 'BOTH' is none"),
        ("p2,R,CC,Benign,enh", "p1,R,CC,Benign,enh", "its patient is in the test set too"),
    ],
)
def test_a_row_that_cannot_be_right_is_set_aside(root, old, new, reason):
    text = (root / "labels.csv").read_text()
    assert old in text
    (root / "labels.csv").write_text(text.replace(old, new))
    assert set(Table().take_in(root, TableOptions(csv="labels.csv")).set_aside["reason"]) == {reason}


def test_a_missing_folder(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: no such folder; data\.root must be the folder that holds"):
        Table.fingerprint(tmp_path / "nowhere", TableOptions())


def test_the_fingerprint_follows_table_listed_images_and_options(root):
    only = TableOptions(where={"kind": "dm"})
    seen = [Table.fingerprint(root, TableOptions()), Table.fingerprint(root, only)]
    (root / "a" / "p2_r_cc_contrast.png").write_bytes(b"of another size")
    (root / "notes.png").write_bytes(b"not listed")
    assert Table.fingerprint(root, only) == seen[1]
    seen.append(Table.fingerprint(root, TableOptions()))
    (root / "a" / "p1_l_cc.png").unlink()
    seen.append(Table.fingerprint(root, only))
    (root / "labels.csv").write_text(CSV.replace("Irregular", "Round"))
    seen.append(Table.fingerprint(root, only))
    assert len(set(seen)) == 5


@needs_real_images
def test_real_mammograms():
    where = {"image_type": "low-energy (standard-mammogram-like)"}
    table = read(REAL, where=where, labels={**LABELS, "asymmetry": {"column": "findings", "contains": ["symm"]}})
    breasts = breast_table(table)
    assert (len(table), len(breasts)) == (75, 41)
    assert breasts["malignancy"].value_counts().to_dict() == {True: 34, False: 7}
    assert breasts.loc[breasts["malignancy"], ["cc", "mlo"]].min(axis=None) >= 0
    assert all((REAL / path).is_file() for path in table["path"])
