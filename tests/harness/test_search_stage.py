"""Searches: which cells share one, what its trials try, and that an interrupted one ends as if it had not been."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from torch import nn

from harness.home import Home
from harness.plan import estimates
from harness.stages import STAGES, Context
from harness.stages.search import apply_best
from harness.stages.search_objective import Judge
from harness.stages.search_run import search
from harness.stages.search_study import JOURNAL, Attempt, best_of, run_study
from harness.tracking import Tracker
from mvmlm.errors import ConfigError, DataError, MvmlmError
from tests.harness.ablation_files import BASE
from tests.harness.conftest import MICRO, ROOT, Harness

SPACE = {"train.lr": {"low": 1.0e-4, "high": 1.0e-1, "log": True}, "loss.temperature": [0.05, 0.1, 0.2]}
SEARCHED = {**BASE, "search": {"trials": 2, "space": SPACE}}
RESOLVED = {
    "train.lr": {"low": 1.0e-4, "high": 1.0e-1, "log": True, "step": None, "whole": False},
    "method.depth": {"low": 1, "high": 5, "log": False, "step": None, "whole": True},
    "loss.same_report": {"choices": ["negative", "mask", "positive"]},
}
SAID = {"trials": 12, "space": RESOLVED, "sampler": "tpe", "pruner": "median", "startup": 4, "seed": 3}


def keys(plan, stage: str) -> set[str]:
    return {key for key, node in plan.nodes.items() if node.stage == stage}


def test_without_trials_there_is_no_search_and_no_key_moves(plan):
    plain = plan({})
    said = plan({}, "search.sampler=random", "search.seed=4", base={**BASE, "search": {"space": SPACE}})
    assert said.cells[0].stages == plain.cells[0].stages
    assert not keys(said, "search")


def test_a_search_stands_before_the_training_and_under_it(plan):
    found = plan({}, base=SEARCHED)
    assert list(STAGES).index("text") < list(STAGES).index("search") < list(STAGES).index("pretrain")
    (node,) = (node for node in found.nodes.values() if node.stage == "pretrain")
    assert keys(found, "search") == {node.inputs["search"]}
    assert found.cells[0].stages["search"] == node.inputs["search"]
    assert keys(plan({}), "pretrain") != {node.key}


def test_an_arm_has_one_search_for_all_its_seeds_tasks_and_fractions(plan):
    axes = {"method.tokens": [2, 4], "eval.fraction": [0.5, 1.0]}
    found = plan(axes, base=SEARCHED, tasks=("mass", "malignancy"), seeds=(0, 1))
    assert (len(keys(found, "search")), len(keys(found, "pretrain"))) == (2, 4)


def test_a_supervised_arm_is_searched_for_each_task_and_for_each_share_of_labels_that_a_seed_draws(plan):
    base = {**SEARCHED, "method": {**BASE["method"], "name": "supervised"}}
    assert len(keys(plan({}, base=base, tasks=("mass", "malignancy"), seeds=(0, 1)), "search")) == 2
    assert len(keys(plan({"eval.fraction": [0.5]}, base=base, seeds=(0, 1)), "search")) == 2


def test_trials_are_scored_by_the_task_of_labels_where_a_method_is_trained_on_them(plan):
    found = plan({"method.name": ["mvmlm", "supervised"]}, base=SEARCHED, tasks=("malignancy",))
    tasks = {
        node.config["method"]["name"]: node.config["search"]["tasks"]
        for node in found.nodes.values()
        if node.stage == "search"
    }
    assert tasks == {"mvmlm": ["mass", "calcification"], "supervised": ["malignancy"]}


MOVES = {
    "search.trials=3": True,
    "search.sampler=random": True,
    "search.pruner=none": True,
    "search.startup=2": True,
    "search.every=1": True,
    "search.val_fraction=0.3": True,
    "search.tasks=[mass]": True,
    "search.seed=1": True,
    "search.space={train.lr: [0.1, 0.2]}": True,
    "train.lr=0.5": False,
    "loss.temperature=0.5": False,
    "train.weight_decay=0.5": True,
    "loss.ii_weight=0.5": True,
    "method.tokens=2": True,
    "seeds=1": False,
    "eval.folds=3": False,
    "eval.representation=tokens_max": True,
    "train.workers=2": False,
    "resources.pretrain.cpu=2": False,
}


@pytest.mark.parametrize("change", MOVES)
def test_a_setting_moves_a_search_if_its_trials_depend_on_it(plan, change):
    before, after = plan({}, base=SEARCHED), plan({}, change, base=SEARCHED)
    assert (keys(before, "search") != keys(after, "search")) == MOVES[change]


def test_when_to_look_matters_only_where_trials_are_pruned(plan):
    seldom, often = (plan({}, "search.pruner=none", f"search.every={n}", base=SEARCHED) for n in (1, 2))
    assert keys(seldom, "search") == keys(often, "search")


def test_ranges_that_an_arm_does_not_read_are_left_out_of_its_search(plan):
    base = {**SEARCHED, "method": {**BASE["method"], "name": "supervised"}}
    (node,) = (node for node in plan({}, base=base).nodes.values() if node.stage == "search")
    assert list(node.config["search"]["space"]) == ["train.lr"] and node.config["search"]["trials"] == 2
    assert node.runtime["unread"] == ["loss.temperature"]
    narrower = {**base, "search": {"trials": 2, "space": {"train.lr": SPACE["train.lr"]}}}
    assert keys(plan({}, base=narrower), "search") == {node.key}


def test_a_search_is_given_what_a_training_is_given(plan):
    found = plan({}, "resources.pretrain={cpu: 3, gpu: 1}", base=SEARCHED)
    given = {node.stage: node.resources for node in found.nodes.values()}
    assert given["search"] == given["pretrain"] == {"cpu": 3, "gpu": 1}


def test_a_search_that_never_ran_is_taken_for_its_trainings(plan):
    nodes = list(plan({}, base=SEARCHED).nodes.values())
    kinds = {node.stage: node.kind for node in nodes}
    trained = SimpleNamespace(kind=kinds["pretrain"], seconds=10.0)
    known = estimates(SimpleNamespace(cards=lambda: [trained]), nodes)
    assert known[kinds["search"]] == 20.0
    past = SimpleNamespace(kind=kinds["search"], seconds=13.0)
    assert estimates(SimpleNamespace(cards=lambda: [trained, past]), nodes)[kinds["search"]] == 13.0
    assert kinds["search"] not in estimates(SimpleNamespace(cards=list), nodes)


def hill(settings: dict) -> float:
    """Highest, at 0, for a learning rate of 0.01, depth 2 and masks."""
    off = (math.log10(settings["train.lr"]) + 2) ** 2 + (settings["method.depth"] - 2) ** 2
    return -off - (settings["loss.same_report"] != "mask")


def climb(attempt: Attempt) -> float:
    """A training of three epochs: it starts below its end, and is looked at twice."""
    for number in (1, 2):
        if not attempt.seen(number):
            attempt.look(number, hill(attempt.settings) - 1 / number)
        if attempt.pruned:
            return 0.0
    return hill(attempt.settings)


def told(records: list[dict]) -> list[dict]:
    """Records without what no two runs share."""
    return [{k: v for k, v in one.items() if k != "seconds"} for one in records]


def test_every_trial_is_in_its_ranges_and_counts_whether_it_ended_early_or_not(tmp_path):
    records = run_study(SAID, tmp_path, climb)
    assert [one["number"] for one in records] == list(range(12))
    for one in records:
        assert 1e-4 <= one["params"]["train.lr"] <= 0.1
        assert one["params"]["method.depth"] in range(1, 6) and isinstance(one["params"]["method.depth"], int)
        assert one["params"]["loss.same_report"] in ("negative", "mask", "positive")
    states = [one["state"] for one in records]
    assert set(states[:4]) == {"complete"} and "pruned" in states[4:]
    assert best_of(records)["value"] == max(one["value"] for one in records if one["state"] == "complete")


def test_a_trial_is_pruned_by_trials_of_its_own_study_alone(tmp_path):
    """At its last look, one that was best below the median of those that came to their end before it."""
    records = run_study(SAID, tmp_path, climb)
    for one in records[4:]:
        before = [other["looks"] for other in records[: one["number"]] if other["state"] == "complete"]
        last = max(one["looks"], key=int)
        median = np.median([looks[last] for looks in before if last in looks])
        assert (one["state"] == "pruned") == (max(one["looks"].values()) < median)


def test_tpe_learns_from_the_trials_before_it(tmp_path):
    scores = {}
    for sampler in ("tpe", "random"):
        (tmp_path / sampler).mkdir()
        said = {**SAID, "sampler": sampler, "trials": 30, "pruner": "none"}
        scores[sampler] = np.mean([one["value"] for one in run_study(said, tmp_path / sampler, climb)[-10:]])
    assert scores["tpe"] > scores["random"] + 1


def test_without_a_pruner_every_trial_comes_to_its_end(tmp_path):
    records = run_study({**SAID, "pruner": "none"}, tmp_path, climb)
    assert {one["state"] for one in records} == {"complete"}


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_what_is_tried_depends_on_the_seed_alone(tmp_path, sampler):
    runs = []
    for number, seed in enumerate((0, 0, 1)):
        (tmp_path / str(number)).mkdir()
        runs.append(told(run_study({**SAID, "sampler": sampler, "seed": seed}, tmp_path / str(number), climb)))
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_study_that_is_interrupted_everywhere_ends_as_if_it_had_not_been(tmp_path, sampler):
    class Power(BaseException):
        """Off."""

    calls = 0

    def off(when: Callable[[], object]) -> None:
        nonlocal calls
        calls += 1
        if calls % 3 == 0:
            raise Power
        when()

    def broken(attempt: Attempt) -> float:
        value = 0.0
        for number in (1, 2):
            if not attempt.seen(number):
                off(lambda n=number: attempt.look(n, hill(attempt.settings) - 1 / n))
            if attempt.pruned:
                return value
        off(lambda: None)
        return hill(attempt.settings)

    said = {**SAID, "sampler": sampler}
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    whole = run_study(said, tmp_path / "whole", climb)
    times = 0
    while True:
        try:
            records = run_study(said, tmp_path / "broken", broken)
            break
        except Power:
            times += 1
    assert times > 5
    assert told(records) == told(whole)


KILLED = """
import sys, time
from pathlib import Path
from tests.harness.test_search_stage import SAID, climb
from harness.stages.search_study import run_study

