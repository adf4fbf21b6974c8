"""What single texts claim: phrasings of language models, terse reports, traps of negation, hostile input."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.reports.faithfulness import check, extract
from mvmlm.reports.faithfulness.words import KINDS, PARTS, SAYS, WORDS
from mvmlm.reports.record import RECORD_FIELDS, Record
from tests.benchmarks.extractor import drawn
from tests.mvmlm.reports.faithfulness_texts import MET, MISREAD, UNMET


def _sets(fields: dict) -> dict:
    return {name: value if isinstance(value, set) else {value} for name, value in fields.items()}


def _marked(rows: list) -> list:
    wrong = pytest.mark.xfail(strict=True, reason="the reader does not know these words")
    return [pytest.param(*row, marks=wrong if row[0] in MISREAD else ()) for row in rows]


@pytest.mark.parametrize(("text", "fields", "extras"), _marked(MET + UNMET))
def test_every_claim_of_a_text_is_read_and_no_other(text, fields, extras):
    claims = extract(text)
    assert (claims.values, claims.extras) == (_sets(fields), set(extras))


def test_case_and_markdown_do_not_matter():
    text = "There is an oval mass in the upper outer quadrant. No calcification. BI-RADS 3."
    plain = extract(text)
    assert extract(text.upper()).values == plain.values
    assert extract(f"# Report\n\n- **{text}**").values == plain.values


def test_sorting_the_alternatives_by_their_first_sign_changes_nothing():
    """The pattern tries a word against the alternatives that can begin so; all of them in order find the same."""
    plain = re.compile(r"\b(?:" + "|".join(f"({pattern})" for _, _, pattern in PARTS) + r")(?!\w)")
    texts = [text for text, *_ in MET + UNMET] + [text for _, text in drawn("paraphrase", 300, 7)]
    for text in texts:
        ours = [(KINDS[match.lastindex], match[0]) for match in SAYS.finditer(text.lower())]
        assert ours == [(PARTS[match.lastindex - 1][0], match[0]) for match in plain.finditer(text.lower())]


def test_no_evidence_of_malignancy_is_what_categories_1_and_2_say():
    text = "There is no evidence of malignancy."
    assert check(Record(birads=1), text).faithful
    assert check(Record(birads=4), text).contradicted == ("birads",)
    assert check(Record(), text).hallucinated == ("no malignancy",)


def test_an_absence_that_no_record_can_hold_is_made_up_as_a_presence_is():
    assert check(Record(mass=True), "There is a mass. No skin thickening.").hallucinated == ("skin",)


SPOKEN = [word for words in WORDS.values() for word in words]
SPOKEN += [word.replace("-", " ") for word in SPOKEN] + [text for text, *_ in MET + UNMET]
SPOKEN += [
    "no", "not", "is not seen", "is seen", "there is", "but", ": none", ": unknown", "mass", "calcifications", "12 mm",
    "3 x", "BI-RADS", "4a", "IV", "category", "2 views", "age", "density", ".", ",", "\n", "-", "\u0663", "\u00b2",
]  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.text(max_size=300), st.lists(st.sampled_from(SPOKEN), max_size=20).map(" ".join)))
def test_any_text_is_read_into_fields_of_a_record_or_kinds_beyond_it(text):
    assert set(extract(text).values) <= set(RECORD_FIELDS)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    ["\x00" * 100_000, "\u200b" * 100_000, "bi-rads" + " " * 50_000 + "x", "bi-rads" + " of class" * 5_000,
     "1 x " * 9_000, ", \n" * 9_000, "no a" + " evidence" * 5_000, "mass " * 9_000 + "is not seen", "not ill " * 5_000],
)  # fmt: skip
def test_a_hostile_text_takes_no_endless_time(text):
    assert set(extract(text).values) <= {"mass", "mass_size"}
