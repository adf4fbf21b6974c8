"""The stage: its trials' trainings and their scores, on a stand-in for a training, and once for real."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from torch import nn

from harness.home import Home
from harness.stages import Context
from harness.stages.search import apply_best
from harness.stages.search_objective import Judge
from harness.stages.search_run import search
from harness.tracking import Tracker
from mvmlm.errors import DataError, MvmlmError
from tests.harness.conftest import MICRO, Harness
from tests.harness.test_search_study import RESOLVED, SAID, told

EPOCHS = 8


@dataclass
class StandIn:
    """In place of a training: a checkpoint an epoch, a score that grows, and a plug that can be pulled."""

    dies: set[tuple[int, str]] = field(default_factory=set)
    epochs: list[int] = field(default_factory=list)
    calls: int = 0

    def assemble(self, config: dict, inputs: dict, runtime: dict) -> SimpleNamespace:
        method = SimpleNamespace(lr=config["train"]["lr"], epoch=0)
        return SimpleNamespace(method=method, training=None, validation=None, settings=None)

    def train(self, method, training, settings, *, work_dir, on_epoch, should_stop, **_) -> None:
        work_dir.mkdir(exist_ok=True)
        path = work_dir / "checkpoint"
        for epoch in range(int(path.read_text()) + 1 if path.is_file() else 1, EPOCHS + 1):
            self.calls += 1
            self.epochs.append(epoch)
            method.epoch = epoch
            path.write_text(str(epoch))
            self.maybe("before")
            on_epoch({"epoch": epoch, "epochs": EPOCHS, "loss": 1.0})
            self.maybe("after")
            if should_stop():
                return
        method.epoch = EPOCHS

    def maybe(self, when: str) -> None:
        if (self.calls, when) in self.dies:
            raise KeyboardInterrupt


@pytest.fixture
def stand_in(monkeypatch):
    """A stand-in for the training, and a judge that looks at its learning rate and how far it is."""
    stand = StandIn()
    judge = SimpleNamespace(
        tasks=["mass"], notes=[], score=lambda method: -((math.log10(method.lr) + 2) ** 2) - 1 / method.epoch
    )
    monkeypatch.setattr("harness.stages.training_run.assemble", stand.assemble)
    monkeypatch.setattr("mvmlm.training.train", stand.train)
    monkeypatch.setattr(Judge, "open", lambda images, config: judge)
    return stand


def context_of(folder: Path, reports: list | None = None, **search_settings) -> Context:
    for name in ("out", "work"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    space = {"train.lr": RESOLVED["train.lr"]}
    config = {
        "method": {"name": "mvmlm"},
        "train": {},
        "seed": 0,
        "search": {**SAID, "space": space, "every": 0, **search_settings},
    }
    return Context(
        config=config,
        inputs={"images": folder},
        out=folder / "out",
        work=folder / "work",
        runtime={"workers": 0, "unread": ["method.depth"]},
        threads=1,
        report=(reports if reports is not None else []).append,
    )


def test_a_search_writes_its_best_its_trials_and_says_how_far_it_is(stand_in, tmp_path):
    reports: list[dict] = []
    summary = search(context_of(tmp_path, reports))
    best = json.loads((tmp_path / "out" / "best.json").read_text())
    trials = json.loads((tmp_path / "out" / "trials.json").read_text())
    assert best["objective"] == max(one["value"] for one in trials if one["state"] == "complete")
    assert trials[best["trial"]]["params"] == best["settings"]
    assert {tuple(one["looks"]) for one in trials if one["state"] == "complete"} == {("1", "2")}, "after 3 and 6 of 8"
    assert summary["complete"] + summary["pruned"] == 12 and summary["pruned"] > 0
    assert len(stand_in.epochs) < 12 * EPOCHS
    assert summary["notes"] == ["mvmlm does not read method.depth: its 12 trials searched train.lr alone"]
    assert reports[0] == {"trial": 1, "trials": 12, "items": 0.0, "of_items": 12}
    assert reports[-1]["best"] == best["objective"] and reports[-1]["items"] == 12
    assert not list((tmp_path / "work").glob("trial-*")), "no checkpoint stays"
    config = {"train": {"lr": 0.5, "epochs": 3}, "method": {"name": "mvmlm"}}
    found = apply_best(config, tmp_path / "out")
    assert found == {**config, "train": {"lr": best["settings"]["train.lr"], "epochs": 3}}
    assert config["train"]["lr"] == 0.5


def test_looks_are_taken_as_often_as_is_said(stand_in, tmp_path):
    search(context_of(tmp_path, every=2, trials=2))
    trials = json.loads((tmp_path / "out" / "trials.json").read_text())
    assert all(list(one["looks"]) == ["1", "2", "3"] for one in trials)
    search(context_of(tmp_path / "none", pruner="none", trials=2))
    trials = json.loads((tmp_path / "none" / "out" / "trials.json").read_text())
    assert all(one["looks"] == {} for one in trials)


def test_a_search_that_is_killed_between_checkpoint_and_look_takes_the_look_after_all(stand_in, tmp_path):
    search(context_of(tmp_path / "whole"))
    stand_in.calls = 0
    stand_in.dies = {(3, "before"), (5, "after"), (17, "before"), (30, "before"), (42, "after"), (55, "before")}
    times = 0
    while True:
        try:
            search(context_of(tmp_path / "killed"))
            break
        except KeyboardInterrupt:
            times += 1
    assert times >= 5
    kept = [json.loads((tmp_path / name / "out" / "trials.json").read_text()) for name in ("whole", "killed")]
    assert told(kept[0]) == told(kept[1])


class Brightness(nn.Module):
    """Its embedding is the mean grey value."""

    def encode_image(self, images):
        mean = images.mean(dim=(2, 3, 4))[..., None]
        return mean[:, :, None], mean


class Pixels:
    """An image store in memory that notes which rows are read."""

    def __init__(self, grey: np.ndarray) -> None:
        self.grey, self.read_rows = grey, set()

    def read(self, rows):
        self.read_rows.update(int(row) for row in rows)
        return np.broadcast_to(self.grey[rows][:, None, None, None], (len(rows), 1, 4, 4)).astype(np.float32)


@pytest.fixture
def women(monkeypatch) -> SimpleNamespace:
    """40 women, a quarter of them tested; bright breasts hold a mass; nobody is known to have a calcification."""
    rng = np.random.default_rng(0)
    mass = np.arange(40) % 2 == 0
    store = Pixels(0.3 + 0.4 * np.repeat(mass, 2) + rng.uniform(0, 0.1, 80))
    breasts = pd.DataFrame(
        {
            "patient_id": [f"p{i}" for i in range(40)],
            "split": pd.array(["test"] * 10 + ["train"] * 30, dtype="string"),
            "cc": np.arange(0, 80, 2),
            "mlo": np.arange(1, 80, 2),
            "mass": pd.array(mass, dtype="boolean"),
            "calcification": pd.array([False] * 40, dtype="boolean"),
        },
        index=pd.Index([f"b{i:02d}" for i in range(40)], name="breast_id"),
    )
    monkeypatch.setattr("mvmlm.data.image_store.stored_breasts", lambda folder: breasts)
    monkeypatch.setattr("mvmlm.data.image_store.ImageStore.open", lambda folder: store)
    return SimpleNamespace(breasts=breasts, store=store)


def judged(tasks: list[str], val_fraction: float = 0.3, **more) -> dict:
    return {
        "seed": 0,
        "split": {"test_fraction": 0.2, "split_seed": 0, "val_fraction": val_fraction},
        "search": {"tasks": tasks, "representation": "embedding", "seed": 0},
        **more,
    }


def test_a_score_is_the_probes_auc_on_validation_patients_and_test_patients_are_not_looked_at(women):
    judge = Judge.open(Path(), judged(["mass", "calcification"]))
    assert judge.tasks == ["mass"]
    assert judge.notes == [
        "search: trials were scored without calcification: the training part holds 21 labelled breasts of one class"
    ]
    method = Brightness().train()
    assert judge.score(method) == 1.0
    assert method.training
    assert women.store.read_rows == set(range(20, 80))
    assert judge.breasts["part"].value_counts().to_dict() == {"train": 21, "val": 9}


def test_a_task_of_classes_is_scored_by_its_macro_auc(women):
    density = np.where(women.store.grey[::2] < 0.55, "A", "C")
    women.breasts["density"] = pd.array(density, dtype="string")
    judge = Judge.open(Path(), judged(["mass", "density"]))
    assert (judge.tasks, judge.notes) == (["mass", "density"], [])
    assert judge.score(Brightness()) == 1.0
    women.breasts["density"] = pd.array(np.random.default_rng(0).permutation(density), dtype="string")
    assert Judge.open(Path(), judged(["density"])).score(Brightness()) < 0.9


def test_no_task_with_both_classes_says_what_to_raise(women):
    with pytest.raises(DataError, match=r"calcification: .* one class\); raise data.val_fraction or search.val_frac"):
        Judge.open(Path(), judged(["calcification"]))
    with pytest.raises(DataError, match="the validation part holds 0 labelled breasts"):
        Judge.open(Path(), judged(["mass"], val_fraction=0.0))


def test_features_that_are_not_finite_fail_the_trial(women):
    women.store.grey = np.full(80, np.nan)
    with pytest.raises(MvmlmError, match="diverged"):
        Judge.open(Path(), judged(["mass"])).score(Brightness())


def test_validation_patients_of_a_supervised_search_are_taken_before_labels_are_granted(women):
    few, all_ = (
        Judge.open(Path(), judged(["mass"], labels={"task": "mass", "fraction": fraction})).breasts
        for fraction in (0.2, 1.0)
    )
    patients = [{part: set(b["patient_id"][b["part"] == part]) for part in ("train", "val")} for b in (few, all_)]
    assert patients[0]["val"] == patients[1]["val"] and len(patients[0]["val"]) == 9
    assert patients[0]["train"] < patients[1]["train"]
    assert not patients[1]["train"] & patients[1]["val"]


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A small real ablation with two trials an arm, run to its end."""
    harness = Harness(tmp_path_factory.mktemp("searched"))
    space = {"train.lr": {"low": 1.0e-4, "high": 1.0e-2, "log": True}, "loss.temperature": [0.05, 0.2]}
    spec = {
        **MICRO,
        "base": {
            **MICRO["base"],
            "train": {**MICRO["base"]["train"], "epochs": 3},
            "search": {"val_fraction": 0.4, "startup": 1, "space": space},
        },
        "axes": {"search.trials": [0, 2], "method.name": ["supervised"]},
        "table": {"rows": ["search.trials"], "columns": ["task"]},
    }
    harness.ablation.write_text(yaml.safe_dump(spec, sort_keys=False))
    return harness, harness.run()


