"""From an invocation in MLflow to its comparison table on the terminal and in files."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from harness.entries import CellRef
from harness.environment import code_digest
from harness.home import Home
from harness.measures import measures_of
from harness.shared import shared_of
from harness.stale_code import of_another_version
from harness.stats.delong import Components, read_components
from harness.store import Card, Store
from harness.table_model import ComparisonTable, TableSpec, stage_of
from harness.tables import build_table
from harness.tracking import Tracker, TrackingError, metric_key
from harness.wording import plain
from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.protocols import read_draws
from mvmlm.registry import did_you_mean

if TYPE_CHECKING:
    from rich.console import Console

    from harness.plan import Plan

FIELDS = ("key", "baseline", "status", "error", "run_id")


def write_comparison(
    console: Console,
    tracker: Tracker,
    home: Home,
    run_id: str,
    out: Path = Path("results"),
    published: Path | None = None,
) -> tuple[ComparisonTable, list[Path]]:
    """Print the table of an invocation and write it to ``<out>/<ablation>/<profile>.*``.

    Returns
    -------
    table : ComparisonTable
    paths : list of Path
        The files: Markdown, LaTeX, CSV, HTML, JSON, and the page of texts where cells were trained on reports.
    """
    from harness.render import write_all
    from harness.render.terminal import print_table
    from harness.report_page import write_report_page

    table = comparison(tracker, home, run_id, published)
    folder = out / table.spec.ablation
    paths = write_all(table, folder, stem=table.spec.profile)
    print_table(table, console)
    suffixes = ", ".join(p.suffix.lstrip(".") for p in paths)
    console.print(f"table   {folder}/{table.spec.profile}.*  ({suffixes})", style="dim")
    keys = [key for stages in tracker.cells_of(run_id)["stages"] for key in json.loads(stages)]
    page = folder / f"{table.spec.profile}.texts.html"
    if write_report_page(home, keys, page, question=table.spec.question, simulated=table.spec.simulated):
        console.print(f"texts   {page}", style="dim")
        paths.append(page)
    return table, paths


def comparison(tracker: Tracker, home: Home, run_id: str, published: Path | None = None) -> ComparisonTable:
    """The comparison table of one invocation.

    Parameters
    ----------
    run_id : str
        The invocation's parent run in MLflow.
    published : Path, optional
        A folder of published numbers to show below ours.
    """
    from harness.published import read_published
    from harness.published_rows import with_published

    literature = read_published(published) if published else None
    said = tracker.spec_of(run_id)
    beside = said["table"].get("beside") or ()
    frame = cells(tracker, home, run_id, said["ablation"], said["table"]["metric"], beside)
    codes = [shared.get("code") for shared, status in zip(frame["shared"], frame["status"]) if status == "done"]
    table = _table(frame, said, of_another_version(codes, code_digest()))
    if literature is None:
        return table
    ours = frame[frame["baseline"].isna()]
    shared = [c for c in said["coordinates"] if c in ours and c not in (*table.spec.rows, *table.spec.columns)]
    fixed = {c: values.pop() for c in shared if len(values := {plain(v) for v in ours[c]}) == 1}
    return with_published(table, literature, fixed)


def check_table(plan: Plan, spec: dict) -> None:
    """Refuse before the first training what could not be shown after the last.

    Parameters
    ----------
    spec : dict
        As an invocation is recorded with it.

    Raises
    ------
    MvmlmError
        When the cells of a plan make no table, or a side column is of a stage that none of them stands on.
    """
    _check_beside(plan, spec["table"].get("beside") or ())
    empty = {"status": "missing", "error": "", "run_id": None, "notes": [], "draws": None, "measures": {}}
    rows = [
        {"key": row.key, "baseline": row.baseline, **empty, **row.cell.coordinates}
        for row in (*plan.cells, *plan.baselines)
    ]
    _table(pd.DataFrame(rows), {**spec, "dataset": "", "simulated": plan.simulated, "releasable": plan.release})


def _check_beside(plan: Plan, beside: Sequence[str]) -> None:
    stages = list(dict.fromkeys(node.stage for node in plan.nodes.values()))
    for name in beside:
        if stage_of(name) not in stages:
            near = did_you_mean(stage_of(name), stages)
            raise ConfigError(
                f"table.beside: no cell stands on a stage {stage_of(name)!r}, so none has {name}{near} "
                f"(they stand on: {', '.join(stages)}); take it out of table.beside"
            )


def _table(frame: pd.DataFrame, said: dict, more: Sequence[str] = ()) -> ComparisonTable:
    rows, below = frame[frame["baseline"].isna()], frame[frame["baseline"].notna()]
    sets = said.get("sets") or {}
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
        notes=[*dict.fromkeys(note for notes in frame["notes"] for note in notes), *more],
        beside=said["table"].get("beside") or (),
        compare=said["table"].get("compare") or {},
        digits=said["table"].get("digits") or 3,
        varies=[p for axis in (*said["table"]["rows"], *said["table"]["columns"]) for p in sets.get(axis, ())],
    )
    return build_table(rows, below, spec, coordinates=said["coordinates"])


def cells(
    tracker: Tracker, home: Home, run_id: str, ablation: str, metric: str, beside: Sequence[str] = ()
) -> pd.DataFrame:
    """Cells of an invocation: coordinates, metrics and the bootstrap draws of one as columns, measures in one of dicts.

    A cell that the invocation did not see the end of (its driver was killed, say) is looked up among the
    ablation's other runs.

    Parameters
    ----------
    metric : str
        Whose draws.
    beside : sequence of str
        Measures to look for in MLflow where this store has no card that tells them.
    """
    frame = tracker.cells_of(run_id)
    tracker.use(ablation)
    store = Store(home.store)
    card = cache(store.card)
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
        if done and not metrics:
            row["error"] = "its numbers are damaged or gone: run it again"
        recorded = record.get("measures") if record["status"] == "done" else None
        row["measures"] = json.loads(recorded) if recorded else _measures(card, tracker, row, beside) if done else {}
        told = record.get("shared") if record["status"] == "done" else None
        row["shared"] = json.loads(told) if told else shared_of(card, row["key"]) if done else {}
        row["draws"] = _draws(store, tracker, row, metric) if done else None
        row["components"] = cache(partial(_components, store, tracker, row, metric)) if done else None
        rows.append(row)
    return pd.DataFrame(rows)


def _file(store: Store, tracker: Tracker, row: dict, name: str) -> Path | None:
    """A file of a cell: from the store by its key, else from its run's artifacts."""
    path = os.path.join(store.root, "evaluate", row["key"], name)  # thousands of them: pathlib would take a second
    if os.path.isfile(path):
        return Path(path)
    return tracker.file_of(row["run_id"], name) if row["run_id"] else None


