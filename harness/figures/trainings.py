"""What the trainings behind a table cost and how they went, from the cards of their stages."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

from harness.entries import Entry
from harness.figures import cost
from harness.figures.from_table import Shown
from harness.figures.learning import Training
from harness.figures.style import NoFigureError
from harness.figures.words import label_of, row_label
from harness.histories import read_history
from harness.store import Card, CardOf, cards_below
from harness.table_model import ComparisonTable, Row

TRAININGS = {"pretrain": "pretraining", "finetune": "fine-tuning"}
"""Stages whose time is a cost, and their names."""
MEMORY = "memory_gib"
"""Measure of a training: the most memory that it held at once, beyond what its process held before [GiB]."""
HOUR = 3600.0


def stages_below(card: CardOf, key: str) -> dict[str, Card]:
    """Cards of the stages that an evaluation stands on, by their names; those that are not known are not there."""
    return {stage: said for (stage, _), said in cards_below(card, key).items()}


def time_panels(table: ComparisonTable, shown: Shown, card: CardOf) -> tuple[list[cost.Panel], str]:
    """Points of the metric against device-seconds of training, and what the axis is called.

    Raises
    ------
    DataError
        When no training's card is known, or some trainings ran on GPUs and others on CPUs.
    """
    below = {key: _trainings(card, key) for key in _keys(table, shown)}
    kinds = {_device(said) for of in below.values() for said in of.values()}
    if not kinds:
        raise NoFigureError("cost figure", "no card of a training is in this store")
    if len(kinds) > 1:
        raise NoFigureError(
            "cost figure", "some trainings ran on GPUs, others on CPUs: their seconds are not comparable"
        )
    (device,) = kinds
    spent = {key: sum(_seconds(said, device) for said in of.values()) for key, of in below.items() if of}
    hours = max(spent.values()) >= 2 * HOUR
    scaled = {key: seconds / HOUR for key, seconds in spent.items()} if hours else spent
    stages = [name for stage, name in TRAININGS.items() if any(stage in of for of in below.values())]
    unit = f"{device.upper()}-{'hours' if hours else 'seconds'}"
    return _panels(table, shown, scaled), f"{' and '.join(stages)} [{unit}]"


def memory_panels(table: ComparisonTable, shown: Shown, card: CardOf) -> tuple[list[cost.Panel], str]:
    """Points of the metric against the most memory that a training held.

    Raises
    ------
    DataError
        When no training has recorded it.
    """
    held: dict[str, float] = {}
    for key in _keys(table, shown):
        said = [c.summary.get("measures", {}).get(MEMORY) for c in _trainings(card, key).values()]
        known = [v for v in said if isinstance(v, int | float) and math.isfinite(v)]
        if known:
            held[key] = max(known)
    if not held:
        raise NoFigureError("memory figure", "no training has recorded the memory that it held")
    return _panels(table, shown, held), "memory that training took [GiB]"


def trainings(
    table: ComparisonTable, shown: Shown, card: CardOf, folder: Callable[[str, str], Path], stage: str = "pretrain"
) -> list[Training]:
    """Histories of the trainings behind the first shown column that has such, a line for each row with its own.

    Parameters
    ----------
    folder : callable
        Stage and key to where its output is.
    stage : str
        One of :data:`TRAININGS`.

    Raises
    ------
    DataError
        When no history is there.
    """
    by_keys: dict[tuple, list[Row]] = {}
    column = column_on(table, shown, card, stage)
    for row in sorted(table.rows, key=lambda r: not r.reference) if column is not None else ():
        cells = row.entries[column].done
        below = [stages_below(card, cell.key).get(stage) for cell in cells if cell.key]
        keys = tuple(dict.fromkeys(said.key for said in below if said is not None))
        if keys:
            by_keys.setdefault(keys, []).append(row)
    found = [
        Training(_shared_label(table, rows), runs)
        for keys, rows in by_keys.items()
        if (runs := [h for key in keys if (h := read_history(folder(stage, key)))])
    ]
    if not found:
        raise NoFigureError("learning curves", f"no history of a {TRAININGS[stage]} is in this store")
    return found


def column_on(table: ComparisonTable, shown: Shown, card: CardOf, stage: str) -> int | None:
    """The first shown column of which a cell stands on such a stage."""
    for column in shown.columns:
        keys = (cell.key for row in table.rows for cell in row.entries[column].done if cell.key)
        if any(stage in stages_below(card, key) for key in keys):
            return column
    return None


def _keys(table: ComparisonTable, shown: Shown) -> list[str]:
    """Of the evaluations behind the shown columns."""
    entries = (row.entries[i] for row in table.rows for i in shown.columns)
    return list(dict.fromkeys(cell.key for entry in entries for cell in entry.done if cell.key))


def _trainings(card: CardOf, key: str) -> dict[str, Card]:
    return {stage: said for stage, said in stages_below(card, key).items() if stage in TRAININGS}


def _device(card: Card) -> str:
    return "gpu" if card.resources.get("gpu") else "cpu"


def _seconds(card: Card, device: str) -> float:
    """Wall time times the devices that it held; a stage that names no number of CPUs held one."""
    return card.seconds * (card.resources.get(device) or 1.0)


def _panels(table: ComparisonTable, shown: Shown, spent: dict[str, float]) -> list[cost.Panel]:
    panels = []
    for i, title in zip(shown.columns, shown.titles):
        points = []
        for row in table.rows:
            costs = _known(row.entries[i], spent)
            if costs and row.entries[i].mean is not None:
                e = row.entries[i]
                points.append(cost.Point(row_label(table, row), mean(costs), e.mean, e.low, e.high, row.reference))
        panels.append(cost.Panel(title, points))
    return panels


def _known(entry: Entry, spent: dict[str, float]) -> list[float]:
    return [spent[cell.key] for cell in entry.done if cell.key in spent]


def _shared_label(table: ComparisonTable, rows: Sequence[Row]) -> str:
    """What rows that stand on the same pretrainings have in common, at the levels where the table's rows differ."""
    if len(rows) == 1:
        return row_label(table, rows[0])
    said = []
    for i, path in enumerate(table.spec.rows):
        mine, all_ = ({row.values[i] for row in of} for of in (rows, table.rows))
        if len(mine) == 1 and len(all_) > 1:
            said.append(label_of(path, mine.pop()))
    return ", ".join(said) or "all rows"
