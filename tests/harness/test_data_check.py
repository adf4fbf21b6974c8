"""``harness data check`` as a process: what it prints, what it writes, how it ends."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from harness.render.data_check import page
from mvmlm.data.check import Settings, run_checks
from mvmlm.data.phantom import PhantomOptions
from mvmlm.data.readers import DATASETS
from tests.harness.test_faults import one_line

PATIENTS = 6


def picture(laterality: str, seed: int) -> np.ndarray:
    """Half an ellipse of noise on air, its straight side where the chest wall of this breast is."""
    rows, columns = np.mgrid[:160, :128]
    inside = ((rows - 80) / 70) ** 2 + (columns / 90) ** 2 < 1
    noise = cv2.GaussianBlur(np.random.default_rng(seed).random((160, 128)), (0, 0), 3)
    pixels = np.where(inside, 20000 + 300000 * (noise - 0.4), 0).clip(0, 65535).astype(np.uint16)
    return pixels if laterality == "L" else pixels[:, ::-1]


@pytest.fixture
def root(tmp_path) -> Path:
    """Six patients, four views each, as PNG files with a table."""
    root = tmp_path / "mine"
    root.mkdir()
    rows = []
    for number in range(4 * PATIENTS):
        patient, (side, view) = (
            number // 4,
            (("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO"))[number % 4],
        )
        name = f"p{patient}_{side}_{view}.png"
        cv2.imwrite(str(root / name), picture(side, number))
        rows.append(
            (name, f"p{patient}", side, view, int(patient == 0), "test" if patient > 3 else "train", 55)
        )
    columns = ["file", "patient_id", "laterality", "view", "mass", "split", "age"]
    pd.DataFrame(rows, columns=columns).to_csv(root / "labels.csv", index=False)
    return root


@pytest.fixture
def check(harness, root):
    def run(*args: str):
        return harness("data", "check", "table", "--root", str(root), *args, COLUMNS="80")

    return run


def written(root: Path) -> Path:
    return root.parent / "results" / "data" / "table"


def test_a_fine_folder(check, root):
    said = check()
    assert said.returncode == 0, said.stdout + said.stderr
    first, *lines = said.stdout.splitlines()
    assert first.startswith("a table of images and labels at ")
    assert "24 images of 6 patients; no things to look at" in " ".join(said.stdout.split())
    assert all(len(line.rstrip()) <= 80 for line in lines if str(root.parent) not in line)
    assert "mass" in said.stdout and "2 17 %" in said.stdout, "two of twelve breasts"
    lists = ("set_aside.csv", "missing.csv", "bad_images.csv", "duplicates.csv", "extra_files.csv")
    assert {path.name for path in written(root).iterdir()} == {"check.html", "sheet.png", *lists}
    assert "results/data/table/check.html" in said.stdout
    assert cv2.imread(str(written(root) / "sheet.png")).shape[1] > 1000


def test_what_is_wrong_is_named_and_more_of_it_than_allowed_ends_with_1(check, root):
    rows = pd.read_csv(root / "labels.csv")
    (root / rows["file"][0]).unlink()
    (root / rows["file"][1]).write_bytes(b"\x89PNG and no more of it")
    odd = "[red]<script>alert(1)</script>.png".replace("/", "")
    (root / rows["file"][2]).rename(root / odd)
    rows.loc[2, "file"] = odd
    (root / odd).write_bytes(b"")
    rows.to_csv(root / "labels.csv", index=False)
    said = check()
    assert said.returncode == 1, said.stdout + said.stderr
    text = " ".join(said.stdout.split())
    assert "21 of 24 images (88 %) can be used" in text
    for name in rows["file"][:3]:
        assert name in said.stdout
    html = (written(root) / "check.html").read_text()
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert pd.read_csv(written(root) / "missing.csv")["path"].tolist() == [rows["file"][0], odd]
    assert "cannot be decoded" in pd.read_csv(written(root) / "bad_images.csv")["reason"][0]
    assert check("--max-bad", "20%").returncode == 0


def test_a_check_after_the_mending_leaves_nothing_of_the_first(check, root):
    file = root / "p0_L_CC.png"
    whole = file.read_bytes()
    file.write_bytes(b"")
    assert check().returncode == 1
    file.write_bytes(whole)
    assert check().returncode == 0
    assert len(pd.read_csv(written(root) / "missing.csv")) == 0


def test_the_reader_can_be_told_how_and_the_answer_where(check, root):
    (root / "labels.csv").rename(root / "other.csv")
    said = check("--set", "data.options.csv=other.csv", "--images", "all", "--no-hash", "--out", "answer")
    assert said.returncode == 0, said.stdout + said.stderr
    assert (root.parent / "answer" / "check.html").is_file() and "the same bytes" not in said.stdout


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("tabel", "--root", "."), ("tabel", "did you mean 'table'")),
        (("table", "--root", "nowhere"), ("nowhere", "no such folder")),
        (("table",), ("--root DIR",)),
        (("vindr", "--root", "."), ("no VinDr-Mammo here", "images/<study>/<image>.dicom")),
        (("table", "--root", ".", "--set", "data.options.cvs=x"), ("cvs", "no such option")),
    ],
)
def test_what_cannot_be_used_ends_with_2_and_one_line(harness, args, words):
    one_line(harness("data", "check", *args), *words)


def test_a_number_that_is_none(harness):
    said = harness("data", "check", "table", "--images", "few")
    assert said.returncode == 2 and "neither a whole number nor all" in said.stderr


def test_the_page_says_what_the_data_are_and_needs_nothing_from_elsewhere(tmp_path):
    reader = DATASETS.get("phantom")()
    reader.generate(tmp_path / "phantom", PhantomOptions(exams=3, height=160, width=128))
    report = run_checks(reader, tmp_path / "phantom", PhantomOptions(), Settings(images=4))
    html = page(report, reader, "a folder")
    assert "SIMULATED DATA" in html and reader.licence in html and "Simulated" in html
    assert "finding_annotations.csv, finding_categories" in html, "where labels come from"
    assert "http://" not in html and "https://" not in html
    assert 'src="sheet.png"' in html
