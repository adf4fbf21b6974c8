"""Features of single images: they depend on the image and the weights, and on nothing beside."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mvmlm.errors import ConfigError
from mvmlm.features import REPRESENTATIONS, image_features
from mvmlm.methods import METHODS
from tests.mvmlm.toy_breasts import small_batch, small_method, toy_store

NAMES = METHODS.names()
# Sums of one image may be taken in another order in another batch.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture
def store():
    return toy_store(6)[0]


def trained(name: str):
    """A method whose running statistics have moved, left in training mode."""
    method = small_method(name)
    method.train().loss(small_batch())
    return method


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("representation", REPRESENTATIONS)
def test_batches_make_no_difference(name, representation, store):
    method, rows = trained(name), np.arange(12)

    def features(rows, batch_size):
        return image_features(
            method, store, rows, representation=representation, batch_size=batch_size, device="cpu"
        )

    whole = features(rows, 12)
    assert whole.dtype == np.float32
    assert whole.shape[0] == 12
    for batch_size in (1, 5, 32):
        np.testing.assert_allclose(features(rows, batch_size), whole, **CLOSE)
    mixed = np.array([7, 0, 7, 3])
    np.testing.assert_allclose(features(mixed, 4), whole[mixed], **CLOSE)


@pytest.mark.parametrize("name", NAMES)
def test_encoding_changes_no_weight_and_no_statistic(name, store):
    method = trained(name)
    before = {k: v.clone() for k, v in method.state_dict().items()}
    first = image_features(method, store, np.arange(4), device="cpu")
    assert not method.training
    assert all(torch.equal(v, before[k]) for k, v in method.state_dict().items())
    np.testing.assert_array_equal(image_features(method, store, np.arange(4), device="cpu"), first)


@pytest.mark.parametrize("name", NAMES)
def test_representations_are_the_embedding_and_the_largest_token_values(name, store):
    method = trained(name).eval()
    images = torch.from_numpy(store.read(np.arange(3)))[:, None]
    with torch.no_grad():
        tokens, embedding = method.encode_image(images)
    got = image_features(method, store, np.arange(3), device="cpu")
    np.testing.assert_allclose(got, embedding[:, 0].numpy(), **CLOSE)
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1.0, rtol=1e-5)
    got = image_features(method, store, np.arange(3), representation="tokens_max", device="cpu")
    np.testing.assert_allclose(got, tokens[:, 0].numpy().max(axis=1), **CLOSE)


def test_an_unknown_representation_is_named(store):
    with pytest.raises(ConfigError, match=r"eval.representation is 'mean'; known: embedding, tokens_max"):
        image_features(small_method("mvmlm"), store, np.arange(2), representation="mean")
