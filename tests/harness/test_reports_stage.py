"""Stage ``reports``: whose texts lie where, and what the card says of them."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from harness.config import CellConfig
from harness.facts import Facts
from harness.stages import STAGES, Context
from harness.stages.scoring_run import first_texts
from mvmlm.data.readers import DATASETS

OPTIONS = {"exams": 16, "height": 96, "width": 80, "test_share": 0.34, "mass_rate": 0.5}
DATA = {"name": "phantom", "options": OPTIONS}
STAGE = STAGES["reports"]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    reader = DATASETS.get("phantom")()
    reader.generate(folder, reader.Options(**OPTIONS))
    return folder


class Written:
    """What the stage put out for some settings."""

    def __init__(self, data: Path, folder: Path, reports: dict) -> None:
        cell = CellConfig.model_validate({"data": DATA, "reports": reports})
        self.out = folder / "out"
        self.out.mkdir(parents=True)
        self.said: list[dict] = []
        context = Context(
            config=STAGE.config(cell, Facts()),
            inputs={"dataset": data},
            out=self.out,
            work=folder,
            runtime=STAGE.runtime(cell),
            threads=1,
            report=self.said.append,
            cache=folder.parent / "answers",
        )
        self.summary = STAGE.run(context)
        self.measures = self.summary["measures"]
        self.train, self.test, self.texts = (
            pd.read_parquet(self.out / f"{name}.parquet") for name in ("reports", "test_reports", "texts")
        )


@pytest.fixture
def write(data, tmp_path):
    count = iter(range(100))
    return lambda **reports: Written(data, tmp_path / str(next(count)), reports)


def test_reports_of_test_patients_lie_apart(write, data):
    from mvmlm.data.exam_table import breast_table

    reader = DATASETS.get("phantom")()
    breasts = breast_table(reader.read(data, reader.Options(**OPTIONS)))
    written = write(source="template")
    assert set(written.train["breast_id"]) == set(breasts.index[breasts["split"] == "train"])
    assert set(written.test["breast_id"]) == set(breasts.index[breasts["split"] == "test"])
    assert set(first_texts(written.out).index) == set(breasts.index)


def test_what_follows_from_the_record_is_true_to_it(write):
    for source in ("tabular", "template", "paraphrase"):
        measures = write(source=source, samples=2).measures
        assert measures["hallucinated"] == measures["contradicted"] == measures["omitted"] == 0
        assert measures["as_written_unfaithful"] == measures["dropped"] == measures["replaced"] == 0


def test_samples_are_texts_a_record_and_breasts_with_one_record_share_them(write):
    written = write(source="paraphrase", samples=3, fields=["mass", "density"])
    assert written.train.groupby("breast_id").size().eq(3).all()
    records = len(written.texts["fields"].drop_duplicates())
    assert written.measures["records"] <= records < len(written.train) / 3
    assert written.measures["distinct"] <= 3 * records


def test_every_text_says_what_it_was_made_from_and_what_became_of_it(write):
    texts = write(source="template").texts
    assert texts["outcome"].eq("kept").all() and texts["attempts"].eq(1).all()
    assert all(set(json.loads(fields)) <= DATASETS.get("phantom").report_fields for fields in texts["fields"])


@pytest.fixture(scope="module")
def llm(data, tmp_path_factory):
    """The embedded model's texts under every rule; the answers are given once."""
    folder = tmp_path_factory.mktemp("llm")
    rules = ("keep", "regenerate", "template", "drop")
    return {
        rule: Written(data, folder / rule, {"source": "llm", "samples": 2, "unfaithful": rule, "attempts": 2})
        for rule in rules
    }


def test_the_embedded_model_writes_of_every_record_and_is_judged(llm):
    kept = llm["keep"]
    assert kept.measures["words"] > 10 and 0 <= kept.measures["hallucinated"] < 0.6
    assert kept.texts["raw"].nunique() > 0.8 * len(kept.texts)
    assert kept.train.groupby("breast_id").size().eq(2).all()


def test_one_answer_serves_every_rule(llm):
    """Texts that are true are the same whatever happens to the others."""
    kept = llm["keep"].texts.set_index(["record", "sample"])
    true = kept[(kept["hallucinated"].str.len() + kept["contradicted"].str.len()) == 0]
    assert len(true)
    for rule in ("regenerate", "template", "drop"):
        other = llm[rule].texts.set_index(["record", "sample"]).loc[true.index]
        assert other["text"].equals(true["text"]) and other["outcome"].eq("kept").all()


def test_after_the_rules_no_untrue_text_is_left_and_the_card_says_how_many_there_were(llm):
    wrong = llm["keep"].measures["as_written_unfaithful"]
    for rule in ("regenerate", "template", "drop"):
        measures = llm[rule].measures
        assert measures["hallucinated"] == measures["contradicted"] == 0
        assert measures["as_written_unfaithful"] == pytest.approx(wrong)
    assert llm["template"].measures["replaced"] == pytest.approx(wrong)
    assert llm["drop"].measures["dropped"] == pytest.approx(wrong)
    regenerated = llm["regenerate"].measures
    assert regenerated["regenerated"] + regenerated["replaced"] == pytest.approx(wrong)


def test_progress_is_told(llm):
    assert any("items" in said and said["items"] <= said["of_items"] for said in llm["keep"].said)
