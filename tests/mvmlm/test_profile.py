"""Profiles of real training steps, and the clock and the trace reader that they stand on."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.profiler import record_function
from torch.utils.flop_counter import FlopCounterMode

from mvmlm import step_clock
from mvmlm.errors import ConfigError, DataError, TrainingError
from mvmlm.profile import PHASES, TRACED, profile
from mvmlm.step_clock import StepClock
from mvmlm.trace_reading import cpu_growth, device_ms, read_trace
from mvmlm.training import TrainConfig
from tests.mvmlm.toy_breasts import SIZE, small_method, toy_data

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = TrainConfig(batch_size=5, epochs=1, precision="fp32")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A profile of MV-MLM on ten breasts, and the trace that it wrote."""
    trace = tmp_path_factory.mktemp("profile") / "new" / "step.json"
    return profile(small_method("mvmlm"), toy_data(10), CONFIG, trace=trace, steps=3, warmup=1), trace


def test_every_phase_of_a_step_and_every_part_of_the_forward_pass_has_a_row(measured):
    parts = [row.part for row in measured[0].rows]
    assert [part for part in parts if part in PHASES] == list(PHASES)
    assert {"forward/encoder", "forward/tokens", "forward/text"} <= set(parts)
    assert parts[-1] == "rest"
    assert measured[0].steps == 3


def test_the_forward_pass_is_at_least_its_parts(measured):
    ms = {row.part: row.ms for row in measured[0].rows}
    assert 0 < ms["forward/encoder"] <= ms["forward"]
    assert 0 < ms["forward"] + ms["backward"] <= measured[0].step_ms * len(PHASES)


def test_operations_of_the_encoder_are_those_of_its_own_forward_pass(measured):
    rows = {row.part: row for row in measured[0].rows}
    encoder = small_method("mvmlm").encoder
    with FlopCounterMode(display=False) as counter:
        encoder(torch.rand(10, 1, *SIZE))
    assert rows["forward/encoder"].flops == counter.get_total_flops()
    assert rows["backward"].flops > rows["forward"].flops
    assert measured[0].flops == sum(rows[phase].flops for phase in PHASES)


def test_memory_of_the_backward_pass_holds_at_least_the_batch(measured):
    rows = {row.part: row for row in measured[0].rows}
    assert rows["backward"].memory >= 5 * 2 * 4 * SIZE[0] * SIZE[1]
    assert "weights" in measured[0].memory


def test_the_trace_holds_the_steps_by_name(measured):
    events = json.loads(measured[1].read_text())["traceEvents"]
    named = [event["name"] for event in events if str(event.get("name", "")).startswith("mvmlm/")]
    assert named.count("mvmlm/optimiser") == TRACED
    assert named.count("mvmlm/forward/encoder") == named.count("mvmlm/forward") > 0


def test_a_step_that_waits_for_its_images_is_called_loader_bound(tmp_path):
    data = toy_data(4)
    quick = data.batch

    def slow(rows: np.ndarray, **how):
        time.sleep(0.3)
        return quick(rows, **how)

    data.batch = slow
    found = profile(small_method("custom_clip"), data, CONFIG, trace=tmp_path / "t.json", steps=1, warmup=1)
    assert found.bound.startswith("loader-bound") and "train.workers is 0" in found.bound


def test_nothing_is_left_behind_when_a_training_breaks(tmp_path):
    enter, method, data = record_function.__enter__, small_method("mvmlm"), toy_data(6)
    with torch.no_grad():
        next(method.encoder.parameters()).fill_(torch.nan)
    with pytest.raises(TrainingError):
        profile(method, data, CONFIG, trace=tmp_path / "t.json", steps=1)
    assert record_function.__enter__ is enter
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in method.children())


def test_what_cannot_be_measured_is_said_before_anything_is_trained(tmp_path):
    (tmp_path / "file").write_text("")
    method, data = small_method("mvmlm"), toy_data(6)
    with pytest.raises(ConfigError, match="at least one is measured"):
        profile(method, data, CONFIG, trace=tmp_path / "t.json", steps=0)
    with pytest.raises(DataError, match=r"file/t\.json: the trace cannot be written"):
        profile(method, data, CONFIG, trace=tmp_path / "file" / "t.json", steps=1)


class Ticks:
    """A clock that goes on by one second whenever it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        self.now += 1.0
        return self.now


def test_a_phase_within_another_is_counted_once(monkeypatch):
    monkeypatch.setattr(step_clock, "time", Ticks())
    seen = []
    clock = StepClock(torch.device("cpu"), lambda clock: seen.append(len(clock.steps)))
    backward, forward, encoder, other, last = map(
        record_function,
        ("mvmlm/backward", "mvmlm/forward", "mvmlm/forward/encoder", "something else", "mvmlm/optimiser"),
    )
    with clock.listening():
        with backward, forward, encoder:  # from 1 to 6, 2 to 5, 3 to 4
            pass
        with other:
            pass
        with last:  # from 7 to 8
            pass
    (step,) = clock.steps
    assert seen == [1]
    assert {name: step.ms(name) for name in ("backward", "forward", "forward/encoder", "optimiser")} == {
        "backward": 2000, "forward": 3000, "forward/encoder": 1000, "optimiser": 1000,
    }  # fmt: skip
    assert step.total_ms() == 7000


def event(name: str, ts: float, dur: float = 0, cat: str = "user_annotation", **args) -> dict:
    return {"name": name, "cat": cat, "ts": ts, "dur": dur, "args": args}


def memory(ts: float, size: int, device: int = 0) -> dict:
    return event("[memory]", ts, cat="cpu_instant_event", Bytes=size, **{"Device Type": device})


def test_memory_is_told_by_phase_from_the_least_that_was_held(tmp_path):
    events = [
        event("mvmlm/forward", 10, 10), event("mvmlm/backward", 30, 10), event("other", 0, 100),
        memory(5, 100), memory(12, 50), memory(13, 1, device=1), memory(18, -50), memory(32, 30), memory(38, -150),
    ]  # fmt: skip
    (tmp_path / "t.json").write_text(json.dumps({"traceEvents": events[::-1]}))
    assert cpu_growth(read_trace(tmp_path / "t.json")) == {"forward": 170, "backward": 150}


def test_the_work_of_a_gpu_is_its_kernels_and_copies():
    events = [event("k", 0, 1500, cat="kernel"), event("c", 0, 500, cat="gpu_memcpy"), event("aten::mm", 0, 9000)]
    assert device_ms(events) == 2.0


@pytest.mark.parametrize("how", [{"micro_batch": 2}, {"accumulate": 2}])
def test_a_step_in_parts_is_measured_as_one(tmp_path, measured, how):
    config = replace(CONFIG, **how)
    found = profile(small_method("mvmlm"), toy_data(10), config, trace=tmp_path / "t.json", steps=2, warmup=0)
    assert found.steps == 2
    forward, whole = (
        next(row.flops for row in rows if row.part == "forward/encoder") for rows in (found.rows, measured[0].rows)
    )
    assert forward == 2 * whole, "encoded twice, or two batches"
