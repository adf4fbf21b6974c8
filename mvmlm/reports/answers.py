"""Answers that outlive a killed run: kept on disk, one file a batch, shared between runs and machines."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock

from mvmlm.errors import DataError
from mvmlm.reports.backends import Answer, Backend, Request, Sampling, UnfinishedError
from mvmlm.reports.model_identity import model_identity

log = logging.getLogger(__name__)

DIGITS = 20  # of a digest, in the name of a file or a folder


class Answers:
    """What one model answered with one way of sampling.

    Parameters
    ----------
    folder : Path
        Of all answers; those of one identity lie in a folder of their own.
    identity : dict
        What an answer depends on beside its request: the model and the sampling.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self._identity = json.dumps(identity, sort_keys=True)
        self.folder = Path(folder) / _digest(self._identity)[:DIGITS]
        self._held: dict[str, Answer] = {}
        self._read: set[str] = set()
        self._damaged: dict[str, tuple[int, int]] = {}
        self.refresh()

    def key(self, request: Request) -> str:
        """SHA-256 of the request and all else that its answer depends on."""
        return _digest(json.dumps([self._identity, request.system, request.user, request.seed]))

    def get(self, request: Request) -> Answer | None:
        """The answer, where there is one."""
        return self._held.get(self.key(request))

    def refresh(self) -> None:
        """Read what others have written meanwhile; a damaged file is as if it were not there, but for a warning."""
        for path in sorted(self.folder.glob("*.json")):
            if path.name not in self._read:
                self._read_file(path)

    def _read_file(self, path: Path) -> None:
        try:
            state = (path.stat().st_mtime_ns, path.stat().st_size)
            if self._damaged.get(path.name) == state:
                return
            self._damaged[path.name] = state
            content = json.loads(path.read_text(encoding="utf-8"))
            found = {key: _answer(said) for key, said in content.items()}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            why = " ".join(str(error).split())[:80]
            log.warning("%s: answers cannot be read (%s); they are asked for again", path, why)
            return
        del self._damaged[path.name]
        self._read.add(path.name)
        self._held.update(found)

    def add(self, requests: Sequence[Request], answers: Sequence[Answer]) -> None:
        """Keep a batch: all of it, or nothing.

        Raises
        ------
        DataError
            When it cannot be written; what was kept before stays.
        """
        keys = [self.key(request) for request in requests]
        content = json.dumps({key: asdict(answer) for key, answer in zip(keys, answers, strict=True)})
        path = self.folder / f"{_digest(' '.join(keys))[:DIGITS]}.json"
        temporary = path.with_suffix(f".{uuid.uuid4().hex}.tmp")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                with temporary.open("w", encoding="utf-8") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        self._read.add(path.name)
        self._held.update(zip(keys, answers))

    @contextmanager
    def lock(self, requests: Sequence[Request] = ()) -> Iterator[None]:
        """Held while these are asked for, so that nobody else asks the same; others may ask something else meanwhile.

        Raises
        ------
        DataError
            When there can be no lock, as on a full disk.
        """
        name = _digest(" ".join(map(self.key, requests)))[:2]  # 256 files at most, however many batches
        lock = FileLock(self.folder / "locks" / name)
        try:
            (self.folder / "locks").mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            yield
        finally:
            lock.release()

    def _unwritable(self, error: OSError) -> DataError:
        why = error.strerror or str(error)
        return DataError(
            f"{self.folder}: answers cannot be kept ({why}); those of earlier batches are; make room there and run "
            "again"
        )


def ask_all(
    backend: Backend,
    requests: Sequence[Request],
    sampling: Sampling,
    answers: Answers,
    batch: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answer]:
    """An answer to each request: the kept ones, and the others batch by batch, each batch kept at once.

    Batches are slices of the whole list, so that a resumed run, and another one that asks the same, form the same.

    Parameters
    ----------
    answers : Answers
        Of this model and this sampling.
    batch : int
        Requests of a batch: what a killed run loses at most.
    progress : callable, optional
        Told how many of the requests are answered, and how many there are.

    Raises
    ------
    ConfigError
        When the model or the server fails for good; what it had answered by then is kept.
    DataError
        When answers cannot be written.
    """
    for start in range(0, len(requests), batch):
        mine = requests[start : start + batch]
        if any(answers.get(request) is None for request in mine):
            with answers.lock(mine):
                answers.refresh()
                missing = [request for request in dict.fromkeys(mine) if answers.get(request) is None]
                if missing:
                    _ask(backend, missing, sampling, answers)
        if progress:
            progress(start + len(mine), len(requests))
    return [answers.get(request) for request in requests]


def _ask(backend: Backend, requests: list[Request], sampling: Sampling, answers: Answers) -> None:
    try:
        answers.add(requests, backend.answer(requests, sampling))
    except UnfinishedError as error:
        there = [(request, answer) for request, answer in zip(requests, error.answers) if answer is not None]
        if there:
            answers.add(*zip(*there))
        raise


def _answer(said: dict[str, Any]) -> Answer:
    answer = Answer(**said)
    if not isinstance(answer.text, str) or answer.finish not in ("stop", "length"):
        raise TypeError(f"{said!r} is no answer")
    return answer


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


__all__ = ["Answers", "ask_all", "model_identity"]
