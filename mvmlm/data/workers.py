"""Images prepared by several processes, their results in the order of the jobs.

The pools of the standard library share one pipe among their workers: one that is killed while it answers (by the
system, short of memory) leaves half a message in it, and the builder waits for the rest for ever. Here each worker has
a pipe of its own, whose end is seen, and a thread that speaks for it.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

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
    crew = _Crew(workers)
    try:
        while coming or waiting:
            while coming and len(waiting) < workers * AHEAD:
                chunk = coming.popleft()
                waiting.append((chunk, crew.submit(chunk)))
            chunk, future = waiting.popleft()
            for job, result in zip(chunk, future.result()):
                yield job, *result
    finally:
        crew.stop()


class _Crew:
    """So many processes, each with a thread that gives it work."""

    def __init__(self, workers: int) -> None:
        self.members: list[_Worker] = []
        self.own = threading.local()
        self.threads = ThreadPoolExecutor(workers, initializer=self._hire)

    def _hire(self) -> None:
        self.own.worker = _Worker()
        self.members.append(self.own.worker)

    def submit(self, chunk: Sequence[Job]) -> Future:
        return self.threads.submit(self._prepare, chunk)

    def _prepare(self, chunk: Sequence[Job]) -> list[tuple]:
        """The results of a chunk; where its process dies, each image once more and alone."""
        worker = self.own.worker
        try:
            return worker.ask(prepare_all, chunk)
        except _DiedError:
            return [self._alone(worker, job) for job in chunk]

    @staticmethod
    def _alone(worker: _Worker, job: Job) -> tuple[bytes, dict] | tuple[None, str]:
        try:
            return worker.ask(prepare, job)
        except _DiedError:
            return None, CRASHED

    def stop(self) -> None:
        """End the processes at once; what they were doing is lost."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        for worker in list(self.members):
            worker.stop()


class _DiedError(Exception):
    """The process ended before it answered."""


class _Worker:
    """One process that answers one question at a time, and is replaced when it dies."""

    def __init__(self) -> None:
        self.process: multiprocessing.process.BaseProcess | None = None
        self.pipe: Connection | None = None
        self.stopped = False
        self.lock = threading.Lock()

    def ask(self, function: Callable, argument: Any) -> Any:
        """What ``function(argument)`` returns over there.

        Raises
        ------
        _DiedError
            When the process dies of it, or was told to stop.
        """
        try:
            pipe = self._running()
            pipe.send((function, argument))
            return pipe.recv()
        except (EOFError, OSError):
            self._bury()
            raise _DiedError from None

    def _running(self) -> Connection:
        with self.lock:
            if self.stopped:
                raise _DiedError
            if self.pipe is None:
                context = multiprocessing.get_context("forkserver")
                context.set_forkserver_preload(PRELOAD)
                self.pipe, theirs = context.Pipe()
                self.process = context.Process(target=_serve, args=(theirs, os.getpid()), daemon=True)
                self.process.start()
                theirs.close()
            return self.pipe

    def _bury(self) -> None:
        with self.lock:
            if self.process is not None:
                self.process.kill()
                self.process.join()
                self.pipe.close()
            self.process = self.pipe = None

    def stop(self) -> None:
        with self.lock:
            self.stopped = True
            if self.process is not None:
                self.process.kill()


def _serve(pipe: Connection, builder: int) -> None:
    """Answer questions until nobody asks any more; no longer life than that of the process that this one works for."""
    one_thread()
    threading.Thread(target=_outlive, args=(builder,), daemon=True).start()
    try:
        while True:
            function, argument = pipe.recv()
            pipe.send(function(argument))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


def _outlive(builder: int) -> None:
    while Path(f"/proc/{builder}").exists() or not Path("/proc").exists():
        time.sleep(LOOK_EVERY_S)
    os._exit(1)