@pytest.mark.slow
def test_a_real_search_runs_from_end_to_end(searched):
    harness, said = searched
    assert said.returncode == 0, said.stdout + said.stderr
    assert "supervised does not read loss.temperature: its 2 trials searched train.lr alone" in said.stdout
    (folder,) = harness.stages("search")
    best = json.loads((folder / "best.json").read_text())
    assert 1e-4 <= best["settings"]["train.lr"] <= 1e-2 and 0 <= best["objective"] <= 1
    trials = json.loads((folder / "trials.json").read_text())
    assert len(trials) == 2 and all(one["seconds"] > 0 for one in trials)
    assert len(harness.stages("pretrain")) == 2


@pytest.mark.slow
def test_mlflow_holds_a_child_a_trial_that_no_table_takes_for_a_cell(searched):
    harness, _ = searched
    tracker = Tracker(Home(harness.home))
    (parent,) = tracker.invocations("micro")
    (folder,) = harness.stages("search")
    trials = json.loads((folder / "trials.json").read_text())

    def children(role: str) -> list:
        experiment = tracker.experiment("micro", create=False)
        return tracker.client.search_runs([experiment], f"tags.`harness.role` = '{role}'")

    runs = {int(run.data.tags["harness.trial"]): run for run in children("trial")}
    assert sorted(runs) == [0, 1]
    for number, run in runs.items():
        assert run.info.status == "FINISHED" and run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert float(run.data.params["train.lr"]) == pytest.approx(trials[number]["params"]["train.lr"])
        assert run.data.metrics["objective"] == trials[number]["value"] and run.data.metrics["seconds"] > 0
        assert run.data.tags["harness.state"] == trials[number]["state"]
        assert run.data.tags["harness.stage"] == folder.name and run.data.tags["harness.arm"] == "trials=2"
    cells = [run for run in children("cell") if "harness.baseline" not in run.data.tags]
    rates = {run.data.params["search.trials"]: float(run.data.params["train.lr"]) for run in cells}
    best = json.loads((folder / "best.json").read_text())
    assert rates == {"0": 0.001, "2": pytest.approx(best["settings"]["train.lr"])}
    assert len(tracker.cells_of(parent.info.run_id)) == 2 + 2
    again = harness.run()
    assert again.returncode == 0 and len(children("trial")) == 2
    plan = harness("plan", str(harness.ablation))
    assert "1 search with 2 trials in all" in plan.stdout
