"""A batch in parts, and shared by processes, against the batch as a whole."""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.data.augment import Augmentation
from mvmlm.data.breast_batches import share
from mvmlm.distributed import ALONE, Group, run_processes
from mvmlm.errors import ConfigError, MvmlmError, TrainingError
from mvmlm.methods import METHODS
from mvmlm.training import TrainConfig, train
from mvmlm.training_step import Step, still_statistics
from tests.mvmlm.toy_breasts import small_method, toy_data

pytestmark = pytest.mark.usefixtures("one_thread")
METHOD_NAMES = METHODS.names()
CPU = torch.device("cpu")
MISSING = ((1, 0), (4, 1))


def step_of(method, micro_batch: int) -> Step:
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    return Step(method, group=ALONE, device=CPU, precision="fp32", micro_batch=micro_batch, scaler=scaler)


def in_double(batch):
    moved = batch.to("cpu")
    names = ("images", "text", "other_text", "labels")
    return replace(moved, **{k: v.double() for k in names if (v := getattr(moved, k)) is not None})


def gradient(name: str, micro_batch: int, rows, data, **options):
    """Loss and gradient of one batch in float64."""
    method = small_method(name, batch_norm="frozen", **options).double().train()
    torch.manual_seed(7)
    step = step_of(method, micro_batch)
    loss, logs = step(rows, [len(rows)], in_double(data.relations(rows)), lambda part: in_double(data.batch(part)))
    return loss, {n: p.grad for n, p in method.named_parameters() if p.grad is not None}, logs


@pytest.mark.parametrize("name", [n for n in METHOD_NAMES if n != "clip"])
@pytest.mark.parametrize("micro_batch", [1, 2, 3, 7])
def test_in_parts_the_loss_and_every_gradient_are_those_of_the_whole(name, micro_batch):
    data, rows = toy_data(8, missing=MISSING), np.array([3, 1, 4, 0, 7, 5, 2, 6])
    whole, expected, logs = gradient(name, 0, rows, data, dropout=0.0)
    loss, found, told = gradient(name, micro_batch, rows, data, dropout=0.0)
    assert loss == pytest.approx(whole, abs=1e-10)
    assert told == pytest.approx(logs, abs=1e-10)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=1e-9)


def test_the_gradient_in_parts_is_that_of_the_loss_that_was_reported():
    """With dropout at work, and one view a breast drawn at random: both passes must draw the same."""
    data, rows = toy_data(6), np.arange(6)
    for name in ("mvmlm", "clip"):
        method = small_method(name, dropout=0.3, batch_norm="frozen").double().train()
        weight = method.image.embed.weight
        losses = {}
        for shift in (-1e-6, 0.0, 1e-6):
            with torch.no_grad():
                weight[0, 0] += shift
            torch.manual_seed(3)
            method.zero_grad()
            step = step_of(method, 2)
            losses[shift], _ = step(rows, [6], data.relations(rows), lambda part: in_double(data.batch(part)))
            if shift == 0.0:
                found = float(weight.grad[0, 0])
            with torch.no_grad():
                weight[0, 0] -= shift
        assert found == pytest.approx((losses[1e-6] - losses[-1e-6]) / 2e-6, rel=1e-4, abs=1e-8)


def test_parts_move_the_running_statistics_once_each():
    data, rows = toy_data(6), np.arange(6)
    method, plain = (small_method("mv_clip").train() for _ in range(2))
    step_of(method, 2)(rows, [6], data.relations(rows), lambda part: data.batch(part).to("cpu"))
    for part in np.array_split(rows, 3):
        plain.outputs(data.batch(part).to("cpu"))
    for mine, other in zip(method.buffers(), plain.buffers()):
        torch.testing.assert_close(mine, other)


def test_statistics_stay_still_inside_and_move_again_outside():
    norm = torch.nn.BatchNorm2d(3)
    images = torch.randn(4, 3, 5, 5)
    with still_statistics(torch.nn.Sequential(norm)):
        still = norm(images)
    assert not norm.running_mean.any()
    assert int(norm.num_batches_tracked) == 0
    torch.testing.assert_close(norm(images), still)
    assert norm.running_mean.any()


class Scarce(Augmentation):
    """Fails as an allocator does where more breasts come at a time than fit."""

    def __call__(self, images, drawn):
        if len(images) > ROOM["breasts"]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().__call__(images, drawn)


ROOM = {"breasts": 1}
CONFIG = TrainConfig(epochs=2, batch_size=8, lr=1e-3, precision="fp32")


def trained(folder, method, **changes):
    config = replace(CONFIG, **changes)
    result = train(method, toy_data(16), config, seed=3, work_dir=folder, validation=toy_data(4, seed=9), device="cpu")
    return result, method.state_dict()


def test_where_memory_is_short_the_part_halves_and_the_loss_stays(tmp_path, caplog):
    plain, weights = trained(tmp_path / "a", small_method("mv_clip", batch_norm="frozen"))
    ROOM["breasts"] = 3
    found, same = trained(tmp_path / "b", small_method("mv_clip", batch_norm="frozen"), augment=Scarce())
    assert found.micro_batch == 2
    assert "train.micro_batch is 4" in found.notes[0]
    assert "train.micro_batch is 2" in found.notes[1]
    assert "out of memory with 8 breasts" in caplog.text
    assert [r["loss"] for r in found.history] == pytest.approx([r["loss"] for r in plain.history], rel=1e-4)
    for key, value in weights.items():
        torch.testing.assert_close(same[key], value, rtol=1e-2, atol=1e-4)


