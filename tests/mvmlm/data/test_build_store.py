"""Builds that are killed, files that kill, files that lead astray, doubles, regions: the store comes out whole."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from mvmlm.data import build_store
from mvmlm.data import workers as workers_module
from mvmlm.data.build_store import build_image_store
from mvmlm.data.exam_table import validate
from mvmlm.data.image_store import ImageStore
from mvmlm.data.prepare import Job
from mvmlm.data.regions import read_regions
from mvmlm.errors import DataError
from tests.mvmlm.data.dicom_files import make
from tests.mvmlm.data.test_preprocess import a_breast

SIZE = {"height": 48, "width": 32}
FILES = ("pixels.npy", "index.parquet", "breasts.parquet", "store.json", "bad_files.csv")


def write(folder, count, **columns) -> pd.DataFrame:
    """So many PNG breasts, no two alike, and their exam table."""
    rows = []
    for i in range(count):
        side = "LR"[i % 2]
        values = a_breast(120, 96, 50 + i % 17, 44, right=side == "R")[0] * (0.5 + i / (2 * count))
        cv2.imwrite(str(folder / f"{i:03}.png"), np.round(65535 * values).astype(np.uint16))
        rows.append((f"p{i // 2}", f"p{i // 2}_{side}", f"i{i}", side, f"{i:03}.png"))
    names = ["patient_id", "breast_id", "image_id", "laterality", "path"]
    table = pd.DataFrame(rows, columns=names).assign(dataset="set", view="CC", **columns)
    return validate(table.assign(exam_id=table["patient_id"]))


@pytest.fixture
def exams(tmp_path):
    return write(tmp_path, 20)


def test_a_killed_build_goes_on_and_ends_with_the_same_bytes(tmp_path):
    exams = write(tmp_path, 400)
    exams.to_parquet(tmp_path / "exams.parquet")
    build_image_store(exams, tmp_path, tmp_path / "whole", **SIZE)
    script = (
        "import sys, pandas as pd\nfrom pathlib import Path\n"
        "from mvmlm.data.build_store import build_image_store\n"
        "root = Path(sys.argv[1])\n"
        "def told(done, total): print(done, flush=True)\n"
        "build_image_store(pd.read_parquet(root / 'exams.parquet'), root, root / 'out', height=48, width=32,\n"
        "                  work_dir=root / 'work', progress=told)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in first.stdout:
        if int(line) >= 200:
            first.send_signal(signal.SIGKILL)
            break
    first.wait()
    assert (tmp_path / "work" / "journal.jsonl").is_file() and not (tmp_path / "out" / "pixels.npy").exists()
    with (tmp_path / "work" / "journal.jsonl").open("ab") as journal:
        journal.write(b'[400, tr')  # what a kill in the middle of a line leaves
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(second.stdout.split()[0]) > 64, "images that were done are not done again"
    for name in FILES:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_an_unfinished_build_of_other_settings_is_not_gone_on_with(exams, tmp_path, monkeypatch):
    def interrupted(done, total):
        if done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_image_store(exams, tmp_path, tmp_path / "store", **SIZE, progress=interrupted)
    told = []
    build_image_store(exams, tmp_path, tmp_path / "store", height=40, width=32, progress=lambda *d: told.append(d[0]))
    assert told == list(range(1, 21))
    assert ImageStore.open(tmp_path / "store").image_size == (40, 32)


def test_an_interrupted_build_goes_on_after_the_last_image(exams, tmp_path):
    def interrupted(done, total):
        if done == 10:
            raise KeyboardInterrupt

    told = []
    with pytest.raises(KeyboardInterrupt):
        build_image_store(exams, tmp_path, tmp_path / "store", **SIZE, progress=interrupted)
    build_image_store(exams, tmp_path, tmp_path / "store", **SIZE, progress=lambda *d: told.append(d[0]))
    assert told[0] == 11


def dies_at(job: Job):
    """A decoder that takes its process down at one file."""
    if job.path == "005.png":
        os.kill(os.getpid(), signal.SIGSEGV)
    return PREPARE(job)


def dies_in_a_chunk(jobs):
    return [dies_at(job) for job in jobs]


PREPARE = workers_module.prepare


def test_a_file_that_crashes_the_decoder_is_set_aside_and_the_others_go_on(exams, tmp_path, monkeypatch):
    monkeypatch.setattr(workers_module, "prepare", dies_at)
    monkeypatch.setattr(workers_module, "prepare_all", dies_in_a_chunk)
    summary = build_image_store(exams, tmp_path, tmp_path / "store", **SIZE, workers=2, max_bad_share=0.1)
    assert summary["images"] == 19
    assert summary["set_aside_examples"] == ["005.png: crashes the process that decodes it"]


def test_a_byte_that_changed_on_the_disk_is_found(exams, tmp_path):
    build_image_store(exams, tmp_path, tmp_path / "store", **SIZE)
    path = tmp_path / "store" / "pixels.npy"
    content = bytearray(path.read_bytes())
    content[128 + 7 * 48 * 32 * 2 + 100] ^= 4
    path.write_bytes(content)
    store = ImageStore.open(tmp_path / "store")
    assert store.verify() == [7]
    assert store.verify([3, 4]) == []


def test_a_store_opens_elsewhere_and_without_this_library(exams, tmp_path):
    build_image_store(exams, tmp_path, tmp_path / "store", **SIZE)
    shutil.move(tmp_path / "store", tmp_path / "another machine")
    folder = tmp_path / "another machine"
    there = ImageStore.open(folder)
    assert np.array_equal(np.load(folder / "pixels.npy"), there.pixels)
    assert pd.read_parquet(folder / "index.parquet")["image_id"].tolist() == exams["image_id"].tolist()
    assert not (folder / "index.parquet").read_bytes().count(str(tmp_path).encode()), "no path of this machine in it"


def test_doubles_are_counted_and_those_across_the_split_apart(tmp_path):
    exams = write(tmp_path, 20)
    exams["split"] = ["train" if i < 10 else "test" for i in range(20)]
    shutil.copy(tmp_path / "002.png", tmp_path / "004.png")
    shutil.copy(tmp_path / "006.png", tmp_path / "016.png")
    summary = build_image_store(exams, tmp_path, tmp_path / "store", **SIZE)
    assert (summary["same_pixels"], summary["same_across_splits"]) == (2, 1)
    assert summary["same_pixels_examples"] == ["002.png = 004.png", "006.png = 016.png"]


def test_rows_that_the_reader_set_aside_count_as_bad(exams, tmp_path):
    aside = pd.DataFrame([("i90", "../90.png", "path leads out of the folder")], columns=["image_id", "path", "reason"])
    summary = build_image_store(exams, tmp_path, tmp_path / "store", **SIZE, set_aside=aside, max_bad_share=0.05)
    assert (summary["images"], summary["set_aside"]) == (20, 1)
    with pytest.raises(DataError, match=r"1 of the first 1 images \(of 21\).*\.\./90\.png: path leads out"):
        build_image_store(exams, tmp_path, tmp_path / "other", **SIZE, set_aside=aside, max_bad_share=0.01)


def test_a_link_out_of_the_folder_is_set_aside_unless_links_are_allowed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root").mkdir()
    exams = write(tmp_path / "root", 10)
    shutil.move(tmp_path / "root" / "003.png", tmp_path / "elsewhere" / "003.png")
    (tmp_path / "root" / "003.png").symlink_to(tmp_path / "elsewhere" / "003.png")
    summary = build_image_store(exams, tmp_path / "root", tmp_path / "store", **SIZE, max_bad_share=0.1)
    assert "symbolic link leads out" in summary["set_aside_examples"][0]
    followed = build_image_store(exams, tmp_path / "root", tmp_path / "followed", **SIZE, follow_links=True)
    assert followed["images"] == 10


def test_regions_stand_in_store_pixels_on_what_they_mark(tmp_path):
    values = np.minimum(a_breast(120, 96, 60, 44)[0], 0.5)
    values[50:60, 20:30] = 1.0
    cv2.imwrite(str(tmp_path / "a.png"), np.round(65535 * values).astype(np.uint16))
    mask = np.zeros((120, 96), np.uint8)
    mask[50:60, 20:30] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    cv2.imwrite(str(tmp_path / "crop.png"), mask[40:80, 10:50])
    half = [{"category": "mass", "x0": 10, "y0": 25, "x1": 15, "y1": 30}]  # drawn on an image of half the size
    from_mask = [{"category": "mass", "mask": ["crop.png", "mask.png"]}]  # crop and mask swapped
    ids = {"dataset": "set", "patient_id": "p", "exam_id": "p", "breast_id": "p_L"}
    table = {**ids, "laterality": "L", "path": "a.png"}
    rows = [
        {**table, "view": "CC", "image_id": "a", "boxes": json.dumps(half), "image_height": 60, "image_width": 48},
        {**table, "view": "MLO", "image_id": "b", "boxes": json.dumps(from_mask)},
    ]
    build_image_store(validate(pd.DataFrame(rows)), tmp_path, tmp_path / "store", **SIZE)
    store = ImageStore.open(tmp_path / "store")
    seen = store.pixels[0] > 0.8 * 65535
    for row in (0, 1):
        (region,) = store.regions(row)
        inside = region.mask(*store.image_size)
        assert (seen & inside).sum() > 0.6 * (seen | inside).sum()
    assert read_regions(store.exams["boxes"][0])[0].box == (20, 50, 30, 60)


def stopped_at(count):
    def told(done, total):
        if done == count:
            raise KeyboardInterrupt

    return told


def test_a_file_that_was_mended_meanwhile_is_tried_again(exams, tmp_path):
    shutil.move(tmp_path / "005.png", tmp_path / "away.png")
    with pytest.raises(KeyboardInterrupt):
        build_image_store(exams, tmp_path, tmp_path / "store", **SIZE, max_bad_share=0.1, progress=stopped_at(10))
    shutil.move(tmp_path / "away.png", tmp_path / "005.png")
    assert build_image_store(exams, tmp_path, tmp_path / "store", **SIZE)["images"] == 20
    build_image_store(exams, tmp_path, tmp_path / "whole", **SIZE)
    assert (tmp_path / "store" / "pixels.npy").read_bytes() == (tmp_path / "whole" / "pixels.npy").read_bytes()


def test_a_bad_file_that_is_as_it_was_is_not_tried_again(exams, tmp_path):
    (tmp_path / "005.png").write_bytes(b"no picture")
    with pytest.raises(KeyboardInterrupt):
        build_image_store(exams, tmp_path, tmp_path / "store", **SIZE, max_bad_share=0.1, progress=stopped_at(10))
    told = []
    build_image_store(
        exams, tmp_path, tmp_path / "store", **SIZE, max_bad_share=0.1, progress=lambda *done: told.append(done[0])
    )
    assert told[0] == 11


def test_a_build_that_fails_at_its_tables_loses_no_image(exams, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(build_store, "_write_tables", full)
        with pytest.raises(OSError, match="No space"):
            build_image_store(exams, tmp_path, tmp_path / "out", **SIZE, work_dir=tmp_path / "work")
    told = []
    build_image_store(
        exams, tmp_path, tmp_path / "out", **SIZE, work_dir=tmp_path / "work", progress=lambda *done: told.append(done)
    )
    assert told == [] and len(ImageStore.open(tmp_path / "out")) == 20


def test_a_worker_that_is_killed_while_results_are_written_costs_nothing(tmp_path):
    import psutil

    exams = write(tmp_path, 120)

    def kill_one(done, total):
        if done == 20:
            for child in psutil.Process().children(recursive=True):
                if "forkserver" in " ".join(child.cmdline()) and not child.children():
                    child.kill()
                    break

    summary = build_image_store(exams, tmp_path, tmp_path / "store", **SIZE, workers=2, progress=kill_one)
    assert (summary["images"], summary["set_aside"]) == (120, 0)


def dies_while_it_answers(jobs):
    """A worker that is killed, once, when half of its answer is in the pipe."""
    from multiprocessing.connection import Connection

    marker = Path(jobs[0].root) / "killed"
    if not marker.exists():
        marker.touch()

        def half(self, buffer, write=os.write):
            write(self.fileno(), bytes(buffer)[: len(buffer) // 2])
            os.kill(os.getpid(), signal.SIGKILL)

        Connection._send = half
    return [PREPARE(job) for job in jobs]


@pytest.mark.timeout(60)
def test_half_an_answer_of_a_worker_that_was_killed_holds_nobody_up(tmp_path, monkeypatch):
    exams = write(tmp_path, 60)
    monkeypatch.setattr(workers_module, "prepare_all", dies_while_it_answers)
    summary = build_image_store(exams, tmp_path, tmp_path / "store", **SIZE, workers=2)
    assert (tmp_path / "killed").exists() and (summary["images"], summary["set_aside"]) == (60, 0)


def test_one_worker_survives_a_file_that_crashes_its_decoder(exams, tmp_path, monkeypatch):
    monkeypatch.setattr(workers_module, "prepare", dies_at)
    monkeypatch.setattr(workers_module, "prepare_all", dies_in_a_chunk)
    summary = build_image_store(exams, tmp_path, tmp_path / "store", **SIZE, workers=1, max_bad_share=0.1)
    assert (summary["images"], summary["bad"]) == (19, 1)


def test_whatever_is_wrong_with_one_image_stops_no_other(exams, tmp_path):
    (tmp_path / "003.png").unlink()
    (tmp_path / "003.png").symlink_to(tmp_path / "003.png")
    with (tmp_path / "004.png").open("r+b") as file:
        file.truncate(3 * 2**30)
    exams["boxes"] = pd.Series(['[{"category": "mass", "x0": "far"}]', *[pd.NA] * 19], dtype="string")
    exams["image_height"] = pd.Series([60, *[pd.NA] * 19], dtype="Int64")
    summary = build_image_store(exams, tmp_path, tmp_path / "store", **SIZE, max_bad_share=0.2)
    said = pd.read_csv(tmp_path / "store" / "bad_files.csv", index_col="path")["reason"]
    assert summary["images"] == 17 and sorted(said.index) == ["000.png", "003.png", "004.png"]
    assert "no list of regions" in said["000.png"] and "ymlink loop" in said["003.png"] and "MiB" in said["004.png"]


def test_a_region_whose_mask_cannot_be_read_is_unknown_and_counted(exams, tmp_path):
    exams["boxes"] = pd.Series(['[{"category": "mass", "mask": ["gone.png"]}]', *["[]"] * 19], dtype="string")
    summary = build_image_store(exams, tmp_path, tmp_path / "store", **SIZE)
    store = ImageStore.open(tmp_path / "store")
    assert summary["regions_lost"] == 1
    assert store.exams["boxes"].isna().tolist() == [True, *[False] * 19]


def test_workers_do_not_outlive_a_builder_that_is_killed(tmp_path):
    import psutil

    exams = write(tmp_path, 40)
    exams.to_parquet(tmp_path / "exams.parquet")
    script = (
        "import sys, time, pandas as pd\nfrom pathlib import Path\n"
        "from mvmlm.data.build_store import build_image_store\n"
        "root = Path(sys.argv[1])\n"
        "def told(done, total):\n    print(done, flush=True)\n    time.sleep(0.2)\n"
        "build_image_store(pd.read_parquet(root / 'exams.parquet'), root, root / 'out', height=48, width=32,\n"
        "                  workers=2, progress=told)\n"
    )
    builder = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    builder.stdout.readline()
    family = psutil.Process(builder.pid).children(recursive=True)
    assert len(family) >= 3
    builder.kill()
    builder.wait()
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]


def test_a_file_that_takes_too_long_is_said_to_and_is_tried_again_at_another_time(tmp_path, monkeypatch):
    """The alarm goes off inside a decoder, whose own errors mean a damaged file."""
    from mvmlm.data import codecs, prepare

    exams = write(tmp_path, 6)
    pixels = np.round(4095 * a_breast(120, 96, 50, 44)[0]).astype(np.uint16)
    exams.loc[0, "path"] = make(tmp_path, pixels, bits=12).name
    with monkeypatch.context() as patched:
        patched.setattr(prepare, "SLOWEST", 1)
        patched.setattr(codecs, "decode", lambda dataset: time.sleep(5))
        folders = {"out_dir": tmp_path / "out", "work_dir": tmp_path / "work"}
        summary = build_image_store(exams, tmp_path, **folders, **SIZE, max_bad_share=0.5)
    assert summary["set_aside_examples"] == ["image.dcm: takes longer than 1 s"]
    again = build_image_store(exams, tmp_path, **folders, **SIZE)
    assert (again["images"], again["set_aside"]) == (6, 0)
