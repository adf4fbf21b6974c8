"""An ablation of reports from end to end: a language model that errs, what becomes of its texts, a trained encoder."""

from __future__ import annotations

import re

import pytest

from harness.home import Home
from harness.store import Store
from harness.tracking import Tracker
from tests.harness.conftest import MICRO, Harness

pytestmark = pytest.mark.slow

ARMS = [
    {"label": "template", "reports.source": "template"},
    {"label": "kept", "reports.source": "llm"},
    {"label": "dropped", "reports.source": "llm", "reports.samples": 2, "reports.unfaithful": "drop"},
    {"label": "trained", "reports.source": "template", "text.trainable": True},
]
BESIDE = ["reports/hallucinated", "reports/contradicted", "reports/omitted"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    harness = Harness(tmp_path_factory.mktemp("reports"))
    hot = {"reports": {"llm": {"temperature": 1.5, "top_p": 1.0, "batch_size": 32}}}
    table = {"rows": ["reports"], "columns": ["task"], "metric": "auc@breast", "reference": {"reports": "template"}}
    harness.write(
        {**MICRO, "base": {**MICRO["base"], **hot}, "axes": {"reports": ARMS}, "table": {**table, "beside": BESIDE}}
    )
    return harness, harness.run()


def cards(harness, stage: str) -> list:
    return list(Store(Home(harness.home).store).cards(stage))


def test_it_ends_well_with_side_columns_and_a_row_that_reads_texts_alone(ran):
    harness, said = ran
    assert said.returncode == 0, said.stderr + said.stdout
    text = (harness.folder / "results" / "micro" / "demo.md").read_text()
    assert re.search(r"text only, template \| 1\.000", text)
    assert all(name.partition("/")[2] in text for name in BESIDE)
    assert "label supervision by another name" in text


def test_what_is_untrue_is_in_the_card_the_table_and_mlflow(ran):
    harness, _ = ran
    by_arm = {
        (card.config["reports"]["source"], card.config["reports"].get("unfaithful")): card.summary["measures"]
        for card in cards(harness, "reports")
    }
    kept, dropped = by_arm["llm", "keep"], by_arm["llm", "drop"]
    assert kept["as_written_unfaithful"] > 0
    assert dropped["hallucinated"] == dropped["contradicted"] == 0 < dropped["dropped"]
    tracker = Tracker(Home(harness.home))
    experiment = tracker.experiment("micro", create=False)
    runs = tracker.client.search_runs([experiment], "tags.`harness.role` = 'cell'")
    logged = {run.data.metrics.get("reports.contradicted") for run in runs}
    assert kept["contradicted"] in logged


def test_the_page_shows_sources_side_by_side_and_what_is_untrue(ran):
    harness, _ = ran
    page = (harness.folder / "results" / "micro" / "demo.texts.html").read_text()
    wanted = ("SIMULATED DATA", "template", "llm tiny_llama", "unfaithful: drop", "Side by side", "Unfaithful texts")
    for words in wanted:
        assert words in page


def test_a_trained_text_encoder_has_no_stage_and_its_weights_are_kept(ran):
    harness, _ = ran
    trained = [card for card in cards(harness, "pretrain") if "text" in card.config]
    assert len(trained) == 1 and set(trained[0].inputs) == {"images", "reports"}
    assert len(cards(harness, "text")) == 3
    said = harness("plan", str(harness.ablation))
    assert "1 of the trainings run the text encoder in every step" in said.stdout


def test_answers_stay_until_they_are_cleaned_away(ran):
    harness, _ = ran
    assert list((harness.home / "answers").glob("*/*.json"))
    assert "nothing to remove" in harness("clean").stdout
    said = harness("clean", "--answers", "--yes")
    assert "answers of a language model" in said.stdout
    assert not list((harness.home / "answers").glob("*/*.json"))
