"""What a DICOM header says of an image, without its pixels: side, view, size, kind.

Side, in this order: ImageLaterality, Laterality, FrameLaterality of the shared functional groups, then words of the
series description, the protocol name and the processing description (``L CC``, ``RMLO``, ``LEFT MLO``).
View, in this order: ViewPosition, ViewCodeSequence, the same words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
    "399192008": "XCCL", "R-1024A": "XCCL",
    "399101009": "XCCM", "R-1024B": "XCCM",
    "441555000": "ISO", "R-40AAA": "ISO",
}  # fmt: skip
#: Codes of context group 4015 (View Modifier for Mammography) that make an image no standard one.
MODIFIER_CODES = {
    "399163009": "magnification", "R-102D6": "magnification",
    "399055006": "spot", "R-102D7": "spot",
}  # fmt: skip
SPECIMEN_CODES = ("127457009", "G-8310")
LONG_VIEWS = {
    "CRANIO-CAUDAL": "CC", "CRANIOCAUDAL": "CC", "MEDIO-LATERAL OBLIQUE": "MLO", "MEDIOLATERAL OBLIQUE": "MLO"
}  # fmt: skip
TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"
MAGNIFIED = 1.5  # contact views have factors of 1.0 to 1.2, magnification views of 1.5 to 2.0
WORDS = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription")
_SIDE = re.compile(r"(?<![A-Z])(?:(L|R)(?=[\s_-]*(?:X?CC|MLO?|LMO?)(?![A-Z]))|(LEFT|RIGHT|LT|RT)(?![A-Z]))")
_MAGNIFIED = re.compile(r"(?<![A-Z])MAG(?:NIF[A-Z]*)?(?![A-Z])")
_SPOT = re.compile(r"(?<![A-Z])SPOT(?![A-Z])")
_VIEW = re.compile(r"(?<![A-Z])(?:L|R|LEFT|RIGHT|LT|RT)?[\s_-]*(XCCL|XCCM|CC|MLO|LMO|ML|LM)(?![A-Z])")


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
    """Read one file's header.

    Raises
    ------
    DataError
        When the file is missing, no DICOM, or its header cannot be read.
    """
    from mvmlm.data.safe_dicom import open_dataset

    dataset = open_dataset(Path(path), pixels=False)
    try:
        return _header(dataset)
    except Exception as error:  # a value of the wrong kind fails inside pydicom in many ways
        why = " ".join(str(error).split())[:120]
        raise DataError(f"{path}: its header cannot be read ({why})") from error


def read_headers(
    paths: Sequence[Path], *, threads: int = 8, progress: Callable[[int, int], None] | None = None
) -> list[Header | str]:
    """The header of each file, or the reason why it cannot be read."""

    def read(path: Path) -> Header | str:
        try:
            return read_header(path)
        except DataError as error:
            return str(error).removeprefix(f"{path}: ")

    found = []
    with ThreadPoolExecutor(threads) as pool:
        for header in pool.map(read, paths):
            found.append(header)
            if progress:
                progress(len(found), len(paths))
    return found


def laterality_and_view(dataset: Dataset) -> tuple[str | None, str | None]:
    """Side and view of an image; the module's text has the order in which they are looked for."""
    words = " | ".join(_text(dataset, name) or "" for name in WORDS).upper()
    return _laterality(dataset, words), _view(dataset, words)


def kind_of(dataset: Dataset) -> str:
    """What sort of image it is: see `Header`."""
    words = " | ".join(_text(dataset, name) or "" for name in (*WORDS, "BodyPartExamined")).upper()
    image_type = {str(part).upper() for part in _items(dataset.get("ImageType"))}
    views = _items(dataset.get("ViewCodeSequence"))
    modifiers = [item for view in [*views, dataset] for item in _items(_modifiers(view))]
    said = {MODIFIER_CODES.get(_code(item)) for item in modifiers}
    volume = _text(dataset, "SOPClassUID") == TOMOSYNTHESIS or (_number(dataset.get("NumberOfFrames")) or 1) > 1
    factor = _number(dataset.get("EstimatedRadiographicMagnificationFactor")) or 1.0
    kinds = {
        "tomosynthesis": volume,
        "synthetic": bool(image_type & {"GENERATED_2D", "TOMO_2D"}) or "C-VIEW" in words,
        "contrast": "SUBTRACTION" in image_type or "SUBTRACT" in words,
        "specimen": "SPECIMEN" in words or any(_code(view) in SPECIMEN_CODES for view in views),
        "magnification": "magnification" in said or factor >= MAGNIFIED or bool(_MAGNIFIED.search(words)),
        "spot": "spot" in said or bool(_SPOT.search(words)),
    }
    return next((kind for kind, found in kinds.items() if found), "mammogram")


