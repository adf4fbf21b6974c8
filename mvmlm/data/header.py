"""What a DICOM header says of an image, without its pixels: side, view, size, kind.

Side, in this order: ImageLaterality, Laterality, FrameLaterality of the shared functional groups, then words of the
series description, the protocol name and the processing description (``L CC``, ``RMLO``, ``LEFT MLO``).
View, in this order: a modifier that makes it another view than its position, ViewPosition, ViewCodeSequence, the words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvmlm.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

#: Codes of DICOM context group 4014 (View for Mammography), SNOMED CT and the older SNOMED-RT, to view positions.
VIEW_CODES = {
    "399162004": "CC", "R-10242": "CC",
    "399368009": "MLO", "R-10226": "MLO",
    "399260004": "ML", "R-10224": "ML",
    "399352003": "LM", "R-10228": "LM",
    "399099002": "LMO", "R-10230": "LMO",
    "399196006": "FB", "R-10244": "FB",
    "399188001": "SIO", "R-102D0": "SIO",
    "399192008": "XCCL", "R-1024A": "XCCL", "Y-X1770": "XCCL",
    "399101009": "XCCM", "R-1024B": "XCCM", "Y-X1771": "XCCM",
    "441555000": "ISO", "R-40AAA": "ISO",
}  # fmt: skip
SPECIMEN_CODES = ("127457009", "G-8310")
#: Codes of context group 4015 (View Modifier for Mammography) that make an image of another kind, or another view.
KIND_CODES = {
    "399163009": "magnification", "R-102D6": "magnification",
    "399055006": "spot", "R-102D7": "spot",
}  # fmt: skip
OTHER_VIEW_CODES = {
    "399161006": "CV", "R-102D2": "CV",
    "399011000": "AT", "R-102D1": "AT",
    "399110001": "TAN", "R-102C2": "TAN",
}  # fmt: skip
LONG_VIEWS = {
    "CRANIO-CAUDAL": "CC", "CRANIOCAUDAL": "CC", "MEDIO-LATERAL OBLIQUE": "MLO", "MEDIOLATERAL OBLIQUE": "MLO"
}  # fmt: skip
TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"
SYNTHETIC_TYPES = {"GENERATED_2D", "TOMO_2D"}
CONTRAST_TYPES = {"RECOMBINED", "SUBTRACTION", "HIGH_ENERGY"}  # LOW_ENERGY looks as any mammogram
MAGNIFIED = 1.5  # contact views have factors of 1.0 to 1.2, magnification views of 1.5 to 2.0
WORDS = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription")
LONGEST = 2**16  # bytes of a value that is looked at
BLOCK = 10_000  # files that wait for a thread at a time

_SIDES = r"(?P<{0}>LEFT|RIGHT|LT|RT|L|R)"
_VIEWS = r"(?P<{0}>XCCL|XCCM|XCC|MLO|LMO|CC|ML|LM)"
#: Side and view as one word or two, in either order; M and S before a view are the ACR's magnification and spot.
_VIEW_WORD = re.compile(
    rf"(?<![A-Z0-9])(?:{_SIDES.format('side')}[\s_-]*)?(?P<way>SM|MS|M|S)?{_VIEWS.format('view')}"
    rf"(?(side)|(?:[\s_-]+{_SIDES.format('after')})?)(?![A-Z0-9])"
)
_SIDE_WORD = re.compile(r"(?<![A-Z])(LEFT|RIGHT)(?![A-Z])")
_MAGNIFIED_WORD = re.compile(r"(?<![A-Z])MAG(?:NIF[A-Z]*)?(?![A-Z])")
_SPOT_WORD = re.compile(r"(?<![A-Z])SPOT(?![A-Z])")
_SYNTHETIC_WORD = re.compile(
    r"(?<![A-Z])(?:[CS][ -]?VIEW|V-PREVIEW|(?:INTELLIGENT|INSIGHT|SYNTHETIC) ?2D)(?![A-Z])"
)
_SUBTRACTED_WORD = re.compile(r"SUBTRACT|RECOMBIN")
_AGE = re.compile(r"(\d{1,3})([YMWD]?)")
_IN_A_YEAR = {"Y": 1.0, "": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}


@dataclass(frozen=True)
class Header:
    """Fields of one file's header; None where it says nothing.

    Attributes
    ----------
    laterality : {'L', 'R'} or None
    view : str or None
        ``CC``, ``MLO``, or another position as the header names it.
    kind : str
        ``mammogram``, ``tomosynthesis``, ``magnification``, ``spot``, ``synthetic``, ``contrast``, ``specimen``.
    syntax : str
        Name of the transfer syntax.
    implant : bool or None
    age : float or None
        [years].
    pixel_spacing : float or None
        At the detector, or else of the image [mm].
    """

    laterality: str | None = None
    view: str | None = None
    kind: str = "mammogram"
    syntax: str = ""
    photometric: str = ""
    implant: bool | None = None
    rows: int | None = None
    columns: int | None = None
    frames: int = 1
    sop_instance_uid: str | None = None
    patient_id: str | None = None
    study_uid: str | None = None
    study_date: str | None = None
    age: float | None = None
    manufacturer: str | None = None
    model: str | None = None
    pixel_spacing: float | None = None
    series_description: str | None = None


def read_header(path: Path) -> Header:
    """Read one file's header; a value that cannot be read counts as none.

    Raises
    ------
    DataError
        When the file is missing, no DICOM, or its header cannot be read.
    """
    from mvmlm.data.safe_dicom import open_dataset

    dataset = open_dataset(Path(path), pixels=False)
    laterality, view = laterality_and_view(dataset)
    spacing = _number(dataset, "ImagerPixelSpacing") or _number(dataset, "PixelSpacing")
    rows, columns, frames = (_number(dataset, name) for name in ("Rows", "Columns", "NumberOfFrames"))
    return Header(
        laterality=laterality,
        view=view,
        kind=kind_of(dataset),
        syntax=dataset.file_meta.TransferSyntaxUID.name,
        photometric=_text(dataset, "PhotometricInterpretation") or "",
        implant={"YES": True, "NO": False}.get((_text(dataset, "BreastImplantPresent") or "").upper()),
        rows=int(rows) if rows else None,
        columns=int(columns) if columns else None,
        frames=max(1, int(frames or 1)),
        sop_instance_uid=_text(dataset, "SOPInstanceUID"),
        patient_id=_text(dataset, "PatientID"),
        study_uid=_text(dataset, "StudyInstanceUID"),
        study_date=_text(dataset, "StudyDate"),
        age=_years(_text(dataset, "PatientAge") or ""),
        manufacturer=_text(dataset, "Manufacturer"),
        model=_text(dataset, "ManufacturerModelName"),
        pixel_spacing=spacing if spacing and spacing > 0 else None,
        series_description=_text(dataset, "SeriesDescription"),
    )


def read_headers(
    paths: Sequence[Path], *, threads: int = 8, progress: Callable[[int, int], None] | None = None
) -> list[Header | str]:
    """The header of each file, or the reason why it cannot be read.

    Parameters
    ----------
    threads : int
        Files read at a time: it is the disk that is waited for.
    progress : callable, optional
        Gets how many files are read, and how many there are, after each.
    """

    def read(path: Path) -> Header | str:
        try:
            return read_header(path)
        except DataError as error:
            return str(error).removeprefix(f"{path}: ")

    found: list[Header | str] = []
    starts = range(1, len(paths), BLOCK)
    with ThreadPoolExecutor(threads) as pool:
        # The first is read by this thread, so that one thread alone imports what is imported on the way.
        for headers in chain([map(read, paths[:1])], (pool.map(read, paths[i : i + BLOCK]) for i in starts)):
            for header in headers:
                found.append(header)
                if progress:
                    progress(len(found), len(paths))
    return found


def laterality_and_view(dataset: Dataset) -> tuple[str | None, str | None]:
    """Side and view of an image; the module's text has the order in which they are looked for."""
    words = _words(dataset)
    return _laterality(dataset, words), _view(dataset, words)


