"""Decoders of compressed pixels: the JPEG family and RLE for pydicom, and JPEG 2000 at a part of its resolution.

JPEG 2000 goes through pydicom's own plugin. For JPEG and JPEG-LS its plugin is four times slower than imagecodecs and
comes under the GPL, and that for RLE takes its process down with a damaged frame: for these, imagecodecs is plugged in
here, through the interface that pydicom has for it. Which plugin decodes what is fixed: all machines decode alike.
"""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np
from pydicom import uid

PLUGIN = "imagecodecs"
JPEG_LOSSLESS = (uid.JPEGLossless, uid.JPEGLosslessSV1)
JPEG_LOSSY = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit)
SYNTAXES = (*JPEG_LOSSY, *JPEG_LOSSLESS, uid.JPEGLSLossless, uid.JPEGLSNearLossless, uid.RLELossless)
REDUCIBLE = (uid.JPEG2000Lossless, uid.JPEG2000)
DECODER_DEPENDENCIES = {syntax: ("imagecodecs",) for syntax in SYNTAXES}


def is_available(syntax: str) -> bool:
    """Whether this plugin decodes a transfer syntax; pydicom asks."""
    return syntax in SYNTAXES


def decode_frame(source: bytes, runner: Any) -> memoryview:
    """One frame's pixels as bytes, as pydicom asks for them; not copied."""
    import imagecodecs

    if runner.transfer_syntax == uid.RLELossless:
        kind = np.dtype(f"<u{runner.bits_allocated // 8}")
        decoded = imagecodecs.dicomrle_decode(source, kind.str, out=runner.rows * runner.columns * kind.itemsize)
        return memoryview(decoded)
    if runner.transfer_syntax in uid.JPEGLSTransferSyntaxes:
        decoded = imagecodecs.jpegls_decode(source)
    elif runner.transfer_syntax in JPEG_LOSSLESS:
        decoded = imagecodecs.ljpeg_decode(source)
    else:
        decoded = imagecodecs.jpeg8_decode(source)
    if decoded.ndim != 2:
        raise ValueError(f"the compressed image has {decoded.ndim} dimensions; expected one plane of grey values")
    runner.set_option("bits_allocated", 8 * decoded.dtype.itemsize)
    return memoryview(np.ascontiguousarray(decoded)).cast("B")


@cache
def plug_in() -> None:
    """Make pydicom's decoders know this plugin; once a process."""
    from pydicom.pixels import get_decoder

    for syntax in SYNTAXES:
        get_decoder(syntax).add_plugin(PLUGIN, (__name__, "decode_frame"))


def decode(dataset: Any) -> np.ndarray:
    """The stored pixels of a single-frame image, as they are: no rescale, unused bits not cleared.

    Returns
    -------
    ndarray, shape (H, W), uint8, uint16, int8, int16 or wider
        Possibly a read-only view of the file's bytes.
    """
    from pydicom.pixels import get_decoder

    plug_in()
    syntax = dataset.file_meta.TransferSyntaxUID
    decoder = get_decoder(syntax)
    which = {"decoding_plugin": PLUGIN if syntax in SYNTAXES else "pylibjpeg"} if syntax.is_encapsulated else {}
    found, _ = decoder.as_array(dataset, raw=True, index=0, view_only=True, correct_unused_bits=False, **which)
    return found


def decode_reduced(frame: bytes, reduce: int) -> np.ndarray:
    """A JPEG 2000 image at 1/2**``reduce`` of its resolution: the lower wavelet levels alone.

    Parameters
    ----------
    frame : bytes
        Codestream of unsigned grey values of up to 16 bits.

    Returns
    -------
    ndarray, shape (⌈H / 2**reduce⌉, ⌈W / 2**reduce⌉), uint16
        In the codestream's own range.
    """
    from PIL import Image as Pillow

    image = Pillow.open(io.BytesIO(frame))
    image.reduce = reduce
    image.load()
    found = np.asarray(image)
    precision = codestream_precision(frame)
    if found.dtype == np.uint8:
        return found >> max(0, 8 - precision)
    return found.astype(np.uint16) >> (16 - precision)


def reducible(shape: tuple[int, int], most: float) -> int:
    """How often, at most ``most`` times, the resolution of an image of this shape can be halved by `decode_reduced`.

    A reduced side is rounded up by JPEG 2000, and to the nearest by Pillow, which refuses an image where that differs.
    """
    fits = (r for r in range(max(0, int(most)), 0, -1) if all(-(-n // 2**r) == (n + 2**r // 2) // 2**r for n in shape))
    return next(fits, 0)


def codestream_precision(frame: bytes) -> int:
    """Bits a value of a JPEG 2000 codestream, from its SIZ marker (ISO/IEC 15444-1, A.5.1)."""
    at = frame.find(b"\xff\x51")
    if at < 0 or len(frame) < at + 41:
        raise ValueError("no SIZ marker in the JPEG 2000 codestream")
    return (frame[at + 40] & 0x7F) + 1


def levels(frame: bytes) -> int:
    """Wavelet levels of a JPEG 2000 codestream: how often its resolution can be halved (A.6.1); 0 where unknown."""
    at = frame.find(b"\xff\x52")
    return frame[at + 9] if 0 <= at < len(frame) - 9 else 0
