"""``harness data prepare`` and ``verify`` as processes: done once, found by a run, gone on with after a kill."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import numpy as np
import pytest

from mvmlm.data.image_store import ImageStore
from mvmlm.data.phantom import PhantomOptions
from mvmlm.data.readers import DATASETS
from tests.harness.conftest import MICRO

SIZE = ("--set", "images.height=64", "--set", "images.width=48")


@pytest.fixture(scope="module")
def vindr(tmp_path_factory):
    """Simulated exams in VinDr-Mammo's layout, read as if they were the real set."""
    folder = tmp_path_factory.mktemp("vindr") / "data"
    options = PhantomOptions(exams=16, height=160, width=128, test_share=0.4)
    DATASETS.get("phantom")().generate(folder, options)
    return folder


def prepare(harness, root, *args, **env):
    return harness("data", "prepare", "vindr", "--root", str(root), "--profile", "demo", *SIZE, *args, **env)


def test_what_is_prepared_is_found_by_a_run_and_not_done_again(harness, vindr):
    first = prepare(harness, vindr)
    assert first.returncode == 0, first.stderr
    assert "64 images at 64×48" in first.stdout
    assert "images: done before" in prepare(harness, vindr).stdout
    (stage,) = harness.stages("images")
    written = (stage / "pixels.npy").stat().st_mtime_ns
    harness.write({**MICRO, "base": {**MICRO["base"], "data": {"name": "vindr", "root": str(vindr)}}})
    planned = harness("plan", str(harness.ablation))
    (row,) = [line for line in planned.stdout.splitlines() if line.strip().startswith("images")]
    assert "1" in row.split()[2:], row
    assert [stage] == harness.stages("images") and written == (stage / "pixels.npy").stat().st_mtime_ns
    licence = json.loads((stage / "licence.json").read_text())
    assert (licence["dataset"], licence["releasable"]) == ("vindr", "check its licence")
    assert harness("clean", "--yes").returncode == 0
    assert harness.stages("images") == [stage], "what was prepared on purpose is not cleaned away"
    harness("clean", "--yes", "--prepared")
    assert not harness.stages("images")


def test_a_killed_preparation_goes_on(harness, tmp_path):
    root = tmp_path / "many"
    options = PhantomOptions(exams=150, height=320, width=256)
    DATASETS.get("phantom")().generate(root, options, workers=2)
    command = harness.command("data", "prepare", "vindr", "--root", str(root), "--workers", "1")
    process = subprocess.Popen(command, cwd=harness.folder, env=harness.environment(), stdout=subprocess.PIPE)
    journal = None
    for _ in range(600):
        journal = next(iter((harness.home / "work").glob("*/journal.jsonl")), None)
        if journal and len(journal.read_bytes().splitlines()) > 64:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(journal.read_bytes().splitlines()) - 1
    assert 64 <= done < 600
    again = harness("data", "prepare", "vindr", "--root", str(root))
    assert again.returncode == 0, again.stderr
    (stage,) = harness.stages("images")
    store = ImageStore.open(stage)
    assert len(store) == 600 and store.image_size == (1520, 912) and store.verify(range(0, 600, 37)) == []
    assert not list((harness.home / "work").glob("*"))


def test_a_changed_byte_is_found_by_verify(harness, vindr):
    prepare(harness, vindr)
    assert "all as written" in harness("data", "verify").stdout
    (stage,) = harness.stages("images")
    pixels = np.load(stage / "pixels.npy", mmap_mode="r+")
    pixels[5, 10, 10] ^= 1
    pixels.flush()
    found = harness("data", "verify")
    assert found.returncode == 1
    assert "1 damaged (images/" in found.stdout


def test_too_many_bad_files_stop_the_preparation_and_say_which(harness, vindr, tmp_path):
    import shutil

    root = tmp_path / "damaged"
    shutil.copytree(vindr, root)
    for path in sorted(root.glob("images/*/*.dicom"))[:2]:
        path.write_bytes(path.read_bytes()[:3000])
    stopped = prepare(harness, root, "--max-bad", "1%")
    assert stopped.returncode == 2
    assert "cannot be used, more than data.max_bad_share=0.01 allows" in stopped.stderr
    allowed = prepare(harness, root, "--max-bad", "5%")
    assert allowed.returncode == 0 and "2 set aside" in allowed.stdout
    (stage,) = harness.stages("images")
    assert (stage / "bad_files.csv").read_text().count("truncated") == 2


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["vindr", "--root", "/nowhere"], "/nowhere"),
        (["vindr"], "data.root is not set"),
        (["vindrr", "--root", "."], "did you mean 'vindr'"),
        (["vindr", "--root", ".", "--max-bad", "200%"], "no share such as 1%"),
        (["vindr", "--root", ".", "--set", "train.epochs=3"], "only data.… and images.… are"),
        (["vindr", "--root", ".", "--set", "images.heigth=3"], "did you mean 'images.height'"),
        (["table", "--root", ".", "--set", "data.options.cvs=a"], "no such option"),
    ],
)
def test_what_cannot_be_is_one_line(harness, args, said):
    refused = harness("data", "prepare", *args)
    assert refused.returncode == 2
    assert said in refused.stderr and "Traceback" not in refused.stderr
