"""The store of finished stages: one folder a key, published whole or not at all.

A stage is written into a temporary folder beside its final place and moved there by one rename, under a
lock, so that a half-written output is never seen and two runs never do the same work at once.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from mvmlm.errors import MvmlmError

CARD = "card.json"
NO_ROOM_BYTES = 2**16


class StoreError(MvmlmError):
    """The store cannot be written."""


@dataclass(frozen=True)
class Card:
    """What a published stage says of itself, in ``card.json``.

    Attributes
    ----------
    seconds : float
        Wall time that the stage's own work took [s]; what earlier, interrupted runs did of it included.
    kind : str
        Stages of one kind cost about the same; estimates go by it.
    summary : dict
        What the stage wants remembered: counts, sizes, set-aside files.
    code : str
        Digest of the code that it ran, `harness.environment.code_digest`; '' where it is not known.
    """

    stage: str
    key: str
    version: int
    config: dict
    inputs: dict[str, str]
    kind: str
    seconds: float
    finished: str
    host: str
    git_commit: str
    resources: dict
    bytes: int
    summary: dict = field(default_factory=dict)
    code: str = ""


CardOf = Callable[[str, str], Card | None]
"""Stage and key to the published stage's card; `Store.card` is one."""


def cards_below(card: CardOf, key: str) -> dict[tuple[str, str], Card]:
    """Stage and key to card: of an evaluation, first, and of all stages that it stands on; unknown ones are not there.

    Parameters
    ----------
    key : str
        Of the stage ``evaluate``.
    """
    found: dict[tuple[str, str], Card] = {}
    front = [("evaluate", key)]
    while front:
        place = front.pop()
        if place not in found and (said := card(*place)) is not None:
            found[place] = said
            front += said.inputs.items()
    return found


class Store:
    """Finished stages under one folder.

    Parameters
    ----------
    root : Path
        The folder; made when first written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def path(self, stage: str, key: str) -> Path:
        """Where the output of a stage is, or will be."""
        return self.root / stage / key

    def has(self, stage: str, key: str) -> bool:
        """Whether the stage is published."""
        return (self.path(stage, key) / CARD).is_file()

    def card(self, stage: str, key: str) -> Card | None:
        """The card of a published stage; None when it is not there or cannot be read."""
        try:
            return Card(**json.loads((self.path(stage, key) / CARD).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def cards(self, stage: str | None = None) -> Iterator[Card]:
        """Every card, of one stage or of all, in the order of their names."""
        for folder in sorted(self.root.glob(f"{stage or '*'}/*/{CARD}")):
            card = self.card(folder.parent.parent.name, folder.parent.name)
            if card is not None:
                yield card

    def publish(self, node: dict, produce: Callable[[Path], dict], *, git_commit: str = "", code: str = "") -> bool:
        """Let ``produce`` fill a folder, and publish it.

        Parameters
        ----------
        node : dict
            ``stage, key, version, config, inputs, kind, resources`` of the stage.
        produce : callable
            Gets an empty folder, fills it, returns the card's summary.

        Returns
        -------
        bool
            True when this call did the work; False when somebody else had published it meanwhile.

        Raises
        ------
        StoreError
            When the disk is full or the store cannot be written; nothing half-written stays.
        """
        stage, key = node["stage"], node["key"]
        final = self.path(stage, key)
        try:
            with self._lock(stage, key):
                if self.has(stage, key):
                    return False
                self._produce(node, produce, final, git_commit, code)
                return True
        except OSError as error:
            if failure := self._failure(error, final):
                raise failure from error
            raise

    def remove(self, stage: str, key: str) -> int:
        """Remove a published stage; returns the bytes set free."""
        with self._lock(stage, key):
            size = folder_bytes(self.path(stage, key))
            away = self._temporary(stage, key)  # by one rename: a stage is there whole, or not at all
            away.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                os.replace(self.path(stage, key), away)
            shutil.rmtree(away, ignore_errors=True)
        return size

    def sweep(self) -> int:
        """Remove what dead processes of this host left half-written; returns the number of folders."""
        left = self.half_written()
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)
        return len(left)

    def half_written(self) -> list[Path]:
        """Folders that dead processes of this host were filling."""
        found = []
        for folder in sorted(self.root.glob("tmp/*")):
            host, _, pid = folder.name.rpartition("@")[2].rpartition("-")
            if host == socket.gethostname() and pid.isdigit() and not Path(f"/proc/{pid}").exists():
                found.append(folder)
        return found

    def _temporary(self, stage: str, key: str) -> Path:
        return self.root / "tmp" / f"{stage}-{key}@{socket.gethostname()}-{os.getpid()}"

    def _lock(self, stage: str, key: str) -> FileLock:
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{stage}-{key}.lock")

    def _produce(self, node: dict, produce: Callable[[Path], dict], final: Path, commit: str, code: str) -> None:
        temporary = self._temporary(node["stage"], node["key"])
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            temporary.mkdir(parents=True)
            started = time.perf_counter()
            summary = produce(temporary) or {}
            seconds = max(time.perf_counter() - started, summary.pop("seconds", 0.0))
            card = Card(
                **{k: node[k] for k in ("stage", "key", "version", "config", "inputs", "kind", "resources")},
                seconds=round(seconds, 3),
                finished=datetime.now(UTC).isoformat(timespec="seconds"),
                host=socket.gethostname(),
                git_commit=commit,
                bytes=folder_bytes(temporary),
                summary=summary,
                code=code,
            )
            _sync(temporary)
            write_json(temporary / CARD, asdict(card))
            final.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(final, ignore_errors=True)  # a folder without a card is no stage
            os.replace(temporary, final)
        except Exception as error:  # looked at before the folder goes, and its room with it
            if failure := self._failure(error, final):
                raise failure from error
            raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _failure(self, error: Exception, final: Path) -> StoreError | None:
        """What to say where the disk is the cause; a library may have wrapped the error, or lost its number."""
        numbers = {e.errno for e in _chain(error) if isinstance(e, OSError)}
        free = shutil.disk_usage(_existing(self.root)).free
        if numbers & {errno.ENOSPC, errno.EDQUOT} or free < NO_ROOM_BYTES:
            return StoreError(
                f"{final}: the disk is full ({free / 2**20:.0f} MiB free), nothing was published; make room "
                "(`python -m harness clean`) or choose another folder with --home, then run again"
            )
        if errno.EROFS in numbers:
            return StoreError(f"{final}: the disk can only be read; choose another folder with --home")
        return None


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON through to the disk, so that a card never outlives its contents."""
    with path.open("w") as file:
        json.dump(value, file, indent=1, sort_keys=True, allow_nan=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Bring a folder's files to the disk: a card must not outlive what it speaks of."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
