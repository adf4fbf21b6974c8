"""Several processes that read one store, as data loaders do: how fast, and whose memory it takes."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.pictures import SIZE
from tests.benchmarks.store_formats.formats import OURS, PNG, Read, open_npy, open_png

BATCH = 8
PROCESSES = 4
IMAGE_MB = SIZE[0] * SIZE[1] * 2 / 1e6


def read_rows(read: Read, rows: np.ndarray, batch: np.ndarray) -> None:
    """Images one after another into the places of a batch."""
    for i, row in enumerate(rows.tolist()):
        read(row, batch[i % len(batch)])


def one_thread() -> None:
    """Keep the libraries that would take more to one."""
    import cv2
    import pyarrow as pa

    cv2.setNumThreads(1)
    pa.set_cpu_count(1)


def _kept(folder: Path) -> Read:
    """PNG files decoded once a process and kept: the usual way to be spared decoding."""
    read, kept = open_png(folder), {}

    def again(row: int, out: np.ndarray) -> None:
        if row not in kept:
            kept[row] = np.empty_like(out)
            read(row, kept[row])
        np.copyto(out, kept[row])

    return again


WAYS = {OURS: (OURS, open_npy), PNG: (PNG, open_png), "png, kept": (PNG, _kept)}


def together(way: str, folder: Path, images: int) -> str:
    """Images a second of processes that each read a whole store, and the memory that they hold for it."""
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(PROCESSES), context.Queue()
    arguments = (way, folder, images, barrier, queue)
    started = [context.Process(target=_reader, args=(*arguments, seed)) for seed in range(PROCESSES)]
    for process in started:
        process.start()
    said = [queue.get(timeout=600) for _ in started]
    for process in started:
        process.join()
    rss, pss, uss, rate = np.sum(said, axis=0)
    return (
        f"store, {PROCESSES} processes, {way}: {rate:,.0f} images/s in all; memory for it, all {PROCESSES} together: "
        f"RSS {rss:,.0f} MB, PSS {pss:,.0f} MB, private {uss:,.0f} MB (the images are {images * IMAGE_MB:,.0f} MB)"
    )


def _reader(way: str, folder: Path, images: int, barrier: Any, queue: Any, seed: int) -> None:
    import psutil

    one_thread()
    read, batch = WAYS[way][1](folder), np.ones((BATCH, *SIZE), np.uint16)
    read(0, batch[0])
    rows, seconds = np.random.default_rng(seed).permutation(images), []
    barrier.wait()
    before = psutil.Process().memory_full_info()
    for _ in range(2):  # the first pass fills what there is to fill
        barrier.wait()
        started = time.perf_counter()
        read_rows(read, rows, batch)
        seconds.append(time.perf_counter() - started)
    barrier.wait()
    after = psutil.Process().memory_full_info()
    queue.put(
        [(getattr(after, kind) - getattr(before, kind)) / 1e6 for kind in ("rss", "pss", "uss")]
        + [images / seconds[-1]]
    )
    barrier.wait()
