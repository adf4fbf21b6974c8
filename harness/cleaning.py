"""What in a home no finished ablation needs."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.home import Home
from harness.store import Store, folder_bytes
from harness.tracking import Tracker
from mvmlm.errors import ConfigError


@dataclass(frozen=True)
class Removable:
    """A folder or stage that may go.

    Attributes
    ----------
    why : str
        In words for people.
    """

    name: str
    path: Path
    bytes: int
    finished: str
    why: str
    stage: str = ""
    key: str = ""


def unneeded(home: Home, tracker: Tracker) -> list[Removable]:
    """Stages that no cell of a finished invocation stands on, and leftovers of unfinished work.

    Raises
    ------
    ConfigError
        While a run is going on in this store: what it needs is not known before its end.
    """
    live, needed = _needed(tracker)
    if live:
        raise ConfigError(f"{home.root}: a run is going on here; wait for its end, or stop it, then clean")
    store = Store(home.store)
    cards = {card.key: card for card in store.cards()}
    front = [key for key in needed if key in cards]
    kept: set[str] = set()
    while front:
        key = front.pop()
        if key not in kept and key in cards:
            kept.add(key)
            front.extend(cards[key].inputs.values())
    found = [
        Removable(
            f"{c.stage} {c.key}",
            store.path(c.stage, c.key),
            c.bytes,
            c.finished,
            "no finished cell",
            c.stage,
            c.key,
        )
        for c in cards.values()
        if c.key not in kept
    ]
    leftovers = {
        home.work: "checkpoint of unfinished work",
        home.store / "tmp": "half-written",
        home.logs: "log",
    }
    for folder, why in leftovers.items():
        for path in sorted(folder.glob("*")):
            size = folder_bytes(path) if path.is_dir() else path.stat().st_size
            found.append(Removable(f"{folder.name}/{path.name}", path, size, "", why))
    return found


def remove(home: Home, items: list[Removable]) -> int:
    """Remove them; returns the bytes set free."""
    store = Store(home.store)
    freed = 0
    for item in items:
        if item.stage:
            freed += store.remove(item.stage, item.key)
        else:
            freed += item.bytes
            shutil.rmtree(item.path) if item.path.is_dir() else item.path.unlink(missing_ok=True)
    return freed


def _needed(tracker: Tracker) -> tuple[bool, set[str]]:
    """Whether a run is alive, and keys of cells that finished invocations hold."""
    tracker.close_stale()
    live, keys = False, set()
    for ablation in tracker.experiments():
        for run in tracker.invocations(ablation):
            live |= run.info.status == "RUNNING"
            cells = tracker.cells_of(run.info.run_id)
            if run.info.status == "FINISHED":
                keys.update(cells.loc[cells["status"] == "done", "key"])
    return live, keys
