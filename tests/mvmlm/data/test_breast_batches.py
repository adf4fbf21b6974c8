"""Batches of breasts: order, augmentation and what a missing view looks like."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.data.breast_batches import Augmentation, BreastData
from tests.mvmlm.toy_breasts import SIZE, toy_data, toy_store, toy_text

MISSING = ((0, 1), (3, 0))


def shifted(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """Pixel by pixel; black comes in."""
    height, width = image.shape
    moved = np.zeros_like(image)
    for y in range(height):
        for x in range(width):
            if 0 <= y - down < height and 0 <= x - right < width:
                moved[y, x] = image[y - down, x - right]
    return moved


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(2, 12),
    width=st.integers(2, 12),
    shift=st.sampled_from([0.0, 0.1, 0.34, 0.5]),
    seed=st.integers(0, 2**16),
)
def test_an_augmented_image_is_a_shift_within_the_bounds(height, width, shift, seed):
    images = np.random.default_rng(seed).uniform(0.1, 1.0, (2, height, width)).astype(np.float32)
    changed = Augmentation(shift=shift)(images, np.random.default_rng(seed + 1))
    most_down, most_right = int(shift * height), int(shift * width)
    for image, got in zip(images, changed):
        candidates = [
            shifted(image, down, right)
            for down in range(-most_down, most_down + 1)
            for right in range(-most_right, most_right + 1)
        ]
        assert any(np.array_equal(got, c) for c in candidates)


def test_every_shift_occurs_and_images_are_shifted_apart():
    image = np.zeros((400, 8, 4), np.float32)
    image[:, 4, 2] = 1.0
    changed = Augmentation(shift=0.25)(image, np.random.default_rng(0))
    places = {tuple(np.argwhere(one)[0].tolist()) for one in changed}
    assert places == {(y, x) for y in range(2, 7) for x in range(1, 4)}


def test_the_gain_is_one_factor_an_image_within_its_bounds():
    images = np.random.default_rng(0).uniform(0.1, 0.8, (50, 5, 4)).astype(np.float32)
    changed = Augmentation(intensity=0.2)(images, np.random.default_rng(1))
    ratio = changed / images
    gain = ratio.mean(axis=(1, 2))
    np.testing.assert_allclose(ratio, np.broadcast_to(gain[:, None, None], ratio.shape), rtol=1e-5)
    assert gain.min() >= 0.8 - 1e-6
    assert gain.max() <= 1.2 + 1e-6
    assert gain.max() - gain.min() > 0.3


def test_values_stay_in_the_unit_interval_and_the_source_is_untouched():
    images = np.ones((20, 5, 4), np.float32)
    changed = Augmentation(shift=0.2, intensity=0.5)(images, np.random.default_rng(1))
    assert changed.min() >= 0.0
    assert changed.max() == 1.0
    assert (images == 1.0).all()


def test_no_augmentation_is_the_image_itself():
    images = np.random.default_rng(0).random((3, 5, 4), np.float32)
    np.testing.assert_array_equal(Augmentation()(images, np.random.default_rng(1)), images)


def test_a_batch_holds_what_belongs_to_its_breasts():
    store, breasts = toy_store(5, missing=MISSING)
    text, labels = toy_text(5), np.array([0, 1, np.nan, 1, 0], np.float32)
    data = BreastData(store, breasts, text=text, text_ids=np.array([4, 3, 2, 1, 0]), labels=labels)
    rows = np.array([3, 0, 2])
    batch = data.batch(rows, None, None)
    assert batch.images.shape == (3, 2, 1, *SIZE)
    assert batch.images.dtype == torch.float32
    assert batch.view_mask.tolist() == [[False, True], [True, False], [True, True]]
    for place, breast in enumerate(rows):
        for view, column in enumerate(("cc", "mlo")):
            row = breasts[column].iloc[breast]
            expected = store.pixels[row] / 65535 if row >= 0 else np.zeros(SIZE)
            np.testing.assert_allclose(batch.images[place, view, 0].numpy(), expected, atol=1e-6)
    assert batch.patient.tolist() == [1, 0, 1]
    assert batch.text_id.tolist() == [1, 4, 2]
    np.testing.assert_array_equal(batch.text.numpy(), text.tokens[[1, 4, 2]].astype(np.float32))
    np.testing.assert_array_equal(batch.text_mask.numpy(), text.mask[[1, 4, 2]])
    np.testing.assert_array_equal(batch.labels.numpy(), labels[rows])


def test_missing_views_stay_black_under_augmentation():
    data = toy_data(6, missing=MISSING)
    for _, batch in data.epoch(3, seed=0, epoch=1, augment=Augmentation(0.1, 0.5)):
        assert not batch.images[~batch.view_mask].any()
        assert batch.images[batch.view_mask].flatten(1).any(dim=1).all()


def test_breasts_without_a_view_are_left_out_with_their_text_and_label():
    store, breasts = toy_store(4, missing=((1, 0), (1, 1)))
    data = BreastData(
        store,
        breasts,
        text=toy_text(4),
        text_ids=np.arange(4),
        labels=np.arange(4, dtype=np.float32),
    )
    batch = data.batch(np.arange(len(data)), None, None)
    assert batch.text_id.tolist() == batch.labels.tolist() == [0, 2, 3]
    assert batch.patient.tolist() == [0, 1, 1]


def test_no_breasts_make_empty_data():
    store, breasts = toy_store(2)
    assert len(BreastData(store, breasts.iloc[:0])) == 0


@settings(max_examples=80, deadline=None)
@given(count=st.integers(2, 60), batch_size=st.integers(1, 20), seed=st.integers(0, 999))
def test_an_epoch_is_every_breast_once_in_even_batches_of_two_or_more(count, batch_size, seed):
    pixels = np.zeros((1, 2, 2), np.uint16)
    breasts = pd.DataFrame({"patient_id": [f"p{i}" for i in range(count)], "cc": 0, "mlo": -1})
    store, _ = toy_store(2)
    data = BreastData(type(store)(store.exams[:1], pixels), breasts)
    order = data.order(batch_size, np.random.default_rng(seed))
    sizes = [len(rows) for rows in order]
    assert sorted(np.concatenate(order).tolist()) == list(range(count))
    assert min(sizes) >= 2
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= max(batch_size, 3)


def epoch(seed: int = 0, epoch: int = 1, workers: int = 0):
    """Rows and batches of one augmented epoch."""
    data = toy_data(11, missing=MISSING)
    return list(data.epoch(3, seed=seed, epoch=epoch, augment=Augmentation(0.1, 0.2), workers=workers))


def equal(one, other) -> bool:
    return all(
        np.array_equal(a, b) and torch.equal(x.images, y.images) and torch.equal(x.text, y.text)
        for (a, x), (b, y) in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("workers", [1, 3, 16])
def test_threads_change_nothing(workers):
    assert equal(epoch(), epoch(workers=workers))


def test_seed_and_epoch_decide_order_and_augmentation():
    assert equal(epoch(), epoch())
    assert not equal(epoch(), epoch(seed=1))
    assert not equal(epoch(), epoch(epoch=2))


def test_order_and_augmentation_are_drawn_independently():
    """NumPy seeds [s, e] and [s, e, 0] are one and the same stream."""
    drawn = []

    class Watched(Augmentation):
        def __call__(self, images, rng):
            drawn.append(rng.bit_generator.state["state"]["state"])
            return images

    data, order = toy_data(8), []

    def watched(batch_size, rng):
        order.append(rng.bit_generator.state["state"]["state"])
        return BreastData.order(data, batch_size, rng)

    data.order = watched
    list(data.epoch(4, seed=0, epoch=1, augment=Watched()))
    assert len({*drawn, *order}) == len(drawn) + 1 == 3


def test_an_epoch_can_be_left_early():
    batches = toy_data(12).epoch(2, seed=0, epoch=1, workers=2)
    next(batches)
    batches.close()


def test_a_failing_read_reaches_the_caller_from_a_thread():
    data = toy_data(6)
    data.views[4] = [999, 999]
    with pytest.raises(IndexError, match="999"):
        list(data.epoch(2, seed=0, epoch=1, workers=2))


def test_image_ids_name_the_views_that_exist():
    assert toy_data(4, missing=MISSING).image_ids(np.array([3, 0, 1])) == [
        "image_3_1",
        "image_0_0",
        "image_1_0",
        "image_1_1",
    ]
