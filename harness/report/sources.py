"""What a report is made from, beside the table: the stages behind its cells, their files, and what the run recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.comparison import file_of_cell
from harness.entries import CellRef
from harness.figures.chosen import Drawn
from harness.figures.words import column_label_of, row_label
from harness.home import Home
from harness.stages import STAGES
from harness.store import Card, Store
from harness.table_model import ComparisonTable, Row
from harness.wording import BASELINE_TITLES, value_label

if TYPE_CHECKING:
    from harness.tracking import Tracker


@dataclass(frozen=True)
class Sources:
    """An invocation, its table and figures, and where the rest is found.

    Attributes
    ----------
    run_id : str
        The parent run in MLflow.
    said : dict
        The resolved ablation.
    environment : dict
        Python, packages, machine and commit of the driver.
    stages : mapping
        Key of an evaluation to the keys of all stages that its cell stands on.
    files : callable
        A cell and a file's name to where that file is; None where it is nowhere.
    logs : Path
        Folder of the tracebacks.
    """

    table: ComparisonTable
    drawn: Drawn
    run_id: str
    said: dict[str, Any]
    store: Store
    logs: Path
    files: Callable[[CellRef, str], Path | None]
    environment: dict[str, Any] = field(default_factory=dict)
    stages: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def cards(self) -> dict[str, Card]:
        """Key to card of every stage of this invocation that is in the store."""
        keys = dict.fromkeys(key for row in rows_of(self.table) for key in self.keys_of(row))
        return {key: card for key in keys if (card := self._card(key)) is not None}

    def keys_of(self, row: Row) -> list[str]:
        """Of all stages that a row's cells stand on, each once."""
        cells = (cell for entry in row.entries for cell in entry.cells if cell.key)
        return list(dict.fromkeys(key for cell in cells for key in self.stages.get(cell.key, (cell.key,))))

    def _card(self, key: str) -> Card | None:
        stage = next((name for name in reversed(STAGES) if self.store.has(name, key)), None)
        return self.store.card(stage, key) if stage else None


def gather(tracker: Tracker, home: Home, run_id: str, table: ComparisonTable, drawn: Drawn) -> Sources:
    """The sources of an invocation that MLflow knows.

    Raises
    ------
    TrackingError
        When the run, or what it was recorded with, is not there.
    """
    store = Store(home.store)
    recorded = tracker.cells_of(run_id)
    return Sources(
        table=table,
        drawn=drawn,
        run_id=run_id,
        said=tracker.spec_of(run_id),
        store=store,
        logs=home.logs,
        files=partial(file_of_cell, store, tracker),
        environment=json.loads(tracker.file_of(run_id, "environment.json").read_text()),
        stages={key: json.loads(said) for key, said in zip(recorded["key"], recorded["stages"])},
    )


def rows_of(table: ComparisonTable) -> tuple[Row, ...]:
    """Rows of ours."""
    return (*table.rows, *table.baselines)


def row_name(table: ComparisonTable, row: Row) -> str:
    """A row by all that tells it from others: ``tokens 8``, ``metadata only``."""
    if row.baseline is None:
        return row_label(table, row)
    title = BASELINE_TITLES.get(row.baseline, row.baseline)
    others = [text for text in row.labels if text and title not in text]
    return ", ".join([title, *others])


def places(table: ComparisonTable) -> Iterator[tuple[str, CellRef]]:
    """Every cell of ours once, with its place in words: ``tokens 8 · mass, 10 % of labels · seed 0``."""
    seen: set[int] = set()
    for row in rows_of(table):
        for i, entry in enumerate(row.entries):
            for cell in entry.cells:
                if id(cell) not in seen and cell.status != "absent":
                    seen.add(id(cell))
                    said = [row_name(table, row), column_label_of(table, i), f"seed {value_label('', cell.seed)}"]
                    yield " · ".join(filter(None, said)), cell
