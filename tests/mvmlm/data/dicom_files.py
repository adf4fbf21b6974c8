"""DICOM files for tests: any pixels in any transfer syntax, with any header."""

from __future__ import annotations

import zlib
from pathlib import Path

import imagecodecs
import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

MAMMOGRAM = "1.2.840.10008.5.1.4.1.1.1.2"
NEAR = 3  # what a near-lossless JPEG-LS value may be off


def _jpeg(pixels: np.ndarray, bits: int) -> bytes:
    return imagecodecs.jpeg8_encode(pixels, level=100, bitspersample=bits)


def _lossless_jpeg(predictor: int):
    def encode(pixels: np.ndarray, bits: int) -> bytes:
        return imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=predictor, bitspersample=bits)

    return encode


def _jpeg_ls(near: int):
    return lambda pixels, bits: imagecodecs.jpegls_encode(pixels, level=near)


def _jpeg_2000(**how):
    return lambda pixels, bits: imagecodecs.jpeg2k_encode(
        pixels, codecformat="j2k", bitspersample=bits, **how
    )


#: Pixels as stored and their bits, to one compressed frame.
ENCODERS = {
    uid.JPEGBaseline8Bit: _jpeg,
    uid.JPEGExtended12Bit: _jpeg,
    uid.JPEGLossless: _lossless_jpeg(4),
    uid.JPEGLosslessSV1: _lossless_jpeg(1),
    uid.JPEGLSLossless: _jpeg_ls(0),
    uid.JPEGLSNearLossless: _jpeg_ls(NEAR),
    uid.JPEG2000Lossless: _jpeg_2000(level=0, reversible=True),
    uid.JPEG2000: _jpeg_2000(level=60),
}


def dataset(
    pixels: np.ndarray, syntax: str = uid.ExplicitVRLittleEndian, *, bits: int | None = None, **attributes
):
    """A mammogram with these pixels, uncompressed or compressed.

    Parameters
    ----------
    pixels : ndarray, shape (H, W), uint8, uint16, int8 or int16
    bits : int, optional
        Bits Stored; without it, as many as are allocated.
    attributes
        Elements by keyword, replaced or added; None removes one.
    """
    syntax = uid.UID(syntax)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        MAMMOGRAM,
        uid.generate_uid(entropy_srcs=["test"]),
    )
    made = FileDataset("", {}, b"\0" * 128, meta, syntax.is_implicit_VR, syntax.is_little_endian)
    made.SOPClassUID, made.SOPInstanceUID = MAMMOGRAM, meta.MediaStorageSOPInstanceUID
    made.Modality, made.PhotometricInterpretation, made.SamplesPerPixel = "MG", "MONOCHROME2", 1
    made.Rows, made.Columns = pixels.shape
    made.BitsAllocated = 8 * pixels.dtype.itemsize
    made.BitsStored = bits or made.BitsAllocated
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    order = ">" if syntax == uid.ExplicitVRBigEndian else "<"
    made.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    made["PixelData"].VR = "OW" if pixels.dtype.itemsize > 1 else "OB"
    if syntax == uid.RLELossless:
        meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        made.compress(syntax, encoding_plugin="pydicom", generate_instance_uid=False)
    elif syntax in ENCODERS:
        set_frame(made, ENCODERS[syntax](pixels, made.BitsStored))
    for name, value in attributes.items():
        if value is None:
            delattr(made, name)
        else:
            setattr(made, name, value)
    return made


def set_frame(made: FileDataset, *fragments: bytes) -> None:
    """Put a compressed frame in, in one fragment or several."""
    made.PixelData = encapsulate(list(fragments), has_bot=False)
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True


def save(made: FileDataset, folder: Path, name: str = "image.dcm") -> Path:
    """Write a data set by its transfer syntax."""
    path = folder / name
    made.save_as(path, enforce_file_format=True)
    return path


def make(folder: Path, pixels: np.ndarray, syntax: str = uid.ExplicitVRLittleEndian, **attributes) -> Path:
    """Write a mammogram; see `dataset`."""
    return save(dataset(pixels, syntax, **attributes), folder)


def exact_window(bits: int, signed: bool = False) -> dict:
    """Header of a window under which a grey value is the stored one over 2**bits, half of that range more if signed."""
    center = 0 if signed else 2 ** (bits - 1)
    return {"WindowCenter": center, "WindowWidth": 2**bits, "VOILUTFunction": "LINEAR_EXACT"}


def lut(
    entries: np.ndarray, first: int, bits: int, *, descriptor: str = "US", data: bytes | None = None
) -> Sequence:
    """A sequence of one look-up table, its entries as words."""
    item = Dataset()
    item.add_new("LUTDescriptor", descriptor, [len(entries) % 2**16, first, bits])
    item.add_new("LUTData", "OW", np.asarray(entries, "<u2").tobytes() if data is None else data)
    return Sequence([item])


def code(value: str, scheme: str = "SCT", **attributes) -> Dataset:
    """An item of a code sequence."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "test"
    for name, inner in attributes.items():
        setattr(item, name, inner)
    return item


def element(tag: int, vr: bytes, value: bytes, *, length: int | None = None) -> bytes:
    """An element in explicit VR little endian, with a length that may be a lie."""
    length = len(value) if length is None else length
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little") + vr
    if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
        return head + b"\0\0" + length.to_bytes(4, "little") + value
    return head + length.to_bytes(2, "little") + value


def part10(elements: bytes, syntax: str = uid.ExplicitVRLittleEndian) -> bytes:
    """A file of raw elements, with its preamble and file meta group; deflated where its syntax says so."""
    named = syntax.encode() + b"\0" * (len(syntax) % 2)
    meta = element(0x00020010, b"UI", named)
    group = element(0x00020000, b"UL", len(meta).to_bytes(4, "little"))
    if syntax == uid.DeflatedExplicitVRLittleEndian:
        packer = zlib.compressobj(level=1, wbits=-zlib.MAX_WBITS)
        elements = packer.compress(elements) + packer.flush()
    return b"\0" * 128 + b"DICM" + group + meta + elements
