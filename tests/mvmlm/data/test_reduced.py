"""JPEG 2000 decoded at a part of its resolution: the same breast in the same place, whatever the sides."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest

from mvmlm.data.codecs import decode_reduced, reducible
from mvmlm.data.pixels import read_image
from mvmlm.data.preprocess import to_store
from tests.mvmlm.data.dicom_files import make
from tests.mvmlm.data.test_preprocess import a_breast

TARGET = (304, 192)
JPEG_2000 = "1.2.840.10008.1.2.4.90"


def a_file(tmp_path, height, width, right=False):
    values = a_breast(height, width, int(0.55 * width), int(0.4 * height), right=right, noise=0.02)[0]
    return make(tmp_path, np.round(4095 * values).astype(np.uint16), JPEG_2000, BitsStored=12)


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("crop", [True, False])
@pytest.mark.parametrize("size", [(1760, 1400), (1759, 1400), (1760, 1401), (1757, 1399)])
def test_boxes_and_masks_lie_where_they_do_in_the_full_image(tmp_path, size, right, crop):
    path = a_file(tmp_path, *size, right)
    full, reduced = read_image(path), read_image(path, target=TARGET)
    assert reduced.shape[0] < full.shape[0] and reduced.source_shape == full.shape == size
    (seen, one), (small, other) = (to_store(image, *TARGET, crop=crop) for image in (full, reduced))
    left = size[1] - 420 if right else 300
    box = np.array([[left, 500.0, left + 120, 640.0]])
    np.testing.assert_allclose(other.to_source(other.to_store(box)), box, atol=1e-6)
    np.testing.assert_allclose(other.to_store(box), one.to_store(box), atol=2.5)
    mask = np.zeros(size, bool)
    mask[500:640, left : left + 120] = True
    back = other.mask_to_source(other.mask_to_store(mask, *TARGET), *size)
    assert (back & mask).sum() / (back | mask).sum() > 0.85
    assert np.corrcoef(seen.ravel(), small.ravel())[0, 1] > 0.98


def test_what_is_not_larger_than_the_target_is_decoded_in_full(tmp_path):
    path = a_file(tmp_path, 800, 640)
    np.testing.assert_array_equal(read_image(path, target=(800, 640)).stored, read_image(path).stored)


@pytest.mark.parametrize("bits", [7, 8, 10, 12, 16])
def test_reduced_values_keep_the_range_of_the_codestream(bits):
    pixels = np.full((256, 256), 2**bits - 1, np.uint8 if bits <= 8 else np.uint16)
    frame = imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=True, bitspersample=bits)
    assert np.unique(decode_reduced(frame, 1)).tolist() == [2**bits - 1]


@pytest.mark.parametrize(("shape", "most", "found"), [((3518, 2800), 5, 2), ((5355, 4915), 5, 2), ((64, 64), 0, 0)])
def test_resolutions_that_can_be_decoded(shape, most, found):
    assert reducible(shape, most) >= found if most else reducible(shape, most) == 0
    frame = imagecodecs.jpeg2k_encode(np.zeros(shape, np.uint16), codecformat="j2k", reversible=True, bitspersample=12)
    times = reducible(shape, most)
    assert decode_reduced(frame, times).shape == tuple(-(-side // 2**times) for side in shape)
