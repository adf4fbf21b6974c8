"""What is made of DICOM headers, of good ones and of odd ones."""

from __future__ import annotations

import threading

import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.dataset import Dataset

from mvmlm.data.header import Header, kind_of, laterality_and_view, read_header, read_headers
from mvmlm.errors import DataError
from tests.mvmlm.data.dicom_files import code, dataset, make, part10, save

PIXELS = np.arange(200, dtype=np.uint16).reshape(20, 10)


def said(**attributes) -> Dataset:
    """A data set with nothing else in it."""
    made = Dataset()
    with pydicom.config.disable_value_validation():
        for name, value in attributes.items():
            setattr(made, name, value)
    return made


def with_frame_laterality(side: str, **attributes) -> Dataset:
    groups = said(FrameAnatomySequence=[said(FrameLaterality=side)])
    return said(SharedFunctionalGroupsSequence=[groups], **attributes)


def test_a_whole_header(tmp_path):
    path = make(
        tmp_path,
        PIXELS,
        bits=12,
        ImageLaterality="R",
        ViewPosition="MLO",
        BreastImplantPresent="NO",
        PatientID="p1",
        StudyInstanceUID="1.2.3",
        StudyDate="20200131",
        PatientAge="057Y",
        Manufacturer="HOLOGIC, Inc.",
        ManufacturerModelName="Selenia Dimensions",
        ImagerPixelSpacing=[0.07, 0.07],
        PixelSpacing=[0.065, 0.065],
        SeriesDescription="R MLO",
    )
    found = read_header(path)
    assert found == Header(
        laterality="R",
        view="MLO",
        kind="mammogram",
        syntax="Explicit VR Little Endian",
        photometric="MONOCHROME2",
        implant=False,
        rows=20,
        columns=10,
        frames=1,
        sop_instance_uid=found.sop_instance_uid,
        patient_id="p1",
        study_uid="1.2.3",
        study_date="20200131",
        age=57.0,
        manufacturer="HOLOGIC, Inc.",
        model="Selenia Dimensions",
        pixel_spacing=0.07,
        series_description="R MLO",
    )
    assert found.sop_instance_uid == pydicom.dcmread(path).SOPInstanceUID


def test_a_header_that_says_nothing(tmp_path):
    path = tmp_path / "bare.dcm"
    path.write_bytes(part10(b"\x08\0\x60\0CS\2\0MG"))
    assert read_header(path) == Header(syntax="Explicit VR Little Endian")


@pytest.mark.parametrize(
    "syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.JPEG2000Lossless]
)
def test_the_header_is_the_same_in_every_transfer_syntax(tmp_path, syntax):
    attributes = {"ImageLaterality": "L", "ViewCodeSequence": [code("399162004")], "bits": 12}
    found = read_header(make(tmp_path, PIXELS, syntax, **attributes))
    assert (found.laterality, found.view, found.rows, found.columns) == ("L", "CC", 20, 10)
    assert found.syntax == uid.UID(syntax).name


def test_the_header_of_a_deflated_file(tmp_path):
    found = read_header(make(tmp_path, PIXELS, uid.DeflatedExplicitVRLittleEndian, ImageLaterality="L"))
    assert (found.laterality, found.rows) == ("L", 20)
    assert found.syntax == uid.DeflatedExplicitVRLittleEndian.name


@pytest.mark.parametrize(
    "header, side",
    [
        (said(ImageLaterality="L", Laterality="R", SeriesDescription="R CC"), "L"),
        (said(Laterality="R", SeriesDescription="L CC"), "R"),
        (said(ImageLaterality="", Laterality="R"), "R"),
        (said(ImageLaterality="U", Laterality="L"), "L"),
        (said(ImageLaterality="B", Laterality="L", SeriesDescription="L CC"), None),
        (said(ImageLaterality=" l "), "L"),
        (with_frame_laterality("L", SeriesDescription="R MLO"), "L"),
        (with_frame_laterality("B", SeriesDescription="R MLO"), "R"),
        (said(), None),
    ],
    ids=["image", "series", "empty", "unpaired", "both", "small", "frame", "both frames", "none"],
)
def test_the_side_from_its_elements_in_order(header, side):
    assert laterality_and_view(header)[0] == side


@pytest.mark.parametrize(
    "words, side, view",
    [
        ("L CC", "L", "CC"),
        ("RMLO", "R", "MLO"),
        ("LEFT MLO", "L", "MLO"),
        ("R-CC", "R", "CC"),
        ("Lt_MLO", "L", "MLO"),
        ("MLO L", "L", "MLO"),
        ("MG_R_CC_1", "R", "CC"),
        ("L XCCL", "L", "XCCL"),
        ("LML", "L", "ML"),
        ("LLM", "L", "LM"),
        ("LMLO", "L", "MLO"),
        ("RLMO", "R", "LMO"),
        ("LM", None, "LM"),
        ("R MLO C-View", "R", "MLO"),
        ("Right breast", "R", None),
        ("L CC, R CC", None, "CC"),
        ("R CC L CC", None, "CC"),
        ("L CC, L MLO", "L", None),
        ("left and right breast", None, None),
        ("ROUTINE", None, None),
        ("ACCESSORY", None, None),
        ("CLEFT", None, None),
        ("", None, None),
    ],
)
@pytest.mark.parametrize(
    "name", ["SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription"]
)
def test_side_and_view_from_words(name, words, side, view):
    assert laterality_and_view(said(**{name: words})) == (side, view)


