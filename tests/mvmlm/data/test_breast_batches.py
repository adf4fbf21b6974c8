"""Batches of breasts: order, shares of ranks, and what a missing view looks like."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.data.breast_batches import BreastData, report_groups
from mvmlm.errors import ConfigError
from tests.mvmlm.toy_breasts import SIZE, toy_data, toy_store, toy_text

MISSING = ((0, 1), (3, 0))


def test_a_batch_holds_what_belongs_to_its_breasts():
    store, breasts = toy_store(5, missing=MISSING)
    text, labels = toy_text(5), np.array([0, 1, np.nan, 1, 0], np.float32)
    data = BreastData(store, breasts, text=text, text_ids=np.array([4, 3, 2, 1, 0]), labels=labels)
    rows = np.array([3, 0, 2])
    batch = data.batch(rows)
    assert batch.images.shape == (3, 2, 1, *SIZE)
    assert batch.images.dtype == torch.uint16
    assert batch.view_mask.tolist() == [[False, True], [True, False], [True, True]]
    for place, breast in enumerate(rows):
        for view, column in enumerate(("cc", "mlo")):
            row = breasts[column].iloc[breast]
            expected = store.pixels[row] if row >= 0 else np.zeros(SIZE, np.uint16)
            np.testing.assert_array_equal(batch.images[place, view, 0].numpy(), expected)
    assert batch.patient.tolist() == [1, 0, 1]
    assert batch.text_id.tolist() == [1, 4, 2]
    np.testing.assert_array_equal(batch.text.numpy(), text.tokens[[1, 4, 2]].astype(np.float32))
    np.testing.assert_array_equal(batch.text_mask.numpy(), text.mask[[1, 4, 2]])
    np.testing.assert_array_equal(batch.labels.numpy(), labels[rows])


def test_on_its_device_a_batch_is_what_the_store_reads():
    """Training and features see the same numbers, to the bit."""
    store, breasts = toy_store(3)
    store.pixels[0, 0, :2] = 0, 65535
    given = BreastData(store, breasts).batch(np.arange(3))
    batch = given.to("cpu")
    assert batch.images.dtype == torch.float32
    np.testing.assert_array_equal(batch.images.flatten(0, 1).numpy(), store.read(np.arange(6)))
    assert (batch.images.min(), batch.images.max()) == (0.0, 1.0)
    assert torch.equal(batch.to("cpu").images, batch.images)
    assert given.images.dtype == torch.uint16


def test_breasts_without_a_view_are_left_out_with_their_text_and_label():
    store, breasts = toy_store(4, missing=((1, 0), (1, 1)))
    data = BreastData(
        store,
        breasts,
        text=toy_text(4),
        text_ids=np.arange(4),
        labels=np.arange(4, dtype=np.float32),
    )
    batch = data.batch(np.arange(len(data)))
    assert batch.text_id.tolist() == batch.labels.tolist() == [0, 2, 3]
    assert batch.patient.tolist() == [0, 1, 1]


def test_breasts_without_a_text_are_left_out_where_others_have_one():
    store, breasts = toy_store(4)
    data = BreastData(store, breasts, text=toy_text(4), text_ids=np.array([[2, 3], [-1, -1], [0, -1], [1, 2]]))
    assert data.batch(np.arange(len(data))).text_id.tolist() == [2, 0, 1]


def rotating(text_ids, breasts=None, **more) -> BreastData:
    """Breasts with several texts each."""
    text_ids = np.array(text_ids)
    store, toy = toy_store(len(text_ids))
    text = toy_text(int(text_ids.max()) + 1)
    return BreastData(store, toy if breasts is None else breasts, text=text, text_ids=text_ids, **more)


def shown(data: BreastData, epoch: int | None) -> list[int]:
    """The text of each breast."""
    return data.batch(np.arange(len(data)), epoch=epoch).text_id.tolist()


def test_every_text_of_a_breast_comes_once_before_any_comes_again():
    ids = [[0, 1, 2], [3, 4, -1], [5, -1, -1], [6, 7, 8]]
    data = rotating(ids)
    per_epoch = [shown(data, epoch) for epoch in range(1, 7)]
    for breast, row in enumerate(ids):
        mine = [number for number in row if number >= 0]
        seen = [texts[breast] for texts in per_epoch]
        assert all(sorted(seen[at : at + len(mine)]) == mine for at in range(0, 6, len(mine)))


def test_text_and_mask_are_those_of_the_text_that_is_shown():
    data = rotating([[0, 1], [2, 3], [4, 5]])
    for rows, batch in data.epoch(3, seed=0, epoch=2):
        ids = np.array(shown(data, 2))[rows]
        np.testing.assert_array_equal(batch.text.numpy(), data.text.tokens[ids].astype(np.float32))
        np.testing.assert_array_equal(batch.text_mask.numpy(), data.text.mask[ids])


def test_without_an_epoch_the_first_text_is_shown():
    assert shown(rotating([[4, 1], [2, 0], [3, -1]]), None) == [4, 2, 3]


def test_breasts_of_one_record_show_different_texts_of_it_at_a_time():
    data = rotating([[0, 1, 2]] * 30)
    counts = np.bincount(shown(data, 1), minlength=3)
    assert counts.min() >= 3


def test_what_a_breast_shows_depends_on_its_id_and_the_epoch_alone():
    store, breasts = toy_store(8)
    ids = np.arange(24).reshape(8, 3)
    whole = dict(zip(breasts.index, shown(rotating(ids), 5)))
    kept = np.array([6, 1, 3])
    some = BreastData(store, breasts.iloc[kept], text=toy_text(24), text_ids=ids[kept])
    assert shown(some, 5) == [whole[breast] for breast in breasts.index[kept]]
    for seed in (0, 1):
        for rows, batch in some.epoch(2, seed=seed, epoch=5, workers=seed):
            assert batch.text_id.tolist() == [whole[breasts.index[kept][row]] for row in rows]


def test_one_text_a_breast_is_the_same_as_a_column_of_them():
    plain, column = rotating([3, 1, 2]), rotating([[3], [1], [2]])
    for epoch in (None, 1, 2):
        assert shown(plain, epoch) == shown(column, epoch) == [3, 1, 2]


def test_token_ids_stay_whole_numbers():
    text = toy_text(3)
    ids = replace(text, tokens=np.arange(18).reshape(3, 6))
    store, breasts = toy_store(3)
    batch = BreastData(store, breasts, text=ids, text_ids=np.array([2, 0, 1])).batch(np.arange(3)).to("cpu")
    assert batch.text.dtype == torch.int64
    assert batch.text.tolist() == ids.tokens[[2, 0, 1]].tolist()


def test_wordings_of_one_record_and_records_of_one_text_count_as_the_same_report():
    #        record 7 has texts 0 and 1; record 8 has 2 and 3; record 9 says what 8 says in text 3; record 4 is apart
    groups = report_groups(np.array([0, 1, 1, 2, 3, 3, 4]), np.array([7, 7, 7, 8, 8, 9, 4]))
    assert groups.tolist() == [0, 0, 2, 2, 4]
    data = rotating([[0, 1], [1, 0], [2, 3], [3, -1], [4, -1]], text_groups=groups)
    for epoch in (None, 1, 2):
        assert shown(data, epoch) == [0, 0, 2, 2, 4]


def test_with_one_text_a_record_a_report_is_numbered_as_its_text():
    assert report_groups(np.array([2, 0, 2, 5]), np.array([30, 10, 30, 20])).tolist() == [0, 1, 2, 3, 4, 5]
    assert report_groups(np.array([0, 0]), np.array([1, 2])).tolist() == [0]
    assert report_groups(np.array([], np.int64), np.array([], np.int64)).tolist() == []


def test_many_breasts_of_one_text_are_one_report():
    assert report_groups(np.array([0] * 256 + [1]), np.zeros(257, np.int64)).tolist() == [0, 0]


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


def epoch(seed: int = 0, epoch: int = 1, batch_size: int = 3, **how: int):
    """Rows and batches of one epoch."""
    return list(toy_data(11, missing=MISSING).epoch(batch_size, seed=seed, epoch=epoch, **how))


def equal(one, other) -> bool:
    return all(
        np.array_equal(a, b) and torch.equal(x.images, y.images) and torch.equal(x.text, y.text)
        for (a, x), (b, y) in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("workers", [1, 3, 16])
def test_threads_change_nothing(workers):
    assert equal(epoch(), epoch(workers=workers))


def test_seed_and_epoch_decide_the_order():
    assert equal(epoch(), epoch())
    assert not equal(epoch(), epoch(seed=1))
    assert not equal(epoch(), epoch(epoch=2))


@pytest.mark.parametrize(("world_size", "workers"), [(1, 0), (2, 0), (2, 2), (3, 1)])
def test_the_shares_of_all_ranks_are_the_batches_of_one_process(world_size, workers):
    how = {"world_size": world_size, "workers": workers}
    shares = [epoch(batch_size=5, rank=rank, **how) for rank in range(world_size)]
    whole = epoch(batch_size=5)
    assert [len(rows) for rows, _ in whole] == [4, 4, 3]
    assert {len(share) for share in shares} == {len(whole)}
    for step, (rows, batch) in enumerate(whole):
        mine = [share[step] for share in shares]
        np.testing.assert_array_equal(np.concatenate([rows for rows, _ in mine]), rows)
        for name in ("images", "view_mask", "patient", "text", "text_id", "labels"):
            assert torch.equal(torch.cat([getattr(part, name) for _, part in mine]), getattr(batch, name))


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(2, 40),
    batch_size=st.integers(2, 12),
    world_size=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_ranks_share_every_batch_evenly_or_say_that_they_cannot(count, batch_size, world_size, seed):
    data = toy_data(2)
    data.views = np.zeros((count, 2), np.int64)
    data.batch = lambda rows, **how: None
    order = [rows.tolist() for rows, _ in data.epoch(batch_size, seed=seed, epoch=1)]
    if min(map(len, order)) < world_size:
        with pytest.raises(ConfigError, match=f"cannot be shared by {world_size} processes"):
            next(data.epoch(batch_size, seed=seed, epoch=1, world_size=world_size))
        return
    shares = [
        [
            rows.tolist()
            for rows, _ in data.epoch(batch_size, seed=seed, epoch=1, rank=r, world_size=world_size)
        ]
        for r in range(world_size)
    ]
    assert [list(chain(*parts)) for parts in zip(*shares, strict=True)] == order
    for parts in zip(*shares):
        sizes = [len(part) for part in parts]
        assert min(sizes) >= 1 and max(sizes) - min(sizes) <= 1


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
