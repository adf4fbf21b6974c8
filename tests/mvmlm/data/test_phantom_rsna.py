"""Simulated exams in RSNA's layout, read by RSNA's own reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1

from mvmlm.data.codecs import decode
from mvmlm.data.exam_table import breast_table
from mvmlm.data.phantom import PhantomRsnaOptions
from mvmlm.data.phantom.dicom_file import compress, dataset
from mvmlm.data.phantom.equipment import EQUIPMENT, store
from mvmlm.data.phantom.layout_rsna import RsnaCase, RsnaLayout
from mvmlm.data.phantom.pathology import cancer_share
from mvmlm.data.phantom.records import simulate_exam
from mvmlm.data.readers import DATASETS
from mvmlm.data.readers.rsna import Rsna

OPTIONS = PhantomRsnaOptions(exams=16, height=96, width=72, seed=5)
MANY = PhantomRsnaOptions(exams=900)
COLUMNS = (
    "site_id,patient_id,image_id,laterality,view,age,cancer,biopsy,invasive,BIRADS,implant,density,machine_id,"
    "difficult_negative_case"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("rsna") / "data"
    DATASETS.get("phantom_rsna")().generate(folder, OPTIONS)
    return folder


@pytest.fixture(scope="module")
def train(root) -> pd.DataFrame:
    return pd.read_csv(root / "train.csv")


@pytest.fixture(scope="module")
def many() -> list[RsnaCase]:
    return [RsnaLayout().simulate(MANY, index) for index in range(MANY.exams)]


@pytest.fixture(scope="module")
def breasts(many) -> pd.DataFrame:
    rows = [
        {
            "site": case.site,
            "density": case.exam.density,
            "read": breast.birads,
            **vars(case.truth[breast.laterality]),
        }
        for case in many
        for breast in case.exam.breasts
    ]
    return pd.DataFrame(rows)


def files(folder: Path) -> Iterator[pydicom.Dataset]:
    return (pydicom.dcmread(path) for path in sorted(folder.glob("train_images/*/*.dcm")))


class TestTable:
    def test_has_the_published_columns_and_a_file_a_row(self, root, train):
        assert (root / "train.csv").read_text().splitlines()[0] == COLUMNS
        there = {path.relative_to(root).as_posix() for path in root.glob("*/*/*")}
        named = {f"train_images/{p}/{i}.dcm" for p, i in zip(train["patient_id"], train["image_id"])}
        assert named == there
        assert train["image_id"].is_unique
        assert train["patient_id"].nunique() == OPTIONS.exams

    def test_real_reader_says_what_was_simulated(self, root):
        intake = DATASETS.get("phantom_rsna")().take_in(root, OPTIONS)
        assert not len(intake.set_aside)
        assert set(intake.exams["dataset"]) == {"phantom_rsna"}
        assert set(intake.exams["malignancy_source"]) == {"pathology"}
        found = breast_table(intake.exams)
        assert found["malignancy"].sum() >= 2
        for index in range(OPTIONS.exams):
            case = RsnaLayout().simulate(OPTIONS, index)
            for breast in case.exam.breasts:
                row = found.loc[f"{case.patient_id}_{breast.laterality}"]
                truth = case.truth[breast.laterality]
                assert row["malignancy"] == truth.cancer
                assert (row["site"], row["machine"]) == (str(case.site), str(case.machine))
                assert pd.isna(row["birads"]) if truth.birads is None else row["birads"] == truth.birads
                assert row["n_views"] == len(breast.views)
                assert row["cc"] >= 0 and row["mlo"] >= 0
                if case.site == 1:
                    assert row["density"] == case.exam.density
                    assert row["implant"] == case.implant
                else:
                    assert pd.isna(row["density"]) and pd.isna(row["implant"])

    def test_tasks_and_guards_are_the_real_set_s(self):
        reader = DATASETS.get("phantom_rsna")
        assert reader.simulated and reader.releasable
        assert reader.tasks == Rsna.tasks
        assert reader.report_fields == Rsna.report_fields
        assert reader.outcome_fields == Rsna.outcome_fields


class TestOutcomes:
    def test_birads_gives_cancers_away_as_published(self, breasts):
        cancer = breasts[breasts["cancer"]]
        assert (cancer.loc[cancer["site"] == 1, "birads"] == 0).all()
        assert cancer.loc[cancer["site"] == 2, "birads"].isna().all()
        assert set(breasts["birads"].dropna()) == {0, 1, 2}
        missing = (
            breasts[~breasts["cancer"]].groupby("site")["birads"].apply(lambda cells: cells.isna().mean())
        )
        assert missing[1] == pytest.approx(0.20, abs=0.05)
        assert missing[2] == pytest.approx(0.90, abs=0.05)

    def test_columns_imply_each_other_as_published(self, breasts):
        assert breasts.loc[breasts["cancer"], "biopsy"].all()
        assert breasts.loc[breasts["invasive"], "cancer"].all()
        assert not breasts.loc[breasts["difficult"], "cancer"].any()
        assert breasts["difficult"].any() and (breasts["cancer"] & ~breasts["invasive"]).any()

    def test_cancer_is_as_common_as_the_findings_make_it(self, breasts, many):
        expected = [
            1 - np.prod([1 - cancer_share(f) for f in breast.findings])
            for case in many
            for breast in case.exam.breasts
        ]
        assert breasts["cancer"].mean() == pytest.approx(np.mean(expected), abs=0.02)
        share = breasts.groupby("read")["cancer"].mean()
        assert share[1] == share[2] == 0
        assert share[3] < 0.06 < share[4] < 0.7 < share[5]


class TestSites:
    def test_machines_are_never_shared(self, many):
        used = {site: {case.machine for case in many if case.site == site} for site in (1, 2)}
        assert used[1] and used[2] and not used[1] & used[2]
        models = {s: {case.exam.equipment.model for case in many if case.site == s} for s in (1, 2)}
        assert not models[1] & models[2]

    def test_one_machine_stands_in_both(self):
        options = PhantomRsnaOptions(exams=30, vendors="D")
        cases = [RsnaLayout().simulate(options, index) for index in range(options.exams)]
        assert {case.site for case in cases} == {1, 2}
        assert {case.exam.equipment.model for case in cases} == {EQUIPMENT["D"].model}

    def test_implants_are_recorded_in_site_1_alone(self, many):
        with_implant = [case for case in many if case.implant]
        assert {case.site for case in with_implant} == {1}
        assert 5 < len(with_implant) < 50

    def test_some_breasts_have_more_than_two_views(self, many):
        names = [[view.name for view in breast.views] for case in many for breast in case.exam.breasts]
        assert all(views[:2] == ["CC", "MLO"] for views in names)
        assert np.mean([len(views) > 2 for views in names]) == pytest.approx(0.175, abs=0.04)
        assert {name for views in names for name in views} == {"CC", "MLO", "AT", "LM", "ML"}
        assert any(views.count("CC") == 2 for views in names)

    def test_a_fifth_of_the_windows_is_sigmoid(self, many):
        assert np.mean([case.exam.equipment.sigmoid for case in many]) == pytest.approx(0.22, abs=0.05)


class TestFiles:
    def test_are_compressed_in_two_ways_and_have_no_voi_table(self, root):
        found = list(files(root))
        assert {f.file_meta.TransferSyntaxUID for f in found} == {JPEG2000Lossless, JPEGLosslessSV1}
        for file in found:
            assert "VOILUTSequence" not in file
            assert decode(file).shape == (OPTIONS.height, OPTIONS.width)
            assert "SIMULATED" in file.ImageComments

    def test_selection_value_1_is_what_the_jpeg_says(self, root):
        frames = [f.PixelData for f in files(root) if f.file_meta.TransferSyntaxUID == JPEGLosslessSV1]
        for (
            frame
        ) in frames:  # the scan header: one component, its table, then the predictor (ITU-T T.81, B.2.3)
            start = frame.index(b"\xff\xda")
            assert frame[start + 4] == 1 and frame[start + 7] == 1

    @pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLosslessSV1], ids=["J2K", "SV1"])
    @pytest.mark.parametrize("bits", [10, 12, 16])
    def test_compression_loses_nothing(self, syntax, bits):
        exam = simulate_exam(OPTIONS, 0)
        picture = np.random.default_rng(1).random((OPTIONS.height, OPTIONS.width), np.float32)
        stored = store(picture, EQUIPMENT["A"], bits)
        file = dataset(exam, exam.breasts[0], exam.breasts[0].views[0], stored, bits)
        compress(file, syntax)
        np.testing.assert_array_equal(decode(file), stored.pixels)