def file_of_cell(store: Store, tracker: Tracker, cell: CellRef, name: str) -> Path | None:
    """The same of a table's cell; None where no such file was kept."""
    with contextlib.suppress(TrackingError):
        return _file(store, tracker, {"key": cell.key or "", "run_id": cell.run_id}, name)
    return None


def _metrics(store: Store, tracker: Tracker, row: dict) -> dict[str, float]:
    """Nothing where they cannot be read: the cell is then shown as undefined."""
    with suppress(OSError, ValueError, TrackingError):
        path = _file(store, tracker, row, "metrics.json")
        said = json.loads(path.read_text()) if path else {}
        return said if isinstance(said, dict) else {}
    return {}


def _measures(
    card: Callable[[str, str], Card | None], tracker: Tracker, row: dict, beside: Sequence[str]
) -> dict[str, float]:
    """From the cards of a cell's stages; what is asked for and not there, from its run's metrics."""
    found = measures_of(card, row["key"])
    lacking = [name for name in beside if name not in found]
    if not lacking or not row["run_id"]:
        return found
    logged = tracker.client.get_run(row["run_id"]).data.metrics
    return {**found, **{name: logged[key] for name in lacking if (key := metric_key(name)) in logged}}


def _components(store: Store, tracker: Tracker, row: dict, metric: str) -> Components | None:
    """What DeLong's test needs; kept of the AUC at a task's own level alone, and not by earlier versions.

    None also of a file that cannot be read; the test is then another, which the caption says.
    """
    path = None
    if metric.startswith("auc@"):
        with suppress(TrackingError):
            path = _file(store, tracker, row, "components.npy")
    with suppress(DataError):
        level, found = read_components(path) if path else ("", None)
        return found if level == metric.partition("@")[2] else None
    return None


def _draws(store: Store, tracker: Tracker, row: dict, metric: str) -> np.ndarray | None:
    """Draws of a metric; None, which a table says, where there are none, an earlier version's, or no whole file."""
    with suppress(DataError, TrackingError):
        path = _file(store, tracker, row, "draws.npy")
        found = read_draws(path).get(metric) if path else None
        return None if found is None else np.ascontiguousarray(found)  # lets go of the other metrics' draws
    return None
