"""The unfinished part of an image store: pixels in the images' order, and a line for each that is safely there."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from mvmlm.data.image_store import HEADER
from mvmlm.data.prepare import Job

NAME = "journal.jsonl"
EVERY_IMAGES, EVERY_S = 64, 5.0  # a kill loses at most so much work

#: Number of the image, whether its pixels are stored, and what there is to say or why it is bad.
Entry = tuple[int, bool, dict | str]


class Journal:
    """Appends images; lines are written after their pixels have reached the disk, so that a line is never a lie.

    Attributes
    ----------
    entries : list of Entry
        What earlier, interrupted builds have done.
    """

    def __init__(self, pixels: BinaryIO, lines: BinaryIO, folder: Path, entries: list[Entry]) -> None:
        self._pixels, self._lines, self._folder = pixels, lines, folder
        self.entries = entries
        self._fresh: list[Entry] = []
        self._saved_at = time.monotonic()

    @classmethod
    def open(cls, folder: Path, name: str, jobs: Sequence[Job], image_bytes: int) -> Journal:
        """Go on with the build in ``folder``, or begin one where there is none, or one of other jobs."""
        identity = _identity(jobs)
        entries = _read(folder / NAME, identity)
        pixels = folder / name
        stored = sum(stored for _, stored, _ in entries)
        if not pixels.is_file() or pixels.stat().st_size < HEADER + stored * image_bytes:
            entries, stored = [], 0
        lines = (folder / NAME).open("wb")
        file = pixels.open("r+b" if entries else "wb")
        journal = cls(file, lines, folder, entries)
        lines.write(json.dumps({"jobs": identity}).encode() + b"\n")
        journal._write(entries)
        file.truncate(HEADER + stored * image_bytes) if entries else file.write(b"\0" * HEADER)
        file.seek(0, os.SEEK_END)
        return journal

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._save()
        finally:
            self._pixels.close()
            self._lines.close()

    def add(self, number: int, pixels: bytes | None, said: dict | str) -> None:
        """The next image."""
        if pixels is not None:
            self._pixels.write(pixels)
        self._fresh.append((number, pixels is not None, said))
        if len(self._fresh) >= EVERY_IMAGES or time.monotonic() - self._saved_at > EVERY_S:
            self._save()

    def finish(self, total: int, shape: tuple[int, int], dtype: np.dtype) -> list[Entry]:
        """Write the header of the ``.npy`` file, drop the journal; all entries."""
        self._save()
        if len(self.entries) != total:
            raise AssertionError(f"{len(self.entries)} of {total} images are journalled")
        stored = sum(stored for _, stored, _ in self.entries)
        self._pixels.seek(0)
        self._pixels.write(_header((stored, *shape), dtype))
        self._pixels.flush()
        os.fsync(self._pixels.fileno())
        (self._folder / NAME).unlink()
        return self.entries

    def _save(self) -> None:
        if self._fresh:
            self._pixels.flush()
            os.fsync(self._pixels.fileno())
            self._write(self._fresh)
            self.entries.extend(self._fresh)
            self._fresh = []
        self._saved_at = time.monotonic()

    def _write(self, entries: list[Entry]) -> None:
        self._lines.writelines(json.dumps(entry).encode() + b"\n" for entry in entries)
        self._lines.flush()


def _header(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    import io

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
            if not line.endswith(b"\n"):
                break
            number, stored, said = json.loads(line)
            if number != len(entries):
                break
            entries.append((number, stored, said))
    except (OSError, ValueError):
        pass
    return entries
