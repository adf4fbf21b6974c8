"""What a language model writes round a report is taken away; the report stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.reports.corpus import random_record
from mvmlm.reports.faithfulness import clean
from mvmlm.reports.record import Record
from tests.benchmarks.extractor import SOURCES, texts_of

RECORD = Record(mass=True, birads=4)
TEXT = "There is a mass. Assessment: BI-RADS 4, suspicious."


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        (f"Here is the report:\n\n{TEXT}", "preamble"),
        (f"Sure! Here's a mammography report based on the annotations:\n{TEXT}", "preamble"),
        (f"Certainly. {TEXT}", "preamble"),
        (f"FINDINGS: {TEXT}", "preamble"),
        (f"**{TEXT}**", "markdown"),
        (f"## Mammography report\n\n{TEXT}", "markdown"),
        (f"```\n{TEXT}\n```", "markdown"),
        ("- There is a mass.\n- Assessment: BI-RADS 4, suspicious.", "markdown"),
        (f'"{TEXT}"', "quotes"),
        (f"<|start_header_id|>{TEXT}<|eot_id|>", "template debris"),
        (f"[INST] {TEXT} [/INST]", "template debris"),
        (f"{TEXT}\n\nDr. Jane Smith", "signature"),
        (f"{TEXT}\nElectronically signed by J. Smith, MD", "signature"),
        (f"Patient Name: Mary Jones\nDate: 03/14/2021\n{TEXT}", "identity"),
        (f"{TEXT} Mrs. Jones was examined.", "name"),
        (f"{TEXT} Compared with the study of 03/14/2021.", "date"),
        (f"{TEXT} The radiologist is [Your Name].", "placeholder"),
        (f"{TEXT} A biopsy is recommended.", "advice"),
        (f"{TEXT} There is a mass.", "repetition"),
        (f"{TEXT} Please let me know if you need anything else!", "epilogue"),
        (f"{TEXT}\n\nNote: this is a synthetic report.", "epilogue"),
        (f"As an AI language model, I cannot diagnose. Here is the report: {TEXT}", "preamble"),
        (f"Note: this report is synthetic.\n\n{TEXT}", "preamble"),
        (f"I'd be happy to help! {TEXT}", "preamble"),
        (f"## Findings: {TEXT}", "markdown"),
        (f"**FINDINGS**\n{TEXT}", "markdown"),
        (f"<|start_header_id|>assistant<|end_header_id|>\n\n{TEXT}<|eot_id|>", "template debris"),
        (f"{TEXT}\n\n[Your Name]\nRadiologist", "signature"),
        (f"Mercy General Hospital\nMRN 99812\n{TEXT}", "identity"),
        (f"The patient, Jane Doe, was examined. {TEXT}", "name"),
        (f"{TEXT} Seen on 14 March 2021.", "date"),
        (f"{TEXT} The prognosis is good.", "advice"),
    ],
)
def test_what_is_no_report_goes_and_is_named(written, kind):
    cleaned = clean(written, RECORD)
    assert cleaned.text == TEXT
    assert kind in cleaned.removed


def test_an_assessment_beyond_the_record_goes_and_one_within_stays():
    assert clean(TEXT, Record(mass=True)).text == "There is a mass."
    assert clean(TEXT, RECORD).text == TEXT


@pytest.mark.parametrize(
    "sentence", ["No evidence of malignancy.", "Category 4.", "Suspicious abnormality.", "The mass is suspicious."]
)
def test_a_judgement_without_its_number_is_an_assessment_too(sentence):
    assert clean(f"There is a mass. {sentence}", Record(mass=True)).text == "There is a mass."


def test_a_table_becomes_lines():
    assert clean("| Field | Value |\n|---|---|\n| mass | present |", RECORD).text == "mass: present"


def test_an_endless_repetition_is_said_once():
    assert clean("There is a mass. " * 500, RECORD).text == "There is a mass."


def test_signs_from_elsewhere_become_plain():
    assert clean("There\u00a0is a “mass” – 12\u2009mm.\x00\x07", RECORD).text == 'There is a "mass" - 12 mm.'


@pytest.mark.parametrize("written", ["", "   \n ", "Here is the report:", "```\n```", "[Your Name]"])
def test_nothing_stays_nothing(written):
    assert clean(written, RECORD).text == ""


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_texts_that_need_no_cleaning_are_left_as_they_are(seed, dropout):
    record = random_record(np.random.default_rng(seed), dropout)
    for source in SOURCES:
        ((_, text),) = texts_of(source, [record])
        cleaned = clean(text, record)
        assert (cleaned.text, cleaned.removed) == (text, ())


#: What cleaning looks for, to be put together in all orders.
PIECES = st.sampled_from(
    ["Here is the report: ", "Sure! ", "As an AI, I cannot. ", "Note: ", "**", "# ", "- ", "| a | b |\n", "```\n", '"',
     "'", "<|eot_id|>", "[/INST]", "\n", "\n\n", "There is a mass. ", "BI-RADS 4. ", "Dr. Smith", "Mrs. Jones ",
     "[Name]", "Report:", "Findings", "1. ", " ", "I hope this helps. ", "03/14/2021", "---\n", "Mercy Hospital\n",
     "Sincerely,\n", "mass: present\n"]
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.text(max_size=400), st.lists(PIECES, max_size=25).map("".join)))
def test_cleaning_twice_is_cleaning_once(text):
    once = clean(text, RECORD).text
    assert clean(once, RECORD).text == once


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "*" * 100_000,
        "a " * 300_000,
        "Here is " * 50_000,
        "\n" * 300_000,
        "\n " * 90_000,
        "** a" * 9_000,
        "|a|\n" * 9_000,
        "[" * 100_000,
    ],
)
def test_an_endless_text_takes_no_endless_time(text):
    assert len(clean(text, RECORD).text) <= 20_000
