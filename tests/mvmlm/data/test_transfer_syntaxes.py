"""Every transfer syntax and width: what is read back is what was written.

Under a LINEAR_EXACT window of width 2**bits a grey value is v / 2**bits in binary fractions, so that «equal» here is
equal to the last bit.
"""

from __future__ import annotations

import numpy as np
import pytest
from pydicom import uid
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder

from mvmlm.data.pixels import read_image
from mvmlm.errors import DataError
from tests.mvmlm.data.dicom_files import ENCODERS, NEAR, dataset, exact_window, make, part10, save, set_frame

NATIVE = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)
LOSSLESS = (
    *NATIVE,
    uid.RLELossless,
    uid.JPEGLossless,
    uid.JPEGLosslessSV1,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
)
COMPRESSED = tuple(syntax for syntax in ENCODERS if syntax in LOSSLESS)
KNOWN_TO_GDCM = tuple(syntax for syntax in ENCODERS if syntax != uid.JPEGExtended12Bit)
SHAPE = (45, 31)  # odd, so that 8-bit pixels need a byte of padding


def noise(bits: int, dtype: type | None = None) -> np.ndarray:
    """All of the range, its ends included; signed for a signed type."""
    dtype = dtype or (np.uint8 if bits <= 8 else np.uint16)
    low = -(2 ** (bits - 1)) if np.dtype(dtype).kind == "i" else 0
    pixels = np.random.default_rng(bits).integers(low, low + 2**bits, SHAPE)
    pixels[0, :2] = low, low + 2**bits - 1
    return pixels.astype(dtype)


def slope(bits: int) -> np.ndarray:
    """A smooth image, which lossy codecs are made for."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    pixels = (2**bits - 1) * (0.1 + 0.8 * (y / SHAPE[0] + x / SHAPE[1]) / 2)
    return np.rint(pixels).astype(np.uint8 if bits <= 8 else np.uint16)


def names(syntaxes) -> list[str]:
    return [uid.UID(syntax).keyword for syntax in syntaxes]


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("syntax", LOSSLESS, ids=names(LOSSLESS))
def test_lossless_pixels_are_the_same(tmp_path, syntax, bits):
    pixels = noise(bits)
    path = make(tmp_path, pixels, syntax, bits=bits, **exact_window(bits))
    np.testing.assert_array_equal(read_image(path).values * 2**bits, pixels)


@pytest.mark.parametrize("bits, dtype", [(8, np.int8), (12, np.int16), (16, np.int16)])
@pytest.mark.parametrize("syntax", (*NATIVE, uid.RLELossless), ids=names((*NATIVE, uid.RLELossless)))
def test_signed_pixels_keep_their_sign(tmp_path, syntax, bits, dtype):
    pixels = noise(bits, dtype)
    path = make(tmp_path, pixels, syntax, bits=bits, **exact_window(bits, signed=True))
    np.testing.assert_array_equal((read_image(path).values - 0.5) * 2**bits, pixels)


@pytest.mark.parametrize("syntax", COMPRESSED, ids=names(COMPRESSED))
def test_signed_pixels_in_codecs_that_know_no_sign(tmp_path, syntax):
    """PS3.5, 8.2.1: two's complement of Bits Stored goes through the codec as if it were unsigned."""
    pixels = noise(12, np.int16)
    patterns = (pixels & 0xFFF).astype(np.uint16)
    made = dataset(patterns, syntax, bits=12, PixelRepresentation=1, **exact_window(12, signed=True))
    np.testing.assert_array_equal((read_image(save(made, tmp_path)).values - 0.5) * 2**12, pixels)


def test_signed_jpeg_2000(tmp_path):
    """JPEG 2000 knows the sign, by a bit of its SIZ segment."""
    pixels = noise(12, np.int16)
    made = dataset(pixels, uid.JPEG2000Lossless, bits=12, **exact_window(12, signed=True))
    np.testing.assert_array_equal((read_image(save(made, tmp_path)).values - 0.5) * 2**12, pixels)


LOSSY = [
    (uid.JPEGBaseline8Bit, 8, 3),
    (uid.JPEGExtended12Bit, 12, 20),
    (uid.JPEGLSNearLossless, 8, NEAR),
    (uid.JPEGLSNearLossless, 12, NEAR),
    (uid.JPEGLSNearLossless, 16, NEAR),
    (uid.JPEG2000, 8, 3),
    (uid.JPEG2000, 12, 20),
    (uid.JPEG2000, 16, 320),
]


