"""The store: published whole or not at all, once, and readable."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness.store import Store, StoreError

NODE = {
    "stage": "features",
    "key": "0123456789abcdef0123",
    "version": 1,
    "config": {"representation": "embedding"},
    "inputs": {"images": "a", "pretrain": "b"},
    "kind": "features",
    "resources": {"cpu": 1},
}


def fill(out: Path) -> dict:
    (out / "features.npy").write_bytes(b"12345678")
    return {"images": 2}


def test_a_published_stage_has_a_readable_card(tmp_path):
    store = Store(tmp_path)
    assert not store.has("features", NODE["key"])
    assert store.publish(NODE, fill, git_commit="abc")
    card = json.loads((store.path("features", NODE["key"]) / "card.json").read_text())
    assert card["inputs"] == NODE["inputs"] and card["config"] == NODE["config"]
    assert card["summary"] == {"images": 2} and card["bytes"] == 8 and card["git_commit"] == "abc"
    assert store.card("features", NODE["key"]).seconds >= 0
    assert [c.key for c in store.cards()] == [NODE["key"]]


def test_a_second_publisher_does_no_work(tmp_path):
    store = Store(tmp_path)
    store.publish(NODE, fill)
    assert store.publish(NODE, lambda out: pytest.fail("worked twice")) is False


def test_a_failing_stage_leaves_nothing(tmp_path):
    def fail(out: Path) -> dict:
        fill(out)
        raise RuntimeError("no")

    store = Store(tmp_path)
    with pytest.raises(RuntimeError):
        store.publish(NODE, fail)
    assert not store.has("features", NODE["key"])
    assert [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".lock"] == []


def _slow_publish(root: str, counter: str) -> None:
    def produce(out: Path) -> dict:
        with open(counter, "a") as file:
            file.write("x")
        time.sleep(0.5)
        return fill(out)

    Store(Path(root)).publish(NODE, produce)


def test_two_processes_do_the_work_once(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    args = (str(tmp_path / "store"), str(tmp_path / "count"))
    workers = [spawn.Process(target=_slow_publish, args=args) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (tmp_path / "count").read_text() == "x"
    assert Store(tmp_path / "store").has("features", NODE["key"])


def _hang(root: str) -> None:
    def produce(out: Path) -> dict:
        fill(out)
        time.sleep(60)
        return {}

    Store(Path(root)).publish(NODE, produce)


def test_a_killed_publisher_leaves_no_stage_and_its_lock_is_free(tmp_path):
    worker = multiprocessing.get_context("spawn").Process(target=_hang, args=(str(tmp_path),))
    worker.start()
    while not list(tmp_path.glob("tmp/*/features.npy")):
        time.sleep(0.05)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    store = Store(tmp_path)
    assert not store.has("features", NODE["key"])
    assert store.sweep() == 1 and not list(tmp_path.glob("tmp/*"))
    assert store.publish(NODE, fill)


@pytest.fixture
def tiny_disk(tmp_path):
    """A real file system of one MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_in_one_line_and_leaves_nothing(tiny_disk):
    def produce(out: Path) -> dict:
        (out / "features.npy").write_bytes(b"0" * (2 << 20))
        return {}

    store = Store(tiny_disk / "store")
    with pytest.raises(StoreError, match=r"the disk is full .*harness clean.*--home") as error:
        store.publish(NODE, produce)
    assert "\n" not in str(error.value)
    assert not store.has("features", NODE["key"]) and not list(tiny_disk.glob("store/tmp/*"))
    assert store.publish(NODE, fill), "once there is room again the same call succeeds"


def test_a_folder_without_a_card_is_no_stage(tmp_path):
    store = Store(tmp_path)
    store.path("features", NODE["key"]).mkdir(parents=True)
    (store.path("features", NODE["key"]) / "rubbish").write_text("")
    assert not store.has("features", NODE["key"])
    assert store.publish(NODE, fill)
    assert not (store.path("features", NODE["key"]) / "rubbish").exists()


def test_remove_frees_the_bytes(tmp_path):
    store = Store(tmp_path)
    store.publish(NODE, fill)
    assert store.remove("features", NODE["key"]) > 8
    assert not store.has("features", NODE["key"])
