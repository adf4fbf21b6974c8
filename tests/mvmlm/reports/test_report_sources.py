"""Tabular and template: faithful to the record, silent on what is unknown."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.reports import SOURCES
from mvmlm.reports.corpus import random_record
from mvmlm.reports.record import DESCRIBES, FINDINGS, RECORD_FIELDS, Record
from mvmlm.reports.source import Case, Draw, NoOptions
from mvmlm.reports.tabular import tabular_lines
from mvmlm.reports.template import template_sentences

RECORDS = st.builds(
    lambda seed, dropout: random_record(np.random.default_rng(seed), dropout),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
)
SAYS = {"mass": "mass", "calcification": "calcification", "asymmetry": "asymmetry",
        "architectural_distortion": "architectural distortion"}  # fmt: skip

FULL = Record(
    laterality="R", n_views=3, age=72, density="D", prior=True, implant=False, mass=True, mass_shape="round",
    mass_margin="obscured", mass_density="high", mass_size=14, mass_location="upper outer", mass_depth="middle",
    calcification=True, calcification_morphology="amorphous", calcification_distribution="regional",
    calcification_location="inner", calcification_depth="posterior", asymmetry=True, architectural_distortion=False,
    birads=0,
)  # fmt: skip


def write(source, records):
    return SOURCES.get(source)(NoOptions()).write([Draw(Case(record)) for record in records])


def meaning(record):
    """The record with its findings as they are seen: a described mass is a mass."""
    return {**record.known(), **{finding: record.seen(finding) for finding in FINDINGS}}


def test_both_sources_are_found_by_name():
    assert {"tabular", "template"} <= set(SOURCES.names())


def test_tabular_reads_key_value():
    record = Record(
        age=61, laterality="L", density="B", mass=True, mass_shape="oval", asymmetry=False, birads=3
    )
    assert write("tabular", [record]) == [
        "examination: mammography\nlaterality: left\nage: 61\ndensity: B\nmass: present\nmass shape: oval\n"
        "asymmetry: absent\nbirads: 3"
    ]


def test_template_reads_like_a_report():
    record = Record(
        age=61, density="C", mass=True, mass_shape="irregular", mass_margin="spiculated", calcification=True,
        calcification_morphology="fine pleomorphic", calcification_distribution="grouped", asymmetry=False,
        architectural_distortion=False, birads=5,
    )  # fmt: skip
    assert write("template", [record]) == [
        "Mammography of one breast. The patient is 61 years old. The breast is heterogeneously dense, which "
        "may obscure small masses. There is an irregular mass with a spiculated margin. There are fine "
        "pleomorphic calcifications in a grouped distribution. There is no asymmetry or architectural "
        "distortion. "
        "Assessment: BI-RADS 5, highly suggestive of malignancy, tissue diagnosis is recommended."
    ]


@pytest.mark.parametrize("source", ["tabular", "template"])
def test_an_empty_record_has_a_text_that_denies_nothing(source):
    (text,) = write(source, [Record()])
    assert text.strip()
    assert not any(word in text.lower() for word in ("no ", "absent", "normal", *SAYS.values()))


def findings_of(parts):
    """The text without its composition sentence, whose BI-RADS wording names masses whatever is seen."""
    return " ".join(part for part in parts if "dense" not in part).lower()


@settings(max_examples=200, deadline=None)
@given(RECORDS)
def test_a_finding_is_named_when_known_and_denied_only_when_known_absent(record):
    for parts in (template_sentences(record), tabular_lines(record)):
        denials = " ".join(p for p in parts if "There is no" in p or p.endswith(": absent"))
        for finding, word in SAYS.items():
            seen = record.seen(finding)
            assert (word in findings_of(parts)) == (seen is not None)
            assert (word in denials) == (seen is False)


@settings(max_examples=200, deadline=None)
@given(RECORDS)
def test_nothing_known_is_left_out(record):
    sentences = template_sentences(record)
    prose, lines = " ".join(sentences), tabular_lines(record)
    for field in DESCRIBES:
        value = getattr(record, field)
        assert value is None or str(value) in prose
        assert value is None or any(line.startswith(f"{field.replace('_', ' ')}: {value}") for line in lines)
    assert ("years old" in prose) == (record.age is not None)
    assert ("BI-RADS" in prose) == (record.birads is not None)
    assert len(lines) == 1 + len(record.known())


@pytest.mark.parametrize("source", ["tabular", "template"])
def test_equal_texts_mean_equal_records(source):
    rng = np.random.default_rng(0)
    records = [random_record(rng, dropout) for dropout in (0, 0.3, 0.6, 0.9) for _ in range(1500)]
    meant = {}
    for record, text in zip(records, write(source, records)):
        assert meant.setdefault(text, meaning(record)) == meaning(record)
    assert len(meant) > 4000


@pytest.mark.parametrize("source", ["tabular", "template"])
@pytest.mark.parametrize("field", RECORD_FIELDS)
def test_every_field_of_a_record_is_said(source, field):
    record = FULL
    without = Record(**{k: v for k, v in record.known().items() if k != field and DESCRIBES.get(k) != field})
    assert write(source, [record]) != write(source, [without])


def test_a_random_record_covers_every_value():
    rng = np.random.default_rng(1)
    records = [random_record(rng) for _ in range(3000)]
    assert {r.birads for r in records} == set(range(6))
    assert {r.age for r in records} == set(range(18, 101))
    assert {r.density for r in records} == set("ABCD")
    assert all(r.known().keys() == set(RECORD_FIELDS) for r in records if r.mass and r.calcification)
    assert any(r.mass is False for r in records)