def slow(attempt):
    time.sleep(0.05)
    return climb(attempt)

run_study(SAID, Path(sys.argv[1]), slow)
"""


def test_a_killed_process_leaves_a_study_that_goes_on(tmp_path):
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    journal = tmp_path / "killed" / JOURNAL
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "killed")], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    while process.poll() is None and not (journal.is_file() and journal.read_bytes().count(b"\n") > 25):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    fresh = []

    def count(attempt: Attempt) -> float:
        fresh.append(attempt.number)
        return climb(attempt)

    records = run_study(SAID, tmp_path / "killed", count)
    assert 0 < len(fresh) < SAID["trials"]
    assert told(records) == told(run_study(SAID, tmp_path / "whole", climb))


def test_half_a_line_and_a_damaged_journal_are_mended(tmp_path, caplog):
    whole = told(run_study(SAID, tmp_path, climb))
    path = tmp_path / JOURNAL
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join(lines[:20]) + b"\n" + lines[20][:9])
    assert told(run_study(SAID, tmp_path, climb)) == whole
    path.write_bytes(b"no journal\nat all\n")
    assert told(run_study(SAID, tmp_path, climb)) == whole
    assert "starts from the beginning" in caplog.text


def test_a_trial_that_fails_counts_and_is_never_the_best(tmp_path):
    def fragile(attempt: Attempt) -> float:
        if attempt.number % 2:
            raise MvmlmError("the loss is nan")
        return hill(attempt.settings)

    records = run_study(SAID, tmp_path, fragile)
    assert [one["state"] for one in records] == ["complete", "failed"] * 6
    assert records[1]["error"] == "the loss is nan" and records[1]["value"] is None
    assert best_of(records)["number"] % 2 == 0
    with pytest.raises(ConfigError, match=r"none of 6 trials came to its end.*the loss is nan"):
        best_of(records[1::2])


def test_what_no_setting_can_mend_ends_the_study(tmp_path):
    def hopeless(attempt: Attempt) -> float:
        raise DataError("no images")

    with pytest.raises(DataError, match="no images"):
        run_study(SAID, tmp_path, hopeless)


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
    assert "1 searches with 2 trials in all" in plan.stdout
