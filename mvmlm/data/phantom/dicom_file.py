"""One simulated view as a DICOM file (Digital Mammography X-Ray Image, For Presentation)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvmlm.data.phantom.equipment import Stored
from mvmlm.data.phantom.options import GENERATOR_VERSION
from mvmlm.data.phantom.records import Breast, Exam, View

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

NOTICE = "SIMULATED: a computer-generated phantom, not a patient"

#: VinDr-Mammo's ``metadata.csv``: these 21 columns, the first name twice.
METADATA_COLUMNS = (
    "SOP Instance UID", "Series Instance UID", "SOP Instance UID", "Patient's Age", "View Position",
    "Image Laterality", "Rows", "Columns", "Photometric Interpretation", "Imager Pixel Spacing", "Pixel Spacing",
    "Pixel Padding Value", "Pixel Padding Range Limit", "Window Center", "Window Width", "Rescale Intercept",
    "Rescale Slope", "Rescale Type", "Window Center & Width Explanation", "Manufacturer",
    "Manufacturer's Model Name",
)  # fmt: skip
_KEYWORDS = (
    "PatientAge", "ViewPosition", "ImageLaterality", "Rows", "Columns", "PhotometricInterpretation",
    "ImagerPixelSpacing", "PixelSpacing", "PixelPaddingValue", "PixelPaddingRangeLimit", "WindowCenter",
    "WindowWidth", "RescaleIntercept", "RescaleSlope", "RescaleType", "WindowCenterWidthExplanation",
    "Manufacturer", "ManufacturerModelName",
)  # fmt: skip

#: SNOMED CT codes of the two projections (DICOM context group 4014).
_VIEW_CODES = {"CC": ("399162004", "cranio-caudal"), "MLO": ("399368009", "medio-lateral oblique")}


def dataset(exam: Exam, breast: Breast, view: View, stored: Stored, bits: int) -> FileDataset:
    """The file of one view, uncompressed, explicit VR little endian; no date and no time is in it.

    Parameters
    ----------
    exam : Exam
    breast : Breast
    view : View
    stored : Stored
        Pixels as the detector delivers them: chest wall at the left of left breasts, at the right of right ones.
    bits : int
        Bits stored.
    """
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = uid(view.image_id)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = "2.25.199116742531687402173459172837465019283"
    meta.ImplementationVersionName = f"PHANTOM_{GENERATOR_VERSION}"
    file = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    file.SOPClassUID = meta.MediaStorageSOPClassUID
    file.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    _say_who(file, exam)
    _say_how(file, exam, breast, view)
    _say_pixels(file, exam, stored, bits)
    return file


def uid(identifier: str) -> str:
    """A DICOM UID from 32 hexadecimal digits (PS3.5 annex B.2: 2.25 and a UUID as a decimal number)."""
    return f"2.25.{int(identifier, 16)}"


def metadata_row(file: FileDataset, image_id: str, series_id: str) -> tuple:
    """The row of ``metadata.csv``; where the header lacks an attribute the cell is empty."""
    cells = (file.get(keyword) for keyword in _KEYWORDS)
    return (image_id, series_id, image_id, *("" if cell is None else _cell(cell) for cell in cells))


def _cell(value: object) -> object:
    if isinstance(value, str | int | float):
        return value
    return str([part if isinstance(part, str) and not _number(part) else float(part) for part in value])


def _number(text: str) -> bool:
    return text.replace(".", "", 1).lstrip("-").isdigit()


def _say_who(file: FileDataset, exam: Exam) -> None:
    file.PatientID = exam.study_id
    file.PatientName = "SIMULATED"
    file.PatientSex = "F"
    file.PatientBirthDate = ""
    if exam.age_known:
        file.PatientAge = f"{exam.age:03d}Y"
    file.StudyInstanceUID = uid(exam.study_id)
    file.SeriesInstanceUID = uid(exam.series_id)
    file.StudyID = file.StudyDate = file.StudyTime = file.AccessionNumber = file.ReferringPhysicianName = ""
    file.SeriesNumber = 1
    file.StudyDescription = "SIMULATED screening mammography"
    file.SeriesDescription = NOTICE
    file.ImageComments = NOTICE


def _say_how(file: FileDataset, exam: Exam, breast: Breast, view: View) -> None:
    from pydicom.dataset import Dataset

    left = breast.laterality == "L"
    mlo = view.projection.view == "MLO"
    file.Modality = "MG"
    file.PresentationIntentType = "FOR PRESENTATION"
    file.ImageType = ["DERIVED", "PRIMARY"]
    file.BodyPartExamined = "BREAST"
    file.Manufacturer = exam.equipment.manufacturer
    file.ManufacturerModelName = exam.equipment.model
    file.ImageLaterality = breast.laterality
    file.ViewPosition = view.projection.view
    file.PatientOrientation = ["A" if left else "P", "F" if mlo else ("R" if left else "L")]
    file.BreastImplantPresent = "NO"
    file.PositionerType = "MAMMOGRAPHIC"
    file.BodyPartThickness = round(10 * breast.anatomy.thickness, 1)
    file.InstanceNumber = 1 + 2 * (not left) + mlo
    code = Dataset()
    code.CodeValue, code.CodeMeaning = _VIEW_CODES[view.projection.view]
    code.CodingSchemeDesignator = "SCT"
    code.ViewModifierCodeSequence = []
    file.ViewCodeSequence = [code]
    file.ImagerPixelSpacing = file.PixelSpacing = [round(exam.pixel_mm, 6)] * 2


def _say_pixels(file: FileDataset, exam: Exam, stored: Stored, bits: int) -> None:
    machine = exam.equipment
    file.SamplesPerPixel = 1
    file.PhotometricInterpretation = "MONOCHROME1" if machine.inverted else "MONOCHROME2"
    file.Rows, file.Columns = stored.pixels.shape
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, bits, bits - 1
    file.PixelRepresentation = 0
    if stored.padding is not None:
        file.PixelPaddingValue = stored.padding
    file.BurnedInAnnotation = "NO"
    file.LossyImageCompression = "00"
    file.RescaleSlope, file.RescaleIntercept, file.RescaleType = machine.slope, machine.intercept, "US"
    file.WindowCenter, file.WindowWidth = list(stored.centers), list(stored.widths)
    file.WindowCenterWidthExplanation = ["NORMAL", "HARDER"][: len(stored.centers)]
    file.VOILUTFunction = "SIGMOID" if machine.sigmoid else "LINEAR"
    file.PresentationLUTShape = "INVERSE" if machine.inverted else "IDENTITY"
    file.PixelData = stored.pixels.astype("<u2").tobytes()
