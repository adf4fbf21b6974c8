"""Real faults: signals, killed workers and drivers, broken stores and inputs. Nothing finished is lost."""

from __future__ import annotations

import copy
import os
import signal
import time
from pathlib import Path

import psutil
import pytest
import yaml

from harness.home import Home
from harness.tracking import Tracker
from tests.harness.conftest import MICRO

pytestmark = pytest.mark.slow


def long_training(harness) -> None:
    """One cell whose pretraining takes a while."""
    spec = copy.deepcopy(MICRO)
    spec["base"]["train"]["epochs"] = 400
    spec["axes"] = {"method.tokens": [2]}
    spec["table"]["columns"] = ["task"]
    spec["table"].pop("reference")
    harness.write(spec)


def wait_for_checkpoint(harness, process, timeout: float = 180) -> Path:
    """Until the pretraining has written a checkpoint."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        found = [
            p for p in harness.home.glob("work/*/*") if "checkpoint" in p.name and not p.name.endswith(".tmp")
        ]
        if found:
            return found[0]
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.1)
    raise AssertionError("no checkpoint")


def busy_worker(process) -> psutil.Process:
    """The one Ray worker below the driver that is in a stage; between two reports of it there is none for a moment."""
    for _ in range(200):
        children = psutil.Process(process.pid).children(recursive=True)
        if found := [c for c in children if "ray::ImplicitFunc.train" in " ".join(c.cmdline())]:
            (worker,) = found
            return worker
        time.sleep(0.05)
    raise AssertionError("no worker is in a stage")


def short(harness, epochs: int) -> None:
    """The same training, shorter: another key, as epochs are part of it."""
    spec = yaml.safe_load(harness.ablation.read_text())
    spec["base"]["train"]["epochs"] = epochs
    harness.write(spec)


def test_a_signal_stops_cleanly_and_keeps_the_checkpoint(harness):
    """SIGINT; SIGTERM below, where a run that went on is stopped."""
    long_training(harness)
    process = harness.start()
    checkpoint = wait_for_checkpoint(harness, process)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=90)
    assert process.returncode == 130, said
    assert "stopping" in said and "Traceback" not in said
    assert checkpoint.exists()
    (run,) = Tracker(Home(harness.home)).invocations("micro")
    assert run.info.status == "KILLED"


def test_a_killed_driver_loses_no_finished_stage_and_the_next_run_goes_on_from_the_checkpoint(harness):
    long_training(harness)
    process = harness.start()
    wait_for_checkpoint(harness, process)
    process.kill()
    process.wait()
    done = {p: (p / "card.json").stat().st_mtime_ns for p in harness.stages("*")}
    assert {p.parent.name for p in done} >= {"dataset", "images", "reports", "text"}
    process = harness.start()
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "epoch" in line:
            break
    epoch = int(lines[-1].split("epoch ")[1].split("/")[0])
    assert epoch > 1, "it went on, it did not start again"
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=90)
    assert process.returncode == 143 and "stopping" in said, said
    assert {p: (p / "card.json").stat().st_mtime_ns for p in done} == done
    states = sorted(r.info.status for r in Tracker(Home(harness.home)).invocations("micro"))
    assert states == ["KILLED", "KILLED"], "no run is left RUNNING"


def test_a_killed_worker_is_started_again_and_goes_on(harness):
    long_training(harness)
    short(harness, 30)
    process = harness.start()
    wait_for_checkpoint(harness, process)
    worker = busy_worker(process)
    os.kill(worker.pid, signal.SIGKILL)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert len(harness.stages("pretrain")) == 1 and len(harness.stages("evaluate")) == 4


def test_a_failing_cell_fails_alone(harness):
    spec = copy.deepcopy(MICRO)
    spec["axes"] = {"method.heads": [2, 3], "eval.fraction": [1.0]}
    spec["base"]["method"]["tokens"] = 2
    spec["table"] = {"rows": ["method.heads"], "columns": ["task"], "metric": "auc@breast"}
    harness.write(spec)
    said = harness.run()
    assert said.returncode == 1, said.stderr + said.stdout
    assert "failed" in said.stdout and "method.heads=3" in said.stdout
    assert len(harness.stages("evaluate")) == 4, "the other cell and the three baselines"
    tracker = Tracker(Home(harness.home))
    (parent,) = tracker.invocations("micro")
    assert parent.info.status == "FAILED"
    experiment = tracker.experiment("micro", create=False)
    (failed,) = tracker.client.search_runs(
        [experiment], "attributes.status = 'FAILED' and tags.`harness.role` = 'cell'"
    )
    assert {a.path for a in tracker.client.list_artifacts(failed.info.run_id)} >= {"traceback.txt"}


def test_what_cannot_be_placed_is_said_and_the_rest_runs(harness):
    said = harness.run("--set", "resources.pretrain.gpu=64")
    assert said.returncode == 1, said.stderr + said.stdout
    assert "wants" in said.stdout and "64 gpu" in said.stdout
    assert len(harness.stages("images")) == 1 and not harness.stages("pretrain")


def one_line(said, *words: str) -> None:
    """Exit code 2 and one clear line, without a traceback."""
    assert said.returncode == 2, said.stdout + said.stderr
    assert said.stderr.count("\n") == 1 and "Traceback" not in said.stderr
    for word in words:
        assert word in said.stderr


def test_a_missing_data_root(harness):
    one_line(harness.run("--set", "data={name: vindr}"), "data.root")
    one_line(harness.run("--set", "data={name: vindr, root: /nowhere}"), "/nowhere")


def test_a_broken_mlflow_database(harness):
    harness.home.mkdir()
    (harness.home / "mlflow.db").write_bytes(b"not a database" * 500)
    one_line(harness.run(), "mlflow.db", "cannot be opened")


def test_a_cluster_that_does_not_answer(harness):
    one_line(harness.run("--address", "127.0.0.1:1"), "--address 127.0.0.1:1")


def test_an_unknown_ablation(harness):
    one_line(harness("run", "token_cuont"), "token_cuont", "token_count")
