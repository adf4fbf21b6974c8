"""Reports of a breast table: once a record, checked, and what is not faithful dealt with."""

from types import SimpleNamespace

import pandas as pd
import pytest

from mvmlm.errors import ConfigError, DataError
from mvmlm.reports import write_reports
from mvmlm.reports.record import Record
from mvmlm.reports.source import Case, Draw, NoOptions, Setting, Source
from mvmlm.reports.template import template_sentences
from mvmlm.reports.write import Rules, make_source, write_texts

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


def table_of(table, source, fields=None, **rules):
    return write_reports(table, READER, make_source(source), fields, Rules(**rules)).table()


@pytest.mark.parametrize("source", ["tabular", "template", "paraphrase"])
def test_one_text_a_breast_in_order(source):
    table = breasts()
    reports = table_of(table, source)
    assert list(reports.columns) == ["breast_id", "record", "sample", "text"]
    assert reports["breast_id"].tolist() == table.index.tolist()
    assert reports["text"].str.len().min() > 10


@pytest.mark.parametrize("source", ["tabular", "template", "paraphrase"])
def test_the_same_breast_gets_the_same_text_wherever_it_stands(source):
    table = breasts()
    forward = table_of(table, source).set_index("breast_id")["text"]
    backward = table_of(table[::-1], source).set_index("breast_id")["text"]
    alone = table_of(table.iloc[[7]], source)["text"][0]
    assert forward.equals(backward[forward.index])
    assert alone == forward.iloc[7]


@pytest.mark.parametrize("source", ["tabular", "template", "paraphrase"])
def test_what_is_not_allowed_cannot_change_a_text(source):
    table = breasts()
    other = table.assign(malignancy=~table["malignancy"], biopsy=1 - table["biopsy"], laterality="L")
    assert table_of(table, source).equals(table_of(other, source))
    chosen = ["age", "density"]
    other = other.assign(mass=~table["mass"], birads=pd.array([0] * len(table), "Int64"))
    assert table_of(table, source, chosen).equals(table_of(other, source, chosen))


def test_laterality_is_said_only_on_request():
    assert not table_of(breasts(), "template")["text"].str.contains("left|right").any()
    said = table_of(breasts(), "template", ["laterality", "mass"])["text"]
    assert said[0].startswith("Mammography of the left breast.")
    assert said[1].startswith("Mammography of the right breast.")


def test_equal_records_share_their_texts_and_a_number():
    table = breasts().assign(age=pd.NA)
    reports = table_of(table, "paraphrase", ["mass", "density"], samples=3)
    assert reports.groupby("record")["text"].nunique().max() <= 3
    assert reports.groupby("breast_id")["text"].size().eq(3).all()
    same = reports[reports["record"] == reports["record"][0]]
    assert same["breast_id"].nunique() > 1
    assert same.groupby("sample")["text"].nunique().eq(1).all()


def test_more_samples_keep_the_first_and_a_source_that_does_not_vary_has_one():
    one, three = table_of(breasts(), "paraphrase"), table_of(breasts(), "paraphrase", samples=3)
    assert one["text"].tolist() == three.loc[three["sample"] == 0, "text"].tolist()
    assert table_of(breasts(), "template", samples=3)["sample"].eq(0).all()


def test_paraphrases_differ_and_their_seed_decides():
    def texts(seed):
        source = make_source("paraphrase", None, Setting(seed))
        return write_reports(breasts(), READER, source, None, Rules(samples=4)).table()["text"].tolist()

    assert texts(0) == texts(0) != texts(1)
    assert len(set(texts(0))) > 100


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda: make_source("templat"), "did you mean 'template'"),
        (lambda: table_of(breasts(), "template", ["age", "biopsy"]), "'biopsy' records the outcome in toy"),
        (
            lambda: make_source("template", {"temperature": 1}),
            "report source 'template' has no option 'temperature' (it has: none)",
        ),
        (lambda: Rules(unfaithful="dorp"), "'dorp' is none of keep, regenerate, template, drop; did you mean 'drop'?"),
        (lambda: Rules(samples=0), "reports.samples: 0 texts a record are too few"),
    ],
)
def test_a_wrong_setting_is_named(act, says):
    with pytest.raises(ConfigError) as caught:
        act()
    assert says in str(caught.value)


