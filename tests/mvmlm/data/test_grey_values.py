"""From stored values to grey values by the closed forms of DICOM PS3.3 C.11, in every transfer syntax that matters."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom import uid

from mvmlm.data.pixels import read_image
from mvmlm.errors import DataError
from tests.mvmlm.data.dicom_files import dataset, lut, make, save

RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)
SIGNED = RAMP.astype(np.int16) - 2048
SYNTAXES = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian)


def looked_up(values: np.ndarray, entries: np.ndarray, first: int, bits: int) -> np.ndarray:
    """C.11.2.1.1: below the first value mapped the first entry, beyond the last one the last entry."""
    at = np.clip(values.astype(int) - first, 0, len(entries) - 1)
    return np.asarray(entries, float)[at] / (2**bits - 1)


def linear(values: np.ndarray, center: float, width: float) -> np.ndarray:
    """C.11.2.1.2.1, case by case."""
    x = np.asarray(values, float)
    half = (width - 1) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (x - (center - 0.5)) / (width - 1) + 0.5
    return np.where(x <= center - 0.5 - half, 0, np.where(x > center - 0.5 + half, 1, between))


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_a_voi_table_of_any_depth(tmp_path, bits):
    entries = np.rint((2**bits - 1) * np.linspace(0, 1, 3000) ** 2)
    path = make(tmp_path, RAMP, bits=12, VOILUTSequence=lut(entries, 500, bits))
    np.testing.assert_allclose(read_image(path).values, looked_up(RAMP, entries, 500, bits), atol=1e-6)


def test_a_voi_table_of_bytes(tmp_path):
    """8-bit entries may be packed two a word (C.11.2.1.1)."""
    entries = np.rint(255 * np.linspace(0, 1, 3000) ** 2).astype(np.uint8)
    path = make(tmp_path, RAMP, bits=12, VOILUTSequence=lut(entries, 500, 8, data=entries.tobytes()))
    np.testing.assert_allclose(read_image(path).values, looked_up(RAMP, entries, 500, 8), atol=1e-6)


def test_a_voi_table_of_65536_entries_says_so_by_zero(tmp_path):
    entries = np.arange(2**16)[::-1]
    path = make(tmp_path, RAMP, bits=12, VOILUTSequence=lut(entries, 0, 16))
    np.testing.assert_allclose(read_image(path).values, looked_up(RAMP, entries, 0, 16), atol=1e-6)


@pytest.mark.parametrize("syntax", SYNTAXES[:2], ids=["implicit", "explicit"])
def test_a_voi_table_that_begins_below_zero(tmp_path, syntax):
    """Its first value mapped is signed as the pixels are; in implicit VR nothing else says so."""
    entries = np.linspace(0, 1023, 3000).astype(int)
    made = dataset(SIGNED, syntax, bits=12, VOILUTSequence=lut(entries, -1000, 10, descriptor="SS"))
    values = read_image(save(made, tmp_path)).values
    np.testing.assert_allclose(values, looked_up(SIGNED, entries, -1000, 10), atol=1e-6)


def test_a_voi_table_in_big_endian(tmp_path):
    entries = np.linspace(0, 4095, 3000).astype(int)
    sequence = lut(entries, 500, 12, data=entries.astype(">u2").tobytes())
    path = make(tmp_path, RAMP, uid.ExplicitVRBigEndian, bits=12, VOILUTSequence=sequence)
    np.testing.assert_allclose(read_image(path).values, looked_up(RAMP, entries, 500, 12), atol=1e-6)


def test_the_first_of_several_voi_tables_counts(tmp_path):
    first, second = np.arange(4096), np.arange(4096)[::-1]
    path = make(tmp_path, RAMP, bits=12, VOILUTSequence=[*lut(first, 0, 12), *lut(second, 0, 12)])
    np.testing.assert_allclose(read_image(path).values, looked_up(RAMP, first, 0, 12), atol=1e-6)


def test_a_voi_table_is_inverted_for_monochrome1(tmp_path):
    entries = np.rint(4095 * np.linspace(0, 1, 4096) ** 2)
    sequence = lut(entries, 0, 12)
    path = make(tmp_path, RAMP, bits=12, VOILUTSequence=sequence, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_allclose(read_image(path).values, 1 - looked_up(RAMP, entries, 0, 12), atol=1e-6)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=["implicit", "explicit", "big endian"])
def test_a_modality_table_goes_before_the_window(tmp_path, syntax):
    """C.11.1: the table's entries are what the window is about."""
    entries = np.rint(1000 * np.sqrt(np.arange(4096)))
    order = ">u2" if syntax == uid.ExplicitVRBigEndian else "<u2"
    sequence = lut(entries, 0, 16, data=entries.astype(order).tobytes())
    sequence[0].ModalityLUTType = "US"
    path = make(
        tmp_path, RAMP, syntax, bits=12, ModalityLUTSequence=sequence, WindowCenter=32000, WindowWidth=20000
    )
    np.testing.assert_allclose(read_image(path).values, linear(entries[RAMP], 32000, 20000), atol=1e-5)


