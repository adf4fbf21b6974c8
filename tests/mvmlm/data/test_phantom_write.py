"""The written data set: VinDr-Mammo's layout, valid DICOM, the same bytes again."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

from mvmlm.data.exam_table import breast_table
from mvmlm.data.phantom import PhantomOptions
from mvmlm.data.phantom.equipment import EQUIPMENT, store
from mvmlm.data.phantom.records import simulate_exam
from mvmlm.data.phantom.write import generate
from mvmlm.data.readers import DATASETS
from mvmlm.errors import DataError

OPTIONS = PhantomOptions(exams=12, height=160, width=128, seed=7)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    seen = []
    generate(folder, OPTIONS, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, OPTIONS.exams) for done in range(1, OPTIONS.exams + 1)]
    return folder


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def headers(folder: Path) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in sorted(folder.glob("images/*/*.dicom"))]


class TestLayout:
    def test_files_lie_as_published(self, root):
        images = sorted(root.glob("images/*/*"))
        assert len(images) == 4 * OPTIONS.exams
        assert all(re.fullmatch(r"[0-9a-f]{32}/[0-9a-f]{32}\.dicom", f"{p.parent.name}/{p.name}") for p in images)
        assert {p.name for p in root.iterdir()} == {
            "images", "breast-level_annotations.csv", "finding_annotations.csv", "metadata.csv",
        }  # fmt: skip

    def test_breast_table_has_the_published_columns_and_a_row_an_image(self, root):
        table = pd.read_csv(root / "breast-level_annotations.csv")
        assert ",".join(table.columns) == (
            "study_id,series_id,image_id,laterality,view_position,height,width,breast_birads,breast_density,split"
        )
        assert len(table) == table["image_id"].nunique() == 4 * OPTIONS.exams
        assert (table.groupby("study_id").size() == 4).all()
        assert (table.groupby("study_id")["split"].nunique() == 1).all()
        assert table.drop_duplicates("study_id")["split"].value_counts()["test"] == 2
        assert set(table["breast_birads"]) <= {f"BI-RADS {n}" for n in range(1, 6)}
        assert set(table["breast_density"]) <= {f"DENSITY {letter}" for letter in "ABCD"}

    def test_finding_table_has_a_row_a_box_and_one_for_every_image_without(self, root):
        table = pd.read_csv(root / "finding_annotations.csv")
        assert table["image_id"].nunique() == 4 * OPTIONS.exams
        none = table["finding_categories"] == "['No Finding']"
        boxes = ["xmin", "ymin", "xmax", "ymax"]
        assert table.loc[none, boxes].isna().all(axis=None)
        assert not set(table.loc[none, "image_id"]) & set(table.loc[~none, "image_id"])
        found = table.loc[~none]
        assert len(found) > 5
        assert (found["xmin"] >= 0).all() and (found["xmax"] <= found["width"]).all()
        assert (found["ymin"] >= 0).all() and (found["ymax"] <= found["height"]).all()
        assert (found["xmin"] < found["xmax"]).all() and (found["ymin"] < found["ymax"]).all()

    def test_metadata_name_the_uid_twice_and_agree_with_the_files(self, root):
        with (root / "metadata.csv").open(newline="") as handle:
            names, *rows = csv.reader(handle)
        assert len(names) == 21 and names.count("SOP Instance UID") == 2
        by_image = {row[0]: dict(zip(names, row)) for row in rows}
        for path in root.glob("images/*/*.dicom"):
            header, row = pydicom.dcmread(path), by_image[path.stem]
            assert row["Patient's Age"] == header.get("PatientAge", "")
            assert row["Photometric Interpretation"] == header.PhotometricInterpretation
            assert row["Image Laterality"] == header.ImageLaterality
            assert json.loads(row["Pixel Spacing"]) == [float(v) for v in header.PixelSpacing]
            assert row["Manufacturer"] == header.Manufacturer


class TestDicom:
    def test_files_are_whole_and_say_that_they_are_simulated(self, root):
        for header in headers(root):
            assert header.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
            assert (header.BitsAllocated, header.BitsStored, header.HighBit) == (16, 12, 11)
            assert header.pixel_array.shape == (OPTIONS.height, OPTIONS.width)
            assert header.pixel_array.max() < 2**12
            assert "SIMULATED" in header.ImageComments and "SIMULATED" in header.SeriesDescription
            assert pydicom.uid.UID(header.SOPInstanceUID).is_valid
            assert header.Modality == "MG" and header.ViewPosition in ("CC", "MLO")

    def test_machines_differ(self, root):
        found = headers(root)
        assert {h.PhotometricInterpretation for h in found} == {"MONOCHROME1", "MONOCHROME2"}
        assert {h.Manufacturer for h in found} == {EQUIPMENT[letter].manufacturer for letter in "ABC"}
        assert len({(h.Manufacturer, str(h.WindowCenter), h.RescaleSlope) for h in found}) == 3
        assert any("PatientAge" in h for h in found)

    def test_the_chest_wall_is_where_real_ones_have_it(self, root):
        for header in headers(root):
            pixels = header.pixel_array.astype(int)
            background = pixels.max() if header.PhotometricInterpretation == "MONOCHROME1" else 0
            columns = (pixels != background).mean(axis=0)
            third = OPTIONS.width // 3
            left_heavy = columns[:third].sum() > columns[-third:].sum()
            assert left_heavy == (header.ImageLaterality == "L")


@pytest.mark.parametrize("machine", EQUIPMENT.values(), ids=lambda m: m.manufacturer)
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_the_window_brings_the_picture_back(machine, bits):
    picture = np.linspace(0, 1, 200, dtype=np.float32).reshape(10, 20)
    picture[0, 0] = np.nan
    stored = store(picture, machine, bits)
    assert stored.pixels.max() < 2**bits
    shown = (stored.pixels * machine.slope + machine.intercept - stored.centers[0]) / stored.widths[0] + 0.5
    shown = 1 - shown if machine.inverted else shown
    tissue = np.clip(shown.ravel()[1:], 0, 1)
    assert (np.diff(tissue) >= 0).all()
    assert tissue[0] < 0.08 and tissue[-1] > 0.92
    assert shown[0, 0] <= 0.05


class TestSameBytes:
    def test_two_runs_and_any_number_of_workers_write_the_same(self, tmp_path):
        options = PhantomOptions(exams=3, height=96, width=80, seed=3)
        generate(tmp_path / "one", options)
        generate(tmp_path / "two", options, workers=2)
        assert digests(tmp_path / "one") == digests(tmp_path / "two")

    def test_another_seed_writes_something_else(self, tmp_path):
        generate(tmp_path / "one", PhantomOptions(exams=1, height=96, width=80, seed=3))
        generate(tmp_path / "two", PhantomOptions(exams=1, height=96, width=80, seed=4))
        one, two = digests(tmp_path / "one"), digests(tmp_path / "two")
        assert not set(one.values()) & set(two.values())


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(DataError, match="is not empty"):
        generate(tmp_path, PhantomOptions(exams=1))
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]


class TestReader:
    def test_reads_what_was_simulated(self, root):
        reader = DATASETS.get("phantom")()
        frame = reader.read(root, OPTIONS)
        assert reader.simulated and reader.releasable
        assert set(frame["dataset"]) == {"phantom"}
        breasts = breast_table(frame)
        for index in range(OPTIONS.exams):
            exam = simulate_exam(OPTIONS, index)
            for breast in exam.breasts:
                row = breasts.loc[f"{exam.study_id}_{breast.laterality}"]
                assert row["birads"] == breast.birads
                assert row["density"] == exam.density
                assert row["split"] == ("test" if exam.test else "train")
                assert pd.isna(row["age"]) if not exam.age_known else row["age"] == exam.age
                categories = {c for f in breast.findings for c in f.categories}
                assert row["mass"] == ("Mass" in categories)
                assert row["malignancy"] == (breast.birads >= 4)

    def test_fingerprint_needs_no_files(self):
        reader = DATASETS.get("phantom")
        assert reader.fingerprint(None, OPTIONS) == reader.fingerprint(None, PhantomOptions(**vars(OPTIONS)))
        assert reader.fingerprint(None, OPTIONS) != reader.fingerprint(None, PhantomOptions())

    def test_generates_through_the_registry(self, tmp_path):
        reader = DATASETS.get("phantom")()
        options = reader.Options(exams=1, height=96, width=80)
        reader.generate(tmp_path / "new", options)
        assert len(reader.read(tmp_path / "new", options)) == 4
