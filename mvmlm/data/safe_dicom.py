"""DICOM files opened with suspicion: no file hangs its reader, or takes more memory than stated here.

A header is read first, within limits; what it claims is looked at before any pixel is read, and what a compressed frame
claims before it is decoded. A header takes at most 300 MB. Pixels take the bytes of their element, three times if it is
compressed or deflated, and 2 bytes a pixel while they are decoded, or 8 for JPEG 2000, of at most `MOST_PIXELS` pixels.
"""

from __future__ import annotations

import stat
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mvmlm.data.codestream import check_codestream
from mvmlm.data.frugal import CHUNK, Frugal, RefusedError, inflated
from mvmlm.data.pixels import DICOM_MAGIC, DICOM_PREAMBLE, MOST_PIXELS
from mvmlm.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

MIB = 2**20
MOST_BYTES = 1024 * MIB  # of a file whose pixels are wanted; mammograms have 60 MiB, digitised films 120 MiB
MOST_HEADER = 8 * MIB  # bytes read before the pixels; real headers have some kilobytes, volumes' up to 2 MiB
MOST_READS = 150_000  # of a header: an element takes up to three; 400 slices of a volume have 25 000 elements
MOST_SEQUENCE = MIB  # bytes of a sequence: eight VOI tables of 65 536 entries; longer ones are left out
MOST_VALUE = 2**16  # bytes of another value: as many as most explicit VRs can have; longer ones are left out
WIDTHS = (8, 16)  # bits allocated to a grey value
UNDEFINED = 0xFFFFFFFF
PIXEL_DATA = 0x7FE00010
ALL_PIXELS = (PIXEL_DATA, 0x7FE00009, 0x7FE00008)  # whole numbers, and those of floating point
ITEM = b"\xfe\xff\x00\xe0"


def open_dataset(path: Path, *, pixels: bool) -> Dataset:
    """A file's data set, its claims checked.

    Parameters
    ----------
    pixels : bool
        Whether its pixels are wanted: they are read then, and must be one plane of grey values of a possible size.
        Otherwise the header alone is read, whatever the size of the file.

    Returns
    -------
    Dataset
        With ``file_meta``, whose transfer syntax is the file's, or what its bytes look like where it says none.
        Values that are longer than anything used here are left out.

    Raises
    ------
    DataError
        One line with the path: no DICOM, truncated, or claiming what no mammogram has.
    """
    _quiet()
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise RefusedError("is no file")
        with path.open("rb", buffering=CHUNK) as file:
            return _open(file, path.stat().st_size, pixels)
    except RefusedError as error:
        raise DataError(f"{path}: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except Exception as error:  # a damaged header fails inside pydicom in many ways
        why = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path}: cannot be read, truncated perhaps ({why[:120]})") from error


def _open(file: BinaryIO, size: int, pixels: bool) -> Dataset:
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    meta = _read_meta(file, size)
    if meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
        return _open_deflated(file, meta, pixels)
    dataset, stop = _read_header(file, size, meta)
    if pixels:
        _check_claims(dataset)
        if size > MOST_BYTES:
            raise RefusedError(f"has {size / MIB:.0f} MiB, more than any mammogram ({MOST_BYTES // MIB} MiB)")
        _add_pixels(dataset, stop, file, size)
    return dataset


def _open_deflated(file: BinaryIO, meta: Any, pixels: bool) -> Dataset:
    """Inflated in two steps: enough for a header, and then as much as that header claims."""
    start = file.tell()
    plain, whole = inflated(file, MOST_HEADER)
    try:
        dataset, stop = _read_header(plain, len(plain.getbuffer()), meta)
    except Exception as error:
        if whole:
            raise
        raise RefusedError(f"inflates to more than {MOST_HEADER // MIB} MiB before any pixels") from error
    if not pixels:
        return dataset
    claimed, at = _check_claims(dataset), plain.tell()
    if not whole:
        file.seek(start)
        plain, whole = inflated(file, claimed + 2 * MOST_HEADER)
    if not whole:
        limit = (claimed + 2 * MOST_HEADER) // MIB
        raise RefusedError(
            f"inflates to more than {limit} MiB, where its header claims {claimed / MIB:.1f} of pixels"
        )
    plain.seek(at)
    _add_pixels(dataset, stop, plain, len(plain.getbuffer()))
    return dataset


