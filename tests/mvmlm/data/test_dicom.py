"""DICOM files written here with pydicom, each read back against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid

from mvmlm.data.dicom import read_dicom
from mvmlm.data.pixels import Meta, read_image
from mvmlm.errors import DataError

RAMP = np.linspace(0, 4095, 40 * 30).reshape(40, 30).astype(np.uint16)


def a_file(pixels=RAMP, bits=12, **elements) -> FileDataset:
    """A mammogram with these pixels; elements by keyword replace or add."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2"
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["test"])
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID, file.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    file.Modality, file.PhotometricInterpretation, file.SamplesPerPixel = "MG", "MONOCHROME2", 1
    file.Rows, file.Columns = pixels.shape
    file.BitsAllocated = pixels.dtype.itemsize * 8
    file.BitsStored, file.HighBit = bits, bits - 1
    file.PixelRepresentation = int(pixels.dtype.kind == "i")
    file.PixelData = pixels.tobytes()
    for name, value in elements.items():
        setattr(file, name, value)
    return file


@pytest.fixture
def read(tmp_path):
    """Write a data set and read it back."""

    def both(file: FileDataset, intensity: str = "voi"):
        path = tmp_path / "image.dcm"
        file.save_as(path, enforce_file_format=True)
        return read_dicom(path, intensity)

    return both


def linear(values, center, width):
    """PS3.3 C.11.2.1.2.1, case by case."""
    values = np.asarray(values, float)
    shown = (values - (center - 0.5)) / (width - 1) + 0.5
    shown = np.where(values <= center - 0.5 - (width - 1) / 2, 0, shown)
    return np.where(values > center - 0.5 + (width - 1) / 2, 1, shown)


def exact(values, center, width):
    """PS3.3 C.11.2.1.3.2."""
    return np.clip((np.asarray(values, float) - center) / width + 0.5, 0, 1)


def sigmoid(values, center, width):
    """PS3.3 C.11.2.1.3.1."""
    return 1 / (1 + np.exp(-4 * (np.asarray(values, float) - center) / width))


@pytest.mark.parametrize("bits, dtype", [(8, np.uint8), (12, np.uint16), (14, np.uint16), (16, np.uint16)])
def test_without_a_window_the_extremes_are_black_and_white(read, bits, dtype):
    pixels = np.linspace(3, 2**bits - 1, 1200).reshape(40, 30).astype(dtype)
    values = read(a_file(pixels, bits)).values
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, (pixels - 3.0) / (2**bits - 4), atol=1e-6)


def test_monochrome1_is_turned_so_that_air_is_black(read):
    plain, turned = read(a_file()).values, read(a_file(PhotometricInterpretation="MONOCHROME1")).values
    np.testing.assert_allclose(turned, 1 - plain, atol=1e-6)


@pytest.mark.parametrize("function, formula", [("LINEAR", linear), ("LINEAR_EXACT", exact), ("SIGMOID", sigmoid)])
def test_each_window_function_is_the_standards(read, function, formula):
    file = a_file(WindowCenter=1800, WindowWidth=900, VOILUTFunction=function)
    np.testing.assert_allclose(read(file).values, formula(RAMP, 1800, 900), atol=1e-5)


def test_the_window_is_linear_where_no_function_is_said_and_the_first_of_several(read):
    file = a_file(WindowCenter=[1000, 3000], WindowWidth=[500, 100])
    np.testing.assert_allclose(read(file).values, linear(RAMP, 1000, 500), atol=1e-5)


def test_the_window_applies_to_rescaled_values(read):
    file = a_file(RescaleSlope=2, RescaleIntercept=-1000, RescaleType="US", WindowCenter=2500, WindowWidth=3000)
    np.testing.assert_allclose(read(file).values, linear(RAMP * 2.0 - 1000, 2500, 3000), atol=1e-5)


@pytest.mark.parametrize("bits", [12, 16])
def test_signed_pixels(read, bits):
    pixels = np.linspace(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 1200).reshape(40, 30).astype(np.int16)
    file = a_file(pixels, bits, WindowCenter=0, WindowWidth=1000)
    np.testing.assert_allclose(read(file).values, linear(pixels, 0, 1000), atol=1e-5)


def lut(entries: np.ndarray, first: int, bits: int) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    item.add_new("LUTData", "OW", entries.astype(np.uint16).tobytes())
    return Sequence([item])


def test_a_voi_table_goes_before_the_window(read):
    entries = np.round(1023 * np.sqrt(np.linspace(0, 1, 2000)))
    file = a_file(VOILUTSequence=lut(entries, 500, 10), WindowCenter=1, WindowWidth=2)
    expected = entries[np.clip(RAMP.astype(int) - 500, 0, 1999)] / 1023
    np.testing.assert_allclose(read(file).values, expected, atol=1e-6)


