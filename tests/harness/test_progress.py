"""What a run tells while it goes: counts, stages, time left, notes, failures; on a terminal and as plain lines."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from harness import progress, state
from harness.expand import expand_file
from harness.plan import build_plan
from harness.progress import Progress, clock
from harness.state import RunState

CAPACITY = {"cpu": 2.0, "gpu": 0.0, "memory_gib": 8.0}


class Clock:
    """A clock that a test turns."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch) -> Clock:
    turned = Clock()
    monkeypatch.setattr(state, "time", turned)
    monkeypatch.setattr(progress, "time", turned)
    return turned


@pytest.fixture
def run(time) -> RunState:
    """A run of the shipped token counts with one seed, nothing done yet."""
    plan = build_plan(expand_file("token_count", seeds=[0], overrides=["tasks=[mass]"]).cells)
    return RunState(plan, set(), list(plan.nodes.values()), {})


def of(run: RunState, stage: str) -> list:
    return [node for node in run.plan.nodes.values() if node.stage == stage]


def text_of(run: RunState, *, terminal: bool) -> tuple[Progress, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=terminal, color_system=None, legacy_windows=False)
    return Progress(console, run, CAPACITY), out


def test_time_left_is_unknown_until_something_is_known(run, time):
    assert run.seconds_left(CAPACITY) is None
    first = of(run, "pretrain")[0]
    run.start(first)
    run.report(first, {"epoch": 2, "epochs": 8})
    time.now += 20
    # 2 of 8 epochs in 20 s: 60 s to go, and 80 s for each of the two others, on two CPUs
    assert run.seconds_left(CAPACITY) == (pytest.approx((60 + 80 + 80) / 2), False)


def test_what_has_ended_teaches_what_its_kind_costs(run):
    for node in run.plan.nodes.values():
        run.seconds[node.kind] = 1.0
    work = sum(max(1.0, node.resources["cpu"]) for node in run.plan.nodes.values())
    assert run.seconds_left(CAPACITY) == (pytest.approx(work / 2), True)
    node = of(run, "pretrain")[0]
    run.end(node, "done", {"worked": True, "seconds": 11.0})
    assert run.seconds_left(CAPACITY)[0] == pytest.approx((work - 1 + 2 * 10) / 2)
    run.end(of(run, "pretrain")[1], "done", {"worked": False, "seconds": 0.1})
    assert run.seconds[node.kind] == 11.0, "what another run had published tells nothing of the time"


def test_the_scarcest_resource_decides(run):
    for key, node in run.plan.nodes.items():
        run.seconds[node.kind] = 0.0
        if node.stage == "pretrain":
            run.stages[key].node = replace(node, resources={"cpu": 8.0, "gpu": 1.0})
            run.seconds[node.kind] = 3600.0
    assert run.seconds_left({"cpu": 64.0, "gpu": 1.0}) == (3 * 3600.0, True)
    assert run.seconds_left({"cpu": 64.0, "gpu": 4.0}) == (3600.0, True), "no less than the longest stage"


def test_a_cell_runs_while_its_training_does(run):
    assert run.counts() == {"waiting": 6}
    run.start(of(run, "pretrain")[0])
    assert run.counts() == {"waiting": 4, "running": 2}


def test_the_panel_fits_a_terminal_of_80_columns(run, time):
    node = of(run, "pretrain")[0]
    run.start(node)
    run.report(node, {"epoch": 3, "epochs": 8, "loss": 3.14159})
    time.now += 65
    shown, out = text_of(run, terminal=True)
    shown.console.print(shown)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "2 running" in lines[0] and "of 6" in lines[0]
    assert "pretrain mvmlm" in lines[1] and "1:05 min" in lines[1] and "epoch 3/8, loss 3.142" in lines[1]
    assert "at least" in lines[2]


def test_plain_lines_name_the_stage_and_its_seconds(run):
    node = of(run, "pretrain")[0]
    shown, out = text_of(run, terminal=False)
    run.start(node)
    run.end(node, "done", {"worked": True, "seconds": 12.34})
    shown.ended(node)
    assert "pretrain mvmlm test_efficientnet 8 tokens seed 0" in out.getvalue()
    assert out.getvalue().endswith("12.3 s\n")


def test_a_note_is_said_once_and_a_failure_on_one_line(run):
    one, other, broken = of(run, "pretrain")
    shown, out = text_of(run, terminal=False)
    for node in (one, other):
        run.end(node, "done", {})
        shown.ended(node, ["3 of 96 images cannot be used"])
    assert out.getvalue().count("note 3 of 96 images cannot be used\n") == 1
    run.end(broken, "failed", {"error": "x" * 200, "log": "/logs/a.txt"})
    shown.ended(broken)
    assert any(line.startswith("failed pretrain") and "x" * 200 in line for line in out.getvalue().splitlines())


@pytest.mark.parametrize(
    ("seconds", "said"), [(41.6, "42 s"), (59.7, "1:00 min"), (187, "3:07 min"), (8100, "2:15 h")]
)
def test_clock(seconds, said):
    assert clock(seconds) == said
