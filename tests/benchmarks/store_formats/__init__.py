"""Ways to keep 16-bit images of one size: bytes, and images a second against what the page cache can copy.

Every format holds the same simulated images. They are read in turn, page cache warm, each image copied into a batch
that was allocated before. The processor's time is taken, so that other work on the machine counts little: images a
second of one core. The limit is `np.copyto` of the same bytes from a memory-mapped file. Then four processes read the
same store, and their memory is counted. `docs/image_store.md` has the table.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.benchmarks.pictures import SIZE, stored_images
from tests.benchmarks.store_formats.formats import FORMATS, OURS, Format
from tests.benchmarks.store_formats.sharing import BATCH, IMAGE_MB, WAYS, one_thread, read_rows, together

IMAGES = 200
ROUNDS = 5
WRITTEN = 64  # images a write that is timed, `fsync` included
LIMIT = "limit"
TIMED = ("random", "in order")
AFTER_OTHERS = "after others"  # warms up for the timed ones: told, not compared

#: Of an image, by format and way, a value a round.
Seconds = dict[tuple[str, str], list[float]]


def main() -> None:
    """Print a line on the limit, one a format, one a way that several processes may read."""
    one_thread()
    formats = list(_installed())
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        images = stored_images(scratch, IMAGES)
        folders = {format.name: scratch / format.name for format in formats}
        for format in formats:
            write(format, folders[format.name], images)
        seconds = read_all(formats, folders, images)
        writing = write_all(formats, scratch / "again", images[:WRITTEN])
        print(limits(seconds), flush=True)
        for format in formats:
            print(line(format, folders[format.name], seconds, writing[format.name]), flush=True)
        for way in WAYS:
            print(together(way, folders[WAYS[way][0]], IMAGES), flush=True)


def _installed() -> Iterator[Format]:
    needed = {format.needs for format in FORMATS if format.needs}
    missing = {package for package in needed if not importlib.util.find_spec(package)}
    if missing:
        print(f"store: left out, not installed: {', '.join(sorted(missing))} (pip install -e '.[bench]')")
    return (format for format in FORMATS if format.needs not in missing)


def write(format: Format, folder: Path, images: np.ndarray) -> float:
    """Write a store, down to the disk [s an image]."""
    folder.mkdir(parents=True)
    started = time.perf_counter()
    format.write(folder, images)
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    return (time.perf_counter() - started) / len(images)


def write_all(formats: list[Format], folder: Path, images: np.ndarray) -> dict[str, list[float]]:
    """Seconds an image of each write, the formats turn about."""
    seconds: dict[str, list[float]] = {format.name: [] for format in formats}
    for _ in range(ROUNDS):
        for format in formats:
            seconds[format.name].append(write(format, folder, images))
            shutil.rmtree(folder)
    return seconds


def read_all(formats: list[Format], folders: dict[str, Path], images: np.ndarray) -> Seconds:
    """Seconds of the processor an image, by format and way, a value a round; each round has its order of formats."""
    readers = {LIMIT: lambda row, out: np.copyto(out, images[row])}
    readers |= {format.name: format.open(folders[format.name]) for format in formats}
    scans = {format.name: format.scan for format in formats if format.scan}
    batch, rng = np.zeros((BATCH, *SIZE), images.dtype), np.random.default_rng(1)
    seconds: Seconds = {}
    for _ in range(ROUNDS):
        for name in rng.permutation(list(readers)).tolist():
            for way in (AFTER_OTHERS, *TIMED):
                rows = np.arange(len(images)) if way == "in order" else rng.permutation(len(images))
                started = time.process_time()
                if way == "in order" and name in scans:
                    for i, image in enumerate(scans[name](folders[name])):
                        np.copyto(batch[i % BATCH], image)
                else:
                    read_rows(readers[name], rows, batch)
                seconds.setdefault((name, way), []).append((time.process_time() - started) / len(images))
                if not np.array_equal(batch[(len(images) - 1) % BATCH], images[rows[-1]]):
                    raise SystemExit(f"store: {name} gives other pixels than were written")
    return seconds


def limits(seconds: Seconds) -> str:
    """What the page cache can copy; and ours when other files were read in between."""
    copied = ", ".join(f"{way} {_rate(seconds[LIMIT, way]):,.0f}/s" for way in TIMED)
    cooled = f"{AFTER_OTHERS} {_rate(seconds[LIMIT, AFTER_OTHERS]):,.0f}/s"
    ours = f"{OURS} {AFTER_OTHERS} {_rate(seconds[OURS, AFTER_OTHERS]):,.0f}/s"
    return f"store, {IMAGES} images of {IMAGE_MB:.2f} MB, copied: {copied} (100 %), {cooled}; {ours}"


def line(format: Format, folder: Path, seconds: Seconds, writing: list[float]) -> str:
    """What there is to say of a format."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in paths) / IMAGES / 1e6
    on_disk = sum(path.stat().st_blocks * 512 for path in paths) / IMAGES / 1e6
    said = [
        f"{size:.2f} MB an image ({on_disk:.2f} on disk), {len(paths)} files",
        f"written {_rate(writing):,.0f}/s",
    ]
    for way in TIMED:
        mine, limit = seconds[format.name, way], seconds[LIMIT, way]
        share = statistics.median(a / b for a, b in zip(limit, mine))
        said.append(f"{way} {_rate(mine):,.0f}/s ({100 * share:.0f} %)")
    return f"store {format.name}: {', '.join(said)}; killed: {format.resume}; checksum: {format.checksum}"


def _rate(seconds: list[float]) -> float:
    return 1 / statistics.median(seconds)