def test_breasts_that_no_report_can_say_are_counted_and_named():
    table = breasts()
    table.iloc[[3, 5, 7, 9], table.columns.get_loc("density")] = "X"
    with pytest.raises(DataError) as caught:
        table_of(table, "tabular")
    said = str(caught.value)
    assert said.startswith("4 of 40 breasts cannot be put into a report")
    assert "E003_R: density: 'X'" in said and "E009_R" not in said
    assert "\n" not in said


def test_a_table_without_a_needed_column_is_named():
    with pytest.raises(DataError, match="lacks columns that the reports need: density, mass"):
        table_of(breasts().drop(columns=["mass", "density"]), "tabular")


def test_no_breasts_no_reports():
    assert table_of(breasts().iloc[:0], "template").shape == (0, 4)


TRUE = "There is an oval mass. Assessment: BI-RADS 4, suspicious."
FALSE = "There is an oval mass. There are grouped calcifications. Assessment: BI-RADS 2, benign."
RECORD = Record(mass=True, mass_shape="oval", birads=4)


class Scripted(Source):
    """Answers what it was told to, attempt by attempt."""

    varies = invents = True

    def __init__(self, *answers):
        super().__init__(NoOptions())
        self.answers, self.asked = answers, []

    def write(self, draws):
        self.asked.append([draw.attempt for draw in draws])
        return [self.answers[min(draw.attempt, len(self.answers) - 1)] for draw in draws]


def one_text(source, **rules):
    (text,) = write_texts(source, [Draw(Case(RECORD))], Rules(**rules))
    return text


def test_an_untrue_text_is_kept_and_marked():
    text = one_text(Scripted(FALSE))
    assert (text.text, text.outcome) == (FALSE, "kept")
    assert "birads" in text.verdict.contradicted and "calcification" in text.verdict.hallucinated


def test_an_untrue_text_is_asked_for_again_until_it_is_true():
    source = Scripted(FALSE, FALSE, TRUE)
    text = one_text(source, unfaithful="regenerate", attempts=5)
    assert (text.text, text.outcome, text.attempts) == (TRUE, "regenerated", 3)
    assert source.asked == [[0], [1], [2]]
    assert text.verdict.faithful and not text.first.faithful


def test_when_no_attempt_is_true_the_template_stands_in():
    text = one_text(Scripted(FALSE), unfaithful="regenerate", attempts=2)
    assert (text.text, text.outcome) == (" ".join(template_sentences(RECORD)), "template")
    assert text.attempts == 3 and text.verdict.faithful


def test_an_untrue_text_is_replaced_or_left_out():
    replaced, dropped = one_text(Scripted(FALSE), unfaithful="template"), one_text(Scripted(FALSE), unfaithful="drop")
    assert (replaced.text, replaced.outcome) == (" ".join(template_sentences(RECORD)), "template")
    assert (dropped.text, dropped.outcome, dropped.raw) == ("", "dropped", FALSE)


def test_a_true_text_is_left_alone_whatever_the_rule():
    for rule in ("keep", "regenerate", "template", "drop"):
        text = one_text(Scripted(TRUE), unfaithful=rule)
        assert (text.text, text.outcome, text.attempts) == (TRUE, "kept", 1)


def test_a_preamble_is_taken_away_before_the_text_is_judged():
    text = one_text(Scripted(f"Sure! Here is the report:\n\n**{TRUE}**"), unfaithful="drop")
    assert text.text == TRUE and text.removed


@pytest.mark.parametrize("rule", ["keep", "drop"])
def test_nothing_written_is_no_report(rule):
    text = one_text(Scripted("  \n"), unfaithful=rule)
    assert text.text == "" and text.outcome in ("empty", "dropped")


def test_a_breast_keeps_the_samples_that_are_left():
    class Half(Scripted):
        def write(self, draws):
            return [FALSE if draw.sample == 0 else "There is a mass. BI-RADS 4." for draw in draws]

    table = breasts(4).assign(birads=4, mass=True, density=pd.NA, age=pd.NA, calcification=pd.NA)
    reports = write_reports(table, READER, Half(TRUE), ["birads", "mass"], Rules(samples=3, unfaithful="drop"))
    left = reports.table()
    assert left.groupby("breast_id")["sample"].apply(list).tolist() == [[0, 1]] * 4
