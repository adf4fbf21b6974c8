"""The text guard: what a radiologist sees may enter, what came of it may not."""

from types import SimpleNamespace

import pytest

from mvmlm.data.readers import DATASETS
from mvmlm.errors import ConfigError
from mvmlm.reports.guard import ON_REQUEST, OUTCOMES, allowed_fields, circular_tasks
from mvmlm.reports.record import RECORD_FIELDS


def reader(report=("age", "birads", "density", "mass", "laterality"), outcome=("biopsy",), name="toy"):
    return SimpleNamespace(name=name, report_fields=frozenset(report), outcome_fields=frozenset(outcome))


# The fields of RSNA's table that give the label away (peers: even a missing BI-RADS does).
RSNA = reader(("age", "density"), ("birads", "biopsy", "invasive", "difficult_negative_case"), name="rsna")


def test_by_default_all_that_the_data_set_allows_but_laterality():
    assert allowed_fields(reader()) == ("age", "birads", "density", "mass")


def test_laterality_enters_when_asked_for():
    assert allowed_fields(reader(), ["mass", "laterality", "mass"]) == ("laterality", "mass")


def test_what_was_resolved_once_resolves_to_itself():
    fields = allowed_fields(reader())
    assert allowed_fields(reader(), list(fields)) == fields


def refusal(of, fields):
    with pytest.raises(ConfigError) as caught:
        allowed_fields(of, fields)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("field", ["birads", "biopsy", "invasive", "difficult_negative_case", "malignancy"])
def test_an_outcome_is_refused_by_name(field):
    said = refusal(RSNA, ["age", field])
    assert f"'{field}' records the outcome in rsna" in said
    assert "rsna allows: age, density" in said


@pytest.mark.parametrize("field", sorted(OUTCOMES))
def test_outcomes_are_refused_in_every_data_set(field):
    assert "records the outcome" in refusal(reader(outcome=()), [field])


def test_an_unknown_field_gets_the_nearest_one():
    said = refusal(reader(), ["denisty"])
    assert "'denisty' is not a field of a report; did you mean 'density'?" in said


def test_a_field_that_is_not_on_the_list_is_told_apart_from_an_unknown_one():
    assert "'asymmetry' is not on the list of fields that toy allows" in refusal(reader(), ["asymmetry"])


def test_no_field_at_all_is_refused():
    assert "none is left for toy" in refusal(reader(), [])
    assert "none is left for toy" in refusal(reader(report=tuple(ON_REQUEST)), None)


@pytest.mark.parametrize("field", ["malignancy", "biopsy", "cancer"])
def test_a_reader_cannot_allow_an_outcome(field):
    said = refusal(reader(report=("age", field), outcome=("biopsy",)), None)
    assert f"data set toy: its report_fields name an outcome: {field}" in said


def test_a_reader_cannot_allow_what_no_record_has():
    assert "name what no record has: shoe_size" in refusal(reader(report=("age", "shoe_size")), None)


def test_no_field_of_a_record_is_an_outcome():
    assert not OUTCOMES & set(RECORD_FIELDS)


TASKS = ["mass", "calcification", "malignancy", "density"]


def test_birads_gives_malignancy_away_only_where_malignancy_is_birads():
    assert circular_tasks(["birads"], TASKS, ["birads"]) == {"malignancy": ("birads",)}
    assert circular_tasks(["birads"], TASKS, ["pathology"]) == {}
    assert circular_tasks(["birads"], TASKS, ["pathology", "birads"]) == {"malignancy": ("birads",)}


def test_a_finding_is_given_away_by_itself_and_by_its_description():
    assert circular_tasks(["mass", "mass_margin", "age"], TASKS) == {"mass": ("mass", "mass_margin")}
    assert circular_tasks(["calcification_morphology"], TASKS) == {
        "calcification": ("calcification_morphology",)
    }


def test_neutral_fields_give_nothing_away():
    assert circular_tasks(["age", "laterality"], TASKS, ["birads"]) == {}


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_data_set_s_list_holds(name):
    fields = allowed_fields(DATASETS.get(name))
    assert fields
    assert not set(fields) & (OUTCOMES | ON_REQUEST)
