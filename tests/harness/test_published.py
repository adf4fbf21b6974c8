"""Numbers of the literature: the files that are shipped, and what is refused in one."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from harness.published import Ours, compare, read_published
from harness.published_checks import COLUMNS, COMPARABLE
from mvmlm.data.readers import DATASETS
from mvmlm.errors import DataError
from tests.harness.published_files import SHIPPED, row, write


@pytest.fixture(scope="module")
def shipped() -> pd.DataFrame:
    return read_published(SHIPPED)


def one(frame: pd.DataFrame, **where) -> pd.Series:
    """The row that has these values, and no other."""
    hit = frame
    for name, value in where.items():
        hit = hit[hit[name] == value]
    assert len(hit) == 1, (where, len(hit))
    return hit.iloc[0]


# The shipped files


def test_shipped_files_are_valid_and_each_is_named_in_the_readme(shipped):
    files = {Path(file).name for file in shipped["file"]}
    assert files == {path.name for path in SHIPPED.glob("*.csv")}
    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in files)
    assert {"mv_mlm.csv", "mammo_clip.csv", "mirai.csv"} <= files


def test_every_shipped_row_is_cited_and_says_why_it_is_or_is_not_comparable(shipped):
    assert shipped["citation"].str.contains(r"(?:arXiv:|doi:)").all()
    marked = shipped["note"].str.startswith(COMPARABLE)
    assert ((shipped["not_comparable"] != "") != marked).all()
    said = [compare(row, Ours()).sentence or row["note"] for row in shipped.to_dict("records")]
    assert all(re.match(r"(not )?comparable because .", sentence) for sentence in said)


def test_shipped_text_speaks_of_publications_alone(shipped):
    said = " ".join(shipped[[*COLUMNS]].astype(str).agg(" ".join, axis=1)) + (SHIPPED / "README.md").read_text("utf-8")
    assert not re.search(r"paper\.md|peers|/work|/tmp|home/", said)


def test_shipped_public_data_sets_have_the_names_of_our_readers(shipped):
    others = {name for name in shipped["dataset"] if name and not name.startswith("private")} - set(DATASETS)
    assert others <= {"optimam"}


@pytest.mark.parametrize(
    ("method", "protocol", "fraction", "printed"),
    [
        ("MV-CLIP", "linear_probe", 1.0, "0.6941"),
        ("(Custom-)CLIP", "linear_probe", 1.0, "0.6797"),
        ("MV-CLIP+Tr", "linear_probe", 0.1, "0.7083"),
        ("MV-CLIP", "linear_probe", 0.1, "0.6941"),
    ],
)
def test_table_1_of_the_paper(shipped, method, protocol, fraction, printed):
    found = one(shipped, source="MV-MLM", method=method, protocol=protocol, fraction=fraction)
    assert (found["printed"], found["task"], found["metric"]) == (printed, "mass", "auc")
    assert "Table 1" in found["where"]
    assert "one of the two is wrong" in found["not_comparable"]


@pytest.mark.parametrize(("method", "printed"), [("MV-CLIP+Tr", "0.8614"), ("MV-CLIP", "0.8514")])
def test_fine_tuning_in_table_1_is_given_without_the_share_of_labels(shipped, method, printed):
    found = one(shipped, source="MV-MLM", method=method, protocol="finetune")
    assert found["printed"] == printed
    assert pd.isna(found["fraction"])


@pytest.mark.parametrize(("task", "value"), [("mass", 0.7649), ("calcification", 0.9393), ("malignancy", 0.7406)])
def test_headline_of_the_paper_names_no_protocol(shipped, task, value):
    found = one(shipped, source="MV-MLM", method="MV-MLM", task=task)
    assert found["value"] == value
    assert found["protocol"] == ""


@pytest.mark.parametrize(
    ("source", "metric", "value"),
    [
        ("MV-MLM", "c_index", 0.73),
        ("MV-MLM", "auc_year2", 0.76),
        ("MV-MLM", "auc_year5", 0.69),
        ("MMT", "auc_year5", 0.826),
    ],
)
def test_risk_values(shipped, source, metric, value):
    assert one(shipped, source=source, task="risk", metric=metric)["value"] == value


def test_risk_values_with_intervals(shipped):
    mirai = shipped[shipped["source"] == "Mirai"].set_index("dataset")
    assert mirai["interval"].to_dict() == {
        "private: MGH": "[0.74, 0.80]",
        "private: Karolinska": "[0.79, 0.82]",
        "private: CGMH": "[0.79, 0.83]",
    }
    assert mirai["value"].tolist() == [0.76, 0.81, 0.79]
    first = one(shipped, source="AsymMirai", method="AsymMirai", metric="auc_year1")
    assert (first["value"], first["low"], first["high"]) == (0.79, 0.73, 0.85)
    bu = shipped[(shipped["dataset"] == "private: BU") & (shipped["method"] == "Mirai")]
    assert bu["value"].tolist() == [0.87, 0.81, 0.79, 0.78, 0.78]


def test_mammo_clip_is_complete_and_keeps_what_poster_and_page_disagree_on(shipped):
    mine = shipped[shipped["source"] == "Mammo-CLIP"]
    rsna = mine[mine["dataset"] == "rsna"]
    assert rsna.groupby(["method", "encoder", "pretraining_data"]).size().tolist() == [5] * 6
    twice = mine[
        (mine["task"] == "mass") & (mine["pretraining_data"].str.contains("VinDr")) & (mine["metric"] == "auc")
    ]
    page = twice["where"].str.startswith("project page")
    assert twice.loc[page, "value"].tolist() == [0.76, 0.80, 0.84, 0.86, 0.88]
    assert twice.loc[~page, "value"].tolist() == [0.55, 0.80, 0.84, 0.85, 0.87]
    probed = mine[(mine["dataset"] == "vindr") & mine["protocol"].isin(["linear_probe", "finetune"])]
    assert set(probed["level"]) == {"finding"}
    assert probed["not_comparable"].str.contains("on the very data that it is tested on").all()


# What is refused


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"value": "1.2"}, r"value: 1\.2 is outside \[0, 1\] for auc"),
        ({"value": "76", "low": "", "high": ""}, "write 76 % as 0.76"),
        ({"metric": "accuracy", "value": "-0.1", "low": "", "high": ""}, r"outside \[0, 1\] for accuracy"),
        ({"metric": "c_index", "high": "1.01"}, r"high: 1\.01 is outside \[0, 1\] for c_index"),
        ({"metric": "kappa", "value": "-1.1", "low": "", "high": ""}, r"outside \[-1, 1\] for kappa"),
        ({"metric": "median_rank", "value": "0.5", "low": "", "high": ""}, r"outside \[1, inf\]"),
        ({"value": "0.64"}, "does not hold the value 0.64"),
        ({"low": "0.71"}, "does not hold the value 0.70"),
        ({"high": ""}, "needs both low and high"),
        ({"value": ".70"}, "'.70' is no plain number"),
        ({"value": "nan"}, "no plain number"),
        ({"value": "0,70"}, "no plain number"),
        ({"fraction": "0"}, r"fraction: 0 is outside \(0, 1\]"),
        ({"fraction": "10"}, "write 10 % as 0.1"),
        ({"n": "0"}, "'0' is no count"),
        ({"n": "20.5"}, "'20.5' is no count"),
        ({"level": "breasts"}, "level: 'breasts' is unknown; did you mean 'breast'"),
        ({"protocol": "linear-probe"}, "did you mean 'linear_probe'"),
        ({"task": "Mass"}, "task: 'Mass' is no name"),
        ({"metric": "auc@breast"}, "no level"),
        ({"citation": "Author et al. 2024"}, "has no year with arXiv"),
        ({"citation": "Author et al., doi:10.1000/x"}, "has no year"),
        ({"not_comparable": ""}, "not_comparable is empty; give the reason"),
        ({"note": "comparable because it is ours"}, "only one can be true"),
        ({"note": "two\nlines"}, "keep a field on one line"),
        *[
            ({name: "  "}, f"{name} is empty")
            for name in ("source", "citation", "method", "task", "metric", "value", "where")
        ],
    ],
)
def test_a_wrong_row_is_refused_with_its_file_and_line(tmp_path, changes, said):
    write(tmp_path, {"method": "another"}, changes)
    with pytest.raises(DataError, match=said) as caught:
        read_published(tmp_path)
    wrong = str(caught.value).splitlines()
    assert wrong
    last = 4 if "\n" in changes.get("note", "") else 3  # a record's last line
    assert all(re.match(rf".*some_model\.csv:{last}: ", line) for line in wrong)


def test_a_file_s_columns_must_be_the_known_ones(tmp_path):
    write(tmp_path, {}, columns=[*COLUMNS[:-1], "notes"])
    with pytest.raises(DataError) as caught:
        read_published(tmp_path)
    assert "some_model.csv:1: unknown column 'notes'; did you mean 'note'?" in str(caught.value)
    assert "column note is missing" in str(caught.value)
    write(tmp_path, {}, columns=[*COLUMNS, "value"])
    with pytest.raises(DataError, match="column value is there twice"):
        read_published(tmp_path)


def test_a_row_with_a_comma_too_many_is_named(tmp_path):
    path = write(tmp_path, {}) / "some_model.csv"
    path.write_text(
        path.read_text(encoding="utf-8") + "Some Model,Author et al. 2024, arXiv:2401.00001\n", encoding="utf-8"
    )
    with pytest.raises(DataError, match=r"some_model\.csv:3: 3 fields, the header has 19"):
        read_published(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b'"open'])
def test_a_file_that_is_no_csv_is_named(tmp_path, content):
    (tmp_path / "broken.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"broken\.csv"):
        read_published(tmp_path)


def test_a_folder_without_files_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"no \*\.csv"):
        read_published(tmp_path)
    with pytest.raises(DataError, match=r"no \*\.csv"):
        read_published(tmp_path / "absent")


def test_the_same_row_twice_is_refused_even_with_another_value(tmp_path):
    write(tmp_path, {}, {"value": "0.71", "note": "again"})
    with pytest.raises(DataError, match=r"some_model\.csv:3: the same row as .*some_model\.csv:2"):
        read_published(tmp_path)


def test_a_value_seen_in_two_places_is_two_rows(tmp_path):
    assert len(read_published(write(tmp_path, {}, {"value": "0.71", "where": "poster"}))) == 2


def test_one_source_a_file_and_one_citation_a_source(tmp_path):
    write(tmp_path, {}, {"source": "Other"})
    with pytest.raises(DataError, match="keep one source a file"):
        read_published(tmp_path)
    write(tmp_path, {}, {"method": "b", "citation": "Author 2025, arXiv:2501.00001"})
    with pytest.raises(DataError, match="is cited otherwise at"):
        read_published(tmp_path)


def test_all_problems_are_told_at_once(tmp_path):
    write(tmp_path, {"value": "7"}, {"level": "nothing", "where": ""})
    write(tmp_path, {"fraction": "2"}, name="z_other")
    with pytest.raises(DataError) as caught:
        read_published(tmp_path)
    told = str(caught.value)
    assert all(
        word in told for word in ("value: 7", "level: 'nothing'", "where is empty", "z_other.csv:2: fraction: 2")
    )


def test_numbers_are_typed_and_kept_as_printed(tmp_path):
    found = row(tmp_path, value="0.7000", low="", high="", n="", fraction="")
    assert (found["value"], found["printed"], found["interval"]) == (0.7, "0.7000", "")
    assert pd.isna(found["low"])
    assert pd.isna(found["n"])
    assert pd.isna(found["fraction"])
    assert row(tmp_path)["interval"] == "[0.65, 0.75]"
    assert row(tmp_path)["line"] == 2