@pytest.mark.parametrize("center, width", [(2048, 4096), (2047.5, 1), (100, 2), (-500, 1000), (9000, 100)])
def test_a_linear_window_case_by_case(tmp_path, center, width):
    """A width of 1 is a threshold; a window beside all values is black or white."""
    path = make(tmp_path, RAMP, bits=12, WindowCenter=center, WindowWidth=width)
    np.testing.assert_allclose(read_image(path).values, linear(RAMP, center, width), atol=1e-6)


@pytest.mark.parametrize("width", [0.25, 1, 4096])
def test_an_exact_linear_window_may_be_narrower_than_a_step(tmp_path, width):
    """C.11.2.1.3.2."""
    path = make(tmp_path, RAMP, bits=12, WindowCenter=2048, WindowWidth=width, VOILUTFunction="LINEAR_EXACT")
    expected = np.clip((RAMP.astype(float) - 2048) / width + 0.5, 0, 1)
    np.testing.assert_allclose(read_image(path).values, expected, atol=1e-6)


def test_a_steep_sigmoid_neither_overflows_nor_warns(tmp_path, recwarn):
    """C.11.2.1.3.1."""
    path = make(tmp_path, RAMP, bits=12, WindowCenter=2048, WindowWidth=1, VOILUTFunction="SIGMOID")
    values = read_image(path).values
    assert (values[RAMP < 2040] < 1e-6).all()
    assert (values[RAMP > 2056] > 1 - 1e-6).all()
    assert values.flat[2048] == pytest.approx(0.5)
    assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]


def test_a_fractional_slope_of_signed_pixels(tmp_path):
    header = {"RescaleSlope": "0.25", "RescaleIntercept": "-100.5", "RescaleType": "US"}
    path = make(tmp_path, SIGNED, bits=12, **header, WindowCenter=-100, WindowWidth=300)
    np.testing.assert_allclose(read_image(path).values, linear(SIGNED * 0.25 - 100.5, -100, 300), atol=1e-6)


def test_a_negative_slope_turns_the_window_with_it(tmp_path):
    header = {"RescaleSlope": -1, "RescaleIntercept": 4095, "RescaleType": "US"}
    path = make(tmp_path, RAMP, bits=12, **header, WindowCenter=1000, WindowWidth=800)
    np.testing.assert_allclose(read_image(path).values, linear(4095.0 - RAMP, 1000, 800), atol=1e-6)


def test_numbers_with_blanks_and_more_centers_than_widths(tmp_path):
    path = make(tmp_path, RAMP, bits=12, WindowCenter=[" 1800 ", "2000"], WindowWidth="900 ")
    np.testing.assert_allclose(read_image(path).values, linear(RAMP, 1800, 900), atol=1e-6)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=["implicit", "explicit", "big endian"])
def test_negative_padding_of_signed_pixels(tmp_path, syntax):
    """The VR of the padding follows the pixels'; in implicit VR nothing else says so."""
    pixels = SIGNED.copy()
    pixels[:, :7] = -2000
    made = dataset(pixels, syntax, bits=12, WindowCenter=-1000, WindowWidth=3000)
    made.add_new("PixelPaddingValue", "SS", -2000)
    values = read_image(save(made, tmp_path)).values
    assert not values[:, :7].any()
    there = pixels != -2000
    np.testing.assert_allclose(values[there], linear(pixels, -1000, 3000)[there], atol=1e-6)


