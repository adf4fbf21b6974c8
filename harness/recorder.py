"""Turns ended cells into MLflow runs and into the frame that tables are made of."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import pandas as pd

from harness.environment import git_commit
from harness.histories import read_history
from harness.keys import canonical, content_key
from harness.measures import measures_of
from harness.plan import Plan, PlannedCell
from harness.shared import shared_of
from harness.stages import Node
from harness.stages.search import TRIALS, apply_best
from harness.state import FAILED, RunState
from harness.store import Card, Store
from harness.tracking import STAGE_TAG, Tracker
from harness.wording import level_name

log = logging.getLogger("harness")

KEPT = ("done", "cached")
FILES = ("predictions.parquet", "metrics.json", "details.json", "draws.npy", "components.npy")
SAVE_EVERY = 25
SILENT_S = 120.0  # without records of cells after one that failed: a server that is down costs minutes each time


def cell_id(planned: PlannedCell) -> str:
    """Identity of a cell: its content key and its place in the grid."""
    place = {"coordinates": planned.cell.coordinates, "baseline": planned.baseline}
    return content_key(stage="cell", version=1, config=json.loads(canonical(place)), inputs={"evaluate": planned.key})


class Recorder:
    """Logs cells as they end; each at most once over all invocations.

    Parameters
    ----------
    header : dict
        ``ablation``, ``profile``, ``spec`` of this invocation.
    """

    def __init__(self, plan: Plan, state: RunState, store: Store, tracker: Tracker, header: dict) -> None:
        self.plan, self.state, self.store, self.tracker, self.header = plan, state, store, tracker, header
        self.rows = [*plan.cells, *plan.baselines]
        self.ids = {id(row): cell_id(row) for row in self.rows}
        self.runs: dict[str, str] = {}
        self.trials: set[tuple[str, str]] = set()
        self._by_key: dict[str, list[PlannedCell]] = {}
        for row in self.rows:
            self._by_key.setdefault(row.key, []).append(row)
        self._cards: dict[str, Card] = {}
        self._unsaved = 0
        self._silent_until = 0.0

    def open(self) -> None:
        """Open the parent run and find the cells that have been logged before."""
        self.tracker.close_stale()
        datasets = ",".join(f"{k}:{v}" for k, v in self.plan.fingerprints.items())
        self.tags = {
            "harness.ablation": self.header["ablation"],
            "harness.profile": self.header["profile"],
            "harness.data": "simulated" if self.plan.simulated else "real",
            "harness.releasable": self.plan.release,
            "harness.dataset": datasets,
        }
        spec = {
            **self.header["spec"],
            "simulated": self.plan.simulated,
            "releasable": self.plan.release,
            "dataset": ", ".join(self.plan.fingerprints),
        }
        self.tracker.start(self.header["ablation"], self.tags, spec, self.frame())
        self.runs = self.tracker.children(self.ids.values())
        if any(node.stage == "search" for node in self.plan.nodes.values()):
            self.trials = self.tracker.logged_trials()

    def stage_ended(self, node: Node) -> None:
        """Log the cells that stand on an ended ``evaluate`` stage, or the trials of an ended ``search``."""
        if node.stage == "search":
            self._log_trials(node)
        for row in self._by_key.get(node.key, ()):
            self._log(row)
            self._unsaved += 1
        if self._unsaved >= SAVE_EVERY:
            self._unsaved = 0
            self._quietly(lambda: self.tracker.save_cells(self.frame()))

    def notes(self, node: Node) -> list[str]:
        """What a published stage has to say to whoever reads a result that stands on it."""
        return self._summary(node.stage, node.key).get("notes", [])

    def changed_code(self) -> list[str]:
        """Methods whose file was touched since trainings that count as done: their numbers may be yesterday's."""
        from mvmlm.methods import source_digest

        trained: dict[str, set[str]] = {}
        for key, node in self.plan.nodes.items():
            makes = node.stage == "pretrain" or (node.stage == "finetune" and "method" in node.config)
            if makes and self.state.stages[key].status == "cached":
                name = node.config["method"]["name"]
                trained.setdefault(name, set()).add(self._summary(node.stage, key).get("method_source", ""))
        return [name for name, sources in trained.items() if sources - {"", source_digest(name)}]

    def log_cached(self) -> None:
        """Log results that the store has and MLflow has not."""
        for row in self.rows:
            if self.ids[id(row)] not in self.runs and self.state.status(row) in KEPT:
                self._log(row)
        for node in self.plan.nodes.values():
            if node.stage == "search":
                self._log_trials(node)

    def finish(self, *, stopped: bool, failed: bool) -> str:
        """Close the parent run; returns its id."""
        counts = self.state.counts()
        said = {"done": counts["done"], "cached": counts["cached"], "failed": sum(counts[k] for k in FAILED)}
        self._quietly(lambda: self.tracker.count(said))
        self.close("KILLED" if stopped else "FAILED" if failed else "FINISHED")
        return self.tracker.parent

    def show_table(self, paths: list[Path]) -> None:
        """Keep the written table with the parent run."""
        self._quietly(lambda: self.tracker.show_table(self.tracker.parent, paths))

    def close(self, status: str) -> None:
        """Close the parent run with this status, whatever else went wrong."""
        self._quietly(lambda: self.tracker.end(status, self.frame()))

    def frame(self) -> pd.DataFrame:
        """One row a cell and a baseline: id, key, status, error, run, and JSON of coordinates, metrics and measures."""
        rows = []
        for row in self.rows:
            status = self.state.status(row)
            rows.append(
                {
                    "id": self.ids[id(row)],
                    "key": row.key,
                    "baseline": row.baseline,
                    "status": "done" if status in KEPT else status,
                    "error": self.state.error(row),
                    "coordinates": canonical(row.cell.coordinates),
                    "notes": canonical(self._notes(row) if status in KEPT else []),
                    "metrics": canonical(self._metrics(row) if status in KEPT else {}),
                    "measures": canonical(self._measures(row) if status in KEPT else {}),
                    "shared": canonical(shared_of(self._card, row.key) if status in KEPT else {}),
                    "stages": canonical(sorted(row.stages.values())),
                    "run_id": self.runs.get(self.ids[id(row)]),
                }
            )
        return pd.DataFrame(rows)

    def _metrics(self, row: PlannedCell) -> dict[str, float]:
        return self._summary("evaluate", row.key).get("metrics", {})

    def _measures(self, row: PlannedCell) -> dict[str, float]:
        return measures_of(self._card, row.key)

    def _notes(self, row: PlannedCell) -> list[str]:
        """Those of all stages that a cell stands on."""
        return [note for key in row.stages.values() for note in self.notes(self.plan.nodes[key])]

    def _summary(self, stage: str, key: str) -> dict:
        card = self._card(stage, key)
        return card.summary if card else {}

    def _card(self, stage: str, key: str) -> Card | None:
        """A published stage's card; read once, as a published stage never changes."""
        if key not in self._cards and (card := self.store.card(stage, key)):
            self._cards[key] = card
        return self._cards.get(key)

    def _log(self, row: PlannedCell) -> None:
        name = self.ids[id(row)]
        status = self.state.status(row)
        if name in self.runs or status not in (*KEPT, "failed", "upstream", "unplaceable"):
            return
        kept = status in KEPT
        stage = self.state.stages[row.key]
        folder = self.store.path("evaluate", row.key)
        card = self.store.card("evaluate", row.key) if kept else None
        tags = {
            **self.tags,
            "harness.git_commit": card.git_commit if card else git_commit(),
            "harness.key": row.key,
            "harness.cell": name,
            "harness.dataset": row.cell.config.data.name + ":" + self.plan.fingerprints[row.cell.config.data.name],
            **({"harness.baseline": row.baseline} if row.baseline else {}),
        }

        def write() -> None:
            run_id = self.tracker.log_cell(
                row.name,
                status="FINISHED" if kept else "FAILED",
                config={**self._settings(row, kept), "coordinates": row.cell.coordinates},
                tags=tags,
                metrics={**self._measures(row), **self._metrics(row)} if kept else {},
                histories=self._histories(row) if kept else {},
                files=[p for f in FILES if (p := folder / f).is_file()] if kept else [],
                error=stage.error or None,
                traceback=self._traceback(row),
            )
            if kept:
                self.runs[name] = run_id

        if time.monotonic() >= self._silent_until:
            self._quietly(write)

    def _settings(self, row: PlannedCell, kept: bool) -> dict:
        """A cell's settings, those that a search has found in the place of those that were said."""
        said = row.cell.config.model_dump(mode="json")
        searched = kept and "search" in row.stages
        return apply_best(said, self.store.path("search", row.stages["search"])) if searched else said

    def _log_trials(self, node: Node) -> None:
        """A child run a trial of a finished search; each once over all invocations."""
        if self.state.stages[node.key].status not in KEPT or time.monotonic() < self._silent_until:
            return
        arm = self._arm(node.key)

        def write() -> None:
            for trial in json.loads((self.store.path("search", node.key) / TRIALS).read_text()):
                known = (node.key, str(trial["number"]))
                if known not in self.trials:
                    tags = {**self.tags, STAGE_TAG: node.key, "harness.arm": arm}
                    self.tracker.log_trial(f"trial {trial['number']} of {arm}", tags=tags, trial=trial)
                    self.trials.add(known)

        self._quietly(write)

    def _arm(self, key: str) -> str:
        """What tells the cells of a search from others: the coordinates that they share and that vary in the plan."""
        cells = [row.cell.coordinates for row in self.plan.cells]
        mine = [row.cell for row in self.plan.cells if row.stages.get("search") == key]
        first = mine[0].coordinates
        said = {
            name: value
            for name, value in first.items()
            if all(cell.coordinates[name] == value for cell in mine) and any(other[name] != value for other in cells)
        }
        words = [f"{level_name(name, list(first))}={value}" for name, value in said.items()]
        return " ".join(words) or mine[0].config.method.name

    def _histories(self, row: PlannedCell) -> dict[str, list[dict]]:
        """Epochs of the trainings that a cell stands on, by stage."""
        found = {
            stage: read_history(self.store.path(stage, row.stages[stage]))
            for stage in ("pretrain", "finetune")
            if stage in row.stages
        }
        return {stage: epochs for stage, epochs in found.items() if epochs}

    def _traceback(self, row: PlannedCell) -> str | None:
        return next((t for key in row.stages.values() if (t := self.state.stages[key].traceback)), None)

    def _quietly(self, act) -> None:
        """A tracking failure must not end the run, nor hold it up cell by cell: the next run logs what is missing."""
        try:
            act()
        except Exception as error:
            self._silent_until = time.monotonic() + SILENT_S
            line = " ".join(str(error).split())[:200]
            log.warning("MLflow did not take a record (%s); the result is kept, the next run logs it", line)