@pytest.mark.parametrize(
    "syntax, bits, off", LOSSY, ids=[f"{uid.UID(s).keyword}-{bits}" for s, bits, _ in LOSSY]
)
def test_lossy_pixels_are_near(tmp_path, syntax, bits, off):
    """Off by at most 3 of 256 grey levels' worth at these qualities, or by what near-lossless JPEG-LS was asked for."""
    pixels = slope(bits)
    path = make(tmp_path, pixels, syntax, bits=bits, **exact_window(bits))
    assert np.abs(read_image(path).values * 2**bits - pixels).max() <= off


@pytest.mark.parametrize("syntax", KNOWN_TO_GDCM, ids=names(KNOWN_TO_GDCM))
def test_another_decoder_reads_the_same(tmp_path, syntax):
    pytest.importorskip("gdcm")
    bits = 8 if syntax == uid.JPEGBaseline8Bit else 12
    made = dataset(slope(bits), syntax, bits=bits, **exact_window(bits))
    other, _ = get_decoder(syntax).as_array(made, raw=True, decoding_plugin="gdcm")
    np.testing.assert_allclose(read_image(save(made, tmp_path)).values * 2**bits, other, atol=1.001)


@pytest.mark.parametrize("syntax", LOSSLESS, ids=names(LOSSLESS))
def test_monochrome1_is_inverted(tmp_path, syntax):
    pixels = noise(12)
    path = make(
        tmp_path, pixels, syntax, bits=12, PhotometricInterpretation="MONOCHROME1", **exact_window(12)
    )
    np.testing.assert_array_equal((1 - read_image(path).values) * 2**12, pixels)


def test_eight_bits_in_a_codec_where_the_header_allocates_sixteen(tmp_path):
    """As some machines write them: the codestream has the narrower values."""
    made = dataset(noise(8), uid.JPEGLosslessSV1, bits=8, BitsAllocated=16, **exact_window(8))
    np.testing.assert_array_equal(read_image(save(made, tmp_path)).values * 2**8, noise(8))


def test_high_bits_of_uncompressed_pixels_are_no_part_of_the_value(tmp_path):
    """Overlays stood there once (PS3.5, 8.1.1); some files have rubbish."""
    pixels = noise(12)
    path = make(tmp_path, pixels | 0xA000, bits=12, **exact_window(12))
    np.testing.assert_array_equal(read_image(path).values * 2**12, pixels)


def test_high_bits_of_signed_pixels_are_the_sign_of_the_stored_ones(tmp_path):
    pixels = noise(12, np.int16)
    dirty = ((pixels & 0xFFF) | 0x5000).astype(np.int16)
    path = make(tmp_path, dirty, bits=12, **exact_window(12, signed=True))
    np.testing.assert_array_equal((read_image(path).values - 0.5) * 2**12, pixels)


@pytest.mark.parametrize("syntax", COMPRESSED, ids=names(COMPRESSED))
def test_compressed_values_above_bits_stored_count_as_they_are(tmp_path, syntax):
    """A patient of the RSNA set has 16-bit values in files that say 12; the codec's word is taken."""
    pixels = noise(14)
    made = dataset(pixels, syntax, bits=14, **exact_window(14))
    made.BitsStored, made.HighBit = 12, 11
    np.testing.assert_array_equal(read_image(save(made, tmp_path)).values * 2**14, pixels)


@pytest.mark.parametrize("syntax", COMPRESSED, ids=names(COMPRESSED))
def test_a_frame_in_fragments(tmp_path, syntax):
    pixels = noise(12)
    made = dataset(pixels, syntax, bits=12, **exact_window(12))
    frame = ENCODERS[syntax](pixels, 12)
    set_frame(made, *(frame[i : i + 600] for i in range(0, len(frame), 600)))
    np.testing.assert_array_equal(read_image(save(made, tmp_path)).values * 2**12, pixels)


@pytest.mark.parametrize("offsets", [[0], [0, 608, 1216], [600]], ids=["right", "of each fragment", "wrong"])
def test_offsets_of_a_single_frame_do_not_matter(tmp_path, offsets):
    pixels = noise(12)
    made = dataset(pixels, uid.JPEGLosslessSV1, bits=12, **exact_window(12))
    frame = ENCODERS[uid.JPEGLosslessSV1](pixels, 12)
    items = encapsulate([frame[i : i + 600] for i in range(0, len(frame), 600)], has_bot=False)[8:]
    table = b"".join(offset.to_bytes(4, "little") for offset in offsets)
    made.PixelData = b"\xfe\xff\x00\xe0" + len(table).to_bytes(4, "little") + table + items
    np.testing.assert_array_equal(read_image(save(made, tmp_path)).values * 2**12, pixels)