def kind_of(dataset: Dataset) -> str:
    """What sort of image it is: see `Header`."""
    words = " | ".join((_words(dataset), _text(dataset, "BodyPartExamined") or "")).upper()
    image_type = set((_text(dataset, "ImageType") or "").upper().split("\\"))
    coded = {KIND_CODES.get(code) for code in _modifiers(dataset)}
    ways = "".join(found["way"] or "" for found in _VIEW_WORD.finditer(words))
    specimen = any(_text(view, "CodeValue") in SPECIMEN_CODES for view in _items(dataset, "ViewCodeSequence"))
    magnified = (_number(dataset, "EstimatedRadiographicMagnificationFactor") or 1.0) >= MAGNIFIED
    kinds = {
        "specimen": specimen or "SPECIMEN" in words,
        "tomosynthesis": (_number(dataset, "NumberOfFrames") or 1) > 1,
        "synthetic": bool(image_type & SYNTHETIC_TYPES) or bool(_SYNTHETIC_WORD.search(words)),
        "contrast": bool(image_type & CONTRAST_TYPES) or bool(_SUBTRACTED_WORD.search(words)),
        "magnification": magnified
        or "magnification" in coded
        or "M" in ways
        or bool(_MAGNIFIED_WORD.search(words)),
        "spot": "spot" in coded or "S" in ways or bool(_SPOT_WORD.search(words)),
    }
    if _text(dataset, "SOPClassUID") == TOMOSYNTHESIS and not kinds["synthetic"]:
        return "tomosynthesis"
    return next((kind for kind, found in kinds.items() if found), "mammogram")


