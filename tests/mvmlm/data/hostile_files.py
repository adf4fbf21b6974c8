"""DICOM files that lie, by name, each with what is said of it as an image."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
from pydicom import uid

from tests.mvmlm.data.dicom_files import ENCODERS, element, part10

MIB = 2**20
SEQUENCE_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
ITEM = b"\xfe\xff\x00\xe0"
WHOLE = ITEM + b"\xff\xff\xff\xff"
NOISE = np.random.default_rng(0).integers(0, 4096, (64, 48)).astype(np.uint16)


def claims(rows: int = 10, columns: int = 10, bits: int = 16, **others: bytes) -> bytes:
    """The elements of an image, but for its pixels."""
    found = element(0x00080060, b"CS", b"MG") + element(0x00280002, b"US", others.get("samples", b"\1\0"))
    found += element(0x00280004, b"CS", b"MONOCHROME2 ") + others.get("frames", b"")
    for tag, number in (
        (0x00280010, rows),
        (0x00280011, columns),
        (0x00280100, bits),
        (0x00280101, min(bits, 12)),
    ):
        found += element(tag, b"US", struct.pack("<H", number))
    return found + element(0x00280102, b"US", b"\x0b\0") + element(0x00280103, b"US", b"\0\0")


def native(pixels: bytes, **how) -> bytes:
    return element(0x7FE00010, b"OW", pixels, **how)


def encapsulated(*fragments: bytes, offsets: bytes = b"", end: bytes = SEQUENCE_END) -> bytes:
    items = b"".join(ITEM + struct.pack("<I", len(f)) + f for f in (offsets, *fragments))
    return element(0x7FE00010, b"OB", items + end, length=0xFFFFFFFF)


def compressed(syntax: str, frame: bytes, rows: int = 64, columns: int = 48) -> bytes:
    return part10(claims(rows, columns) + encapsulated(frame + b"\0" * (len(frame) % 2)), syntax)


def jpeg(edit: Callable[[bytes], bytes], syntax: str = uid.JPEGLosslessSV1) -> bytes:
    """A file whose frame, of 64 by 48 pixels, is edited."""
    return compressed(syntax, edit(ENCODERS[syntax](NOISE, 12)))


def resized(start_of_frame: bytes) -> Callable[[bytes], bytes]:
    def edit(frame: bytes) -> bytes:
        at = frame.index(start_of_frame)
        return frame[: at + 5] + struct.pack(">HH", 60000, 60000) + frame[at + 9 :]

    return edit


def twice(frame: bytes) -> bytes:
    at = frame.index(b"\xff\xc3")
    segment = frame[at : at + 13]
    return frame[:at] + segment[:5] + struct.pack(">HH", 60000, 60000) + segment[9:] + frame[at:]


def j2k(edit: Callable[[bytearray, int, int], None], size: int | None = None) -> bytes:
    """A JPEG 2000 file whose frame is edited, with the places of its SIZ and COD segments."""
    pixels = NOISE if size is None else np.zeros((size, size), np.uint16)
    frame = bytearray(ENCODERS[uid.JPEG2000Lossless](pixels, 12))
    edit(frame, frame.index(b"\xff\x51"), frame.index(b"\xff\x52"))
    return compressed(uid.JPEG2000Lossless, bytes(frame), *pixels.shape)


def huge(frame: bytearray, siz: int, cod: int) -> None:
    frame[siz + 6 : siz + 14] = struct.pack(">II", 60000, 60000)


def huge_tile(frame: bytearray, siz: int, cod: int) -> None:
    frame[siz + 22 : siz + 30] = struct.pack(">II", 1, 1)


def many_components(frame: bytearray, siz: int, cod: int) -> None:
    frame[siz + 2 : siz + 4] = struct.pack(">H", 38 + 3 * 900)
    frame[siz + 38 : siz + 40] = struct.pack(">H", 900)
    frame[siz + 43 : siz + 43] = b"\x0b\x01\x01" * 899


def tiny_precincts(frame: bytearray, siz: int, cod: int) -> None:
    """Precincts of 2 by 2: OpenJPEG then takes 2 GB and 10 s for 2048 by 2048 pixels, from 300 bytes."""
    length, levels = struct.unpack(">H", frame[cod + 2 : cod + 4])[0], frame[cod + 9]
    frame[cod + 4] |= 1
    frame[cod + 2 : cod + 4] = struct.pack(">H", length + levels + 1)
    frame[cod + 2 + length : cod + 2 + length] = b"\x11" * (levels + 1)


def tiny_precincts_of_a_tile(frame: bytearray, siz: int, cod: int) -> None:
    """The same, in the header of a tile, which goes before the main one."""
    length, levels = struct.unpack(">H", frame[cod + 2 : cod + 4])[0], frame[cod + 9]
    own = bytearray(frame[cod : cod + 2 + length]) + b"\x11" * (levels + 1)
    own[4] |= 1
    own[2:4] = struct.pack(">H", length + levels + 1)
    at = frame.index(b"\xff\x90")
    part = struct.unpack(">I", frame[at + 6 : at + 10])[0]
    frame[at + 6 : at + 10] = struct.pack(">I", part + len(own) if part else 0)
    frame[at + 12 : at + 12] = own


def hidden_style(frame: bytearray, siz: int, cod: int) -> None:
    """A COD within a segment of an unknown kind, where OpenJPEG goes on reading."""
    length = struct.unpack(">H", frame[cod + 2 : cod + 4])[0]
    own = bytes(frame[cod : cod + 2 + length])
    frame[cod:cod] = b"\xff\x70" + struct.pack(">H", 2 + len(own)) + own


def endless_tiles(frame: bytearray, siz: int, cod: int) -> None:
    at = frame.index(b"\xff\x90")
    frame[at + 6 : at + 10] = struct.pack(">I", 1)


def endless_boxes(frame: bytearray, siz: int, cod: int) -> None:
    frame[:0] = struct.pack(">I", 12) + b"jP  \r\n\x87\n" + struct.pack(">I", 0) + b"jp2h"


def nested(depth: int, closed: bool) -> bytes:
    """Sequences within each other, of undefined length."""
    begin = b"\x54\0\x20\x02SQ\0\0\xff\xff\xff\xff" + WHOLE
    end = b"\xfe\xff\x0d\xe0\0\0\0\0" + SEQUENCE_END
    return element(0x00080060, b"CS", b"MG") + begin * depth + (end * depth if closed else b"")


def nested_within_lengths(depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        inner = element(0x00540220, b"SQ", ITEM + struct.pack("<I", len(inner)) + inner)
    return element(0x00080060, b"CS", b"MG") + inner


def empty_elements(count: int) -> bytes:
    return b"".join(b"\x09\x01" + struct.pack("<H", i % 65536) + b"CS\0\0" for i in range(count))


def rle_bomb() -> bytes:
    """Two segments: the one unpacks to 60 MiB, the other, too short, makes a decoder fail and the next one try."""
    bomb = b"\x81\0" * (60 * MIB // 128)
    head = struct.pack("<16L", 2, 64, 64 + len(bomb), *([0] * 13))
    return compressed(uid.RLELossless, head + bomb + b"\0\0")


def long_text() -> bytes:
    """A window of half a million numbers, in implicit VR, where lengths have 32 bits."""
    text = b"1\\" * (MIB // 4)
    long = b"\x28\0\x50\x10" + struct.pack("<I", len(text)) + text
    return b"\x08\0\x60\0" + struct.pack("<I", 2) + b"MG" + long


DEFLATED = uid.DeflatedExplicitVRLittleEndian
J2K = uid.JPEG2000Lossless
PIXELS = bytes(200)
#: Name to what makes the file's bytes, and what is said of it as an image.
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "a huge claim": (lambda: part10(claims(60000, 60000) + native(PIXELS)), "claims 60000×60000 pixels"),
    "no rows": (lambda: part10(claims(0, 10) + native(PIXELS)), "claims 0×10 pixels"),
    "1 bit": (lambda: part10(claims(bits=1) + native(PIXELS)), "1 bits allocated"),
    "12 bits": (lambda: part10(claims(bits=12) + native(PIXELS)), "12 bits allocated"),
    "64 bits": (lambda: part10(claims(bits=64) + native(PIXELS * 4)), "64 bits allocated"),
    "frames": (
        lambda: part10(claims(frames=element(0x00280008, b"IS", b"2000000000")) + native(PIXELS)),
        "2000000000 frames: a tomosynthesis or multi-frame volume, which is kept apart",
    ),
    "samples": (lambda: part10(claims(samples=b"\3\0") + native(PIXELS)), "3 samples a pixel"),
    "no image": (lambda: part10(element(0x00080060, b"CS", b"MG")), "no Rows, Columns, BitsAllocated"),
    "pixels of floating point": (
        lambda: part10(claims(bits=16) + element(0x7FE00008, b"OW", PIXELS)),
        "floating point",
    ),
    "pixels cut off": (lambda: part10(claims(100, 100) + native(PIXELS)), "truncated: 200 bytes"),
    "pixels of a false length": (
        lambda: part10(claims(100, 100) + native(PIXELS, length=0xFFFFFFF0)),
        "truncated: 200 bytes",
    ),
    "no fragments": (lambda: part10(claims() + native(PIXELS), J2K), "not in fragments"),
    "fragments where none belong": (
        lambda: part10(claims() + encapsulated(PIXELS)),
        "compressed pixel data, but is of transfer syntax Explicit VR Little Endian",
    ),
    "fragments without an end": (
        lambda: part10(claims() + encapsulated(PIXELS, end=b""), J2K),
        "truncated",
    ),
    "offsets of 16 MiB": (
        lambda: part10(claims() + encapsulated(PIXELS, offsets=bytes(16 * MIB)), J2K),
        "neither JPEG nor JPEG 2000",
    ),
    "200 000 fragments": (
        lambda: part10(claims() + encapsulated(*([b""] * 200_000)), J2K),
        "elements or fragments",
    ),
    "an unknown transfer syntax": (
        lambda: part10(claims() + native(PIXELS), "1.2.3"),
        "transfer syntax 1.2.3",
    ),
    "a deflated header without end": (
        lambda: part10(bytes(200 * MIB), DEFLATED),
        "inflates to more than 8 MiB",
    ),
    "deflated pixels without end": (
        lambda: part10(claims() + native(bytes(200 * MIB)), DEFLATED),
        "inflates to more than 16 MiB, where its header claims 0.0",
    ),
    "deflated rubbish": (
        lambda: part10(b"", DEFLATED)[:-2] + b"\xffrubbish" * 50,
        "cannot be read, truncated perhaps",
    ),
    "a deflated part cut off": (
        lambda: part10(claims() + native(PIXELS), DEFLATED)[:-9],
        "deflated part is truncated",
    ),
    "200 000 elements": (lambda: part10(empty_elements(200_000)), "more than 50000 elements"),
    "a value of a false length": (
        lambda: part10(claims() + element(0x00290010, b"UN", b"short", length=0xFFFFFFF0)),
        "truncated within its header",
    ),
    "20 000 sequences in each other": (lambda: part10(nested(20_000, closed=True)), "in each other"),
    "sequences without an end": (lambda: part10(nested(50, closed=False)), "truncated"),
    "sequences of a length in each other": (lambda: part10(nested_within_lengths(2_000)), "no Rows"),
    "a long window": (lambda: part10(long_text(), uid.ImplicitVRLittleEndian), "no Rows"),
    "a huge JPEG": (lambda: jpeg(resized(b"\xff\xc3")), "has 60000×60000 pixels where the header says 64×48"),
    "a huge JPEG-LS": (
        lambda: jpeg(resized(b"\xff\xf7"), uid.JPEGLSLossless),
        "has 60000×60000 pixels where the header says 64×48",
    ),
    "a JPEG of two sizes": (lambda: jpeg(twice), "no size, or more than one"),
    "a JPEG of no size": (lambda: jpeg(lambda frame: frame.replace(b"\xff\xc3", b"\xff\xe3")), "no size"),
    "a JPEG of many passes": (
        lambda: jpeg(lambda frame: frame.replace(b"\xff\xc3", b"\xff\xc2")),
        "process 2",
    ),
    "a JPEG cut off": (lambda: jpeg(lambda frame: frame[:20]), "truncated"),
    "a JPEG-LS cut off": (
        lambda: jpeg(lambda frame: frame[:120], uid.JPEGLSLossless),
        "no end marker: truncated",
    ),
    "a huge JPEG 2000": (lambda: j2k(huge), "has 60000×60000 pixels where the header says 64×48"),
    "a JPEG 2000 of many tiles": (lambda: j2k(huge_tile, 2048), "parts"),
    "a JPEG 2000 of many components": (lambda: j2k(many_components), "900 components"),
    "a JPEG 2000 of tiny precincts": (lambda: j2k(tiny_precincts, 2048), "parts"),
    "a JPEG 2000 with a tile of tiny precincts": (lambda: j2k(tiny_precincts_of_a_tile, 2048), "parts"),
    "a JPEG 2000 with a hidden style": (lambda: j2k(hidden_style), "cannot be read"),
    "a JPEG 2000 of endless tiles": (lambda: j2k(endless_tiles), "cannot be read"),
    "a JPEG 2000 of endless boxes": (lambda: j2k(endless_boxes), "no codestream"),
    "an RLE bomb": (rle_bomb, "cannot be decoded"),
}
