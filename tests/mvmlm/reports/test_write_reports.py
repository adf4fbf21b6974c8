"""Reports of a breast table."""

from types import SimpleNamespace

import pandas as pd
import pytest

from mvmlm.errors import ConfigError, DataError
from mvmlm.reports import write_reports

READER = SimpleNamespace(
    name="toy",
    report_fields=frozenset({"laterality", "age", "birads", "density", "mass", "calcification"}),
    outcome_fields=frozenset({"biopsy"}),
)


def breasts(n=40):
    """A breast table with nullable columns, in which every third value is unknown."""

    def column(values, dtype):
        return pd.array(
            [None if (i + len(dtype)) % 3 == 0 else values[i % len(values)] for i in range(n)], dtype
        )

    return pd.DataFrame(
        {
            "laterality": pd.array(["L", "R"] * (n // 2), "string"),
            "age": column([41.5, 52.0, 63.0, 70.2], "Float64"),
            "birads": column([1, 2, 3, 4, 5], "Int64"),
            "density": column(list("ABCD"), "string"),
            "mass": column([True, False], "boolean"),
            "calcification": column([False, True, False], "boolean"),
            "malignancy": column([True, False], "boolean"),
            "biopsy": column([1, 0], "Int64"),
        },
        index=pd.Index([f"E{i:03d}_{'LR'[i % 2]}" for i in range(n)], name="breast_id"),
    )


@pytest.mark.parametrize("source", ["tabular", "template"])
def test_one_text_a_breast_in_order(source):
    table = breasts()
    reports = write_reports(table, READER, source)
    assert list(reports.columns) == ["breast_id", "text"]
    assert reports["breast_id"].tolist() == table.index.tolist()
    assert reports["text"].str.len().min() > 10


@pytest.mark.parametrize("source", ["tabular", "template"])
def test_the_same_breast_gets_the_same_text_wherever_it_stands(source):
    table = breasts()
    forward = write_reports(table, READER, source).set_index("breast_id")["text"]
    backward = write_reports(table[::-1], READER, source).set_index("breast_id")["text"]
    assert forward.equals(backward[forward.index])


@pytest.mark.parametrize("source", ["tabular", "template"])
def test_what_is_not_allowed_cannot_change_a_text(source):
    table = breasts()
    other = table.assign(malignancy=~table["malignancy"], biopsy=1 - table["biopsy"], laterality="L")
    assert write_reports(table, READER, source).equals(write_reports(other, READER, source))
    chosen = ["age", "density"]
    other = other.assign(mass=~table["mass"], birads=pd.array([0] * len(table), "Int64"))
    assert write_reports(table, READER, source, chosen).equals(write_reports(other, READER, source, chosen))


def test_laterality_is_said_only_on_request():
    assert not write_reports(breasts(), READER, "template")["text"].str.contains("left|right").any()
    said = write_reports(breasts(), READER, "template", ["laterality", "mass"])["text"]
    assert said[0].startswith("Mammography of the left breast.")
    assert said[1].startswith("Mammography of the right breast.")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"source": "templat"}, "did you mean 'template'"),
        ({"fields": ["age", "biopsy"]}, "'biopsy' records the outcome in toy"),
        (
            {"options": {"temperature": 1}},
            "report source 'template' has no option 'temperature' (it has: none)",
        ),
    ],
)
def test_a_wrong_setting_is_named(change, says):
    with pytest.raises(ConfigError) as caught:
        write_reports(breasts(), READER, **{"source": "template", **change})
    assert says in str(caught.value)


def test_breasts_that_no_report_can_say_are_counted_and_named():
    table = breasts()
    table.iloc[[3, 5, 7, 9], table.columns.get_loc("density")] = "X"
    with pytest.raises(DataError) as caught:
        write_reports(table, READER, "tabular")
    said = str(caught.value)
    assert said.startswith("4 of 40 breasts cannot be put into a report")
    assert "E003_R: density: 'X'" in said and "E009_R" not in said
    assert "\n" not in said


def test_a_table_without_a_needed_column_is_named():
    with pytest.raises(DataError, match="lacks columns that the reports need: density, mass"):
        write_reports(breasts().drop(columns=["mass", "density"]), READER, "tabular")


def test_no_breasts_no_reports():
    assert write_reports(breasts().iloc[:0], READER, "template").shape == (0, 2)
