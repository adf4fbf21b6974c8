"""The commands around a run, each as a process of its own: plan, ls, doctor, clean, ui."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from pathlib import Path

import pandas as pd
import pytest

from harness.home import Home
from harness.store import Store
from harness.tracking import LEASE_TAG, Tracker
from tests.harness.test_faults import one_line
from tests.harness.test_two_nodes import free_port

pytestmark = pytest.mark.slow


def test_a_dry_run_prints_the_plan_and_does_nothing(harness):
    said = harness.run("--dry-run")
    assert said.returncode == 0, said.stderr
    assert "4 cells, 0 of them done" in said.stdout and "time    unknown" in said.stdout
    assert not harness.home.exists() and not (harness.folder / "results").exists()


def test_a_plan_at_the_papers_scale_needs_neither_data_nor_gpu(harness):
    said = harness("plan", "main", "--profile", "paper", "--cells", HF_HOME=str(harness.folder / "empty"))
    assert "504 cells, 0 of them done" in said.stdout
    assert "missing data.root is not set" in said.stdout and "VinDr-Mammo" in said.stdout
    assert said.stdout.count("method=supervised") == 72, "every cell is listed"
    assert "text.encoder: emilyalsentzer/Bio_ClinicalBERT is not in this machine's" in said.stdout
    assert said.stdout.count("method.encoder: timm/") == 2, "the weights of both encoders"
    if "0 GPUs" in said.stdout:
        assert said.returncode == 1 and "pretrain wants" in said.stdout


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("", ("token_count", "mvmlm", "vindr", "template", "malignancy", "linear_probe")),
        ("methods", ("custom_clip", "mvmlm", "supervised")),
        ("encoders resnet3*", ("resnet34",)),
    ],
)
def test_ls_lists_what_there_is_to_choose_from(harness, kind, names):
    said = harness("ls", *kind.split())
    assert said.returncode == 0, said.stderr
    assert all(name in said.stdout for name in names)


def test_doctor_says_what_is_wrong_and_what_to_do(harness):
    said = harness("doctor")
    assert said.returncode == 0, said.stdout + said.stderr
    for name in ("Python", "torch", "Ray", "/dev/shm", "disk", "MLflow", "hub", "data"):
        assert name in said.stdout
    harness.home.mkdir()
    (harness.home / "mlflow.db").write_bytes(b"no database" * 100)
    said = harness("doctor", "--data", "vindr=/nowhere", RAY_ADDRESS="127.0.0.1:1")
    assert said.returncode == 1
    assert "✗ MLflow" in said.stdout and "cannot be opened" in said.stdout
    assert "✗ data vindr" in said.stdout and "/nowhere" in said.stdout and "harness ls datasets" in said.stdout
    assert "✗ Ray" in said.stdout and "nothing answers at RAY_ADDRESS=127.0.0.1:1" in said.stdout


def publish(store: Store, stage: str, key: str, **inputs: str) -> None:
    """A stage of a hundred bytes."""
    node = {"stage": stage, "key": key, "version": 1, "config": {}, "inputs": inputs, "kind": "", "resources": {}}

    def fill(out: Path) -> dict:
        (out / "data").write_bytes(b"0" * 100)
        return {}

    store.publish(node, fill)


def test_clean_removes_what_no_finished_ablation_stands_on(harness):
    home = Home(harness.home)
    store, tracker = Store(home.store), Tracker(home)
    publish(store, "features", "kept")
    publish(store, "evaluate", "result", features="kept")
    publish(store, "features", "given-up")
    (home.work / "training").mkdir(parents=True)
    cells = pd.DataFrame([{"id": "c", "key": "result", "status": "done", "stages": '["result", "kept"]'}])
    tracker.start("micro", {}, {}, cells)
    one_line(harness("clean", "--yes"), "a run is going on here")
    tracker.client.set_tag(tracker.parent, LEASE_TAG, '{"host": "a container of yesterday", "pid": 1, "started": 0}')
    one_line(harness("clean", "--yes"), "a container of yesterday", "--force")
    assert harness("clean", "--yes", "--force").returncode == 0
    assert store.has("evaluate", "result") and not store.has("features", "given-up")
    publish(store, "features", "given-up")
    (home.work / "training").mkdir()
    tracker.end("FINISHED", cells)
    said = subprocess.run(
        harness.command("clean"), input="n\n", capture_output=True, text=True, env=harness.environment()
    )
    assert said.returncode == 0 and "nothing was removed" in said.stdout
    assert "given-up" in said.stdout and "kept" not in said.stdout and "checkpoint" in said.stdout
    assert store.has("features", "given-up")
    said = harness("clean", "--yes")
    assert said.returncode == 0, said.stderr
    assert not store.has("features", "given-up") and not list(home.work.iterdir())
    assert store.has("features", "kept") and store.has("evaluate", "result")


def test_clean_keeps_what_the_next_run_goes_on_from(harness):
    home = Home(harness.home)
    store, tracker = Store(home.store), Tracker(home)
    publish(store, "features", "made")
    (home.work / "half-trained").mkdir(parents=True)
    stages = '["made", "half-trained", "result"]'
    cells = pd.DataFrame([{"id": "c", "key": "result", "status": "stopped", "stages": stages}])
    tracker.start("micro", {}, {}, cells)
    tracker.end("KILLED", cells)
    assert "nothing to remove" in harness("clean", "--yes").stdout
    said = harness("clean", "--yes", "--unfinished")
    assert "features made" in said.stdout and "half-trained" in said.stdout
    assert not store.has("features", "made") and not list(home.work.iterdir())


def test_clean_refuses_where_mlflow_knows_of_no_run(harness):
    publish(Store(Home(harness.home).store), "evaluate", "result")
    one_line(harness("clean", "--yes"), "knows of no run", "MLFLOW_TRACKING_URI")
    assert Store(Home(harness.home).store).has("evaluate", "result")


def test_a_number_of_stages_that_is_none(harness):
    said = harness.run("--max-concurrent", "-1")
    assert said.returncode == 2 and "'-1' is not a whole number of 1 or more" in said.stderr


def test_ui_serves_the_homes_own_runs(harness):
    one_line(harness("ui"), "no runs here yet")
    Tracker(Home(harness.home)).start("micro", {}, {}, pd.DataFrame([{"id": "c"}]))
    port = free_port()
    process = subprocess.Popen(
        harness.command("ui", "--port", str(port)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=harness.folder,
        env=harness.environment(),
        start_new_session=True,
    )
    try:
        assert "micro" in experiments(port)
    finally:
        process.terminate()
        process.wait(timeout=30)


def experiments(port: int, timeout_s: float = 120) -> list[str]:
    """Names of the experiments that a server has, once it answers."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search",
        data=b'{"max_results": 10}',
        headers={"Content-Type": "application/json"},
    )
    end = time.monotonic() + timeout_s
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return [e["name"] for e in json.load(answer)["experiments"]]
        except OSError:
            assert time.monotonic() < end, "the server never answered"
            time.sleep(0.5)
