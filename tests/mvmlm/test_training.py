"""Training: the same numbers however often it is interrupted, and errors that say where they happened."""

from __future__ import annotations

import logging
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.checkpoint import CHECKPOINT
from mvmlm.data.augment import Augmentation
from mvmlm.errors import DataError, TrainingError
from mvmlm.methods import METHODS
from mvmlm.optimiser import learning_rate
from mvmlm.training import TrainConfig, train
from tests.mvmlm.models.toy_backbone import TEXT_METHODS, text_method, token_data, write_backbone
from tests.mvmlm.toy_breasts import small_method, toy_data

pytestmark = pytest.mark.usefixtures("one_thread")
METHOD_NAMES = METHODS.names()
CONFIG = TrainConfig(epochs=3, batch_size=4, lr=1e-3, precision="fp32")
MISSING = ((1, 0), (4, 1))
TIMES = {"seconds", "images_per_s"}


def run(folder, *, name="mvmlm", config=CONFIG, seed=3, stops=(), data=None, weights_seed=0, dropout=0.2):
    """Train, starting again after each epoch of ``stops``; weights at the end, and the history."""
    data = toy_data(9, missing=MISSING) if data is None else data
    validation = toy_data(4, seed=9)
    for stop in (*stops, None):
        torch.manual_seed(len(str(stop)))  # whatever the process did before must not matter
        method = small_method(name, seed=weights_seed, dropout=dropout)
        seen: list[dict] = []
        history = train(
            method,
            data,
            config,
            seed=seed,
            work_dir=folder,
            validation=validation,
            on_epoch=seen.append,
            should_stop=None if stop is None else (lambda end=stop, s=seen: s[-1]["epoch"] >= end),
            device="cpu",
        ).history
    return method.state_dict(), history


def numbers(history: list[dict]) -> list[dict]:
    return [{k: v for k, v in record.items() if k not in TIMES} for record in history]


def assert_same(one, other) -> None:
    assert numbers(one[1]) == numbers(other[1])
    assert one[0].keys() == other[0].keys()
    assert [k for k in one[0] if not torch.equal(one[0][k], other[0][k])] == []


def differ(one, other) -> bool:
    return any(not torch.equal(one[0][k], other[0][k]) for k in one[0])


