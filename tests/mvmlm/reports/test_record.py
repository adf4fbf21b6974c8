"""The record of a breast: what enters, what stays unknown, what is refused."""

import pandas as pd
import pytest

from mvmlm.errors import ConfigError, DataError
from mvmlm.reports.record import RECORD_FIELDS, TERMS, Record, record_from_breast

ROW = {
    "laterality": "R", "n_views": 2, "age": 54.9, "density": "c", "birads": 4, "mass": True,
    "mass_shape": "Irregular", "mass_margin": "SPICULATED", "calcification": False,
    "calcification_morphology": pd.NA, "calcification_distribution": pd.NA, "asymmetry": pd.NA,
    "architectural_distortion": False, "malignancy": True, "manufacturer": "SIEMENS", "prior": pd.NA,
    "implant": True, "mass_density": "Isodense", "mass_size": 13, "mass_location": "Upper Outer", "mass_depth": pd.NA,
    "calcification_location": pd.NA, "calcification_depth": pd.NA,
}  # fmt: skip


def test_reads_a_row_into_the_terms_of_birads():
    assert record_from_breast(ROW, RECORD_FIELDS) == Record(
        laterality="R", n_views=2, age=54, density="C", birads=4, mass=True, mass_shape="irregular",
        mass_margin="spiculated", mass_density="equal", mass_size=13, mass_location="upper outer", implant=True,
        calcification=False, asymmetry=None, architectural_distortion=False,
    )  # fmt: skip


def test_takes_a_row_of_a_frame_with_nullable_types():
    types = {
        "age": "Float64",
        "birads": "Int64",
        "mass": "boolean",
        "calcification": "boolean",
        "density": "string",
    }
    frame = pd.DataFrame([ROW, dict.fromkeys(ROW, pd.NA)]).astype(types)
    assert record_from_breast(frame.iloc[0], RECORD_FIELDS) == record_from_breast(ROW, RECORD_FIELDS)
    assert record_from_breast(frame.iloc[1], RECORD_FIELDS) == Record()


@pytest.mark.parametrize("missing", [pd.NA, None, float("nan"), ""])
def test_missing_stays_missing(missing):
    record = record_from_breast(dict.fromkeys(RECORD_FIELDS, missing), RECORD_FIELDS)
    assert record == Record()
    assert record.known() == {}
    assert record.seen("mass") is None


def test_holds_only_the_fields_that_it_was_given():
    assert record_from_breast(ROW, ["age", "mass"]).known() == {"age": 54, "mass": True}


@pytest.mark.parametrize("field", ["malignancy", "manufacturer", "pathology"])
def test_has_no_place_for_an_outcome(field):
    with pytest.raises(ConfigError, match=field):
        record_from_breast(ROW, ["age", field])


def test_a_description_says_that_the_finding_is_there():
    assert Record(mass_shape="oval").seen("mass") is True
    assert Record(mass=False).seen("mass") is False


def test_birads_6_is_an_outcome_and_stays_unknown():
    assert record_from_breast({"birads": 6}, ["birads"]) == Record()


@pytest.mark.parametrize(
    ("field", "said", "meant"),
    [
        ("mass_shape", "Lobulated", "oval"),
        ("mass_margin", "ill-defined", "indistinct"),
        ("calcification_morphology", "fine_linear_branching", "fine linear or fine-linear branching"),
        ("calcification_morphology", "Pleomorphic", "fine pleomorphic"),
        ("calcification_distribution", " clustered ", "grouped"),
    ],
)
def test_older_terms_become_those_of_the_5th_edition(field, said, meant):
    assert getattr(record_from_breast({field: said}, [field]), field) == meant


@pytest.mark.parametrize("field", TERMS)
def test_every_term_is_read_as_itself(field):
    for term in TERMS[field]:
        assert getattr(record_from_breast({field: term}, [field]), field) == term


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("mass_shape", "irregluar", "did you mean 'irregular'"),
        ("mass_shape", "zebra", "known: oval, round, irregular"),
        ("density", "E", "density: 'E'"),
        ("birads", 7, "birads: 7 is not within 0 to 5"),
        ("birads", "4a", "birads: '4a' is not a number"),
        ("age", -3, "age: -3"),
        ("mass", "maybe", "mass: 'maybe' is neither true nor false"),
    ],
)
def test_a_value_that_means_nothing_is_named(field, value, says):
    with pytest.raises(DataError) as caught:
        record_from_breast({field: value}, [field])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_described_finding_cannot_be_absent():
    with pytest.raises(DataError, match="mass_margin: 'spiculated' is given, but mass is absent"):
        Record(mass=False, mass_margin="spiculated")


def test_a_missing_column_is_named():
    with pytest.raises(DataError, match="no column 'density'"):
        record_from_breast({"age": 50}, ["age", "density"])