@pytest.mark.parametrize("value, limit", [(0, 63), (63, 0)])
def test_a_range_of_padding_is_black_for_monochrome1_whichever_end_comes_first(tmp_path, value, limit):
    header = {
        "PixelPaddingValue": value,
        "PixelPaddingRangeLimit": limit,
        "WindowCenter": 2048,
        "WindowWidth": 4096,
    }
    path = make(tmp_path, RAMP, bits=12, PhotometricInterpretation="MONOCHROME1", **header)
    values = read_image(path).values
    assert not values[0].any()
    np.testing.assert_allclose(values[1:], 1 - linear(RAMP, 2048, 4096)[1:], atol=1e-6)


def test_padding_is_told_by_stored_values_not_by_rescaled_ones(tmp_path):
    header = {"RescaleSlope": 1, "RescaleIntercept": 100, "RescaleType": "US", "PixelPaddingValue": 100}
    values = read_image(make(tmp_path, RAMP, bits=12, **header, WindowCenter=2000, WindowWidth=4500)).values
    assert values.flat[100] == 0
    assert values.flat[0] > 0


def test_an_image_of_one_value_without_a_window_is_black(tmp_path):
    assert not read_image(make(tmp_path, np.full((9, 9), 77, np.uint16), bits=12)).values.any()


def test_an_image_of_padding_alone_is_black(tmp_path):
    path = make(tmp_path, np.full((9, 9), 77, np.uint16), bits=12, PixelPaddingValue=77)
    assert not read_image(path).values.any()


@pytest.mark.parametrize(
    "attributes",
    [
        {"BitsStored": 0, "HighBit": 0},
        {"BitsStored": 17},
        {"WindowCenter": "nan", "WindowWidth": "10"},
        {"WindowCenter": 10, "WindowWidth": -5},
        {"VOILUTSequence": lut(np.zeros(4), 0, 40)},
        {"VOILUTSequence": lut(np.zeros(4), 0, 12, data=b"")},
        {"VOILUTSequence": lut(np.zeros(400), 0, 12, data=b"\0\0")},
        {"VOILUTSequence": lut(np.zeros(4), 0, 0)},
    ],
    ids=[
        "no bits",
        "17 bits",
        "nan",
        "negative",
        "deep table",
        "empty table",
        "short table",
        "table of no bits",
    ],
)
def test_headers_that_make_no_sense_are_refused_in_one_line(tmp_path, attributes):
    with pydicom.config.disable_value_validation():
        path = make(tmp_path, RAMP, **({"bits": 12} | attributes))
    with pytest.raises(DataError, match=r"^[^\n]*image\.dcm: [^\n]+$"):
        read_image(path)


def test_a_slope_that_is_no_number_is_refused_in_one_line(tmp_path):
    path = make(tmp_path, RAMP, bits=12, RescaleSlope="1.25", RescaleIntercept="0")
    path.write_bytes(path.read_bytes().replace(b"1.25", b"some"))
    with pytest.raises(DataError, match=r"^[^\n]*image\.dcm: [^\n]+$"):
        read_image(path)


def test_values_that_are_shifted_up_to_a_higher_high_bit(tmp_path):
    path = make(tmp_path, RAMP << 4, bits=12, HighBit=15, WindowCenter=2048, WindowWidth=4096)
    np.testing.assert_allclose(read_image(path).values, linear(RAMP, 2048, 4096), atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "value", "stored"),
    [(np.uint16, 65535, 65535), (np.int16, 2048, -2048), (np.int16, 63488, -2048)],
    ids=["bits above the stored ones", "the sign of the stored bits", "the sign of all bits"],
)
def test_padding_is_read_as_the_pixels_are(tmp_path, dtype, value, stored):
    pixels = np.linspace(100, 2000, 1200).reshape(40, 30).astype(dtype)
    pixels[:, 20:] = stored
    made = dataset(pixels, bits=12, WindowCenter=1000, WindowWidth=2000)
    made.add_new("PixelPaddingValue", "US", value)
    values = read_image(save(made, tmp_path)).values
    assert not values[:, 20:].any() and values[:, :20].all()


def test_signed_jpeg_2000_of_more_bits_than_the_header_says(tmp_path):
    pixels = np.linspace(-4000, 4000, 64 * 64).reshape(64, 64).round().astype(np.int16)
    window = {"WindowCenter": 0, "WindowWidth": 8000, "VOILUTFunction": "LINEAR_EXACT"}
    made = dataset(pixels, uid.JPEG2000Lossless, bits=13, **window)
    made.BitsStored, made.HighBit = 12, 11
    np.testing.assert_allclose(read_image(save(made, tmp_path)).values, pixels / 8000 + 0.5, atol=1e-6)