@pytest.mark.parametrize(
    "header, view",
    [
        (said(ViewPosition="CC", ViewCodeSequence=[code("399368009")]), "CC"),
        (said(ViewPosition="mlo "), "MLO"),
        (said(ViewPosition="RMLO"), "MLO"),
        (said(ViewPosition="CRANIO-CAUDAL"), "CC"),
        (said(ViewPosition="XCC"), "XCC"),
        (said(ViewPosition="AP"), "AP"),
        (said(ViewPosition="", ViewCodeSequence=[code("399368009")], SeriesDescription="L CC"), "MLO"),
        (said(ViewCodeSequence=[code("R-10242", "SNM3")]), "CC"),
        (said(ViewCodeSequence=[code("0")], SeriesDescription="L CC"), "CC"),
        (
            said(ViewPosition="MLO", ViewCodeSequence=[said(ViewModifierCodeSequence=[code("399011000")])]),
            "AT",
        ),
        (said(ViewCodeSequence=[code("399162004", ViewModifierCodeSequence=[code("R-102D2", "SRT")])]), "CV"),
        (said(ViewCodeSequence=[code("399162004", ViewModifierCodeSequence=[code("399209000")])]), "CC"),
    ],
    ids=[
        "position first",
        "small",
        "with side",
        "in words",
        "exaggerated",
        "other",
        "code",
        "old code",
        "unknown code",
        "axillary tail",
        "cleavage",
        "implant displaced",
    ],
)
def test_the_view_from_its_elements_in_order(header, view):
    assert laterality_and_view(header)[1] == view


def test_view_codes_are_those_of_the_standard():
    """Context group 4014, as pydicom has it from the standard, in SNOMED CT and its older codes."""
    from pydicom.sr._concepts_dict import concepts
    from pydicom.sr._snomed_dict import mapping

    from mvmlm.data.header import KIND_CODES, OTHER_VIEW_CODES, SPECIMEN_CODES, VIEW_CODES

    for group, ours in ((4014, {*VIEW_CODES, *SPECIMEN_CODES}), (4015, {*KIND_CODES, *OTHER_VIEW_CODES})):
        standard = {
            code
            for coded in concepts["SCT"].values()
            for code, (_, groups) in coded.items()
            if group in groups
        }
        new = {code for code in ours if code.isdigit()}
        assert new == standard if group == 4014 else new < standard
        assert {mapping["SCT"][code] for code in new} <= ours


TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"


@pytest.mark.parametrize(
    "kind, header",
    [
        ("mammogram", said(ImageType=["DERIVED", "PRIMARY"], EstimatedRadiographicMagnificationFactor=1.07)),
        ("mammogram", said(ImageType=["ORIGINAL", "PRIMARY", "", "LOW_ENERGY"])),
        ("mammogram", said(SeriesDescription="L MLO", ViewCodeSequence=[code("399368009")])),
        (
            "mammogram",
            said(ViewCodeSequence=[code("399162004", ViewModifierCodeSequence=[code("399209000")])]),
        ),
        ("mammogram", said(SeriesDescription="IMAGE DMAGE", NumberOfFrames=1)),
        ("tomosynthesis", said(SOPClassUID=TOMOSYNTHESIS)),
        ("tomosynthesis", said(NumberOfFrames=62)),
        ("tomosynthesis", said(NumberOfFrames=62, SeriesDescription="L CC C-View")),
        ("synthetic", said(ImageType=["DERIVED", "PRIMARY", "TOMO", "GENERATED_2D"])),
        (
            "synthetic",
            said(SOPClassUID=TOMOSYNTHESIS, ImageType=["DERIVED", "PRIMARY", "TOMO", "GENERATED_2D"]),
        ),
        ("synthetic", said(SeriesDescription="R MLO C-View")),
        ("synthetic", said(SeriesDescription="R MLO Intelligent 2D")),
        ("contrast", said(ImageType=["DERIVED", "PRIMARY", "", "RECOMBINED"])),
        ("contrast", said(ImageType=["ORIGINAL", "PRIMARY", "", "HIGH_ENERGY"])),
        ("contrast", said(SeriesDescription="CESM subtracted L CC")),
        ("specimen", said(ViewCodeSequence=[code("127457009")])),
        ("specimen", said(SeriesDescription="Specimen", EstimatedRadiographicMagnificationFactor=2)),
        ("magnification", said(EstimatedRadiographicMagnificationFactor="1.8")),
        ("magnification", said(EstimatedRadiographicMagnificationFactor="1.5")),
        ("magnification", said(SeriesDescription="L CC MAG")),
        ("magnification", said(SeriesDescription="R MCC")),
        ("magnification", said(ViewCodeSequence=[code("1", ViewModifierCodeSequence=[code("399163009")])])),
        ("magnification", said(ViewModifierCodeSequence=[code("R-102D6"), code("R-102D7")])),
        ("spot", said(ViewCodeSequence=[code("1", ViewModifierCodeSequence=[code("399055006")])])),
        ("spot", said(SeriesDescription="L CC spot compression")),
    ],
)
def test_kinds_of_image(kind, header):
    assert kind_of(header) == kind


