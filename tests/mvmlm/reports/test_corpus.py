"""The corpus of the shipped text models: every value, both kinds of records, and all three sources in it."""

import numpy as np
import pytest

from mvmlm.reports import corpus
from mvmlm.reports.corpus import corpus_record, distinct_examples, random_record, random_texts, screening_record
from mvmlm.reports.record import DESCRIBES, FINDINGS, TERMS, Record


def drawn(kind, n=3000, seed=1):
    rng = np.random.default_rng(seed)
    return [kind(rng) for _ in range(n)]


def values(records, field):
    return {getattr(record, field) for record in records}


@pytest.mark.parametrize("field", TERMS)
def test_a_uniform_record_meets_every_term(field):
    unknown = {None} if field in DESCRIBES else set()
    assert values(drawn(random_record), field) == set(TERMS[field]) | unknown


def test_a_uniform_record_meets_every_number_and_truth():
    records = drawn(random_record)
    assert values(records, "n_views") == set(range(1, 9))
    assert values(records, "mass_size") == {None, *range(1, 121)}
    assert all(values(records, field) == {True, False} for field in (*FINDINGS, "prior", "implant"))


def test_fields_are_forgotten_at_the_share_asked_for():
    kept = np.mean([len(record.known()) for record in drawn(lambda rng: random_record(rng, 0.8))])
    whole = np.mean([len(record.known()) for record in drawn(random_record)])
    assert kept == pytest.approx(0.2 * whole, rel=0.1)


def test_a_screening_record_has_no_descriptor_but_a_size():
    for record in drawn(screening_record):
        known = set(record.known())
        assert known <= {"age", "density", "n_views", "birads", "mass_size", *FINDINGS}
        assert record.mass or "mass_size" not in known


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_screening_record_mostly_denies_a_finding(finding):
    found = [getattr(record, finding) for record in drawn(screening_record)]
    assert set(found) == {True, False, None}
    assert found.count(False) > 3 * found.count(True)


@pytest.mark.parametrize(("field", "wanted"), [("birads", {None, *range(6)}), ("density", {None, *"ABCD"})])
def test_a_screening_record_meets_every_assessment_and_density(field, wanted):
    assert values(drawn(screening_record), field) == wanted


def test_the_corpus_has_both_kinds_of_records(monkeypatch):
    def described(records):
        return np.mean([record.calcification_morphology is not None for record in records])

    monkeypatch.setattr(corpus, "SCREENING", 1.0)
    assert described(drawn(corpus_record)) == 0
    monkeypatch.setattr(corpus, "SCREENING", 0.0)
    uniform = described(drawn(corpus_record))
    monkeypatch.undo()
    assert described(drawn(corpus_record)) == pytest.approx(uniform * 2 / 3, rel=0.2)


def test_texts_are_in_thirds_tabular_template_and_paraphrase(monkeypatch):
    """Of a record that one source words in one way, and another in many."""
    monkeypatch.setattr(corpus, "corpus_record", lambda rng: Record(age=50, birads=1))
    texts = random_texts(300, seed=0)
    tabular = {tuple(sorted(text.splitlines())) for text in texts[0::3]}
    assert tabular == {("age: 50", "birads: 1", "examination: mammography")}
    assert all("Mammography of one breast." in text and "is 50 years old." in text for text in texts[1::3])
    assert len(set(texts[2::3])) > 50


def test_some_texts_are_shuffled_and_most_are_not():
    texts = random_texts(3000, seed=0)[1::3]
    first = np.mean([text.startswith("Mammography") for text in texts])
    assert 0.7 < first < 0.95


def test_the_seed_settles_the_texts():
    assert random_texts(60, seed=3) == random_texts(60, seed=3)
    assert random_texts(60, seed=3) != random_texts(60, seed=4)
    assert random_texts(60, seed=3)[:20] == random_texts(20, seed=3)


def test_distinct_examples_have_records_that_differ_and_texts_of_their_own():
    examples = distinct_examples(500, seed=0)
    assert len({example.record for example in examples}) == 500
    assert examples == distinct_examples(500, seed=0)
    for example in examples:
        assert example.record.birads is None or f"BI-RADS {example.record.birads}" in example.text.replace(
            "category ", ""
        )
