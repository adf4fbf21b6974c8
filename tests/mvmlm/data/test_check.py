"""A data set's folder broken in every way that happens, and what the check says of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd
import pydicom
import pytest

from mvmlm.data.check import Check, Settings, run_checks
from mvmlm.data.check.doubles import BYTES, NAMED, PIXELS, double_checks, list_doubles
from mvmlm.data.check.files import walk
from mvmlm.data.check.report import percent
from mvmlm.data.check.rows import count_checks, outcome_checks, split_checks, view_checks
from mvmlm.data.check.tally import compare
from mvmlm.data.exam_table import validate
from mvmlm.data.intake import Log, take_in
from mvmlm.data.readers import DATASETS, Reader
from tests.mvmlm.data.check_folder import (
    EXAMS,
    TABLE,
    check,
    edit,
    exam_rows,
    finding,
    images,
    of_split,
    table,
    write_phantom,
)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory) -> Path:
    return write_phantom(tmp_path_factory.mktemp("pristine") / "phantom")


@pytest.fixture
def root(pristine, tmp_path) -> Path:
    shutil.copytree(pristine, tmp_path / "phantom")
    return tmp_path / "phantom"


def test_a_whole_folder_has_nothing_to_look_at(pristine):
    report = check(pristine)
    assert report.to_look_at == [] and not report.is_bad
    assert finding(report, "can be used").what == "all 40 images can be used"
    assert report.usable_share == 1 and report.n_here == report.n_tried == 40
    assert {name: len(rows) for name, rows in report.tables.items()} == dict.fromkeys(
        ("set_aside", "missing", "bad_images", "duplicates", "extra_files"), 0
    )


def test_labels_are_counted_by_image_breast_and_patient(pristine):
    report = check(pristine, images=0, hashes=False)
    exams = DATASETS.get("phantom")().read(pristine)
    mass = report.positives.query("label == 'mass' and split == ''").set_index("unit")
    assert mass.loc["images", "positive"] == exams["mass"].sum()
    assert mass.loc["breasts", "positive"] == exams.groupby("breast_id")["mass"].max().sum()
    assert mass.loc["patients", ["known", "units"]].tolist() == [EXAMS, EXAMS]
    assert report.counts["images"]["test"].here == 16
    assert report.histograms["exams by number of images"] == {"4": EXAMS}
    assert set(report.known.query("images == 0")["column"]) >= {"race", "event", "years_to_event"}


def counted(here: dict[str, int], published: dict[str, int]) -> list[Check]:
    return count_checks(compare(here, published))


def test_counts_that_differ_from_the_publication_are_named():
    here = {"images": 20000, "train mass images": 890, "known mass images": 20000, "density B images": 3}
    published = {"images": 20000, "train mass images": 894, "density B images": 3, "density A images": 0}
    (odd,) = counted(here, published)
    assert (odd.level, odd.count) == ("warn", 1) and odd.what == "1 of 4 published counts differ"
    assert odd.examples == ("train mass images: 890 here, 894 published, -4 (0.45 %)",)
    (same,) = counted(here, {"images": 20000})
    assert same.level == "good" and same.what == "all 1 published counts are the same here"


def test_a_label_that_is_not_here_is_unknown_and_not_0():
    (lacking,) = counted({"images": 100}, {"images": 100, "event images": 7})
    assert "cannot be compared" in lacking.what and lacking.examples == ("event images",)


def test_a_part_of_the_set_is_said_once(pristine):
    report = check(pristine, "vindr", images=0)
    (said,) = [c for c in report.to_look_at if c.section == "counts"]
    assert said.what == "the tables hold 0.20 % of the published images (40 of 20,000)" and report.is_part


def test_rows_set_aside_kept_apart_and_resolved_are_told(root):
    rows = table(root)
    rows.loc[:1, "laterality"] = "left"
    rows.loc[4:7, "study_id"] = rows.loc[8, "study_id"]
    rows.to_csv(root / TABLE, index=False)
    report = check(root, images=0)
    aside = finding(report, "set aside: laterality 'left' is none")
    assert (aside.count, len(aside.examples)) == (2, 2) and aside.level == "bad"
    assert len(report.tables["set_aside"]) >= 2 and "set_aside.csv" in aside.todo


class _Made(Reader):
    name, title, licence, where, layout = "made", "made up", "none", "here", "nothing"
    report_fields = frozenset()

    def rows(self, root, options, log: Log) -> pd.DataFrame:
        frame = exam_rows(6)
        log.note("2 densities were resolved by the first row")
        return log.keep_apart(frame, frame["image_id"] == "i5", "tomosynthesis")

    @classmethod
    def fingerprint(cls, root, options) -> str:
        return ""


def test_what_a_reader_kept_apart_and_noted_is_repeated(tmp_path):
    report = run_checks(_Made(), tmp_path, None, Settings())
    assert finding(report, "1 tomosynthesis").level == "good"
    assert finding(report, "2 densities were resolved").section == "rows"
    assert finding(report, "no file: no such file").what.startswith("all 5 images")
    assert finding(report, "no image was tried").level == "warn", "no image tried is no good news"
    assert report.sheet is None


def test_patients_on_both_sides_are_shown_as_left_out():
    both = exam_rows(8, split=["train", "test", *["train"] * 6])
    (leak,) = split_checks(take_in(both, Log()), 0.5)
    assert leak.count == 3 and leak.level == "warn" and "in the test set, too" in leak.what
    (none,) = split_checks(take_in(exam_rows(8), Log()), 0.5)
    assert none.level == "good" and "no split of its own" in none.what


def test_missing_and_empty_files_are_told_apart(root):
    gone, empty = images(root)[:3], images(root)[5]
    for path in gone:
        path.unlink()
    empty.write_bytes(b"")
    report = check(root, max_bad=0.1)
    missing = finding(report, "no such file")
    assert (missing.count, missing.level) == (3, "warn") and missing.examples[0].endswith(gone[0].name)
    assert finding(report, "the file is empty").count == 1
    assert finding(report, "can be used").what == "36 of 40 images (90 %) can be used"
    assert sorted(report.tables["missing"]["image_id"]) == sorted(p.stem for p in (*gone, empty))
    assert not [c for c in report.to_look_at if c.section in ("images", "headers")], "said once"
    assert check(root, max_bad=0.05).is_bad


def test_an_unfinished_download_is_said_in_one_number(root):
    for path in images(root)[8:]:
        path.unlink()
    report = check(root)
    assert finding(report, "of the images are here").what.startswith("20 % of the images are here (8 of 40)")
    assert [c.section for c in report.to_look_at] == ["usable", "files"]
    assert report.n_tried == 8


def test_a_converted_copy_is_recognised(root):
    for path in images(root):
        path.rename(path.with_suffix(".png"))
    assert "40 of them are there as .png files" in finding(check(root, images=0), "no such file").todo


def test_links_that_lead_out_are_refused_and_followed_when_allowed(root, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    study = images(root)[0].parent
    study.rename(elsewhere)
    study.symlink_to(elsewhere)
    single = images(root)[-1]
    single.rename(tmp_path / "single.dicom")
    single.symlink_to(tmp_path / "single.dicom")
    report = check(root, max_bad=0.5)
    out = finding(report, "a symbolic link leads out")
    assert out.count == 5 and "--follow-links" in out.todo
    assert check(root, follow_links=True).to_look_at == []


def test_a_link_within_the_folder_is_followed_and_a_circle_is_not(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(b"x")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "nowhere").symlink_to(tmp_path / "gone")
    found = walk(tmp_path)
    assert set(found.sizes) == {"a/x.png", "b/x.png"} and not found.links_out
    assert found.places["a/x.png"] == found.places["b/x.png"]


def test_image_files_that_no_row_names(root):
    study = images(root)[0].parent
    shutil.copy(images(root)[0], study / "extra.dicom")
    edit(study / "extra.dicom", SOPInstanceUID="1.2.3")
    shutil.copy(images(root)[0], study / "1.2.826.0.1")
    (study / "LICENSE").write_text("no image")
    extra = finding(check(root, images=0), "in no row")
    assert extra.count == 2 and all(name.startswith("images/") for name in extra.examples)


def test_masks_and_files_of_rows_set_aside_are_named(tmp_path):
    for name in ("i0.png", "i1.png", "mask.png"):
        (tmp_path / name).write_bytes(b"x")

    class Masked(_Made):
        def rows(self, root, options, log):
            frame = exam_rows(2, boxes=['[{"category": "mass", "mask": ["mask.png"]}]', None])
            return log.set_aside(frame, frame["image_id"] == "i1", "is odd")

    report = run_checks(Masked(), tmp_path, None, Settings(images=0, hashes=False))
    assert not len(report.tables["extra_files"])


def test_view_sets():
    exams = validate(exam_rows(16, view=["CC", "MLO", "CC", "CC", "ML", "ML", "MLO", "MLO"] * 2))
    said = {c.what: c for c in view_checks(exams)}
    assert said["2 of 8 breasts (25 %) have no CC view"].examples == ("e1_R", "e3_R")
    assert "2 of 8 breasts (25 %) have no MLO view" in said
    assert "2 of 8 breasts (25 %) have neither CC nor MLO view" in said
    assert "4 of 16 images (25 %) are other views than CC and MLO: 4 ML" in said
    assert any("4 of 8 breasts (50 %) have a view several times" in text for text in said)


def test_implants_are_counted_over_patients_of_whom_it_is_known():
    exams = validate(exam_rows(16, implant=[True] * 4 + [False] * 4 + [None] * 8))
    assert "1 of 2 patients (50 %) have an implant; of 2 it is unknown" in [
        c.what for c in view_checks(exams)
    ]


def test_outcomes_that_cannot_be():
    exams = validate(exam_rows(4, years_to_event=[-1.0, 80.0, None, 2.0], event=[True, False, True, None]))
    found = outcome_checks(exams)
    assert [c.count for c in found[:-1]] == [1, 1, 1, 1]
    assert found[-1].what == "3 of 4 images (75 %) have a known outcome, -1.0 to 80.0 years of follow-up"
    assert "an event before the exam" in found[0].what and found[0].examples == ("i0",)
    assert outcome_checks(validate(exam_rows(4))) == []


def test_the_same_file_in_training_and_test_set_is_a_leak(root):
    train, test = of_split(root, "training")[0], of_split(root, "test")[0]
    shutil.copy(train, test)
    report = check(root, max_bad=0.1)
    leak = finding(report, "have the same bytes as another one, in training and test set")
    assert (leak.count, leak.level) == (2, "warn")
    assert set(leak.examples[0].split(" = ")) == {p.relative_to(root).as_posix() for p in (train, test)}
    assert finding(check(root, max_bad=0.01), "one, in training and test set").level == "bad"
    listed = report.tables["duplicates"]
    assert sorted(listed["split"]) == ["test", "train"] and set(listed["kind"]) == {BYTES}


def test_the_same_picture_under_another_header(root):
    first, second = of_split(root, "training")[:2]
    pixels = pydicom.dcmread(first).PixelData
    edit(second, PixelData=pixels)
    found = finding(check(root), "have the same pixels as another one")
    assert found.count == 2 and "of another side or view" in found.what
    assert not any("same bytes as" in c.what for c in check(root).checks)


def test_one_file_under_two_names(root):
    first, second = images(root)[:2]
    second.unlink()
    os.link(first, second)
    report = check(root, images=0, headers=0)
    assert finding(report, "share their file with another one").count == 2
    assert set(report.tables["duplicates"]["kind"]) == {NAMED}, "a group is told once"


def test_doubles_of_two_patients_are_told_apart_from_a_patients_own():
    exams = validate(exam_rows(12, split=["train"] * 12))
    key = pd.Series(["a", "b", "c", "d", "a", *"efghi", "j", "j"])
    exams.loc[11, "view"] = "CC"
    exams.loc[11, "laterality"] = exams.loc[10, "laterality"]
    doubles = list_doubles(exams, {PIXELS: key})
    said = [c.what for c in double_checks(doubles, {PIXELS: 12}, 0.5)]
    assert said[0].startswith("2 of 12 images (17 %) have the same pixels as another one, of two patients")
    assert said[1].endswith("of the same patient and view")


def test_what_was_not_tried_is_estimated(root):
    for path in images(root)[::2]:
        path.write_bytes(path.read_bytes()[:-12000])
    report = check(root, images=20, headers=0, hashes=False)
    said = finding(report, "can be used")
    assert report.n_tried < 40 and said.what.startswith("about ") and "were decoded" in said.what
    assert 0.2 < report.usable_share < 0.8 and report.is_bad


@pytest.mark.parametrize(
    ("count", "of", "said"),
    [
        (0, 7, "0 %"),
        (7, 7, "100 %"),
        (3, 20000, "0.015 %"),
        (37, 100, "37 %"),
        (19997, 20000, "99.985 %"),
        (0, 0, "0 %"),
    ],
)
def test_shares_keep_two_digits_of_what_matters(count, of, said):
    assert percent(count, of) == said