def test_offsets_of_the_extended_table_do_not_matter(tmp_path):
    pixels = noise(12)
    made = dataset(pixels, uid.JPEGLosslessSV1, bits=12, **exact_window(12))
    made.ExtendedOffsetTable, made.ExtendedOffsetTableLengths = (
        (99).to_bytes(8, "little"),
        (7).to_bytes(8, "little"),
    )
    np.testing.assert_array_equal(read_image(save(made, tmp_path)).values * 2**12, pixels)


def test_a_jpeg_2000_frame_in_the_boxes_of_a_jp2_file(tmp_path):
    """Against PS3.5, 8.2.4, and yet seen."""
    import imagecodecs

    pixels = noise(12)
    made = dataset(pixels, uid.JPEG2000Lossless, bits=12, **exact_window(12))
    boxed = imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True, codecformat="jp2", bitspersample=12)
    set_frame(made, boxed)
    np.testing.assert_array_equal(read_image(save(made, tmp_path)).values * 2**12, pixels)


@pytest.mark.parametrize("syntax", NATIVE[:3], ids=names(NATIVE[:3]))
def test_a_file_without_preamble_and_meta(tmp_path, syntax):
    """As older archives wrote them: the data set alone, whose syntax is seen from its first element."""
    pixels = noise(12)
    whole = make(tmp_path, pixels, syntax, bits=12, **exact_window(12)).read_bytes()
    start = 128 + 4 + 12 + int.from_bytes(whole[140:144], "little")
    path = tmp_path / "bare.dcm"
    path.write_bytes(whole[start:])
    np.testing.assert_array_equal(read_image(path).values * 2**12, pixels)


def test_a_file_whose_elements_are_implicit_where_its_meta_says_explicit(tmp_path):
    pixels = noise(12)
    whole = make(tmp_path, pixels, uid.ImplicitVRLittleEndian, bits=12, **exact_window(12)).read_bytes()
    start = 128 + 4 + 12 + int.from_bytes(whole[140:144], "little")
    path = tmp_path / "mixed.dcm"
    path.write_bytes(part10(whole[start:], uid.ExplicitVRLittleEndian))
    np.testing.assert_array_equal(read_image(path).values * 2**12, pixels)


@pytest.mark.parametrize(
    "syntax", (uid.ExplicitVRLittleEndian, uid.JPEG2000Lossless), ids=["native", "compressed"]
)
def test_what_follows_the_pixels_does_not_matter(tmp_path, syntax):
    pixels = noise(12)
    path = make(tmp_path, pixels, syntax, bits=12, **exact_window(12))
    path.write_bytes(path.read_bytes() + b"\0" * 333 + b"rubbish")
    np.testing.assert_array_equal(read_image(path).values * 2**12, pixels)


@pytest.mark.parametrize("interpretation", ["RGB", "YBR_FULL_422", "PALETTE COLOR", "MONOCHROME3", "", None])
def test_colours_are_refused_in_one_line(tmp_path, interpretation):
    path = make(tmp_path, noise(8), PhotometricInterpretation=interpretation)
    with pytest.raises(DataError, match=r"image\.dcm: .*expected MONOCHROME1 or MONOCHROME2$"):
        read_image(path)


def test_several_samples_a_pixel_are_refused_in_one_line(tmp_path):
    made = dataset(noise(8), PhotometricInterpretation="RGB", SamplesPerPixel=3, PlanarConfiguration=0)
    made.PixelData = made.PixelData[:-1] * 3 + b"\0"
    with pytest.raises(DataError, match=r"image\.dcm: has 3 samples a pixel; expected one grey value$"):
        read_image(save(made, tmp_path))


@pytest.mark.parametrize("syntax", (*ENCODERS, uid.RLELossless), ids=names((*ENCODERS, uid.RLELossless)))
def test_one_decoder_a_syntax_whatever_else_is_installed(tmp_path, syntax, monkeypatch):
    """The same values on every machine, and no second decoder that a damaged frame could bring down."""
    from pydicom.pixels.decoders.base import DecodeRunner

    asked, plain = [], DecodeRunner.set_decoders
    monkeypatch.setattr(
        DecodeRunner, "set_decoders", lambda self, found: (asked.append(list(found)), plain(self, found))[1]
    )
    bits = 8 if syntax == uid.JPEGBaseline8Bit else 12
    read_image(make(tmp_path, slope(bits), syntax, bits=bits))
    assert [len(names) for names in asked] == [1], asked
