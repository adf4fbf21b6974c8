"""What a compressed frame says of its own size, read before it is decoded.

A decoder believes the frame, not the DICOM header around it: a frame of 300 bytes may ask for gigabytes. Only the
headers of a frame are walked through here, none of its compressed values.
"""

from __future__ import annotations

from collections.abc import Iterator

#: Marker segments that are looked at; real frames have tens, or thousands where an image is made of tiles.
MOST_SEGMENTS = 50_000
#: Precincts and code blocks of a JPEG 2000 image, for each of which OpenJPEG keeps up to 1.6 KiB, however short the
#: file is. A mammogram of 26 million pixels in blocks of 64×64 has 10 000; one of 2×2 would have 10 million.
MOST_PARTS = 200_000

SOI, SOS, SOF_JPEG_LS = 0xD8, 0xDA, 0xF7
#: Start of frame: baseline, extended, lossless, JPEG-LS. A progressive one is in no transfer syntax that is in use, and
#: may ask for any number of passes.
READABLE_FRAMES = (0xC0, 0xC1, 0xC3, SOF_JPEG_LS)
#: All starts of frame: C4, C8 and CC of that range are tables and an extension.
FRAMES = (*(set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}), SOF_JPEG_LS)
#: What ends a frame, maybe before some bytes of padding. CharLS reads a JPEG-LS frame without it for 5 s, and fails.
EOI, MOST_PADDING = b"\xff\xd9", 16
BARE = (0x01, SOI, *range(0xD0, 0xD8))  # markers without a length

SOC_SIZ, JP2_SIGNATURE = b"\xff\x4f\xff\x51", b"jP  "
SIZ, COD, COC, SOT, SOD = 0x51, 0x52, 0x53, 0x90, 0x93
#: Markers of a JPEG 2000 header. OpenJPEG looks for the next known one inside of a segment that it does not know.
KNOWN = (0x50, SIZ, COD, COC, 0x55, 0x57, 0x58, 0x59, 0x5C, 0x5D, 0x5E, 0x5F, 0x60, 0x61, 0x63, 0x64)


def check_codestream(frame: bytes | memoryview, rows: int, columns: int) -> None:
    """Refuse a frame of JPEG, JPEG-LS or JPEG 2000 that is another image than its DICOM header says.

    Sizes stand in the SIZ segment of JPEG 2000 (ISO/IEC 15444-1, A.5.1) and in the start of frame of the JPEG family
    (ITU-T T.81, B.2.2; T.87, C.2.2).

    Parameters
    ----------
    frame : bytes
        The whole compressed frame.
    rows, columns : int
        [pixels], of the DICOM header.

    Raises
    ------
    ValueError
        When the frame has another size, no size, several components, more than 16 bits a value, or, in JPEG 2000, more
        parts than an image of its size has.
    """
    try:
        if frame[:2] == b"\xff\xd8":
            _check_size(_jpeg(frame), rows, columns)
        else:
            start = _start_of_codestream(frame)
            _check_size(_jpeg_2000(frame, start), rows, columns)
            _check_parts(frame, start)
    except IndexError:
        raise ValueError("its compressed frame ends within its header: truncated") from None


def _check_size(found: tuple[int, int, int, int], rows: int, columns: int) -> None:
    height, width, components, bits = found
    if (height, width) != (rows, columns):
        raise ValueError(
            f"its compressed frame has {height}×{width} pixels where the header says {rows}×{columns}"
        )
    if components != 1 or bits > 16:
        raise ValueError(
            f"its compressed frame has {components} components of {bits} bits; expected one of up to 16"
        )


def _jpeg(frame: bytes | memoryview) -> tuple[int, int, int, int]:
    """Height, width, components and bits."""
    found, at = [], 0
    for _ in range(MOST_SEGMENTS):
        if frame[at] != 0xFF:
            break
        marker = frame[at + 1]
        if marker == SOS:
            if len(found) == 1:
                return found[0]
            break
        if marker in BARE or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in FRAMES and marker not in READABLE_FRAMES:
            raise ValueError(
                f"its compressed frame is a JPEG of process {marker & 0xF}, which no mammogram has"
            )
        if marker == SOF_JPEG_LS and not bytes(frame[-MOST_PADDING:]).rstrip(b"\0").endswith(EOI):
            raise ValueError("its compressed frame has no end marker: truncated")
        if marker in FRAMES:
            found.append((_number(frame, at + 5, 2), _number(frame, at + 7, 2), frame[at + 9], frame[at + 4]))
        at += 2 + _number(frame, at + 2, 2)
    raise ValueError("its compressed frame has no size, or more than one")


