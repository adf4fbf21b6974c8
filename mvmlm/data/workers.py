"""Images prepared by several processes, their results in the order of the jobs."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from mvmlm.data.prepare import Job, one_thread, prepare, prepare_all

CHUNK = 8  # images a worker takes at once
AHEAD = 2  # chunks a worker that are under way
LOOK_EVERY_S = 2.0
PRELOAD = ["mvmlm.data.prepare", "mvmlm.data.dicom", "mvmlm.data.codecs", "pydicom.pixels"]  # once, not once a worker
CRASHED = "crashes the process that decodes it"

Result = tuple[Job, bytes | None, dict | str]


def in_order(jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """Each job with its pixels and what there is to say, or None and a reason.

    A few chunks are under way at a time: what is decoded and not yet written stays small, and stopping early leaves
    little to wait for. A file that takes its process down with it is found out and set aside; the others go on.

    Parameters
    ----------
    workers : int
        Processes; 0 stays in this one, which such a file then takes down.
    """
    if workers < 1:
        for job in jobs:
            yield job, *prepare(job)
        return
    coming = deque(jobs[i : i + CHUNK] for i in range(0, len(jobs), CHUNK))
    waiting: deque[tuple[Sequence[Job], Future]] = deque()
    pool = _pool(workers)
    try:
        while coming or waiting:
            try:
                while coming and len(waiting) < workers * AHEAD:
                    waiting.append((coming[0], pool.submit(prepare_all, coming[0])))
                    coming.popleft()
                results = waiting[0][1].result()
                chunk = waiting.popleft()[0]
            except BrokenProcessPool:
                pool.shutdown(wait=False, cancel_futures=True)
                coming.extendleft(chunk for chunk, _ in reversed(waiting))
                waiting.clear()
                chunk = coming.popleft()
                results = [_alone(job) for job in chunk]
                pool = _pool(workers)
            for job, result in zip(chunk, results):
                yield job, *result
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _pool(workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(os.getpid(),))


def _begin(builder: int) -> None:
    """Start a worker: one thread, and no longer life than that of the process that it works for."""
    one_thread()
    threading.Thread(target=_outlive, args=(builder,), daemon=True).start()


def _outlive(builder: int) -> None:
    while Path(f"/proc/{builder}").exists() or not Path("/proc").exists():
        time.sleep(LOOK_EVERY_S)
    os._exit(1)


def _alone(job: Job) -> tuple[bytes, dict] | tuple[None, str]:
    """One image in a process of its own."""
    with _pool(1) as pool:
        try:
            return pool.submit(prepare, job).result()
        except BrokenProcessPool:
            return None, CRASHED
