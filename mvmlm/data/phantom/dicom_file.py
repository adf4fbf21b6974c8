"""One simulated view as a DICOM file (Digital Mammography X-Ray Image, For Presentation)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvmlm.data.phantom.equipment import Stored
from mvmlm.data.phantom.options import GENERATOR_VERSION
from mvmlm.data.phantom.records import Breast, Exam
from mvmlm.data.phantom.views import MAGNIFICATION, View

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

NOTICE = "SIMULATED: a computer-generated phantom, not a patient"

#: SNOMED CT codes of the projections (DICOM context group 4014) and of modifiers (4015).
_VIEW_CODES = {
    "CC": ("399162004", "cranio-caudal"),
    "MLO": ("399368009", "medio-lateral oblique"),
    "ML": ("399260004", "medio-lateral"),
    "LM": ("399352003", "latero-medial"),
    "AT": ("399368009", "medio-lateral oblique"),
}
_AXILLARY_TAIL = ("399011000", "Axillary Tail")
_MAGNIFICATION = ("399163009", "Magnification")


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
    left = breast.laterality == "L"
    upright = view.name != "CC"
    file.Modality = "MG"
    file.PresentationIntentType = "FOR PRESENTATION"
    file.ImageType = ["DERIVED", "PRIMARY"]
    file.BodyPartExamined = "BREAST"
    file.Manufacturer = exam.equipment.manufacturer
    file.ManufacturerModelName = exam.equipment.model
    file.ImageLaterality = breast.laterality
    file.ViewPosition = view.name
    file.PatientOrientation = ["A" if left else "P", "F" if upright else ("R" if left else "L")]
    file.BreastImplantPresent = "NO"
    file.PositionerType = "MAMMOGRAPHIC"
    file.BodyPartThickness = round(10 * breast.anatomy.thickness, 1)
    file.InstanceNumber = view.number
    modifiers = [_AXILLARY_TAIL] * (view.name == "AT") + [_MAGNIFICATION] * view.magnified
    code = _coded(*_VIEW_CODES[view.name])
    code.ViewModifierCodeSequence = [_coded(*modifier) for modifier in modifiers]
    file.ViewCodeSequence = [code]
    if view.magnified:
        file.EstimatedRadiographicMagnificationFactor = MAGNIFICATION
    file.ImagerPixelSpacing = file.PixelSpacing = [round(exam.pixel_mm, 6)] * 2


def _coded(value: str, meaning: str) -> Dataset:
    from pydicom.dataset import Dataset

    code = Dataset()
    code.CodeValue, code.CodeMeaning = value, meaning
    code.CodingSchemeDesignator = "SCT"
    return code


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


def compress(file: FileDataset, syntax: str) -> None:
    """Compress an image without loss, in place.

    Parameters
    ----------
    file : FileDataset
        As `dataset` returns it.
    syntax : str
        UID of JPEG 2000 lossless or of JPEG lossless, selection value 1.
    """
    import imagecodecs
    import numpy as np
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEG2000Lossless

    pixels = np.frombuffer(file.PixelData, "<u2").reshape(file.Rows, file.Columns)
    if syntax == JPEG2000Lossless:
        how = {"codecformat": "j2k", "reversible": True, "bitspersample": file.BitsStored, "numthreads": 1}
        frame = imagecodecs.jpeg2k_encode(pixels, **how)
    else:
        frame = imagecodecs.jpeg8_encode(pixels, lossless=True, predictor=1, bitspersample=file.BitsStored)
    file.PixelData = encapsulate([bytes(frame)])
    file["PixelData"].VR = "OB"
    file["PixelData"].is_undefined_length = True
    file.file_meta.TransferSyntaxUID = syntax
