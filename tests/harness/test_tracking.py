"""MLflow through a real SQLite store: one parent an invocation, one child a cell, nothing left RUNNING."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pandas as pd
import pytest

from harness.home import Home
from harness.tracking import Tracker, TrackingError, flatten, metric_key

CELLS = pd.DataFrame([{"id": "c1", "status": "missing"}])


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Home(tmp_path / "home")


def start(tracker: Tracker) -> str:
    return tracker.start("token_count", {"harness.profile": "demo"}, {"question": "?", "dataset": "toy"}, CELLS)


def log(tracker: Tracker, **changes) -> str:
    said = {
        "status": "FINISHED",
        "config": {"method": {"name": "mvmlm", "tokens": 16, "text_tokens": None}, "seed": 0},
        "tags": {"harness.key": "c1"},
        "metrics": {"auc@breast": 0.75, "auc@breast/low": 0.6, "broken": float("nan")},
        "histories": {
            "pretrain": [{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 2.0}],
            "finetune": [{"epoch": 1, "val_loss": 0.5}],
        },
        "files": [],
    }
    return tracker.log_cell("a cell", **{**said, **changes})


def test_a_child_holds_params_curves_metrics_tags_and_artifacts(home, tmp_path):
    tracker = Tracker(home)
    parent = start(tracker)
    predictions = tmp_path / "predictions.parquet"
    CELLS.to_parquet(predictions)
    run = tracker.client.get_run(log(tracker, files=[predictions]))
    assert run.info.status == "FINISHED"
    assert run.data.params == {"method.name": "mvmlm", "method.tokens": "16", "seed": "0"}
    assert run.data.metrics["auc.breast"] == 0.75 and run.data.metrics["auc.breast.low"] == 0.6
    assert "broken" not in run.data.metrics
    curve = tracker.client.get_metric_history(run.info.run_id, "pretrain/loss")
    assert [(m.step, m.value) for m in curve] == [(1, 3.0), (2, 2.0)]
    assert run.data.metrics["finetune/val_loss"] == 0.5
    assert run.data.tags["mlflow.parentRunId"] == parent
    names = {a.path for a in tracker.client.list_artifacts(run.info.run_id)}
    assert names == {"config.yaml", "environment.json", "predictions.parquet"}
    assert pd.read_parquet(tracker.file_of(run.info.run_id, "predictions.parquet")).equals(CELLS)


def test_long_trainings_are_logged_whole(home):
    """A server takes no more than 1,000 metrics in a request."""
    tracker = Tracker(home)
    start(tracker)
    sizes = []
    whole = tracker.client.log_batch

    def log_batch(run, *, metrics, params):
        sizes.append(len(metrics))
        whole(run, metrics=metrics, params=params)

    tracker.client.log_batch = log_batch
    history = [{"epoch": epoch, **{f"loss{i}": 1.0 for i in range(10)}} for epoch in range(1, 201)]
    run = log(tracker, histories={"finetune": history})
    assert len(tracker.client.get_metric_history(run, "finetune/loss9")) == 200
    assert max(sizes) <= 1000 and len(sizes) == 3


def test_cells_are_found_again_by_key_and_failed_ones_are_not(home):
    tracker = Tracker(home)
    start(tracker)
    run_id = log(tracker, tags={"harness.cell": "c1"})
    log(tracker, tags={"harness.cell": "c2"}, status="FAILED", error="no")
    assert tracker.children(["c1", "c2", "c3"]) == {"c1": run_id}


def test_the_parent_ends_with_its_cells(home):
    tracker = Tracker(home)
    parent = start(tracker)
    done = CELLS.assign(status="done")
    tracker.end("FINISHED", done)
    again = Tracker(home)
    assert [r.info.run_id for r in again.invocations("token_count", "demo")] == [parent]
    assert again.invocations("token_count", "paper") == []
    assert again.cells_of(parent).equals(done)
    assert again.spec_of(parent) == {"question": "?", "dataset": "toy"}


DRIVER = """
import sys, time
from pathlib import Path
import pandas as pd
from harness.home import Home
from harness.tracking import Tracker
tracker = Tracker(Home(Path(sys.argv[1])))
print(tracker.start("token_count", {}, {}, pd.DataFrame([{"id": "c1"}])), flush=True)
time.sleep(60)
"""


def test_a_killed_driver_leaves_no_run_running_for_long(home):
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(home.root)], stdout=subprocess.PIPE, text=True
    )
    run_id = driver.stdout.readline().strip()
    tracker = Tracker(home)
    assert len(tracker.close_stale()) == 1, "its driver is alive"
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    assert tracker.client.get_run(run_id).info.status == "RUNNING"
    assert tracker.close_stale() == []
    assert tracker.client.get_run(run_id).info.status == "KILLED"


def test_a_store_that_is_no_database_is_said_in_one_line(home):
    home.root.mkdir(parents=True)
    (home.root / "mlflow.db").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(TrackingError, match=r"mlflow\.db.*cannot be opened.*move the file away") as error:
        Tracker(home)
    assert "\n" not in str(error.value)


def _open(root: str) -> int:
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from harness.home import Home; "
            "from harness.tracking import Tracker; Tracker(Home(Path(sys.argv[1])))",
            root,
        ]
    )


def test_processes_that_open_a_fresh_store_together_do_not_break_it(home):
    openers = [_open(str(home.root)) for _ in range(3)]
    assert [o.wait() for o in openers] == [0, 0, 0]
    tracker = Tracker(home)
    start(tracker)


def test_a_child_that_cannot_be_written_is_not_left_running(home):
    tracker = Tracker(home)
    start(tracker)
    with pytest.raises(FileNotFoundError):
        log(tracker, files=[home.root / "not there.parquet"])
    runs = tracker.client.search_runs([tracker.experiment("token_count")], "tags.`harness.role` = 'cell'")
    assert [run.info.status for run in runs] == ["KILLED"]


def test_a_setting_whose_name_mlflow_refuses_is_logged_under_another(home):
    tracker = Tracker(home)
    start(tracker)
    run_id = log(tracker, config={"data": {"options": {"where": {"View (code)": "CC"}}}, "height × width": 3})
    params = tracker.client.get_run(run_id).data.params
    assert params == {"data.options.where.View _code_": "CC", "height _ width": "3"}


def test_an_experiment_that_was_deleted_in_the_ui_comes_back_with_the_next_run(home):
    tracker = Tracker(home)
    start(tracker)
    tracker.client.delete_experiment(tracker.experiment("token_count"))
    assert tracker.invocations("token_count") == []
    start(tracker)
    assert len(tracker.invocations("token_count")) == 2


def test_a_driver_killed_at_its_start_leaves_nothing_that_commands_stumble_over(home, monkeypatch):
    def killed(cells):
        raise KeyboardInterrupt

    tracker = Tracker(home)
    monkeypatch.setattr(tracker, "save_cells", killed)
    with pytest.raises(KeyboardInterrupt):
        start(tracker)
    assert tracker.invocations("token_count") == []


def test_what_mlflow_says_is_one_line(home):
    tracker = Tracker(home)
    with pytest.raises(TrackingError, match=r"mlflow\.db: .*no such run"):
        tracker.spec_of("no such run")


def test_names_for_mlflow():
    assert metric_key("auc@breast/low") == "auc.breast.low"
    assert flatten({"a": {"b": 1, "c": None}, "d": [1]}) == {"a.b": 1, "d": [1]}