def test_percentile_leaves_windows_and_tables_aside(read):
    file = a_file(WindowCenter=1000, WindowWidth=10, VOILUTSequence=lut(np.zeros(16), 0, 8))
    np.testing.assert_allclose(read(file, "percentile").values, RAMP / 4095, atol=1e-6)


@pytest.mark.parametrize("interpretation, value", [("MONOCHROME2", 0), ("MONOCHROME1", 4095)])
def test_padding_is_black_and_does_not_stretch_the_rest(read, interpretation, value):
    pixels = (1000 + RAMP // 4).astype(np.uint16)
    pixels[:, 20:] = value
    values = read(a_file(pixels, PhotometricInterpretation=interpretation, PixelPaddingValue=value)).values
    assert not values[:, 20:].any()
    assert values[:, :20].min() == 0
    assert values[:, :20].max() == 1


def test_a_range_of_padding(read):
    pixels = RAMP.copy()
    values = read(a_file(pixels, PixelPaddingValue=0, PixelPaddingRangeLimit=100)).values
    assert not values[pixels <= 100].any()
    assert values[pixels > 200].all()


def test_padding_of_signed_pixels_given_without_its_sign(read):
    pixels = (RAMP // 2).astype(np.int16)
    pixels[:5] = -2000
    file = a_file(pixels, 16)
    file.add_new("PixelPaddingValue", "US", 2**16 - 2000)
    assert read(file).values[5:].max() == 1
    np.testing.assert_allclose(read(file).values[8, 0], (pixels[8, 0] - pixels[5, 0]) / np.ptp(pixels[5:]), atol=1e-6)


def test_run_length_encoded_pixels_are_the_same(read):
    file = a_file(WindowCenter=2048, WindowWidth=4096)
    plain = read(file).values
    file.compress(RLELossless, generate_instance_uid=False)
    np.testing.assert_array_equal(read(file).values, plain)


def test_what_the_header_says(read):
    meta = read(a_file(ImageLaterality="R", ViewPosition="MLO", WindowCenter=2048, WindowWidth=4096)).meta
    assert meta == Meta("R", "MLO", without_window=False)
    assert read(a_file()).meta == Meta(None, None, without_window=True)
    assert read(a_file(), "percentile").meta == Meta(None, None, without_window=False)


@pytest.mark.parametrize("code, view", [("399162004", "CC"), ("R-10226", "MLO"), ("999", None)])
def test_the_view_from_its_code(read, code, view):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "SCT", "view"
    assert read(a_file(ViewCodeSequence=Sequence([item]))).meta.view == view


def test_empty_window_elements_count_as_none(read):
    np.testing.assert_allclose(read(a_file(WindowCenter=None, WindowWidth=None)).values, RAMP / 4095, atol=1e-6)


def test_a_window_without_width_is_refused(read):
    with pytest.raises(DataError, match=r"window width 0.*percentile"):
        read(a_file(WindowCenter=100, WindowWidth=0))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.99])
def test_a_truncated_file_is_named(tmp_path, share):
    path = tmp_path / "cut.dcm"
    a_file().save_as(path, enforce_file_format=True)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match=r"cut\.dcm: .*(truncated|no DICOM|no pixel data)"):
        read_image(path)


def test_a_file_that_is_no_dicom(tmp_path):
    path = tmp_path / "letter.dcm"
    path.write_text("Dear colleague, " * 100)
    with pytest.raises(DataError, match=r"letter\.dcm: is no DICOM file"):
        read_image(path)


def test_a_file_without_pixels(read):
    file = a_file()
    del file.PixelData
    with pytest.raises(DataError, match="has no pixel data"):
        read(file)


def test_several_frames_are_refused(read):
    with pytest.raises(DataError, match="has 2 frames: a tomosynthesis or multi-frame volume"):
        read(a_file(NumberOfFrames=2, PixelData=RAMP.tobytes() * 2))


def test_a_transfer_syntax_that_nothing_decodes(read):
    file = a_file()
    file.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML
    file.PixelData = pydicom.encaps.encapsulate([b"\0" * 32])
    file["PixelData"].is_undefined_length = True
    with pytest.raises(DataError, match="cannot be decoded"):
        read(file)


def test_a_dicom_file_is_known_by_its_content_whatever_its_name(tmp_path):
    path = tmp_path / "1.2.840.113.7"
    a_file().save_as(path, enforce_file_format=True)
    np.testing.assert_allclose(read_image(path).values, RAMP / 4095, atol=1e-6)