def _header(dataset: Dataset) -> Header:
    laterality, view = laterality_and_view(dataset)
    implant = {"YES": True, "NO": False}.get((_text(dataset, "BreastImplantPresent") or "").upper())
    spacing = _items(dataset.get("ImagerPixelSpacing")) or _items(dataset.get("PixelSpacing"))
    age = re.fullmatch(r"0*(\d{1,3})Y?", _text(dataset, "PatientAge") or "")
    whole = {name: _number(dataset.get(name)) for name in ("Rows", "Columns", "NumberOfFrames")}
    syntax = getattr(dataset.file_meta, "TransferSyntaxUID", None)
    return Header(
        laterality=laterality,
        view=view,
        kind=kind_of(dataset),
        syntax=syntax.name if syntax else "",
        photometric=_text(dataset, "PhotometricInterpretation") or "",
        implant=implant,
        rows=None if whole["Rows"] is None else int(whole["Rows"]),
        columns=None if whole["Columns"] is None else int(whole["Columns"]),
        frames=int(whole["NumberOfFrames"] or 1),
        sop_instance_uid=_text(dataset, "SOPInstanceUID"),
        patient_id=_text(dataset, "PatientID"),
        study_uid=_text(dataset, "StudyInstanceUID"),
        study_date=_text(dataset, "StudyDate"),
        age=float(age[1]) if age else None,
        manufacturer=_text(dataset, "Manufacturer"),
        model=_text(dataset, "ManufacturerModelName"),
        pixel_spacing=_number(spacing[0]) if spacing else None,
        series_description=_text(dataset, "SeriesDescription"),
    )


def _laterality(dataset: Dataset, words: str) -> str | None:
    for name in ("ImageLaterality", "Laterality"):
        if side := _side(_text(dataset, name)):
            return side
    for groups in _items(dataset.get("SharedFunctionalGroupsSequence")):
        for anatomy in _items(groups.get("FrameAnatomySequence")):
            if side := _side(_text(anatomy, "FrameLaterality")):
                return side
    found = {(one or other)[0] for one, other in _SIDE.findall(words)}
    return found.pop() if len(found) == 1 else None


def _side(text: str | None) -> str | None:
    """``L`` or ``R``; B (both) and U (unpaired) name no side."""
    return text[0].upper() if text and text.upper() in ("L", "R", "LEFT", "RIGHT") else None


def _view(dataset: Dataset, words: str) -> str | None:
    if said := (_text(dataset, "ViewPosition") or "").upper():
        return LONG_VIEWS.get(said, said)
    for item in _items(dataset.get("ViewCodeSequence")):
        if found := VIEW_CODES.get(_code(item)):
            return found
    views = set(_VIEW.findall(words))
    return views.pop() if len(views) == 1 else None


def _modifiers(item: Any) -> Any:
    return item.get("ViewModifierCodeSequence") if hasattr(item, "get") else None


def _code(item: Any) -> str:
    return str(item.get("CodeValue") or "") if hasattr(item, "get") else ""


def _text(dataset: Any, name: str) -> str | None:
    """A value as text; several values and empty ones are nothing."""
    value = dataset.get(name)
    text = "" if value is None else str(value).strip(" \0")
    return text or None


def _items(value: Any) -> list:
    """Items of a sequence or values of a multi-valued element; nothing of anything else."""
    if value is None or isinstance(value, str | bytes):
        return [value] if value else []
    try:
        return list(value)
    except TypeError:
        return [value]


def _number(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None
