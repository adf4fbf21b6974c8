"""A study's trials: what they try, which of them end early, and that an interrupted one ends as if it had not been."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.stages.search_study import JOURNAL, Attempt, best_of, run_study
from mvmlm.errors import ConfigError, DataError, MvmlmError

ROOT = Path(__file__).resolve().parents[2]
RESOLVED = {
    "train.lr": {"low": 1.0e-4, "high": 1.0e-1, "log": True, "step": None, "whole": False},
    "method.depth": {"low": 1, "high": 5, "log": False, "step": None, "whole": True},
    "loss.same_report": {"choices": ["negative", "mask", "positive"]},
}
SAID = {"trials": 12, "space": RESOLVED, "sampler": "tpe", "pruner": "median", "startup": 4, "seed": 3}


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
from tests.harness.test_search_study import SAID, climb
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
