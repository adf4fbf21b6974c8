"""The breast is found, brought to the left and kept whole, in synthetic and in real images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.data.breast import breast_mask, chest_wall_is_right
from mvmlm.data.pixels import read_image
from mvmlm.data.preprocess import to_store
from mvmlm.data.transform import Transform
from mvmlm.errors import DataError
from tests.real_images import REAL, needs_real_images

SIZE = (256, 160)


def a_breast(height=600, width=480, depth=260, half=220, right=False, noise=0.004):
    """Half an ellipse on the left edge (or the right), and where it is."""
    y, x = np.mgrid[:height, :width]
    inside = (x / depth) ** 2 + ((y - height / 2) / half) ** 2 <= 1
    rng = np.random.default_rng(0)
    values = np.where(inside, 0.35 + 0.3 * np.cos(x / 40) ** 2, 0) + noise * rng.random((height, width))
    values = values.astype(np.float32)
    return (values[:, ::-1].copy(), inside[:, ::-1]) if right else (values, inside)


def overlap(first, second):
    return (first & second).sum() / (first | second).sum()


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("depth, half", [(100, 120), (260, 220), (440, 290)])
def test_the_mask_is_the_breast(depth, half, right):
    values, inside = a_breast(depth=depth, half=half, right=right)
    assert overlap(breast_mask(values), inside) > 0.95
    assert chest_wall_is_right(inside) == right


def test_a_label_and_a_marker_are_left_out():
    values, inside = a_breast()
    values[30:70, 380:450] = 1.0
    letters = cv2.putText(np.zeros(values.shape, np.uint8), "R-MLO", (330, 560), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 255, 4)
    values[letters > 0] = 1.0
    assert overlap(breast_mask(values), inside) > 0.95
    _, box = to_store(values, *SIZE)
    assert abs(box.width - 260) < 8


def test_a_bright_frame_above_and_below_is_left_out():
    values, inside = a_breast()
    values[:4], values[-4:] = 1.0, 1.0
    assert overlap(breast_mask(values), inside) > 0.95


@pytest.mark.parametrize("crop", [True, False])
def test_left_and_right_come_out_alike(crop):
    left, from_left = to_store(a_breast(noise=0)[0], *SIZE, crop=crop)
    right, from_right = to_store(a_breast(noise=0, right=True)[0], *SIZE, crop=crop)
    assert (from_left.flipped, from_right.flipped) == (False, True)
    np.testing.assert_array_equal(left, right)
    assert left[:, 0].any()


@pytest.mark.parametrize("size", [(256, 160), (100, 300), (304, 64)])
def test_the_aspect_is_kept_and_the_rest_is_black(size):
    values = a_breast(noise=0)[0]
    stored, box = to_store(values, *size)
    assert stored.shape == size
    assert stored.dtype == np.uint16
    rows, columns = np.flatnonzero(stored.any(1)), np.flatnonzero(stored.any(0))
    seen = (np.ptp(rows) + 1) / (np.ptp(columns) + 1)
    assert seen == pytest.approx(box.height / box.width, rel=0.05)
    assert columns[0] == 0
    assert abs(rows[0] - (size[0] - 1 - rows[-1])) <= 2


def test_percentiles_stretch_what_a_narrow_range_hides():
    values, inside = a_breast()
    values = np.where(inside, 0.4 + 0.01 * values, 0).astype(np.float32)
    plain, _ = to_store(values, *SIZE)
    stretched, _ = to_store(values, *SIZE, intensity="percentile")
    seen = plain > 0.4 * 65535
    assert np.ptp(plain[seen]) < 1000
    assert np.ptp(stretched[seen]) > 50000


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_blank_image_is_refused(value):
    with pytest.raises(DataError, match="no breast found"):
        to_store(np.full((300, 200), value, np.float32), *SIZE)


@pytest.mark.parametrize("base, noise", [(0, 0.01), (0.3, 0.1), (0, 1)])
def test_an_image_of_noise_alone_is_refused(base, noise):
    values = base + noise * np.random.default_rng(0).random((600, 480), np.float32)
    with pytest.raises(DataError, match="no breast found"):
        to_store(np.clip(values, 0, 1), *SIZE)


def test_a_breast_that_reaches_the_edge_of_the_image_is_not_cut():
    values, _ = a_breast(half=320)
    _, box = to_store(values, *SIZE)
    assert (box.y0, box.height) == (0, 600)


def test_an_image_with_a_marker_alone_is_refused():
    values = np.zeros((600, 480), np.float32)
    values[20:50, 400:440] = 1
    with pytest.raises(DataError, match="no breast found"):
        to_store(values, *SIZE)


numbers = st.floats(-5000, 5000, allow_nan=False)
transforms = st.builds(
    Transform,
    x0=st.integers(0, 3000),
    y0=st.integers(0, 3000),
    width=st.integers(1, 4000),
    height=st.integers(1, 4000),
    flipped=st.booleans(),
    scale=st.floats(0.02, 5),
    top=st.integers(0, 800),
)


@settings(deadline=None, max_examples=100)
@given(transforms, st.lists(st.tuples(numbers, numbers, numbers, numbers), min_size=1, max_size=5))
def test_boxes_go_to_the_store_and_back(transform, boxes):
    boxes = np.array(boxes)
    boxes = np.concatenate([np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1)
    stored = transform.to_store(boxes)
    np.testing.assert_allclose(transform.to_source(stored), boxes, atol=1e-5)
    assert (stored[:, :2] <= stored[:, 2:] + 1e-9).all()


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("crop", [True, False])
def test_a_box_stays_on_what_it_marks(right, crop):
    values = np.minimum(a_breast(noise=0, right=right)[0], 0.5)
    x0 = 480 - 120 if right else 80
    values[280:320, x0 : x0 + 40] = 1.0
    stored, transform = to_store(values, *SIZE, crop=crop)
    marked = transform.to_store(np.array([[x0, 280, x0 + 40, 320]]))[0]
    rows, columns = np.nonzero(stored > 0.8 * 65535)
    np.testing.assert_allclose(
        marked, [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], atol=1.5
    )


@pytest.fixture(scope="module")
def real() -> pd.DataFrame:
    return pd.read_csv(REAL / "labels.csv")


#: Marked L, yet the chest wall is at the right edge: so says the README of the images.
MISMARKED = ("B2", "B4", "C3")


@needs_real_images
def test_real_breasts_are_kept_and_brought_to_the_left(real):
    lost, turned = [], []
    for row in real[~real["image_type"].str.contains("CESM")].itertuples():
        values = read_image(REAL / row.file).values
        stored, box = to_store(values, *SIZE)
        bright = values > 0.15
        kept = bright[box.y0 : box.y0 + box.height, box.x0 : box.x0 + box.width].sum() / bright.sum()
        if kept < 0.9 or stored.astype(bool).mean() < 0.1:
            lost.append((row.file, round(float(kept), 2)))
        mismarked = any(name in Path(row.file).stem for name in MISMARKED)
        if pd.notna(row.laterality) and box.flipped != ((row.laterality == "R") != mismarked):
            turned.append(row.file)
    assert (lost, turned) == ([], [])


@needs_real_images
def test_real_findings_stay_inside_the_crop(real):
    for row in real[real["mask_file"].notna() & ~real["image_type"].str.contains("CESM")].itertuples():
        marked = cv2.imread(str(REAL / row.mask_file), cv2.IMREAD_GRAYSCALE) > 0
        box = to_store(read_image(REAL / row.file).values, *SIZE)[1]
        inside = marked[box.y0 : box.y0 + box.height, box.x0 : box.x0 + box.width].sum()
        assert inside >= 0.95 * marked.sum(), row.file
