"""``harness reports preview``, as a user runs it."""

from __future__ import annotations

import re

import pytest

RECORD = "{mass: true, mass_shape: oval, mass_margin: spiculated, birads: 5, calcification: false}"


def preview(harness, *args: str, columns: int = 200):
    return harness("reports", "preview", *args, COLUMNS=str(columns))


def test_a_typed_record_is_shown_with_every_source(harness):
    done = preview(harness, "--record", RECORD)
    assert done.returncode == 0, done.stderr
    for words in ("typed record", "tabular", "template", "paraphrase", "llm", "faithful", "of 128 tokens"):
        assert words in done.stdout
    assert "There is an oval mass with a spiculated margin" in " ".join(done.stdout.split())
    assert "clinical" not in done.stdout


def test_it_fits_a_narrow_terminal_and_says_nothing_of_its_machinery(harness):
    done = preview(harness, "--record", RECORD, columns=80)
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert done.stderr == ""


def test_real_words_bring_the_clinical_source(harness):
    record = "{mass: true, words: 'High density mass. Biopsy: carcinoma.'}"
    done = preview(harness, "--record", record, "--sources", "clinical")
    assert done.returncode == 0, done.stderr
    assert "High density mass." in done.stdout and "carcinoma" not in done.stdout


def test_what_is_cut_is_said(harness):
    done = preview(harness, "--record", RECORD, "--sources", "template", "--set", "text.max_length=16")
    assert re.search(r"\d+ tokens: \d+ are +cut", " ".join(line[:22].strip() for line in done.stdout.splitlines()))


def test_samples_are_shown_one_by_one(harness):
    done = preview(harness, "--record", RECORD, "--sources", "paraphrase", "--set", "reports.samples=2")
    assert "paraphrase 1" in done.stdout and "paraphrase 2" in done.stdout


def test_the_page_shows_the_texts_side_by_side(harness):
    page = harness.folder / "pages" / "reports.html"
    done = preview(harness, "--record", RECORD, "--sources", "tabular,template", "--html", str(page))
    assert done.returncode == 0, done.stderr
    html = page.read_text()
    assert "There is an oval mass" in html and "mass shape: oval" in html and "SIMULATED" not in html


def test_simulated_records_say_so_and_name_their_breasts(harness):
    done = preview(
        harness,
        *("--sources", "template", "-n", "2", "--set", "data.options={exams: 8, height: 96, width: 80}"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("breast ") >= 2 and "simulated records" in done.stdout


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--record", "{mass: maybe}"), "--record: mass: 'maybe' is neither true nor false"),
        (("--record", "[1, 2]"), "--record: '[1, 2]' is no mapping such as"),
        (("--record", "{mas: true}"), "'mas' is no field of a record; did you mean 'mass'?"),
        (("--record", RECORD, "--sources", "templat"), "unknown report source 'templat'; did you mean 'template'?"),
        (("--record", RECORD, "--set", "train.lr=1"), "is not read here; only data.…, reports.… and text.… are"),
        (("--record", RECORD, "-n", "0"), "-n 0: at least one record"),
        (
            ("--record", RECORD, "--sources", "llm", "--set", "reports.llm.prompt=nowhere.j2"),
            "reports.llm.prompt: there is no prompt 'nowhere.j2'",
        ),
        (
            ("--record", RECORD, "--sources", "llm", "--set", "reports.llm.model=some/model"),
            "reports.llm.model",
        ),
        (("--data", "vindr"), "data.root is not set"),
    ],
)
def test_what_cannot_be_used_is_one_line(harness, args, says):
    done = preview(harness, *args)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
