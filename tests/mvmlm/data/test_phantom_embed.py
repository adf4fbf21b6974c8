"""Simulated exams in EMBED's layout, read by EMBED's own reader: findings, pathology and follow-up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

from mvmlm.data.exam_table import breast_table
from mvmlm.data.header import read_header
from mvmlm.data.intake import Intake
from mvmlm.data.phantom import PhantomEmbedOptions
from mvmlm.data.phantom.embed_cases import EmbedCase, simulate_case
from mvmlm.data.phantom.embed_codes import CLINICAL, METADATA
from mvmlm.data.phantom.findings import CALCIFICATION, MASS, Finding
from mvmlm.data.phantom.history import Visit, grown, simulate_visits, timetable
from mvmlm.data.phantom.records import draw_woman
from mvmlm.data.readers import DATASETS
from mvmlm.data.readers.embed import Embed

OPTIONS = PhantomEmbedOptions(exams=36, height=96, width=72, seed=2, prevalence=1.0)
WOMEN = 500
YEAR = 365.25


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("embed") / "data"
    DATASETS.get("phantom_embed")().generate(folder, OPTIONS)
    return folder


@pytest.fixture(scope="module")
def intake(root) -> Intake:
    return DATASETS.get("phantom_embed")().take_in(root, OPTIONS)


@pytest.fixture(scope="module")
def breasts(intake) -> pd.DataFrame:
    return breast_table(intake.exams)


@pytest.fixture(scope="module")
def cases() -> list[EmbedCase]:
    return [simulate_case(OPTIONS, index) for index in range(OPTIONS.exams)]


@pytest.fixture(scope="module")
def histories() -> list[tuple[Visit, ...]]:
    return [simulate_visits(OPTIONS, patient) for patient in range(WOMEN)]


def table(root: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(root / "tables" / f"EMBED_OpenData_{name}.csv")


def cancers(visits: tuple[Visit, ...]) -> list:
    return [c for visit in visits for c in visit.calls if c.outcome is not None and c.outcome.cancer]


def same(finding: Finding, other: Finding) -> bool:
    """Whether two findings of one breast are the same one on two days: it stays where it is."""
    return bool((finding.centre == other.centre).all())


class TestTables:
    def test_have_the_published_columns(self, root):
        assert tuple(table(root, "clinical").columns) == CLINICAL
        assert tuple(table(root, "metadata").columns) == METADATA

    def test_findings_are_rows_with_codes_and_pathology_is_on_diagnostic_exams_alone(self, root):
        clinical = table(root, "clinical")
        assert set(clinical["side"].dropna()) <= {"L", "R", "B"}
        assert clinical["side"].isna().any()
        assert set(clinical["asses"]) <= set("NBAPSM")
        proven = clinical[clinical["path_severity"].notna()]
        assert len(proven) and proven["desc"].str.startswith("MG Diagnostic").all()
        assert set(proven["path_severity"]) <= {0, 1, 2, 3, 4}
        assert proven["bside"].notna().all() and (proven["procdate_anon"] > proven["study_date_anon"]).all()
        assert set(clinical.loc[clinical["asses"] == "A", "desc"]) == {"MG Screening Bilateral"}

    def test_2d_rows_have_files_and_others_have_none(self, root):
        metadata = table(root, "metadata")
        relative = metadata["anon_dicom_path"].str.removeprefix("/mnt/NAS2/mammo/anon_dicom/")
        assert relative.str.match(r"cohort_[12]/\d+/[\d.]+/[\d.]+/[\d.]+\.dcm$").all()
        there = pd.Series([(root / "images" / path).is_file() for path in relative])
        assert (there == (metadata["FinalImageType"] == "2D")).all()
        assert set(metadata["FinalImageType"]) == {"2D", "C-view", "3D"}

    def test_cohorts_share_no_patient(self, root):
        assert (table(root, "metadata").groupby("empi_anon")["cohort_num"].nunique() == 1).all()

    def test_regions_are_inside_the_image(self, intake):
        boxes = intake.exams["boxes"].dropna()
        assert len(boxes)
        for regions in boxes.map(json.loads):
            for region in regions:
                assert 0 <= region["x0"] < region["x1"] <= OPTIONS.width
                assert 0 <= region["y0"] < region["y1"] <= OPTIONS.height


class TestReader:
    def test_takes_the_standard_images_and_keeps_the_others_apart(self, root, intake):
        assert not len(intake.set_aside)
        assert set(intake.apart) == {"C-view", "3D", "spot or magnification"}
        assert set(intake.exams["view"]) == {"CC", "MLO"}
        assert set(intake.exams["dataset"]) == {"phantom_embed"}
        headers = [read_header(root / path) for path in intake.exams["path"]]
        assert {h.kind for h in headers} == {"mammogram"}
        assert [h.view for h in headers] == intake.exams["view"].tolist()
        assert [h.laterality for h in headers] == intake.exams["laterality"].tolist()

    def test_magnification_views_say_so_in_their_header(self, root):
        spots = table(root, "metadata").query("spot_mag == 1")
        assert len(spots)
        for path in spots["anon_dicom_path"].str.removeprefix("/mnt/NAS2/mammo/anon_dicom/"):
            assert read_header(root / "images" / path).kind == "magnification"

    def test_labels_are_what_was_called(self, breasts, cases):
        category = {"A": 0, "N": 1, "B": 2, "P": 3, "S": 4, "M": 5}
        gravest = list("NBPASM")
        for case in cases:
            for breast in case.exam.breasts:
                row, calls = breasts.loc[f"{case.exam_id}_{breast.laterality}"], case.calls(breast.laterality)
                names = {name for call in calls for name in call.finding.categories}
                assert row["mass"] == (MASS in names)
                calcified = CALCIFICATION in names or any(call.finding.form == "coarse" for call in calls)
                assert row["calcification"] == calcified
                letter = max((call.letter for call in calls), key=gravest.index, default="N")
                assert row["birads"] == category[letter]
                assert row["density"] == case.exam.density
                assert row["exam_date"] == case.day.isoformat()
                assert row["age"] == pytest.approx(case.age, abs=0.01)
                assert row["manufacturer"] == case.exam.equipment.manufacturer

    def test_malignancy_is_pathology_s_and_reaches_back_to_the_recall(self, breasts, cases):
        told = 0
        for case, following in zip(cases, [*cases[1:], None]):
            for side in (breast.laterality for breast in case.exam.breasts):
                row, calls = breasts.loc[f"{case.exam_id}_{side}"], case.calls(side)
                if (
                    any(c.letter == "A" for c in calls)
                    and following
                    and following.patient_id == case.patient_id
                ):
                    calls = following.calls(side)
                taken = [call.outcome for call in calls if call.outcome is not None]
                if taken:
                    told += 1
                    assert row["malignancy"] == any(outcome.cancer for outcome in taken)
                    assert row["malignancy_source"] == "pathology"
        assert told > 5

    def test_time_to_the_first_cancer_is_in_days_of_the_simulation(self, breasts, cases):
        events = 0
        for case in cases:
            mine = [c for c in cases if c.patient_id == case.patient_id]
            found = [call.biopsy for c in mine for call in cancers((c.visit,))]
            row = breasts.loc[f"{case.exam_id}_{case.exam.breasts[0].laterality}"]
            end = min(found) if found else max(c.visit.day for c in mine)
            assert row["event"] == bool(found)
            assert row["years_to_event"] == pytest.approx((end - case.visit.day) / YEAR)
            assert 0 <= row["years_to_event"] <= OPTIONS.follow_up_years
            events += bool(found)
        assert 0 < events < len(cases)

    def test_tasks_and_guards_are_the_real_set_s(self):
        reader = DATASETS.get("phantom_embed")
        assert reader.simulated and reader.releasable, "clause 5 binds EMBED's images, not simulated ones"
        assert reader.tasks == Embed.tasks
        assert reader.report_fields == Embed.report_fields
        assert reader.outcome_fields == Embed.outcome_fields


class TestHistory:
    def test_visits_go_forward_and_end_within_the_follow_up(self, histories):
        for visits in histories:
            days = [visit.day for visit in visits]
            assert days[0] == 0 and days == sorted(set(days))
            ends = [call.biopsy for visit in visits for call in visit.calls if call.biopsy is not None]
            assert max([*days, *ends]) <= OPTIONS.follow_up_years * YEAR
            assert [visit.number for visit in visits] == list(range(len(visits)))

    def test_nothing_follows_a_cancer(self, histories):
        for visits in histories:
            assert not cancers(visits[:-1])

    def test_cancers_come_at_first_exams_and_at_later_ones(self, histories):
        days = [min(call.biopsy for call in found) for found in map(cancers, histories) if found]
        late = np.mean(np.array(days) > 200)
        assert len(days) > 50
        assert 0.3 < late < 0.8

    def test_a_cancer_to_come_is_in_the_image_and_in_no_report(self, histories):
        seen = 0
        for visits in histories:
            for call in cancers(visits):
                for visit in visits[:-2]:
                    early = [f for f in visit.present.get(call.side, ()) if same(f, call.finding)]
                    called = [c for c in visit.calls if same(c.finding, call.finding)]
                    if early and not called:
                        seen += 1
                        assert not early[0].boxed
                        assert np.abs(early[0].axes).sum() < np.abs(call.finding.axes).sum()
        assert seen > 20

    def test_a_cancer_grows_from_exam_to_exam(self, histories):
        for visits in histories:
            for call in cancers(visits):
                sizes = [
                    np.linalg.norm(finding.axes)
                    for visit in visits
                    for finding in visit.present.get(call.side, ())
                    if same(finding, call.finding)
                ]
                assert sizes == sorted(sizes)

    def test_a_slower_cancer_is_larger_before_it_is_found_and_nothing_else_changes(self, histories):
        slower, larger = replace(OPTIONS, doubling_days=3 * OPTIONS.doubling_days), 0
        for patient, visits in enumerate(histories[:60]):
            others = simulate_visits(slower, patient)
            assert [visit.day for visit in others] == [visit.day for visit in visits]
            for visit, other in zip(visits, others):
                assert [call.letter for call in other.calls] == [call.letter for call in visit.calls]
                for mine, its in zip(visit.present.values(), other.present.values()):
                    sizes = [(np.linalg.norm(a.axes), np.linalg.norm(b.axes)) for a, b in zip(mine, its)]
                    assert all(a <= b for a, b in sizes)
                    larger += sum(a < b for a, b in sizes)
        assert larger > 5

    def test_dense_breasts_have_more_cancers(self):
        options = replace(OPTIONS, density_shares=(0.0, 0.5, 0.0, 0.5))
        found = {"B": [], "D": []}
        for patient in range(600):
            found[draw_woman(options, patient).density].append(
                bool(cancers(simulate_visits(options, patient)))
            )
        assert np.mean(found["D"]) > np.mean(found["B"]) + 0.05

    def test_higher_odds_of_cancer_leave_the_findings_alone(self, histories):
        odds = replace(OPTIONS, cancer_odds=50.0)
        more = [simulate_visits(odds, patient) for patient in range(60)]
        assert sum(map(bool, map(cancers, more))) > sum(map(bool, map(cancers, histories[:60])))
        assert [len(v[0].present[0]) for v in more] == [len(v[0].present[0]) for v in histories[:60]]

    def test_a_small_finding_keeps_its_place_and_loses_calcifications(self, histories):
        finding = next(
            f
            for visits in histories
            for fs in visits[0].present.values()
            for f in fs
            if f.form == "pleomorphic"
        )
        small = grown(finding, 0.5)
        assert (small.centre == finding.centre).all()
        np.testing.assert_allclose(small.axes, finding.axes / 2)
        assert len(small.grains) == round(len(finding.grains) / 2)
        np.testing.assert_allclose(small.grains[:, 3], finding.grains[: len(small.grains), 3])

    def test_exams_are_counted_over_all_women(self):
        options = PhantomEmbedOptions(exams=200, exams_per_patient=4.0, follow_up_years=12.0)
        listed = timetable(options)
        assert len(listed) == options.exams
        screening: dict[int, int] = {}
        for patient, number in listed[:-20]:
            screening[patient] = screening.get(patient, 0) + (
                not simulate_visits(options, patient)[number].diagnostic
            )
        assert 2.5 < np.mean(list(screening.values())) <= 4.5
        assert len(timetable(replace(options, exams_per_patient=1.0))) == options.exams

    def test_a_woman_does_not_depend_on_how_many_exams_there_are(self):
        few, many = replace(OPTIONS, exams=5), replace(OPTIONS, exams=300)
        assert timetable(few) == timetable(many)[:5]
        one, other = simulate_case(few, 2), simulate_case(many, 2)
        assert (one.exam_id, one.day, one.age, one.race) == (other.exam_id, other.day, other.age, other.race)


def test_the_first_vendor_takes_most_exams():
    options = PhantomEmbedOptions(exams=400, vendors="C,A,B")
    names = [simulate_case(options, index).exam.equipment.manufacturer for index in range(options.exams)]
    assert names.count("Simulated C") / len(names) == pytest.approx(0.92, abs=0.04)
    assert names.count("Simulated A") > names.count("Simulated B") > 0


def test_files_carry_the_patient_and_the_day_of_the_table(root, cases):
    case = cases[0]
    folder = root / "images" / f"cohort_{case.cohort}" / str(case.patient_id)
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in folder.rglob("*.dcm")]
    mine = [h for h in headers if h.AccessionNumber == str(case.exam_id)]
    assert mine
    assert {h.PatientID for h in mine} == {str(case.patient_id)}
    assert {h.StudyDate for h in mine} == {case.day.strftime("%Y%m%d")}
    assert all("SIMULATED" in h.ImageComments for h in headers)
