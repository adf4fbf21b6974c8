"""What the results cost: CPU- and GPU-seconds by stage and by row, and what cells that share stages have saved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.report.sources import Sources, row_name, rows_of
from harness.stages import ORDER
from harness.store import Card

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


@dataclass(frozen=True)
class Spent:
    """Devices held, times how long.

    Attributes
    ----------
    cpu, gpu : float
        [s]
    """

    cpu: float = 0.0
    gpu: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.cpu + other.cpu, self.gpu + other.gpu)

    def times(self, factor: float) -> Spent:
        """So many of it."""
        return Spent(self.cpu * factor, self.gpu * factor)


@dataclass(frozen=True)
class StageCost:
    """All stages of one name.

    Attributes
    ----------
    count : int
        Different ones.
    cells : int
        How often a cell stands on one.
    spent : Spent
        Each counted once.
    unshared : Spent
        Each counted as often as a cell stands on it.
    """

    name: str
    count: int
    cells: int
    spent: Spent
    unshared: Spent


@dataclass(frozen=True)
class RowCost:
    """A row of the table: what it stands on, and how much of that no other row stands on."""

    name: str
    spent: Spent
    own: Spent


@dataclass(frozen=True)
class Costs:
    """Of an invocation's results.

    Attributes
    ----------
    unknown : int
        Stages that are not in this store.
    seconds : float
        Wall time of all stages, one after the other [s].
    """

    stages: tuple[StageCost, ...]
    rows: tuple[RowCost, ...]
    unknown: int
    seconds: float

    @property
    def spent(self) -> Spent:
        """In all."""
        return _sum(stage.spent for stage in self.stages)

    @property
    def unshared(self) -> Spent:
        """What it would have been with nothing shared."""
        return _sum(stage.unshared for stage in self.stages)

    @property
    def has_gpu(self) -> bool:
        """Whether any stage held one."""
        return self.spent.gpu > 0


def costs(sources: Sources, cards: Mapping[str, Card]) -> Costs:
    """Costs of an invocation's results, whichever run did the work.

    Parameters
    ----------
    cards : mapping
        Key to card of every stage that is known.
    """
    asked = Counter(key for keys in sources.stages.values() for key in keys)
    rows = {row_name(sources.table, row): sources.keys_of(row) for row in rows_of(sources.table)}
    holders = Counter(key for keys in rows.values() for key in keys)
    stages: dict[str, list[Card]] = {}
    for card in cards.values():
        stages.setdefault(card.stage, []).append(card)
    return Costs(
        stages=tuple(
            StageCost(
                name,
                len(mine),
                sum(asked[card.key] for card in mine),
                _sum(spent(card) for card in mine),
                _sum(spent(card).times(asked[card.key]) for card in mine),
            )
            for name, mine in sorted(stages.items(), key=lambda item: ORDER[item[0]])
        ),
        rows=tuple(
            RowCost(
                name,
                _sum(spent(cards[key]) for key in keys if key in cards),
                _sum(spent(cards[key]) for key in keys if key in cards and holders[key] == 1),
            )
            for name, keys in rows.items()
        ),
        unknown=sum(key not in cards for key in holders),
        seconds=sum(card.seconds for card in cards.values()),
    )


def spent(card: Card) -> Spent:
    """Wall time times the devices that a stage held; one that names no number of CPUs held one."""
    return Spent(card.seconds * (card.resources.get("cpu") or 1.0), card.seconds * card.resources.get("gpu", 0.0))


def duration(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3.4 h``, ``2.1 days``."""
    for size, unit in ((DAY, "days"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 or not seconds else f"{seconds:.1f} s"


def _sum(parts: Iterable[Spent]) -> Spent:
    return sum(parts, Spent())
