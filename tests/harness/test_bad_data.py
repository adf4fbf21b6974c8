"""Damaged files, tables and disks met by a whole run: named, counted, and fatal only where they must be."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pydicom
import pytest

from mvmlm.data.phantom import PhantomOptions
from mvmlm.data.readers import DATASETS
from tests.harness.conftest import Harness
from tests.harness.test_faults import one_line
from tests.real_images import REAL, needs_real_images
from tests.test_readme import own_data_command

pytestmark = pytest.mark.slow


@pytest.fixture
def damaged(tmp_path) -> tuple[Path, list[str]]:
    """A folder in VinDr-Mammo's layout with three bad files among 96, and their names."""
    root = tmp_path / "vindr"
    DATASETS.get("phantom")().generate(root, PhantomOptions(exams=24, height=160, width=128, test_share=0.4))
    truncated, empty, turned = sorted(root.glob("images/*/*.dicom"))[10:80:30]
    truncated.write_bytes(truncated.read_bytes()[:9000])
    without_pixels = pydicom.dcmread(empty)
    del without_pixels.PixelData
    without_pixels.save_as(empty)
    other_side = pydicom.dcmread(turned)
    other_side.ImageLaterality = {"L": "R", "R": "L"}[other_side.ImageLaterality]
    other_side.save_as(turned)
    return root, [path.name for path in (truncated, empty, turned)]


def test_bad_dicom_files_are_set_aside_named_and_counted(harness, damaged):
    root, names = damaged
    data = ["--set", f"data={{name: vindr, root: {root}}}"]
    said = harness.run(*data)
    assert said.returncode == 1, said.stdout + said.stderr
    (line,) = [text for text in said.stdout.splitlines() if text.startswith("failed images vindr")]
    assert "data.max_bad_share=0.02" in line and any(name in line for name in names)
    assert not harness.stages("images") and not harness.stages("pretrain")
    said = harness.run(*data, "--max-bad", "5%")
    assert said.returncode == 0, said.stdout + said.stderr
    (note,) = [text for text in said.stdout.splitlines() if text.startswith("note 3 of 96 images of vindr")]
    assert all(name in note for name in names)
    for reason in ("truncated", "no pixel data", "laterality tag"):
        assert reason in note
    assert "3 of 96 images" in (harness.folder / "results" / "micro" / "demo.md").read_text()
    (images,) = harness.stages("images")
    listed = pd.read_csv(images / "bad_files.csv")
    assert sorted(Path(path).name for path in listed["path"]) == sorted(names)
    refused = harness.run(*data, "--max-bad", "1%")
    assert refused.returncode == 2, "what is in the store was made under another limit"
    assert "3 of 96 images of vindr cannot be used, more than data.max_bad_share=0.01" in refused.stderr


def test_a_table_without_a_column(harness, tmp_path):
    (tmp_path / "labels.csv").write_text("file,patient,side,vieww\na.png,p1,L,CC\n")
    said = harness.run("--set", f"data={{name: table, root: {tmp_path}}}")
    one_line(said, "labels.csv", "'view'", "did you mean 'vieww'?")


@pytest.fixture
def tiny_home(harness) -> Iterator[Harness]:
    """A home on a real file system where all stages fit but trainings, whose weights alone take 1.5 MiB."""
    harness.home.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=7600k", "tmpfs", str(harness.home)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield harness
    subprocess.run(["umount", "-l", str(harness.home)], check=True)


def test_a_disk_that_fills_up_costs_only_what_did_not_fit(tiny_home):
    said = tiny_home.run()  # one stage at once: what a training has written until it fails is gone before the next
    assert said.returncode == 1, said.stdout + said.stderr
    lines = [text for text in said.stdout.splitlines() if text.startswith("failed pretrain")]
    assert len(lines) == 2 and all("the disk is full" in line and "harness clean" in line for line in lines)
    assert "Traceback" not in said.stdout + said.stderr
    assert len(tiny_home.stages("images")) == 1 and len(tiny_home.stages("evaluate")) == 6
    assert not tiny_home.stages("pretrain") and not list(tiny_home.home.glob("store/tmp/*"))


@needs_real_images
def test_real_mammograms_go_the_whole_way(harness):
    words = own_data_command(REAL)
    assert words[:5] == ["python", "-m", "harness", "run", "token_count"]
    said = harness.run(*words[5:])
    assert said.returncode == 0, said.stdout + said.stderr
    assert "SIMULATED" not in said.stdout
    (images,) = harness.stages("images")
    exams = pd.read_parquet(images / "index.parquet")
    assert len(exams) == 75 and exams["patient_id"].nunique() == 36
    for folder in harness.stages("evaluate"):
        assert len(pd.read_parquet(folder / "predictions.parquet")) >= 5