def test_a_single_breast_that_does_not_fit_is_an_error_with_a_way_out(tmp_path):
    ROOM["breasts"] = 0
    with pytest.raises(TrainingError, match=r"out of memory with one breast at a time.*method\.checkpoint: true"):
        trained(tmp_path, small_method("mv_clip"), augment=Scarce())


def test_another_error_is_not_taken_for_want_of_memory(tmp_path):
    method = small_method("mv_clip")
    method.outputs = lambda batch: (_ for _ in ()).throw(RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        trained(tmp_path, method)


def together(group: Group, report, name: str, folder: str, precision: str = "fp32", broken: int = -1):
    """What each process does: the same training."""
    if group.rank == broken:
        raise TrainingError("process 1 has had enough")
    method = small_method(name, dropout=0.0, batch_norm="frozen")
    config = TrainConfig(epochs=2, batch_size=6, lr=1e-3, precision=precision, micro_batch=2)
    data = toy_data(11, missing=MISSING)
    result = train(
        method, data, config, seed=3, work_dir=folder, validation=toy_data(4, seed=9), on_epoch=report, device="cpu",
        group=group,
    )  # fmt: skip
    return [r["loss"] for r in result.history], {k: v.numpy() for k, v in method.state_dict().items()}


@pytest.mark.parametrize("name", ["mvmlm", "supervised"])
def test_two_processes_train_as_one_with_the_whole_batch(name, tmp_path):
    alone: list[dict] = []
    told: list[dict] = []
    losses, weights = together(ALONE, alone.append, name, tmp_path / "one")
    both, shared = run_processes(together, 2, (name, tmp_path / "two"), threads=2, report=told.append)
    assert both == pytest.approx(losses, rel=1e-4)
    assert [r["epoch"] for r in told] == [1, 2]
    assert [r["val_loss"] for r in told] == pytest.approx([r["val_loss"] for r in alone], rel=1e-4)
    for key, value in weights.items():
        np.testing.assert_allclose(shared[key], value, rtol=1e-2, atol=2e-4, err_msg=key)


def one_gradient(group: Group, report, name: str):
    """Gradient of one batch in float64, each process with its share."""
    method = small_method(name, dropout=0.0, batch_norm="frozen").double().train()
    data, rows = toy_data(7, missing=MISSING), np.arange(7)
    step = Step(
        method, group=group, device=CPU, precision="fp32", micro_batch=2,
        scaler=torch.amp.GradScaler("cpu", enabled=False),
    )  # fmt: skip
    counts = [len(share(rows, rank, group.size)) for rank in range(group.size)]
    mine = share(rows, group.rank, group.size)
    loss, _ = step(mine, counts, in_double(data.relations(rows)), lambda part: in_double(data.batch(part)))
    for weight in step.weights:
        weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
    group.add([weight.grad for weight in step.weights])
    return loss, [weight.grad.numpy() for weight in step.weights]


def test_the_gradients_of_two_processes_add_up_to_that_of_one():
    loss, expected = one_gradient(ALONE, None, "mvmlm")
    both, found = run_processes(one_gradient, 2, ("mvmlm",), threads=2, report=lambda told: None)
    assert both == pytest.approx(loss, abs=1e-10)
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-9)


def test_an_error_in_one_process_ends_all_of_them(tmp_path):
    with pytest.raises(TrainingError, match=r"^process 1 has had enough$"):
        run_processes(together, 2, ("mvmlm", tmp_path, "fp32", 1), threads=2, report=lambda told: None)


def vanish(group: Group, report) -> None:
    import signal

    if group.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    torch.distributed.barrier()


def linger(group: Group, report, path: Path) -> None:
    """Write this process's number and wait."""
    (path / str(group.rank)).write_text(str(os.getpid()))
    time.sleep(120)


def start_and_wait(path: Path) -> None:
    """What a process does that will be killed while the ones it started are at work."""
    run_processes(linger, 2, (path,), threads=2, report=lambda told: None)


def test_processes_end_with_the_one_that_started_them(tmp_path):
    """A worker that is killed must not leave trainings behind that hold its GPUs."""
    starter = multiprocessing.get_context("spawn").Process(target=start_and_wait, args=(tmp_path,))
    starter.start()

    def pids() -> list[int]:
        return [int(p.read_text() or 0) for p in tmp_path.iterdir()]

    assert within(60, lambda: len(pids()) == 2 and all(pids()))
    starter.kill()
    starter.join()
    assert within(20, lambda: not any(map(alive, pids())))


def alive(pid: int) -> bool:
    """Whether a process runs and is more than an entry that nobody has asked after."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def within(seconds: float, happened) -> bool:
    """Whether something comes true in time."""
    end = time.monotonic() + seconds
    while not (true := happened()) and time.monotonic() < end:
        time.sleep(0.1)
    return true


def test_a_killed_process_is_noticed():
    with pytest.raises(MvmlmError, match=r"one of 2 training processes was killed \(exit code -9\)"):
        run_processes(vanish, 2, threads=2, report=lambda told: None)


def test_a_batch_that_is_too_small_for_the_processes_is_refused():
    with pytest.raises(ConfigError, match="cannot be shared by 3 processes"):
        toy_data(4).shuffled(2, seed=0, epoch=1, world_size=3)


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 40), micro_batch=st.integers(0, 50))
def test_parts_are_the_batch_in_order_and_none_is_too_large(count, micro_batch):
    step = step_of(torch.nn.Linear(1, 1), micro_batch)
    parts = step.parts(np.arange(count))
    assert np.concatenate(parts).tolist() == list(range(count))
    assert max(map(len, parts)) <= (micro_batch or count)
    assert len(step.passes(np.arange(count))) == (1 if len(parts) == 1 else 2 * len(parts))
