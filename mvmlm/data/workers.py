"""Images prepared by several processes, their results in the order of the jobs."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

from mvmlm.data.prepare import Job, one_thread, prepare, prepare_all

CHUNK = 8  # images a worker takes at once
FEW = 64  # images that a single worker is not worth a process for
AHEAD = 2  # chunks a worker that are under way
PRELOAD = ["mvmlm.data.prepare", "mvmlm.data.dicom", "mvmlm.data.codecs", "pydicom.pixels"]  # once, not once a worker
CRASHED = "crashes the process that decodes it"

Result = tuple[Job, bytes | None, dict | str]


def in_order(jobs: Sequence[Job], workers: int) -> Iterator[Result]:
    """Each job with its pixels and what there is to say, or None and a reason.

    A few chunks are under way at a time: what is decoded and not yet written stays small, and stopping early leaves
    little to wait for. A file that takes its process down with it is found out and set aside; the others go on.
    """
    if workers <= 1 and len(jobs) <= FEW:
        for job in jobs:
            yield job, *prepare(job)
        return
    chunks = iter([jobs[i : i + CHUNK] for i in range(0, len(jobs), CHUNK)])
    workers = max(1, workers)
    pool = _pool(workers)
    waiting: deque[tuple[Sequence[Job], Future]] = deque()
    try:
        while True:
            fresh = islice(chunks, workers * AHEAD - len(waiting))
            waiting.extend((chunk, pool.submit(prepare_all, chunk)) for chunk in fresh)
            if not waiting:
                return
            chunk, done = waiting.popleft()
            try:
                results = done.result()
            except BrokenProcessPool:
                pool.shutdown(wait=False, cancel_futures=True)
                results = [_alone(job) for job in chunk]
                pool = _pool(workers)
                waiting = deque((c, pool.submit(prepare_all, c)) for c, _ in waiting)
            for job, result in zip(chunk, results):
                yield job, *result
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _pool(workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return ProcessPoolExecutor(workers, mp_context=context, initializer=one_thread)


def _alone(job: Job) -> tuple[bytes, dict] | tuple[None, str]:
    """One image in a process of its own."""
    with _pool(1) as pool:
        try:
            return pool.submit(prepare, job).result()
        except BrokenProcessPool:
            return None, CRASHED
