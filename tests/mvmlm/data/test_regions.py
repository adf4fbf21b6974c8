"""Marked regions: read, scaled, drawn; test_build_store.py follows them into the store."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pandas as pd
import pytest

from mvmlm.data.regions import Region, read_regions
from mvmlm.errors import DataError

BOX = {"category": "mass", "x0": 10, "y0": 20, "x1": 30, "y1": 50}
TRIANGLE = {**BOX, "polygon": [[10, 20], [30, 20], [10, 50]]}


@pytest.mark.parametrize("nothing", [pd.NA, None, "", "[]", float("nan")])
def test_no_regions(nothing):
    assert read_regions(nothing) == []


def test_a_region_survives_being_written_and_read():
    regions = read_regions(json.dumps([BOX, TRIANGLE]))
    again = read_regions(json.dumps([region.as_dict() for region in regions]))
    assert [r.box for r in again] == [(10, 20, 30, 50)] * 2
    assert again[0].polygon is None
    np.testing.assert_array_equal(again[1].polygon, TRIANGLE["polygon"])


def test_the_mask_is_the_outline_where_there_is_one_and_the_box_where_not():
    box, triangle = (region.mask(60, 40) for region in read_regions(json.dumps([BOX, TRIANGLE])))
    assert box[35, 20] and not box[15, 20] and not box[35, 35]
    assert triangle[25, 12] and not triangle[45, 28]
    assert 0.4 < triangle.sum() / box.sum() < 0.65


def test_scaling_moves_box_and_outline_alike():
    half = read_regions(json.dumps([TRIANGLE]))[0].scaled(0.5, 2.0)
    assert half.box == (5, 40, 15, 100)
    np.testing.assert_array_equal(half.polygon, [[5, 40], [15, 40], [5, 100]])


def test_of_mask_and_crop_the_one_of_the_images_size_is_the_mask(tmp_path):
    mask = np.zeros((60, 40), np.uint8)
    mask[20:50, 10:30] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    cv2.imwrite(str(tmp_path / "crop.png"), np.full((30, 20), 99, np.uint8))
    for order in (["mask.png", "crop.png"], ["crop.png", "mask.png"]):
        told = json.dumps([{"category": "mass", "mask": order}])
        assert read_regions(told, tmp_path, (60, 40)) == [Region("mass", (10, 20, 30, 50))]


def test_a_mask_that_is_missing_empty_or_outside_leaves_no_region(tmp_path):
    cv2.imwrite(str(tmp_path / "empty.png"), np.zeros((60, 40), np.uint8))
    told = json.dumps([{"category": "mass", "mask": ["gone.png", "empty.png", "../../etc/passwd"]}])
    assert read_regions(told, tmp_path, (60, 40)) == []
    assert read_regions(told) == [], "without a folder no file is looked for"


@pytest.mark.parametrize("text", ["{", '["a"]', '[{"category": "mass", "x0": 1}]', '{"x0": 3}'])
def test_what_is_no_list_of_regions(text):
    with pytest.raises(DataError, match="no list of regions"):
        read_regions(text)
