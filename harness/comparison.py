"""From an invocation in MLflow to its comparison table on the terminal and in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from harness.home import Home
from harness.store import Store
from harness.table_model import ComparisonTable, TableSpec
from harness.tables import build_table
from harness.tracking import Tracker

if TYPE_CHECKING:
    from rich.console import Console

    from harness.plan import Plan

FIELDS = ("key", "baseline", "status", "error", "run_id")


def write_comparison(
    console: Console, tracker: Tracker, home: Home, run_id: str, out: Path = Path("results")
) -> list[Path]:
    """Print the table of an invocation and write it to ``<out>/<ablation>/<profile>.*``.

    Returns
    -------
    list of Path
        The files: Markdown, LaTeX, CSV, HTML, and a figure where the rows are one numeric axis.
    """
    from harness.figure import write_figure
    from harness.render import write_all
    from harness.render.terminal import print_table

    table = comparison(tracker, home, run_id)
    folder = out / table.spec.ablation
    paths = write_all(table, folder, stem=table.spec.profile)
    paths += write_figure(table, folder, stem=table.spec.profile)
    print_table(table, console)
    suffixes = ", ".join(p.suffix.lstrip(".") for p in paths)
    console.print(f"table   {folder}/{table.spec.profile}.*  ({suffixes})", style="dim")
    return paths


def comparison(tracker: Tracker, home: Home, run_id: str) -> ComparisonTable:
    """The comparison table of one invocation.

    Parameters
    ----------
    run_id : str
        The invocation's parent run in MLflow.
    """
    said = tracker.spec_of(run_id)
    return _table(cells(tracker, home, run_id, said["ablation"]), said)


def check_table(plan: Plan, spec: dict) -> None:
    """Refuse before the first training what could not be shown after the last.

    Parameters
    ----------
    spec : dict
        As an invocation is recorded with it.

    Raises
    ------
    MvmlmError
        When the cells of a plan make no table.
    """
    empty = {"status": "missing", "error": "", "run_id": None, "notes": [], "draws": None}
    rows = [
        {"key": row.key, "baseline": row.baseline, **empty, **row.cell.coordinates}
        for row in (*plan.cells, *plan.baselines)
    ]
    _table(pd.DataFrame(rows), {**spec, "dataset": "", "simulated": plan.simulated, "releasable": plan.release})


def _table(frame: pd.DataFrame, said: dict) -> ComparisonTable:
    rows, below = frame[frame["baseline"].isna()], frame[frame["baseline"].notna()]
    spec = TableSpec(
        rows=said["table"]["rows"],
        columns=said["table"]["columns"],
        metric=said["table"]["metric"],
        reference=said["table"].get("reference") or {},
        question=said["question"],
        ablation=said["ablation"],
        profile=said["profile"],
        dataset=said["dataset"],
        simulated=said["simulated"],
        releasable=said.get("releasable", ""),
        notes=list(dict.fromkeys(note for notes in frame["notes"] for note in notes)),
    )
    return build_table(rows, below, spec, coordinates=said["coordinates"])


def cells(tracker: Tracker, home: Home, run_id: str, ablation: str) -> pd.DataFrame:
    """Cells of an invocation with their coordinates, metrics and bootstrap draws as columns.

    A cell that the invocation did not see the end of (its driver was killed, say) is looked up among the
    ablation's other runs.
    """
    frame = tracker.cells_of(run_id)
    tracker.use(ablation)
    store = Store(home.store)
    gaps = frame.loc[frame["status"] != "done", "id"]
    later = tracker.children(gaps) if len(gaps) else {}
    rows: list[dict[str, Any]] = []
    for record in frame.to_dict("records"):
        row = {name: record[name] for name in FIELDS}
        if record["id"] in later:
            row.update(status="done", error="", run_id=later[record["id"]])
        row["status"] = "missing" if row["status"] in ("waiting", "running") else row["status"]
        row["notes"] = json.loads(record["notes"])
        row.update(json.loads(record["coordinates"]))
        done = row["status"] == "done"
        metrics = json.loads(record["metrics"]) or (_metrics(store, tracker, row) if done else {})
        row.update(metrics)
        row["draws"] = _draws(store, tracker, row) if done else None
        rows.append(row)
    return pd.DataFrame(rows)


def _file(store: Store, tracker: Tracker, row: dict, name: str) -> Path | None:
    """A file of a cell: from the store by its key, else from its run's artifacts."""
    path = store.path("evaluate", row["key"]) / name
    if path.is_file():
        return path
    return tracker.file_of(row["run_id"], name) if row["run_id"] else None


def _metrics(store: Store, tracker: Tracker, row: dict) -> dict[str, float]:
    path = _file(store, tracker, row, "metrics.json")
    return json.loads(path.read_text()) if path else {}


def _draws(store: Store, tracker: Tracker, row: dict) -> np.ndarray | None:
    path = _file(store, tracker, row, "draws.npy")
    return np.load(path) if path else None
