"""The unfinished part of an image store: pixels in the images' order, and a line for each that is safely there."""

from __future__ import annotations

import hashlib
import io
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

import numpy as np

from mvmlm.data.image_store import HEADER
from mvmlm.data.prepare import Job

NAME = "journal.jsonl"
EVERY_IMAGES, EVERY_S = 64, 5.0  # a kill loses at most so much work


class Entry(NamedTuple):
    """One image that is done.

    Attributes
    ----------
    stored : bool
        Whether its pixels are there.
    said : dict or str
        What there is to say of it, or why it is bad.
    stamp : list or None
        Of a bad one: what its file looked like. Where that has changed, it is tried again.
    """

    number: int
    stored: bool
    said: dict | str
    stamp: list | None


class Journal:
    """Appends images; lines are written after their pixels have reached the disk, so that a line is never a lie.

    Attributes
    ----------
    entries : list of Entry
        What is safely there; at first, what earlier, interrupted builds have done.
    """

    def __init__(self, pixels: BinaryIO, lines: BinaryIO, folder: Path, entries: list[Entry]) -> None:
        self._pixels, self._lines, self._folder = pixels, lines, folder
        self.entries = entries
        self._fresh: list[Entry] = []
        self._saved_at = time.monotonic()

    @classmethod
    def open(
        cls,
        folder: Path,
        name: str,
        jobs: Sequence[Job],
        image_bytes: int,
        stamp: Callable[[Job], list | None],
    ) -> Journal:
        """Go on with the build in ``folder``, or begin one where there is none, or one of other jobs.

        Parameters
        ----------
        stamp : callable
            What the file of a job looks like now. From the first bad image whose file has changed, all is done again.
        """
        identity = _identity(jobs)
        entries = _read(folder / NAME, identity)
        changed = (e.number for e in entries if not e.stored and e.stamp != stamp(jobs[e.number]))
        entries = entries[: next(changed, len(entries))]
        pixels = folder / name
        size = HEADER + image_bytes * sum(entry.stored for entry in entries)
        if not pixels.is_file() or pixels.stat().st_size < size:
            entries, size = [], HEADER
        fresh = folder / f"{NAME}.new"  # takes the old one's place whole, so that a kill here loses nothing
        with fresh.open("wb") as file:
            file.write(json.dumps({"jobs": identity}).encode() + b"\n" + _lines(entries))
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, folder / NAME)
        file = pixels.open("r+b" if entries else "wb")
        if entries:
            file.truncate(size)
            file.seek(size)
        else:
            file.write(b"\0" * HEADER)
        return cls(file, (folder / NAME).open("ab"), folder, entries)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._save()
        finally:
            self._pixels.close()
            self._lines.close()

    def add(self, number: int, pixels: bytes | None, said: dict | str, stamp: list | None) -> None:
        """The next image."""
        if pixels is not None:
            self._pixels.write(pixels)
        self._fresh.append(Entry(number, pixels is not None, said, stamp))
        if len(self._fresh) >= EVERY_IMAGES or time.monotonic() - self._saved_at > EVERY_S:
            self._save()

    def finish(self, total: int, shape: tuple[int, int], dtype: np.dtype) -> list[Entry]:
        """Write the header of the ``.npy`` file; all entries. The journal stays, until what follows is safe, too."""
        self._save()
        if len(self.entries) != total:
            raise AssertionError(f"{len(self.entries)} of {total} images are journalled")
        stored = sum(entry.stored for entry in self.entries)
        self._pixels.seek(0)
        self._pixels.write(_header((stored, *shape), dtype))
        self._pixels.flush()
        os.fsync(self._pixels.fileno())
        return self.entries

    def _save(self) -> None:
        if self._fresh:
            for file, content in ((self._pixels, b""), (self._lines, _lines(self._fresh))):
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            self.entries.extend(self._fresh)
            self._fresh = []
        self._saved_at = time.monotonic()


def _lines(entries: list[Entry]) -> bytes:
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


def _header(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    buffer = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, described)
    if len(buffer.getvalue()) != HEADER:
        raise AssertionError(f"a .npy header of {len(buffer.getvalue())} bytes")
    return buffer.getvalue()


def _identity(jobs: Sequence[Job]) -> str:
    said = json.dumps([{k: v for k, v in asdict(job).items() if k != "root"} for job in jobs], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def _read(path: Path, identity: str) -> list[Entry]:
    """Whole lines of a journal of these jobs; a line that a kill cut off, and all after it, do not count."""
    entries: list[Entry] = []
    try:
        lines = path.read_bytes().splitlines(keepends=True)
        if not lines or json.loads(lines[0]) != {"jobs": identity}:
            return []
        for line in lines[1:]:
            entry = Entry(*json.loads(line))
            if not line.endswith(b"\n") or entry.number != len(entries):
                break
            entries.append(entry)
    except (OSError, ValueError, TypeError):
        pass
    return entries
