"""What in a home no finished ablation needs."""

from __future__ import annotations

import json
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


def unneeded(
    home: Home,
    tracker: Tracker,
    *,
    unfinished: bool = False,
    prepared: bool = False,
    answers: bool = False,
    force: bool = False,
) -> list[Removable]:
    """Stages that no cell of a finished invocation stands on, and leftovers.

    Parameters
    ----------
    unfinished : bool
        Whether work goes too that the newest invocation of an ablation left unfinished, and would go on from.
    prepared : bool
        Whether image stores go too that ``data prepare`` made and no cell stands on.
    answers : bool
        Whether what language models answered goes too: reports that are there stay, others ask again.
    force : bool
        Go on although a run of another machine seems to live: whether it does cannot be seen from here.

    Raises
    ------
    ConfigError
        While a run is going on in this store: what it needs is not known before its end. And where the store has
        results while MLflow knows of no run: that is another MLflow store, or a new one.
    """
    if (alive := tracker.close_stale()) and not force:
        raise ConfigError(
            f"{home.root}: a run is going on here ({alive[0]}); wait for its end, or stop it, then clean; if that "
            "machine or container is gone, --force"
        )
    runs, needed = _needed(tracker, unfinished)
    store = Store(home.store)
    cards = {card.key: card for card in store.cards()}
    if not runs and any(card.stage == "evaluate" for card in cards.values()):
        raise ConfigError(
            f"{tracker.uri}: knows of no run, while {home.store} holds results; name the MLflow store that they belong "
            "to with MLFLOW_TRACKING_URI, or remove the folder by hand"
        )
    if not prepared:
        needed |= {path.name for path in home.prepared.glob("*")}
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
        home.logs: "log",
        home.root / "tune": "scratch of a killed run",
    }
    if answers:
        leftovers[home.answers] = "answers of a language model"
    for path in store.half_written():
        found.append(Removable(f"tmp/{path.name}", path, folder_bytes(path), "", "half-written"))
    for folder, why in leftovers.items():
        for path in sorted(p for p in folder.glob("*") if p.name not in needed):
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


def _needed(tracker: Tracker, unfinished: bool) -> tuple[int, set[str]]:
    """How many invocations there are, and keys of stages that must stay."""
    count, keys = 0, set()
    for ablation in tracker.experiments():
        newest = set()
        for run in tracker.invocations(ablation):
            count += 1
            profile = run.data.tags.get("harness.profile")
            goes_on = profile not in newest and not unfinished
            newest.add(profile)
            if run.info.status != "FINISHED" and not goes_on:
                continue
            cells = tracker.cells_of(run.info.run_id)
            if run.info.status == "FINISHED":
                cells = cells[cells["status"] == "done"]
            keys.update(key for stages in cells["stages"] for key in json.loads(stages))
    return count, keys