def _is_too_deep(error: BaseException | None) -> bool:
    """Whether an error is, or was raised in place of, a `RecursionError`: which it is depends on the stack's depth."""
    while error is not None and not isinstance(error, RecursionError):
        error = error.__context__
    return error is not None


def _read_meta(file: BinaryIO, size: int) -> Any:
    """The file meta group (PS3.10, 7.1), after its preamble or, in some old files, without."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.filereader import read_dataset

    head = file.read(DICOM_PREAMBLE + len(DICOM_MAGIC))
    if not head.endswith(DICOM_MAGIC):
        if not _begins_like_dicom(head):
            raise RefusedError("is no DICOM file")
        file.seek(0)
    found = read_dataset(_frugal(file, size), False, True, stop_when=lambda tag, vr, length: tag >> 16 != 2)
    meta = FileMetaDataset(found)
    if not meta.get("TransferSyntaxUID"):
        at = file.tell()
        meta.TransferSyntaxUID = _likely_syntax(file.read(6))
        file.seek(at)
    if not meta.TransferSyntaxUID.is_transfer_syntax:
        raise RefusedError(f"has transfer syntax {str(meta.TransferSyntaxUID)[:64]}, which is none")
    return meta


def _read_header(file: BinaryIO, size: int, meta: Any) -> tuple[Dataset, tuple[int, int] | None]:
    """All elements before the pixels; and the tag and length of these, where the file then stands."""
    from pydicom import Dataset
    from pydicom.charset import convert_encodings
    from pydicom.filereader import data_element_generator

    source, stop, elements = _frugal(file, size), [], {}
    encoding = _encoding(file, meta.TransferSyntaxUID)

    def at_pixels(tag: int, vr: str | None, length: int) -> bool:
        found = int(tag) in ALL_PIXELS
        if found:
            stop[:] = int(tag), length
        return found

    try:
        for element in data_element_generator(
            source, *encoding, stop_when=at_pixels, defer_size=MOST_SEQUENCE
        ):
            if _ends(element) > size:
                raise RefusedError("is truncated within its header")
            if not _is_too_long(element):
                elements[element.tag] = element
    except (OSError, RecursionError) as error:  # pydicom makes an OSError of whatever ends a sequence
        if source.refused:
            raise RefusedError(source.refusal) from error
        if _is_too_deep(error):
            raise RefusedError("has more sequences in each other than can be read") from error
        raise RefusedError(f"is damaged or truncated ({error})") from error
    if not elements or (not stop and (source.short or file.tell() < size)):
        raise RefusedError("is damaged or truncated within its header")
    dataset = Dataset(elements)
    dataset.set_original_encoding(*encoding, convert_encodings(dataset.get("SpecificCharacterSet") or ""))
    dataset.file_meta = meta
    return dataset, tuple(stop) or None


def _encoding(file: BinaryIO, syntax: Any) -> tuple[bool, bool]:
    """Whether VRs are implicit, and bytes little-endian; some files say the one and are the other."""
    at, head = file.tell(), file.read(6)
    file.seek(at)
    return (not _names_vr(head[4:6]) if syntax.is_little_endian else False), syntax.is_little_endian


def _ends(element: Any) -> int:
    """Where an element that is not parsed yet should end in the file."""
    from pydicom.dataelem import RawDataElement

    if not isinstance(element, RawDataElement) or element.length == UNDEFINED:
        return 0
    return element.value_tell + element.length


def _is_too_long(element: Any) -> bool:
    """Whether a value is longer than any that is looked at: of a sequence, or of anything else."""
    from pydicom.datadict import dictionary_has_tag, dictionary_VR

    if element.value is None:
        return element.length != 0
    if not isinstance(element.value, bytes) or len(element.value) <= MOST_VALUE:
        return False
    return (element.VR or (dictionary_has_tag(element.tag) and dictionary_VR(element.tag))) != "SQ"


def _add_pixels(dataset: Dataset, stop: tuple[int, int] | None, file: BinaryIO, size: int) -> None:
    """Read the element of the pixels, at which the file stands."""
    from pydicom.filereader import data_element_generator

    if stop is None:
        raise RefusedError("has no pixel data")
    if stop[0] != PIXEL_DATA:
        raise RefusedError("has pixels of floating point; expected 8 or 16 bits")
    syntax, claimed = dataset.file_meta.TransferSyntaxUID, _check_claims(dataset)
    if not syntax.is_encapsulated and stop[1] == UNDEFINED:
        raise RefusedError(f"has compressed pixel data, but is of transfer syntax {syntax.name}")
    source = _frugal(file, size, 3 * size)
    element = next(data_element_generator(source, *dataset.original_encoding), None)
    if element is None or not element.value:
        raise RefusedError("has no pixel data")
    if syntax.is_encapsulated:
        if source.short:
            raise RefusedError("pixel data are truncated")
        element = element._replace(value=_without_offsets(element.value))
        _check_frame(element.value, int(dataset.Rows), int(dataset.Columns), syntax)
    elif len(element.value) < claimed:
        raise RefusedError(
            f"pixel data are truncated: {len(element.value)} bytes, where its header claims {claimed}"
        )
    for name in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        dataset.pop(name, None)
    dataset[element.tag] = element


def _check_claims(dataset: Dataset) -> int:
    """Bytes of pixels that a header claims, uncompressed."""
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        raise RefusedError(f"has {frames} frames: a tomosynthesis or multi-frame volume, which is kept apart")
    lacking = [
        name for name in ("Rows", "Columns", "BitsAllocated") if not isinstance(dataset.get(name), int)
    ]
    if lacking:
        raise RefusedError(f"has no {', '.join(lacking)} in its header: no image, or a damaged one")
    rows, columns, width = (int(dataset[name].value) for name in ("Rows", "Columns", "BitsAllocated"))
    samples = int(dataset.get("SamplesPerPixel") or 1)
    if samples != 1:
        raise RefusedError(f"has {samples} samples a pixel; expected one grey value")
    if not 0 < rows * columns <= MOST_PIXELS:
        raise RefusedError(f"claims {rows}×{columns} pixels, which no mammogram has")
    if width not in WIDTHS:
        raise RefusedError(f"has {width} bits allocated to a pixel; expected 8 or 16")
    return rows * columns * width // 8


def _without_offsets(data: bytes) -> bytes:
    """Encapsulated pixel data (PS3.5, A.4) whose fragments are all of the one frame, whatever their offsets say."""
    length = int.from_bytes(data[4:8], "little")
    if data[:4] != ITEM or 8 + length > len(data):
        raise RefusedError("pixel data are truncated, or not in fragments")
    return data if length == 0 else ITEM + b"\0\0\0\0" + data[8 + length :]


def _check_frame(data: bytes, rows: int, columns: int, syntax: Any) -> None:
    from pydicom import uid
    from pydicom.encaps import get_frame

    if syntax in (*uid.JPEGTransferSyntaxes, *uid.JPEGLSTransferSyntaxes, *uid.JPEG2000TransferSyntaxes):
        try:
            check_codestream(get_frame(data, 0, number_of_frames=1), rows, columns)
        except ValueError as error:
            raise RefusedError(str(error)) from error


def _frugal(file: BinaryIO, size: int, most: int = MOST_HEADER) -> Frugal:
    refusal = f"has more than {MOST_READS // 3} elements or fragments, or {most / MIB:.0f} MiB of them"
    return Frugal(file, size, most_bytes=most, most_reads=MOST_READS, refusal=refusal)


def _begins_like_dicom(head: bytes) -> bool:
    """Whether these may be the first elements of a DICOM file without its preamble: of group 0002 or 0008."""
    if head[:2] not in (b"\2\0", b"\x08\0"):
        return head[:2] == b"\0\x08" and _names_vr(head[4:6])
    return len(head) > 8 and (_names_vr(head[4:6]) or int.from_bytes(head[4:8], "little") <= MOST_VALUE)


def _likely_syntax(head: bytes) -> Any:
    """The uncompressed transfer syntax that the first six bytes of an element look like."""
    from pydicom import uid

    if not _names_vr(head[4:6]):
        return uid.ImplicitVRLittleEndian
    return uid.ExplicitVRBigEndian if head[:1] == b"\0" else uid.ExplicitVRLittleEndian


def _names_vr(text: bytes) -> bool:
    from pydicom.valuerep import VR

    return text.decode("latin-1") in {vr.value for vr in VR}


@cache
def _quiet() -> None:
    """pydicom warns of each oddity, some of them for each element; the rules here settle or refuse them."""
    import warnings

    warnings.filterwarnings("ignore", category=UserWarning, module="pydicom")
