"""Texts embedded after a training as they were in it, with an encoder that is frozen or trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mvmlm.data.breast_batches import BreastData
from mvmlm.errors import ConfigError
from mvmlm.methods import METHODS, Shapes, build_method, load_method, save_method
from mvmlm.models.text_encoder import TextTokens, encode_texts
from mvmlm.text_features import temperature_of, text_features
from tests.mvmlm.models.toy_backbone import TEXT_METHODS, reports, text_method, token_data, write_backbone
from tests.mvmlm.toy_breasts import LOSS, SIZE, SMALL, small_method, toy_store


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    return str(write_backbone(tmp_path_factory.mktemp("backbone")))


def frozen(name: str, source: str, folder, count: int = 8):
    """A method and its training data, with states of a frozen encoder."""
    encode_texts(reports(count), source, 32, folder)
    tokens = TextTokens.open(folder)
    store, breasts = toy_store(count)
    ids = np.array([tokens.id_of(text) for text in reports(count)])
    data = BreastData(store, breasts, text=tokens, text_ids=ids, texts=2)
    known = METHODS.get(name).Options.__dataclass_fields__
    config = {"name": name, **{k: v for k, v in SMALL.items() if k in known}}
    return build_method(config, Shapes(SIZE, tokens.width, tokens.length), loss=LOSS), data


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("name", TEXT_METHODS)
def test_a_report_has_the_embedding_that_it_had_in_training(name, trained, source, tmp_path):
    if trained:
        data, model = token_data(source)
        method = text_method(name, model, data.text.length)
    else:
        method, data = frozen(name, source, tmp_path)
    (tmp_path / "saved").mkdir()
    save_method(method, tmp_path / "saved")
    batch = data.batch(np.arange(8))
    with torch.no_grad():
        expected = method.eval().encode_text(batch.text, batch.text_mask)
    found, summary = text_features(load_method(tmp_path / "saved"), reports(8), source, batch_size=3, device="cpu")
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert found.dtype == np.float32
    assert summary["texts"] == 8 and summary["truncated"] == 0


@pytest.mark.parametrize("trained", [False, True])
def test_shorter_and_longer_texts_fit_a_projection_over_token_positions(trained, source, tmp_path):
    if trained:
        data, model = token_data(source)
        method = text_method("mvmlm", model, data.text.length)
    else:
        method, data = frozen("mvmlm", source, tmp_path)
    long = " ".join(reports(8))
    short, cut = text_features(method, ["mass", long, "mass"], source, device="cpu")
    assert short.shape[0] == 3 and np.isfinite(short).all()
    assert (short[0] == short[2]).all() and (short[0] != short[1]).any()
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1, atol=1e-6)
    assert (cut["truncated"], cut["max_length"], cut["distinct"]) == (1, data.text.length, 2)
    alone, _ = text_features(method, ["mass"], source, device="cpu")
    np.testing.assert_allclose(alone[0], short[0], atol=2e-6)


def test_the_temperature_is_what_similarities_are_divided_by():
    assert temperature_of(small_method("clip")) == pytest.approx(LOSS["temperature"])
    assert temperature_of(small_method("supervised")) is None


def test_a_method_without_a_text_side_is_refused(source):
    with pytest.raises(ConfigError, match="method supervised encodes no text"):
        text_features(small_method("supervised"), ["mass"], source)