@pytest.mark.parametrize("name", METHOD_NAMES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_interrupted_training_ends_with_the_same_bits(name, precision, tmp_path):
    config = replace(CONFIG, precision=precision)
    whole = run(tmp_path / "whole", name=name, config=config)
    assert [r["epoch"] for r in whole[1]] == [1, 2, 3]
    pieces = run(tmp_path / "pieces", name=name, config=replace(config, workers=1), stops=(1, 2))
    assert_same(whole, pieces)


def test_dropout_is_at_work_and_the_seed_changes_the_result(tmp_path):
    whole = run(tmp_path / "a")
    assert differ(whole, run(tmp_path / "b", dropout=0.0))
    assert differ(whole, run(tmp_path / "c", seed=4))


def test_a_finished_training_is_not_trained_again(tmp_path):
    whole = run(tmp_path)
    assert_same(whole, run(tmp_path))
    assert whole[1] == run(tmp_path)[1], "even the times are those of the first run"


@pytest.mark.parametrize("fault", ["cut", "empty", "noise"])
def test_a_damaged_checkpoint_is_set_aside_and_training_starts_anew(fault, tmp_path, caplog):
    whole = run(tmp_path / "whole")
    run(tmp_path / "hurt", config=CONFIG)
    path = tmp_path / "hurt" / CHECKPOINT
    content = path.read_bytes()
    damaged = {"cut": content[: len(content) // 2], "empty": b"", "noise": bytes(len(content))}[fault]
    path.write_bytes(damaged)
    with caplog.at_level(logging.WARNING):
        again = run(tmp_path / "hurt")
    assert str(path) in caplog.text
    assert "from the beginning" in caplog.text
    assert path.with_suffix(".damaged").read_bytes() == damaged
    assert_same(whole, again)


def test_a_checkpoint_with_foreign_weights_leaves_no_trace(tmp_path, caplog):
    """Its optimiser fits and its weights do not: neither may stay behind."""
    whole = run(tmp_path / "whole")
    run(tmp_path / "hurt", stops=(), config=CONFIG)
    path = tmp_path / "hurt" / CHECKPOINT
    state = torch.load(path, weights_only=True)
    state["method"].pop("contrast.temperature.log_scale")
    torch.save(state, path)
    again = run(tmp_path / "hurt")
    assert "contrast.temperature.log_scale" in caplog.text
    assert_same(whole, again)


@pytest.mark.parametrize("change", [{"lr": 5e-4}, {"epochs": 2}, {"augment": Augmentation(rotate=5)}])
def test_a_checkpoint_of_other_settings_is_not_used(change, tmp_path, caplog):
    config = replace(CONFIG, **change)
    expected = run(tmp_path / "clean", config=config)
    run(tmp_path / "used")
    assert_same(expected, run(tmp_path / "used", config=config))
    assert "other settings" in caplog.text


def test_a_checkpoint_of_another_seed_is_not_used(tmp_path, caplog):
    expected = run(tmp_path / "clean", seed=8)
    run(tmp_path / "used", seed=3)
    assert_same(expected, run(tmp_path / "used", seed=8))
    assert "other settings" in caplog.text


def test_every_method_sees_the_same_images_in_the_same_order(tmp_path):
    seen = {}
    for name in METHOD_NAMES:
        batches = seen[name] = []

        class Watched(Augmentation):
            def __call__(self, images, drawn, batches=batches):
                changed = super().__call__(images, drawn)
                batches.append(changed.numpy().tobytes())
                return changed

        run(tmp_path / name, name=name, config=replace(CONFIG, augment=Watched(rotate=5, gamma=0.1)))
    orders = list(seen.values())
    assert all(order == orders[0] for order in orders)
    assert len(set(orders[0])) == len(orders[0]) == 9, "no image is seen twice alike"


def poisoned(method, where: str):
    """The method, with a loss that is no number in the second batch, or whose gradient is none."""
    objective, calls = method.objective, []

    def bad(outputs, batch):
        calls.append(1)
        value, logs = objective(outputs, batch)
        if len(calls) == 2:
            weight = next(method.parameters())
            value = value * torch.nan if where == "loss" else value + (weight.flatten()[0] * 0.0).abs().sqrt()
        return value, logs

    method.objective = bad
    return method


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_loss_that_is_no_number_names_epoch_step_and_images(where, tmp_path):
    data = toy_data(8)
    expected = data.image_ids(list(data.epoch(4, seed=3, epoch=1))[1][0])
    with pytest.raises(TrainingError, match=rf"{where} is nan in epoch 1, step 2") as caught:
        train(
            poisoned(small_method("mvmlm"), where), data, CONFIG, seed=3, work_dir=tmp_path, device="cpu"
        )
    assert len(expected) == 8
    assert all(image in str(caught.value) for image in expected[:6])
    assert "train.lr" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / CHECKPOINT).exists()


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_breasts_are_refused(count, tmp_path):
    with pytest.raises(DataError, match=f"at least 2 breasts with an image, there are {count}"):
        train(small_method("mvmlm"), toy_data(count), CONFIG, seed=0, work_dir=tmp_path, device="cpu")


def test_the_history_says_what_happened(tmp_path):
    _, history = run(tmp_path)
    for record in history:
        assert {"epoch", "loss", "loss_it", "loss_ii", "temperature", "val_loss", "lr"} <= record.keys()
        assert all(math.isfinite(v) for v in record.values())
        assert record["images_per_s"] > 0


def test_the_loss_falls(tmp_path):
    data = toy_data(8)
    _, history = run(
        tmp_path, config=replace(CONFIG, epochs=12, lr=3e-3, augment=Augmentation.none()), data=data, dropout=0.0
    )
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]


def test_only_matrices_and_kernels_decay(tmp_path):
    method = small_method("mvmlm")
    train(method, toy_data(4), replace(CONFIG, epochs=1), seed=0, work_dir=tmp_path, device="cpu")
    groups = torch.load(tmp_path / CHECKPOINT, weights_only=True)["optimiser"]["param_groups"]
    decayed = sum(p.ndim > 1 for p in method.parameters())
    assert [(len(g["params"]), g["weight_decay"]) for g in groups] == [
        (decayed, CONFIG.weight_decay),
        (len(list(method.parameters())) - decayed, 0.0),
    ]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return write_backbone(tmp_path_factory.mktemp("backbone"))


def run_with_text(folder, backbone, *, name="mvmlm", lr_scale=0.1, stops=(), config=CONFIG):
    """`run`, with the text encoder inside the method; also the weights at the start."""
    data, model = token_data(backbone)
    for stop in (*stops, None):
        torch.manual_seed(len(str(stop)))
        method = text_method(name, model, data.text.length, lr_scale=lr_scale)
        start = {k: v.clone() for k, v in method.state_dict().items()}
        seen: list[dict] = []
        history = train(
            method,
            data,
            config,
            seed=3,
            work_dir=folder,
            validation=token_data(backbone, 8, seed=9)[0],
            on_epoch=seen.append,
            should_stop=None if stop is None else (lambda end=stop, s=seen: s[-1]["epoch"] >= end),
            device="cpu",
        ).history
    return method.state_dict(), history, start


@pytest.mark.parametrize("name", TEXT_METHODS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_interrupted_training_of_the_text_encoder_ends_with_the_same_bits(name, precision, backbone, tmp_path):
    config = replace(CONFIG, precision=precision)
    whole = run_with_text(tmp_path / "whole", backbone, name=name, config=config)
    pieces = run_with_text(
        tmp_path / "pieces", backbone, name=name, config=replace(config, workers=1), stops=(1, 2)
    )
    assert_same(whole, pieces)


def moved(trained, part: str) -> float:
    """How far the weights of a part have gone from their start: root of the mean square."""
    after, _, before = trained
    steps = [(after[k] - before[k]).flatten() for k in after if k.startswith(part) and ".pooler." not in k]
    return float(torch.cat(steps).square().mean().sqrt())


@pytest.mark.parametrize("name", TEXT_METHODS)
def test_the_text_encoder_is_trained_at_its_own_share_of_the_rate(name, backbone, tmp_path):
    slow, fast = (run_with_text(tmp_path / str(s), backbone, name=name, lr_scale=s) for s in (0.01, 1.0))
    assert 0 < moved(slow, "text_tower.") < 0.1 * moved(fast, "text_tower.")
    assert moved(slow, "text.") > 0.3 * moved(fast, "text.")
    assert slow[1][0]["lr"] == fast[1][0]["lr"], "the rate that is logged is that of the rest"


def test_the_rate_of_each_group_follows_the_schedule(backbone, tmp_path):
    run_with_text(tmp_path, backbone, lr_scale=0.25)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    rest, rest_free, text, text_free = state["optimiser"]["param_groups"]
    rate = learning_rate(5, 2, CONFIG)
    assert [g["lr"] for g in (rest, rest_free, text, text_free)] == pytest.approx([rate, rate, rate / 4, rate / 4])
    assert [g["weight_decay"] for g in (rest, rest_free, text, text_free)] == [CONFIG.weight_decay, 0.0] * 2
    _, model = token_data(backbone)
    assert len(text["params"]) == sum(p.ndim > 1 for p in model.parameters())
    assert len(text_free["params"]) == sum(p.ndim <= 1 for p in model.parameters())


def test_a_checkpoint_of_another_share_of_the_rate_is_not_used(backbone, tmp_path, caplog):
    expected = run_with_text(tmp_path / "clean", backbone, lr_scale=0.5)
    run_with_text(tmp_path / "used", backbone, lr_scale=0.1)
    assert_same(expected, run_with_text(tmp_path / "used", backbone, lr_scale=0.5))
    assert "other settings" in caplog.text


def test_a_text_encoder_that_is_held_still_inside_a_method_stays(backbone, tmp_path):
    data, model = token_data(backbone)
    method = text_method("mvmlm", model, data.text.length)
    method.text_tower.requires_grad_(False)
    train(method, data, CONFIG, seed=3, work_dir=tmp_path, device="cpu")
    for key, value in model.state_dict().items():
        assert torch.equal(method.text_tower.backbone.state_dict()[key], value)


@settings(max_examples=50, deadline=None)
@given(
    epochs=st.integers(1, 8),
    steps=st.integers(1, 9),
    warmup=st.floats(0.0, 3.0, allow_nan=False),
)
def test_the_learning_rate_rises_to_its_peak_and_falls_to_nothing(epochs, steps, warmup):
    config = replace(CONFIG, epochs=epochs, warmup_epochs=warmup, lr=0.5)
    rates = [learning_rate(step, steps, config) for step in range(epochs * steps)]
    warm = min(math.ceil(warmup * steps), len(rates))
    assert all(0 < rate <= 0.5 for rate in rates)
    assert rates[:warm] == sorted(rates[:warm])
    assert rates[warm:] == sorted(rates[warm:], reverse=True)
    if warm < len(rates):
        assert learning_rate(epochs * steps, steps, config) == pytest.approx(0.0, abs=1e-12)


def test_the_learning_rate_in_figures():
    config = replace(CONFIG, epochs=3, warmup_epochs=1.0, lr=1.0)
    rates = [learning_rate(step, 4, config) for step in range(12)]
    np.testing.assert_allclose(rates[:5], [0.2, 0.4, 0.6, 0.8, 1.0])
    np.testing.assert_allclose(rates[8], 0.5)
    np.testing.assert_allclose(rates[11], 0.5 * (1 + math.cos(math.pi * 7 / 8)))


def test_the_defaults_are_those_of_the_published_settings():
    assert asdict(TrainConfig())["batch_size"] == 18
    assert (TrainConfig().epochs, TrainConfig().lr, TrainConfig().weight_decay) == (10, 5e-5, 1e-4)


def test_little_data_is_passed_over_until_the_steps_are_enough(tmp_path):
    data = toy_data(9, missing=MISSING)
    steps = len(data.order(CONFIG.batch_size, None))
    more = replace(CONFIG, min_steps=4 * steps + 1)
    weights, history = run(tmp_path / "more", config=more)
    assert len(history) == 5, "3 epochs would be fewer steps"
    assert history[-1]["lr"] < history[0]["lr"], "the schedule is as long as the training"
    assert_same(run(tmp_path / "again", config=more, stops=(2,)), (weights, history))
    assert len(run(tmp_path / "enough", config=replace(CONFIG, min_steps=steps))[1]) == 3
