"""Points and masks travel to the store and back; boxes do in test_preprocess.py."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.data.preprocess import to_store
from mvmlm.data.transform import Transform
from tests.mvmlm.data.test_preprocess import a_breast

sides = st.integers(40, 900)


@st.composite
def fitted(draw):
    """A crop somewhere in an image, fitted to a store."""
    height, width = draw(sides), draw(sides)
    y0, x0 = draw(st.integers(0, height - 30)), draw(st.integers(0, width - 30))
    y1, x1 = draw(st.integers(y0 + 20, height)), draw(st.integers(x0 + 20, width))
    target = draw(st.integers(60, 400)), draw(st.integers(60, 400))
    return (height, width), target, Transform.fit((y0, y1, x0, x1), draw(st.booleans()), *target)


@settings(deadline=None, max_examples=60)
@given(fitted(), st.lists(st.tuples(st.floats(0, 900), st.floats(0, 900)), min_size=1, max_size=5))
def test_points_come_back_to_where_they_were(case, points):
    _, _, transform = case
    there = transform.points_to_store(np.array(points))
    np.testing.assert_allclose(transform.points_to_source(there), points, atol=1e-6)


@settings(deadline=None, max_examples=60)
@given(fitted(), st.floats(0.15, 0.45))
def test_a_mask_comes_back_to_within_a_store_pixel_of_its_outline(case, share):
    shape, target, transform = case
    mask = np.zeros(shape, np.uint8)
    centre = (transform.x0 + transform.width // 2, transform.y0 + transform.height // 2)
    axes = (max(3, int(share * transform.width)), max(3, int(share * transform.height)))
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 1, -1)
    back = transform.mask_to_source(transform.mask_to_store(mask, *target), *shape)
    reach = 2 * int(np.ceil(1 / transform.scale)) + 1
    near = np.ones((reach + 2, reach + 2), np.uint8)
    rim = cv2.dilate(mask, near).astype(bool) & ~cv2.erode(mask, near).astype(bool)
    assert not ((back != mask.astype(bool)) & ~rim).any()


@pytest.mark.parametrize("right", [False, True])
def test_a_mask_lies_on_what_it_marks(right):
    values = np.minimum(a_breast(noise=0, right=right)[0], 0.5)
    mask = np.zeros(values.shape, bool)
    mask[280:320, 330:370] = mask[280:320, 110:150] = True
    values[mask] = 1.0
    stored, transform = to_store(values, 256, 160)
    seen, told = stored > 0.75 * 65535, transform.mask_to_store(mask, 256, 160)
    assert (seen & told).sum() / (seen | told).sum() > 0.8


def test_a_transform_comes_back_from_its_row():
    transform = to_store(a_breast()[0], 256, 160)[1]
    row = {f"transform_{name}": value for name, value in transform.as_dict().items()}
    assert Transform.from_row(row) == transform