def _jpeg_2000(frame: bytes | memoryview, start: int) -> tuple[int, int, int, int]:
    """Height, width, components and bits."""
    right, bottom, left, top = (_number(frame, start + at, 4) for at in (8, 12, 16, 20))
    return (
        bottom - top,
        right - left,
        _number(frame, start + 40, 2),
        (_number(frame, start + 42, 1) & 0x7F) + 1,
    )


def _check_parts(frame: bytes | memoryview, start: int) -> None:
    height, width, _, _ = _jpeg_2000(frame, start)
    tile_width, tile_height = _number(frame, start + 24, 4), _number(frame, start + 28, 4)
    if not (tile_width and tile_height):
        raise ValueError("its compressed frame has tiles of no size")
    tiles = -(-height // tile_height) * -(-width // tile_width)
    tile = (min(height, tile_height), min(width, tile_width))
    for at in _coding_styles(frame, start):
        parts = tiles * _parts(frame, at, tile)
        if parts > MOST_PARTS:
            raise ValueError(f"its compressed frame is cut into {parts} parts, which no mammogram is")


def _start_of_codestream(frame: bytes | memoryview) -> int:
    """Where a codestream begins: at once, or in a box of a JP2 file (ISO/IEC 15444-1, I.4)."""
    at = 0
    if frame[4:8] == JP2_SIGNATURE:
        for _ in range(MOST_SEGMENTS):
            length, kind = _number(frame, at, 4), bytes(frame[at + 4 : at + 8])
            head, length = (16, _number(frame, at + 8, 8)) if length == 1 else (8, length)
            if kind == b"jp2c":
                at += head
                break
            if length < head:
                raise ValueError("its compressed frame has no codestream")
            at += length
    if frame[at : at + 4] != SOC_SIZ:
        raise ValueError("its compressed frame is neither JPEG nor JPEG 2000")
    return at


def _coding_styles(frame: bytes | memoryview, start: int) -> Iterator[int]:
    """Where COD and COC segments stand: in the main header, and in those of tiles, whose lengths SOT gives (A.4.2)."""
    at, end_of_part, main = start + 2, 0, True
    for _ in range(MOST_SEGMENTS):
        if not main and (at + 12 > len(frame) or frame[at + 1] == 0xD9):
            return
        marker = frame[at + 1]
        if frame[at] == 0xFF and marker == SOD and end_of_part:
            if end_of_part == len(frame):
                return
            at = end_of_part
            continue
        if frame[at] != 0xFF or marker not in (*KNOWN, SOT):
            raise ValueError("its compressed frame has a header that cannot be read")
        if marker == SOT:
            length = _number(frame, at + 6, 4)
            main, end_of_part = False, at + length if length else len(frame)
            if end_of_part < at + 12:
                raise ValueError("its compressed frame has a header that cannot be read")
        if marker in (COD, COC):
            yield at
        at += 2 + _number(frame, at + 2, 2)
    raise ValueError("its compressed frame has a header that does not end")


def _parts(frame: bytes | memoryview, at: int, tile: tuple[int, int]) -> int:
    """Precincts and code blocks of a tile, by a COD or an only component's COC segment (A.6.1, A.6.2, B.6, B.7)."""
    if frame[at + 1] == COD:
        own_precincts, style = frame[at + 4] & 1, at + 9
    else:
        style = at + 6
        own_precincts = frame[style - 1] & 1
    levels, block_width, block_height = frame[style], frame[style + 1] + 2, frame[style + 2] + 2
    count = 0
    for level in range(min(levels, 32) + 1):
        height, width = (-(-side >> (levels - level)) or 1 for side in tile)
        both = frame[style + 5 + level] if own_precincts else 0xFF
        precinct_width, precinct_height = both & 0xF, both >> 4
        precincts = _grid(height, width, precinct_height, precinct_width)
        blocks = _grid(height, width, min(precinct_height, block_height), min(precinct_width, block_width))
        count += max(3 * precincts, blocks)
    return count


def _grid(height: int, width: int, log_height: int, log_width: int) -> int:
    return -(-height >> log_height) * -(-width >> log_width)


def _number(frame: bytes | memoryview, at: int, size: int) -> int:
    if at + size > len(frame):
        raise IndexError
    return int.from_bytes(frame[at : at + size], "big")
