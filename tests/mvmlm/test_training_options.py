"""What the engine does beside the plain loop: resume in an epoch, accumulate, average, stop early, decay by layer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mvmlm.checkpoint import CHECKPOINT
from mvmlm.data.augment import Augmentation
from mvmlm.errors import DataError
from mvmlm.optimiser import Optimiser, learning_rate
from mvmlm.training import TrainConfig, train
from tests.mvmlm.toy_breasts import small_method, toy_data

pytestmark = pytest.mark.usefixtures("one_thread")
CONFIG = TrainConfig(epochs=3, batch_size=4, lr=1e-3, precision="fp32")
TIMES = {"seconds", "images_per_s"}


def run(folder, *, name="mvmlm", data=None, validation=True, **changes):
    method = small_method(name, dropout=0.2)
    found = train(
        method,
        data or toy_data(9, missing=((1, 0),)),
        replace(CONFIG, **changes),
        seed=3,
        work_dir=folder,
        validation=toy_data(4, seed=9) if validation else None,
        device="cpu",
    )
    return found, method.state_dict()


def assert_same(one, other) -> None:
    plain = [[{k: v for k, v in r.items() if k not in TIMES} for r in t.history] for t, _ in (one, other)]
    assert plain[0] == plain[1]
    assert [k for k in one[1] if not torch.equal(one[1][k], other[1][k])] == []


class Killed(BaseException):
    """A process that ends."""


class Ending(Augmentation):
    """Ends the process at the n-th batch."""

    def __call__(self, images, drawn):
        LEFT["batches"] -= 1
        if LEFT["batches"] < 0:
            raise Killed
        return super().__call__(images, drawn)


LEFT = {"batches": 0}


@pytest.mark.parametrize("batches", [1, 2, 4, 5, 7])
@pytest.mark.parametrize("name", ["mvmlm", "clip"])
@pytest.mark.parametrize("changes", [{}, {"micro_batch": 2, "ema": 0.5}], ids=["whole", "parts"])
def test_a_training_that_is_cut_within_an_epoch_ends_with_the_same_bits(batches, name, changes, tmp_path):
    LEFT["batches"] = 999
    whole = run(tmp_path / "whole", name=name, augment=Ending(), **changes)
    often = {"checkpoint_minutes": 1e-9, "augment": Ending(), **changes}
    LEFT["batches"] = batches
    with pytest.raises(Killed):
        run(tmp_path / "cut", name=name, **often)
    LEFT["batches"] = 999
    assert_same(whole, run(tmp_path / "cut", name=name, **often))


SCRIPT = """
import sys, time, torch
from pathlib import Path
torch.set_num_threads(1)
from mvmlm.data.augment import Augmentation
from mvmlm.training import TrainConfig, train
from tests.mvmlm.toy_breasts import small_method, toy_data

folder, pause = Path(sys.argv[1]), float(sys.argv[2])

class Slow(Augmentation):
    def __call__(self, images, drawn):
        time.sleep(pause)
        return super().__call__(images, drawn)

