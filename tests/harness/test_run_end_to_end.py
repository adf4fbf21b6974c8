"""The whole road on a small real ablation: DICOM files in, a comparison table out."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from harness.home import Home
from harness.tracking import Tracker

pytestmark = pytest.mark.slow


def test_the_run_succeeds_and_says_where_everything_is(finished):
    _, said = finished
    assert said.returncode == 0, said.stderr + said.stdout
    assert "SIMULATED" in said.stdout.upper()
    assert "python -m harness ui" in said.stdout
    assert "results/micro/demo." in said.stdout


def test_cells_share_their_stages(finished):
    harness, _ = finished
    counts = {
        s: len(harness.stages(s)) for s in ("dataset", "images", "reports", "text", "pretrain", "features")
    }
    assert counts == {"dataset": 1, "images": 1, "reports": 1, "text": 1, "pretrain": 2, "features": 2}
    assert len(harness.stages("evaluate")) == 4 + 3 * 2, "four cells; metadata, text and majority at two fractions"


def test_the_table_is_written_in_every_format(finished):
    harness, _ = finished
    folder = harness.folder / "results" / "micro"
    assert {"demo.md", "demo.tex", "demo.csv", "demo.html", "demo.texts.html"} <= {p.name for p in folder.iterdir()}
    text = (folder / "demo.md").read_text()
    assert "simulated" in text.lower() and "metadata" in text.lower()


def test_mlflow_holds_a_parent_and_a_child_a_cell(finished):
    harness, _ = finished
    tracker = Tracker(Home(harness.home))
    (parent,) = tracker.invocations("micro")
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["harness.data"] == "simulated"
    assert "SIMULATED DATA" in parent.data.tags["mlflow.note.content"], "its page shows the table"
    tables = {a.path for a in tracker.client.list_artifacts(parent.info.run_id, "table")}
    assert {"table/demo.md", "table/demo.tex", "table/demo.html"} <= tables
    experiment = tracker.experiment("micro", create=False)
    children = tracker.client.search_runs([experiment], "tags.`harness.role` = 'cell'")
    cells = [c for c in children if "harness.baseline" not in c.data.tags]
    assert len(cells) == 4 and len(children) == 10
    for child in cells:
        assert child.info.status == "FINISHED"
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert 0 <= child.data.metrics["auc.breast.low"] <= child.data.metrics["auc.breast"] <= 1
        assert child.data.params["method.tokens"] in ("2", "4")
        assert len(tracker.client.get_metric_history(child.info.run_id, "pretrain/loss")) == 2
        for tag in (
            "harness.key",
            "harness.git_commit",
            "harness.dataset",
            "harness.profile",
            "harness.data",
        ):
            assert child.data.tags[tag] is not None
        names = {a.path for a in tracker.client.list_artifacts(child.info.run_id)}
        assert {"config.yaml", "predictions.parquet", "environment.json"} <= names


def test_predictions_are_of_test_patients_and_pretraining_saw_none_of_them(finished):
    harness, _ = finished
    exams = pd.read_parquet(harness.stages("images")[0] / "index.parquet")
    split = exams.groupby("patient_id")["split"].first()
    for folder in harness.stages("evaluate"):
        predictions = pd.read_parquet(folder / "predictions.parquet")
        assert set(split[predictions["patient_id"].unique()]) == {"test"}
    reports = pd.read_parquet(harness.stages("reports")[0] / "reports.parquet")
    patients = exams.set_index("breast_id")["patient_id"].groupby(level=0).first()
    assert set(split[patients[reports["breast_id"]].unique()]) == {"train"}


def test_a_second_run_trains_nothing_and_adds_no_child(finished):
    harness, first = finished
    tracker = Tracker(Home(harness.home))
    experiment = tracker.experiment("micro", create=False)
    before = len(tracker.client.search_runs([experiment], "tags.`harness.role` = 'cell'"))
    cards = {p: (p / "card.json").stat().st_mtime_ns for p in harness.stages("*")}
    said = harness("run", str(harness.ablation))
    assert said.returncode == 0, said.stderr
    assert {p: (p / "card.json").stat().st_mtime_ns for p in harness.stages("*")} == cards
    assert len(tracker.client.search_runs([experiment], "tags.`harness.role` = 'cell'")) == before

    def table(text: str) -> str:
        return text[text.index("SIMULATED DATA") :]

    assert table(said.stdout) == table(first.stdout), "the same numbers again"


def test_table_plan_and_clean_on_a_finished_run(finished):
    harness, _ = finished
    said = harness("table", "micro")
    assert said.returncode == 0 and "tokens" in said.stdout
    said = harness("plan", str(harness.ablation))
    assert said.returncode == 0 and "4 of them done" in said.stdout and "to do   0 stages" in said.stdout
    said = harness("clean", "--yes")
    assert said.returncode == 0 and "nothing to remove" in said.stdout
    said = harness("table", "no_such")
    assert said.returncode == 2 and "micro" in said.stderr and said.stderr.count("\n") == 1


def test_a_grown_grid_does_only_what_is_new(finished, tmp_path):
    harness, _ = finished
    said = harness("plan", str(harness.ablation), "--seeds", "0,1")
    assert "8 cells, 4 of them done" in said.stdout


def test_cards_are_readable(finished):
    harness, _ = finished
    card = json.loads((harness.stages("pretrain")[0] / "card.json").read_text())
    assert card["stage"] == "pretrain" and card["seconds"] > 0
    assert card["config"]["method"]["name"] == "mvmlm" and set(card["inputs"]) == {
        "images",
        "text",
        "reports",
    }


def test_a_method_whose_file_was_touched_is_named(finished):
    harness, first = finished
    assert "has changed since" not in first.stdout
    (path, *_) = (folder / "card.json" for folder in harness.stages("pretrain"))
    card = path.read_text()
    try:
        said = json.loads(card)
        said["summary"]["method_source"] = "another"
        path.write_text(json.dumps(said))
        assert "note the file of method mvmlm has changed since" in harness.run().stdout
    finally:
        path.write_text(card)