def _laterality(dataset: Dataset, words: str) -> str | None:
    """``L`` or ``R``; B (both) and U (unpaired) name no side."""
    for name in ("ImageLaterality", "Laterality"):
        said = (_text(dataset, name) or "").upper()
        if said in ("L", "R", "LEFT", "RIGHT", "B"):
            return said[0] if said != "B" else None
    for groups in _items(dataset, "SharedFunctionalGroupsSequence"):
        for anatomy in _items(groups, "FrameAnatomySequence"):
            if (said := (_text(anatomy, "FrameLaterality") or "").upper()) in ("L", "R"):
                return said
    found = {side[0] for match in _VIEW_WORD.finditer(words) if (side := match["side"] or match["after"])}
    return _only(found or {side[0] for side in _SIDE_WORD.findall(words)})


def _view(dataset: Dataset, words: str) -> str | None:
    for code in _modifiers(dataset):
        if code in OTHER_VIEW_CODES:
            return OTHER_VIEW_CODES[code]
    if said := (_text(dataset, "ViewPosition") or "").upper():
        match = _VIEW_WORD.fullmatch(said)
        return match["view"] if match else LONG_VIEWS.get(said, said)
    for view in _items(dataset, "ViewCodeSequence"):
        if found := VIEW_CODES.get(_text(view, "CodeValue") or ""):
            return found
    return _only({match["view"] for match in _VIEW_WORD.finditer(words)})


def _only(found: set[str]) -> str | None:
    return found.pop() if len(found) == 1 else None


def _words(dataset: Dataset) -> str:
    return " | ".join(_text(dataset, name) or "" for name in WORDS).upper()


def _modifiers(dataset: Dataset) -> Iterator[str]:
    """Codes of view modifiers, which stand in the view's item; some writers put them beside it."""
    for holder in (*_items(dataset, "ViewCodeSequence"), dataset):
        for item in _items(holder, "ViewModifierCodeSequence"):
            yield _text(item, "CodeValue") or ""


def _value(dataset: Dataset, name: str) -> Any:
    """An element's value; None where it is absent, longer than any that is looked at, or of a kind that fails."""
    from pydicom.datadict import tag_for_keyword

    try:
        raw = dataset.get_item(tag_for_keyword(name)) if name in dataset else None
        if raw is None or (isinstance(raw.value, bytes) and len(raw.value) > LONGEST):
            return None
        return dataset[name].value
    except Exception:  # a damaged value fails inside pydicom in many ways
        return None


def _text(dataset: Dataset, name: str) -> str | None:
    """A value as text, several parted by backslashes; nothing of an empty one or a sequence."""
    value = _value(dataset, name)
    if _is_many(value):
        value = "\\".join(str(part) for part in value)
    text = "" if value is None or isinstance(value, bytes) else str(value).strip(" \0")
    return text or None


def _number(dataset: Dataset, name: str) -> float | None:
    """The first number of a value."""
    value = _value(dataset, name)
    try:
        found = float(value[0] if _is_many(value) else value)
    except (LookupError, TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _items(dataset: Dataset, name: str) -> list[Dataset]:
    """Items of a sequence; none of anything else."""
    from pydicom.sequence import Sequence as Items

    value = _value(dataset, name)
    return list(value) if isinstance(value, Items) else []


def _is_many(value: Any) -> bool:
    from pydicom.multival import MultiValue

    return isinstance(value, MultiValue | list | tuple)


def _years(text: str) -> float | None:
    """An age string (PS3.5, 6.2: ``045Y``, ``018M``), or a bare number of years, in years."""
    found = _AGE.fullmatch(text.upper())
    return round(int(found[1]) / _IN_A_YEAR[found[2]], 2) if found else None