method = small_method("mvmlm", dropout=0.2)
config = TrainConfig(epochs=3, batch_size=2, lr=1e-3, precision="fp32", augment=Slow(), checkpoint_minutes=1e-9)
train(method, toy_data(12), config, seed=3, work_dir=folder, device="cpu")
torch.save(method.state_dict(), folder / "end.pt")
"""


def test_a_killed_process_goes_on_and_ends_with_the_same_bits(tmp_path):
    def start(folder: Path, pause: float) -> subprocess.Popen:
        folder.mkdir(exist_ok=True)
        return subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder), str(pause)], cwd=os.getcwd())

    assert start(tmp_path / "whole", 0.0).wait() == 0
    process = start(tmp_path / "cut", 0.2)
    path = tmp_path / "cut" / CHECKPOINT
    while not path.is_file():
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = torch.load(path, weights_only=True)
    assert len(state["history"]) < 3
    assert start(tmp_path / "cut", 0.0).wait() == 0
    ends = [torch.load(tmp_path / name / "end.pt", weights_only=True) for name in ("whole", "cut")]
    assert [k for k in ends[0] if not torch.equal(ends[0][k], ends[1][k])] == []


def test_accumulated_batches_are_one_step_of_their_mean(tmp_path):
    """Supervised, without statistics of a batch: the mean over two batches is that of one twice as large."""
    methods = [small_method("supervised", batch_norm="frozen") for _ in range(2)]
    data = toy_data(8)
    for method, size, accumulate in zip(methods, (8, 4), (1, 2)):
        config = replace(CONFIG, batch_size=size, accumulate=accumulate, augment=Augmentation.none(), epochs=1)
        config = replace(config, warmup_epochs=0.0)
        train(method, data, config, seed=3, work_dir=tmp_path / str(size), device="cpu")
    for one, other in zip(methods[0].parameters(), methods[1].parameters()):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=2e-5)


def test_the_moving_average_is_what_is_kept_and_validated(tmp_path):
    plain, last = run(tmp_path / "a")
    still, kept = run(tmp_path / "b", ema=0.999)
    start = small_method("mvmlm", dropout=0.2).state_dict()
    key = "image.embed.weight"
    assert (kept[key] - start[key]).norm() < 0.1 * (last[key] - start[key]).norm()
    assert [r["loss"] for r in still.history] == [r["loss"] for r in plain.history], "training itself is the same"
    assert [r["val_loss"] for r in still.history] != [r["val_loss"] for r in plain.history]


def test_with_patience_the_best_epoch_is_kept_and_no_more_are_trained(tmp_path):
    """Noise and labels that mean nothing: the validation loss rises once they are learnt by heart."""
    found, weights = run(tmp_path / "a", name="supervised", epochs=30, patience=2, lr=0.01)
    losses = [r["val_loss"] for r in found.history]
    assert len(losses) < 30
    assert found.kept_epoch == losses.index(min(losses)) + 1 == len(losses) - 2
    again, same = run(tmp_path / "a", name="supervised", epochs=30, patience=2, lr=0.01)
    assert_same((found, weights), (again, same))


def test_patience_needs_validation_breasts(tmp_path):
    with pytest.raises(DataError, match="patience needs validation breasts"):
        run(tmp_path, patience=1, validation=False)


def test_lower_layers_learn_at_a_lower_rate():
    method = small_method("mvmlm")
    optimiser = Optimiser(method, replace(CONFIG, layer_decay=0.5))
    optimiser.set_rate(0.1)
    rate = {id(p): g["lr"] for g in optimiser.adamw.param_groups for p in g["params"]}
    for name, weight in method.named_parameters():
        inside = name.startswith("encoder.")
        below = method.encoder.layers - method.encoder.layer_of(name.removeprefix("encoder.")) if inside else 0
        assert rate[id(weight)] == pytest.approx(0.1 * 0.5**below), name
    assert len(set(rate.values())) > 3


def test_frozen_stages_are_left_to_rest(tmp_path):
    method = small_method("mv_clip", frozen_stages=2)
    before = {k: v.clone() for k, v in method.state_dict().items()}
    train(method, toy_data(8), CONFIG, seed=3, work_dir=tmp_path, device="cpu")
    encoder = method.encoder
    still = [n for n, _ in encoder.named_parameters() if encoder.layer_of(n) < 2]
    assert still
    for name in still:
        assert torch.equal(method.state_dict()[f"encoder.{name}"], before[f"encoder.{name}"])


def test_half_precision_with_a_scaled_loss_trains(tmp_path):
    found, _ = run(tmp_path, precision="fp16", epochs=6, lr=3e-3)
    assert found.history[-1]["loss"] < found.history[0]["loss"]


def test_where_compiling_fails_the_training_goes_on_and_says_so(tmp_path, monkeypatch, caplog):
    def broken(graph, inputs):
        raise RuntimeError("no compiler on this machine")

    true_compile = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, *a, **k: true_compile(f, backend=broken))
    found, weights = run(tmp_path / "a", compile=True)
    monkeypatch.undo()
    assert "torch.compile failed" in found.notes[0]
    assert "no compiler on this machine" in caplog.text
    _, plain = run(tmp_path / "b")
    assert all(torch.equal(weights[k], plain[k]) for k in plain)


def test_the_rate_of_the_last_step_is_that_of_the_whole_plan(tmp_path):
    found, _ = run(tmp_path)
    assert found.history[-1]["lr"] == learning_rate(8, 3, CONFIG)