@pytest.mark.parametrize(
    "text, age",
    [
        ("045Y", 45),
        ("45", 45),
        ("018M", 1.5),
        ("052W", 1.0),
        ("000D", 0),
        ("", None),
        ("old", None),
        ("1045Y", None),
    ],
)
def test_ages_in_years(tmp_path, text, age):
    with pydicom.config.disable_value_validation():
        path = make(tmp_path, PIXELS, PatientAge=text)
    assert read_header(path).age == (None if age is None else pytest.approx(age, abs=0.01))


@pytest.mark.parametrize("said_of_it, implant", [("YES", True), ("NO", False), ("", None), ("MAYBE", None)])
def test_implants(tmp_path, said_of_it, implant):
    assert read_header(make(tmp_path, PIXELS, BreastImplantPresent=said_of_it)).implant is implant


@pytest.mark.parametrize("spacing, found", [([0.1, 0.1], 0.1), (None, None), ([0, 0], None)])
def test_pixel_spacing(tmp_path, spacing, found):
    made = dataset(PIXELS)
    made.PixelSpacing = spacing
    assert read_header(save(made, tmp_path)).pixel_spacing == found


def test_values_of_the_wrong_kind_count_as_none(tmp_path):
    made = dataset(PIXELS)
    with pydicom.config.disable_value_validation():
        made.add_new("ViewCodeSequence", "LO", "CC")
        made.add_new("ImageLaterality", "US", 7)
        made.add_new("PatientAge", "SH", ["1", "2"])
        made.add_new("NumberOfFrames", "LO", "several")
        made.add_new("PatientID", "SQ", [code("1")])
        made.add_new("EstimatedRadiographicMagnificationFactor", "LO", "twice")
        made.add_new("SeriesDescription", "LO", ["L CC", "processed"])
    found = read_header(save(made, tmp_path))
    assert (found.laterality, found.view, found.kind) == ("L", "CC", "mammogram")
    assert (found.age, found.frames, found.rows) == (None, 1, 20)


def test_a_value_that_cannot_be_decoded_leaves_the_others(tmp_path):
    path = make(tmp_path, PIXELS, PixelSpacing=["0.1234", "0.1234"], ImageLaterality="L")
    path.write_bytes(path.read_bytes().replace(b"0.1234", b"ab\xff.cd"))
    found = read_header(path)
    assert (found.pixel_spacing, found.laterality) == (None, "L")


def test_text_in_its_character_set(tmp_path):
    path = make(tmp_path, PIXELS, SpecificCharacterSet="ISO_IR 100", Manufacturer="Müller & Söhne")
    assert read_header(path).manufacturer == "Müller & Söhne"


def test_a_file_without_pixels_has_a_header(tmp_path):
    assert read_header(make(tmp_path, PIXELS, PixelData=None, ImageLaterality="L")).laterality == "L"


def test_headers_of_many_files_in_their_order(tmp_path):
    paths = []
    for index in range(40):
        folder = tmp_path / str(index)
        folder.mkdir()
        paths.append(make(folder, PIXELS, PatientID=f"p{index}"))
    paths[7].write_text("a letter " * 50)
    paths[9].unlink()
    seen, threads = [], set()

    def progress(done: int, of: int) -> None:
        seen.append((done, of))
        threads.add(threading.get_ident())

    found = read_headers(paths, threads=4, progress=progress)
    assert found[7] == "is no DICOM file"
    assert "no such file" in found[9]
    assert [h.patient_id for i, h in enumerate(found) if i not in (7, 9)] == [
        f"p{i}" for i in range(40) if i not in (7, 9)
    ]
    assert seen == [(i + 1, 40) for i in range(40)]
    assert threads == {threading.get_ident()}


def test_no_files_no_headers():
    assert read_headers([]) == []


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 200, b"DICM", b"\0" * 128 + b"DICM", b"Dear colleague, " * 20]
)
def test_what_is_no_dicom_is_told_in_one_line(tmp_path, content):
    path = tmp_path / "letter.dcm"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"^[^\n]*letter\.dcm: [^\n]+$"):
        read_header(path)
