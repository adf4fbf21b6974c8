"""Headers and pixels of a data set's folder, broken, and what the check says of them; and its contact sheet."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest

from mvmlm.data.check.sheet import WIDTH, Tile, choose, draw
from mvmlm.data.check.trial import spread
from mvmlm.data.exam_table import LABELS, validate
from mvmlm.data.readers import DATASETS
from tests.mvmlm.data.check_folder import check, edit, exam_rows, finding, images, write_phantom


@pytest.fixture(scope="module")
def pristine(tmp_path_factory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("pristine") / "phantom")


@pytest.fixture
def root(pristine, tmp_path) -> Path:
    shutil.copytree(pristine, tmp_path / "phantom")
    return tmp_path / "phantom"


def test_headers_that_contradict_the_table(root):
    side, view = images(root)[:2]
    edit(side, ImageLaterality={"L": "R", "R": "L"}[pydicom.dcmread(side).ImageLaterality])
    edit(view, ViewPosition={"CC": "MLO", "MLO": "CC"}[pydicom.dcmread(view).ViewPosition])
    report = check(root, max_bad=0.1)
    assert side.name in finding(report, "another laterality in their header").examples[0]
    assert finding(report, "have CC in their header and MLO in the table").count == 1
    assert finding(report, "can be used").count == 2
    assert len(report.tables["bad_images"]) == 2, "what the header gives away is not tried again"


def test_headers_that_share_what_should_be_theirs_alone(root):
    first, second, *_ = images(root)
    edit(second, SOPInstanceUID=pydicom.dcmread(first).SOPInstanceUID)
    for path in images(root)[:12]:
        edit(path, PatientID="SECRET")
    for number, path in enumerate(images(root)[12:]):
        edit(path, PatientID=f"SECRET{number}")
    report = check(root, images=0)
    assert finding(report, "share their SOP Instance UID").count == 2
    assert finding(report, "by the headers are two or more in the table").count == 1
    assert finding(report, "of the table are two or more by their headers").count == 7
    assert "SECRET" not in repr(report.checks) + repr(report.headers), "identifiers are counted, not shown"


def test_what_headers_say_of_the_equipment_is_counted(root):
    edit(images(root)[0], Manufacturer="")
    said = check(root, images=0, hashes=False).headers
    assert said["photometric interpretation"].keys() <= {"MONOCHROME1", "MONOCHROME2"}
    assert said["manufacturer"]["not said"] == 1 and sum(said["manufacturer"].values()) == 40
    assert sum(said["transfer syntax"].values()) == 40 and said["kind of image"] == {"mammogram": 40}


def test_a_header_that_cannot_be_read(root):
    images(root)[0].write_bytes(b"this is no DICOM file" * 100)
    report = check(root, max_bad=0.1)
    assert finding(report, "have a header that cannot be read").count == 1
    assert check(root, headers=1, max_bad=0.1).usable_share == report.usable_share, (
        "found when it is tried, else"
    )


def test_images_that_cannot_be_used_are_grouped_by_reason(root):
    truncated, blank, more = images(root)[:3]
    for path, lost in ((truncated, 12000), (more, 13000)):
        path.write_bytes(path.read_bytes()[:-lost])
    dataset = pydicom.dcmread(blank)
    dataset.PixelData = bytes(len(dataset.PixelData))
    dataset.save_as(blank)
    report = check(root, max_bad=0.1)
    assert finding(report, "cannot be used: no breast found: the image is blank").count == 1
    assert sum(c.count for c in report.checks if "images tried" in c.what and "cannot be used" in c.what) == 3
    assert finding(report, "truncated").count == 2, "one reason, whatever the number of bytes"
    bad = report.tables["bad_images"]
    assert (
        sorted(bad["image_id"]) == sorted(path.stem for path in (truncated, blank, more))
        and bad["reason"].notna().all()
    )


def test_images_that_look_odd(root):
    turned, dim = images(root)[:2]
    dataset = pydicom.dcmread(turned)
    dataset.PixelData = dataset.pixel_array[:, ::-1].tobytes()
    dataset.save_as(turned)
    edit(dim, WindowCenter=2**18, WindowWidth=2**18)
    for path in images(root)[2:5]:
        dataset = pydicom.dcmread(path)
        for name in ("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence"):
            if name in dataset:
                delattr(dataset, name)
        dataset.save_as(path)
    report = check(root)
    assert finding(report, "have the chest wall on the other side").examples == (
        turned.relative_to(root).as_posix(),
    )
    assert finding(report, "have no window").count == 3
    assert not report.is_bad, "they can be used"


def test_a_sample_goes_evenly_over_patients_and_is_always_the_same():
    exams = validate(exam_rows(40))
    chosen = spread(exams, 15)
    assert len(chosen) == 15 and exams.loc[chosen, "patient_id"].value_counts().tolist() == [2] * 5 + [1] * 5
    assert chosen.equals(spread(exams, 15)) and spread(exams, None).equals(exams.index)


def test_the_sheet_shows_positives_of_every_label_and_every_manufacturer(pristine):
    exams = DATASETS.get("phantom")().read(pristine)
    breasts = choose(exams)
    shown = exams.loc[[row for _, views in breasts for row in views]]
    assert len(shown) <= 24 and set(shown["manufacturer"]) == set(exams["manufacturer"])
    for label in LABELS:
        assert shown[label].any() == exams[label].any()
    for _, views in breasts:
        assert shown.loc[views, "view"].tolist() == ["CC", "MLO"]


def test_the_sheet_is_drawn_and_says_what_it_could_not_draw(root):
    report = check(root)
    height, width, channels = report.sheet.shape
    assert channels == 3 and width > 6 * WIDTH and height > 304
    assert np.asarray(report.sheet).std() > 20
    broken = Tile("L CC", None, "truncated " * 30, ())
    assert draw("a title", True, [("words", "more", [broken])]).shape[1] < width
