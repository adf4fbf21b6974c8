"""DICOM files opened with suspicion: no file hangs its reader, or takes more memory than its own size and 1 GiB.

What a header claims is looked at before anything is unpacked or decoded. A file takes at most its bytes,
`MOST_INFLATED` for a deflated one, and `MOST_PIXELS` values of two bytes while it is decoded.
"""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvmlm.data.pixels import DICOM_MAGIC, DICOM_PREAMBLE, MOST_PIXELS
from mvmlm.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset

MIB = 2**20
MOST_BYTES = 1024 * MIB  # a tomosynthesis volume of 100 slices has about as much; a mammogram 60 MiB
MOST_INFLATED = 512 * MIB  # of a deflated file: eight times the largest uncompressed mammogram
MOST_HEADER = 16 * MIB  # bytes of a header without its pixels; real ones have some kilobytes
MOST_META = 2**16  # bytes of the file meta group that are looked at
WIDTHS = (8, 16)  # bits allocated to a grey value
CODED_HEAD = 2**16  # bytes of a compressed frame in which its size must stand
DEFLATED = "1.2.840.10008.1.2.1.99"


def open_dataset(path: Path, *, pixels: bool) -> Dataset:
    """A file's data set, its claims checked.

    Parameters
    ----------
    pixels : bool
        Whether its pixels are wanted: they are read then, and must be one plane of grey values of a possible size.

    Raises
    ------
    DataError
        One line with the path: no DICOM, truncated, or claiming what no mammogram has.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        source = _source(path)
        dataset = pydicom.dcmread(source, stop_before_pixels=not pixels)
        if pixels:
            _check_pixels(dataset)
    except InvalidDicomError as error:
        raise DataError(f"{path}: is no DICOM file") from error
    except _RefusedError as error:
        raise DataError(f"{path}: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except Exception as error:  # a damaged header fails inside pydicom in many ways
        why = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        raise DataError(f"{path}: cannot be read, truncated perhaps ({why})") from error
    return dataset


class _RefusedError(Exception):
    """A claim that is not believed, in words."""


def _source(path: Path) -> Path | io.BytesIO:
    """What pydicom may read: the file itself, or a deflated one unpacked within bounds."""
    from pydicom.errors import InvalidDicomError
    from pydicom.filereader import read_file_meta_info

    size = path.stat().st_size
    if size > MOST_BYTES:
        raise _RefusedError(f"has {size / MIB:.0f} MiB, more than any mammogram ({MOST_BYTES // MIB} MiB)")
    with path.open("rb") as file:
        head = file.read(MOST_META)
    if not head[DICOM_PREAMBLE:].startswith(DICOM_MAGIC):
        raise InvalidDicomError
    if DEFLATED.encode() not in head:
        return path
    meta = read_file_meta_info(path)
    return _inflated(path, meta) if meta.TransferSyntaxUID == DEFLATED else path


def _inflated(path: Path, meta: FileMetaDataset) -> io.BytesIO:
    """The file as if it had been written without compression."""
    from pydicom.filewriter import write_file_meta_info
    from pydicom.uid import ExplicitVRLittleEndian

    with path.open("rb") as file:
        content = file.read()
    # After preamble and magic come the group length element (12 bytes) and as many bytes as it says.
    start = DICOM_PREAMBLE + len(DICOM_MAGIC) + 12 + int(meta.FileMetaInformationGroupLength)
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = unpacker.decompress(content[start:], MOST_INFLATED)
    if unpacker.unconsumed_tail or not unpacker.eof:
        whole = f"inflates to more than {MOST_INFLATED // MIB} MiB"
        raise _RefusedError(whole if unpacker.unconsumed_tail else "its deflated part is cut off")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    target = io.BytesIO()
    target.write(b"\0" * DICOM_PREAMBLE + DICOM_MAGIC)
    write_file_meta_info(target, meta, enforce_standard=True)
    target.write(plain)
    target.seek(0)
    return target


def _check_pixels(dataset: Dataset) -> None:
    if "PixelData" not in dataset:
        raise _RefusedError("has no pixel data")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        raise _RefusedError(f"has {frames} frames: a tomosynthesis or multi-frame volume, which is kept apart")
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    samples = int(dataset.get("SamplesPerPixel") or 1)
    if samples != 1:
        raise _RefusedError(f"has {samples} samples a pixel; expected one grey value")
    if not 0 < rows * columns <= MOST_PIXELS:
        raise _RefusedError(f"claims {rows}×{columns} pixels, which no mammogram has")
    width = int(dataset.BitsAllocated)
    if width not in WIDTHS:
        raise _RefusedError(f"has {width} bits allocated to a pixel; expected 8 or 16")
    data = dataset.PixelData
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        _check_frame(data, rows, columns, dataset.file_meta.TransferSyntaxUID)
    elif len(data) < rows * columns * width // 8:
        raise _RefusedError(f"pixel data are truncated: {len(data)} bytes for {rows}×{columns} pixels of {width} bits")


def _check_frame(data: bytes, rows: int, columns: int, syntax: Any) -> None:
    """Refuse a compressed frame whose own size is not the header's: a decoder would believe the frame."""
    from pydicom.encaps import get_frame
    from pydicom.uid import RLELossless

    if syntax == RLELossless:
        return  # has no size of its own; what is unpacked is bounded by Rows and Columns
    found = coded_size(get_frame(data, 0, number_of_frames=1)[:CODED_HEAD])
    if found is not None and found != (rows, columns):
        raise _RefusedError(
            f"its compressed frame has {found[0]}×{found[1]} pixels where the header says {rows}×{columns}"
        )


def coded_size(frame: bytes) -> tuple[int, int] | None:
    """Height and width that a compressed frame states; None where none is found.

    JPEG 2000 has them in its SIZ marker (ISO/IEC 15444-1, A.5.1), the JPEG family in the start of its frame (ITU-T
    T.81, B.2.2; JPEG-LS: ITU-T T.87, C.2.2).
    """
    at = frame.find(b"\xff\x4f\xff\x51")
    if at >= 0 and len(frame) >= at + 24:
        width, height, left, top = (int.from_bytes(frame[at + i : at + i + 4], "big") for i in (8, 12, 16, 20))
        return height - top, width - left
    if frame[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            return int.from_bytes(frame[at + 5 : at + 7], "big"), int.from_bytes(frame[at + 7 : at + 9], "big")
        at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None
