"""The work of stage ``search``: train and score the trials, keep the best settings."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.stages.base import Context
from harness.stages.search import BEST, TRIALS, with_settings
from harness.stages.search_objective import Judge
from harness.stages.search_study import Attempt, best_of, run_study
from mvmlm.errors import MvmlmError

if TYPE_CHECKING:
    from mvmlm.methods import Method

LOOKS = 3


class LookMissedError(MvmlmError):
    """A training goes on from a checkpoint behind a look that its interrupted process did not take."""


def search(context: Context) -> dict:
    """Run the trials and write ``best.json`` and ``trials.json``.

    Every trial is trained as stage ``pretrain`` would train it, on the training part alone, and scored by `Judge` on
    the validation part. Test patients are dropped before any image or text of theirs is looked at.
    """
    config = context.config
    said = config["search"]
    judge = Judge.open(context.inputs["images"], config)
    done: list[dict] = []

    def report(share: float) -> None:
        values = [one["value"] for one in done if one["state"] == "complete"]
        best = {"best": max(values)} if values else {}
        items = len(done) + share
        trial = min(len(done) + 1, said["trials"])
        context.report({"trial": trial, "trials": said["trials"], "items": items, "of_items": said["trials"], **best})

    def score(attempt: Attempt) -> float:
        report(0.0)
        return _trial(context, attempt, judge, report)

    def on_trial(records: list[dict]) -> None:
        done[:] = records

    records = run_study(said, context.work, score, on_trial)
    report(0.0)
    best = best_of(records)
    found = {"settings": best["params"], "objective": best["value"], "trial": best["number"]}
    (context.out / BEST).write_text(json.dumps(found, indent=1))
    (context.out / TRIALS).write_text(json.dumps(records, indent=1))
    states = [one["state"] for one in records]
    seconds = sum(one["seconds"] for one in records)
    return {
        **found,
        **{state: states.count(state) for state in ("complete", "pruned", "failed")},
        "tasks": judge.tasks,
        "measures": {"seconds": seconds, "validation_auc": best["value"]},
        "notes": [*_notes(context, records), *judge.notes],
    }


def _notes(context: Context, records: list[dict]) -> list[str]:
    name, space = context.config["method"]["name"], context.config["search"]["space"]
    notes = []
    if unread := context.runtime["unread"]:
        notes.append(
            f"{name} does not read {', '.join(unread)}: its {len(records)} trials searched {', '.join(space)} alone"
        )
    if (processes := context.config["train"].get("processes", 1)) > 1:
        notes.append(f"{name}: each trial was trained by one process, where the training itself has {processes}")
    if failed := [one for one in records if one["state"] == "failed"]:
        notes.append(f"{name}: {len(failed)} of {len(records)} trials failed (the last: {failed[-1]['error']})")
    return notes


def _trial(context: Context, attempt: Attempt, judge: Judge, report: Callable[[float], None]) -> float:
    """Train with a trial's settings and score; 0 for one that was pruned."""
    folder = context.work / f"trial-{attempt.number}"
    try:
        method = _trained(context, attempt, judge, report)
    except LookMissedError:
        shutil.rmtree(folder)
        method = _trained(context, attempt, judge, report)
    value = 0.0 if attempt.pruned else judge.score(method)
    shutil.rmtree(folder, ignore_errors=True)
    return value


def _trained(context: Context, attempt: Attempt, judge: Judge, report: Callable[[float], None]) -> Method:
    from harness.stages.training_run import assemble
    from mvmlm.training import train

    config = with_settings(context.config, attempt.settings)
    made = assemble(config, context.inputs, context.runtime)

    def on_epoch(record: dict) -> None:
        epoch, epochs = record["epoch"], record["epochs"]
        report(epoch / epochs)
        for number in _looks(context.config["search"], epoch, epochs):
            if attempt.seen(number):
                continue
            if number * _every(context.config["search"], epochs) < epoch:
                raise LookMissedError(f"trial {attempt.number}: look {number} was missed")
            attempt.look(number, judge.score(made.method))

    train(
        made.method,
        made.training,
        made.settings,
        validation=made.validation,
        seed=config["seed"],
        work_dir=context.work / f"trial-{attempt.number}",
        on_epoch=on_epoch,
        should_stop=lambda: attempt.pruned,
    )
    return made.method


def _every(said: dict, epochs: int) -> int:
    """Epochs between looks."""
    return said["every"] or -(-epochs // LOOKS)


def _looks(said: dict, epoch: int, epochs: int) -> range:
    """Numbers of the looks that are due by the end of an epoch; the last epoch has the trial's score instead."""
    if said["pruner"] == "none":
        return range(0)
    return range(1, min(epoch, epochs - 1) // _every(said, epochs) + 1)
