"""A text encoder inside a method: the same states as kept ones, trained with the rest, saved with the rest."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from mvmlm.data.breast_batches import BreastData
from mvmlm.errors import ConfigError
from mvmlm.methods import DESCRIPTION, METHODS, Shapes, build_method, load_method, save_method
from mvmlm.models.text_encoder import TextTokens, encode_texts
from mvmlm.models.text_tower import POOLINGS, TextTower, pooled
from tests.mvmlm.models.toy_backbone import TEXT_METHODS, reports, text_method, token_data, write_backbone
from tests.mvmlm.toy_breasts import LOSS, SIZE, SMALL, small_batch, small_method, toy_store

pytestmark = pytest.mark.usefixtures("one_thread")
every_text_method = pytest.mark.parametrize("name", TEXT_METHODS)
F16 = 4e-3


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return write_backbone(tmp_path_factory.mktemp("backbone"))


def test_two_methods_can_train_the_text_encoder():
    assert {"mvmlm", "custom_clip"} <= set(TEXT_METHODS)


def test_states_pass_a_tower_without_an_encoder():
    batch = small_batch()
    tower = TextTower()
    assert tower(batch.text, batch.text_mask) is batch.text
    assert not tower.state_dict()


def kept_states(source, folder, count=8):
    """The same breasts as `token_data` has, with the states of stage ``text``."""
    encode_texts(reports(count), str(source), 32, folder, device="cpu")
    tokens = TextTokens.open(folder)
    store, breasts = toy_store(count)
    ids = np.array([tokens.id_of(t) for t in reports(count)])
    return BreastData(store, breasts, text=tokens, text_ids=ids, texts=2)


@pytest.mark.parametrize("source", ["tiny_bert", "small"])
@pytest.mark.parametrize("rows", [range(8), [3], [5, 0]])
def test_states_in_the_loop_are_those_that_are_kept(source, rows, backbone, tmp_path):
    source = backbone if source == "small" else source
    data, model = token_data(source)
    method = text_method("mvmlm", model, data.text.length).eval()
    batch, kept = data.batch(np.array(rows)), kept_states(source, tmp_path).batch(np.array(rows))
    assert not batch.text_mask.all() or len(rows) == 1
    with torch.no_grad():
        found = method.text_tower(batch.text, batch.text_mask)
    assert found.shape == kept.text.shape
    torch.testing.assert_close(found, kept.text, atol=F16, rtol=F16)
    assert not found[~batch.text_mask].any()


@every_text_method
@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_loss_with_kept_text_is_that_of_the_same_encoder_in_the_loop(name, pooling, tmp_path):
    data, model = token_data("tiny_bert")
    kept = kept_states("tiny_bert", tmp_path)
    inside = text_method(name, model.requires_grad_(False), data.text.length, text_pooling=pooling)
    config = inside.description["method"]
    outside = build_method(config, Shapes(SIZE, kept.text.width, kept.text.length), loss=LOSS)
    with torch.no_grad():
        a, b = (m.eval().loss(d.batch(np.arange(8)).to("cpu"))[0] for m, d in ((inside, data), (outside, kept)))
    assert float(a) == pytest.approx(float(b), abs=1e-2)


@every_text_method
def test_the_rest_starts_from_the_same_weights_as_without_the_encoder(name, backbone):
    """So that arms with a frozen and a trained encoder are paired."""
    data, model = token_data(backbone)
    before = torch.get_rng_state()
    inside = text_method(name, model, data.text.length, seed=4).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    config = {"name": name, **{k: v for k, v in SMALL.items() if name == "mvmlm" or k in ("encoder", "projection")}}
    outside = build_method(config, Shapes(SIZE, 8, data.text.length), loss=LOSS, seed=4).state_dict()
    assert {k for k in inside if not k.startswith("text_tower.")} == set(outside)
    assert all(torch.equal(inside[k], outside[k]) for k in outside)
    for key, value in model.state_dict().items():
        assert torch.equal(inside[f"text_tower.backbone.{key}"], value)


@every_text_method
def test_the_encoders_dropout_is_at_work_in_training_alone(name, backbone):
    data, model = token_data(backbone)
    method = text_method(name, model, data.text.length, dropout=0.0)
    batch = data.batch(np.arange(8))

    def states():
        with torch.no_grad():
            return method.text_tower(batch.text, batch.text_mask)

    method.train()
    assert not torch.equal(states(), states())
    method.eval()
    assert torch.equal(states(), states())


@every_text_method
def test_ids_behind_the_end_of_a_text_change_nothing(name, backbone):
    data, model = token_data(backbone)
    method = text_method(name, model, data.text.length).eval()
    batch = data.batch(np.arange(8)).to("cpu")
    noise = batch.text.masked_fill(~batch.text_mask, 5)
    with torch.no_grad():
        torch.testing.assert_close(method.loss(batch)[0], method.loss(replace(batch, text=noise))[0])


@every_text_method
def test_saved_and_loaded_without_the_encoders_folder_it_gives_the_same(name, tmp_path):
    source = write_backbone(tmp_path / "bert")
    data, model = token_data(source)
    method = text_method(name, model, data.text.length).eval()
    (tmp_path / "saved").mkdir()
    save_method(method, tmp_path / "saved")
    shutil.rmtree(source)
    again = load_method(tmp_path / "saved")
    assert not again.training
    batch = data.batch(np.arange(8)).to("cpu")
    with torch.no_grad():
        assert torch.equal(method.loss(batch)[0], again.loss(batch)[0])
    said = (tmp_path / "saved" / DESCRIPTION).read_text()
    assert str(tmp_path) not in said
    (tmp_path / "again").mkdir()
    save_method(again, tmp_path / "again")
    assert (tmp_path / "again" / DESCRIPTION).read_text() == said


def test_a_description_from_before_there_were_trained_encoders_still_loads(tmp_path):
    save_method(small_method("mvmlm"), tmp_path)
    said = json.loads((tmp_path / DESCRIPTION).read_text())
    assert said.pop("text_backbone") is None
    said["method"].pop("text_pooling")
    (tmp_path / DESCRIPTION).write_text(json.dumps(said))
    batch = small_batch()
    with torch.no_grad():
        assert torch.equal(load_method(tmp_path).loss(batch)[0], small_method("mvmlm").eval().loss(batch)[0])


def test_an_encoder_that_transformers_does_not_know_is_named():
    with pytest.raises(ConfigError, match="text encoder of kind 'no_such_model' cannot be built by transformers"):
        TextTower({"model_type": "no_such_model"})


def test_a_method_that_cannot_train_text_says_which_can(backbone):
    with pytest.raises(ConfigError, match=r"text\.trainable: method supervised cannot.*custom_clip.*mvmlm"):
        build_method({"name": "supervised"}, Shapes(SIZE, 8, 6, {"model_type": "bert"}))


@pytest.mark.parametrize("how", POOLINGS)
def test_pooling_looks_at_real_tokens_alone(how):
    states = torch.randn(5, 7, 3)
    mask = torch.arange(7) < torch.tensor([1, 2, 7, 4, 6])[:, None]
    found = pooled(states, how, mask)
    for row, length in enumerate(mask.sum(dim=1)):
        real = states[row, :length]
        expected = {"max": real.amax(0), "mean": real.mean(0), "first": real[0]}[how]
        torch.testing.assert_close(found[row], expected)
        torch.testing.assert_close(pooled(real[None], how)[0], expected)


@every_text_method
def test_the_pooling_of_the_text_is_a_setting_and_its_default_is_no_news(name):
    batch = small_batch()
    default = METHODS.get(name).Options().text_pooling
    losses = {}
    for how in POOLINGS:
        method = small_method(name, text_pooling=how).eval()
        with torch.no_grad():
            losses[how] = float(method.loss(batch)[0])
            images = method.encode_image(batch.images)[1]
        assert torch.equal(images, small_method(name).eval().encode_image(batch.images)[1])
    assert all(a != b for a, b in pairwise(sorted(losses.values())))
    with torch.no_grad():
        assert float(small_method(name).eval().loss(batch)[0]) == losses[default]


@every_text_method
def test_a_pooling_that_there_is_not_is_named_with_those_that_there_are(name):
    with pytest.raises(ConfigError, match=r"method\.text_pooling is 'avg'.*; known: max, mean, first"):
        small_method(name, text_pooling="avg")
