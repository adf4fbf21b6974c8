"""What a run knows of its stages and cells while it goes."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from harness.plan import Plan, PlannedCell
from harness.stages import Node

ENDED = ("cached", "done", "failed", "upstream", "stopped", "unplaceable")
FAILED = ("failed", "upstream", "unplaceable")
OWN = ("search", "pretrain", "finetune", "features", "text_features")


@dataclass
class StageState:
    """One stage: ``waiting``, ``running``, or one of :data:`ENDED`."""

    node: Node
    status: str = "waiting"
    error: str = ""
    traceback: str = ""
    log: str = ""
    seconds: float = 0.0
    started: float = 0.0
    said: dict = field(default_factory=dict)

    def spent(self) -> float:
        """Time since a running stage was started [s]; 0 for any other."""
        return time.monotonic() - self.started if self.status == "running" else 0.0

    def share(self) -> float:
        """How much of its work a running stage has reported as done, from 0 to 1."""
        for done, total in (("epoch", "epochs"), ("items", "of_items")):
            if self.said.get(total):
                return self.said.get(done, 0) / self.said[total]
        return 0.0


class RunState:
    """The stages of a plan and the cells that stand on them.

    Parameters
    ----------
    plan : Plan
    cached : set of str
        Keys that were in the store when the run began.
    needed : list of Node
        Stages that this run has to do.
    seconds : dict
        Kind of stage to the time that one took in the past [s].
    """

    def __init__(self, plan: Plan, cached: set[str], needed: list[Node], seconds: dict[str, float]) -> None:
        self.plan = plan
        self.seconds = seconds
        self.began = time.monotonic()
        self.stages = {key: StageState(node) for key, node in plan.nodes.items()}
        wanted = {node.key for node in needed}
        for key, stage in self.stages.items():
            if key in cached or key not in wanted:
                stage.status = "cached"

    def start(self, node: Node) -> None:
        """A stage has been given to a worker."""
        stage = self.stages[node.key]
        stage.status, stage.started, stage.said = "running", time.monotonic(), {}

    def report(self, node: Node, said: dict) -> None:
        """A running stage said how far it is."""
        keep = ("items", "of_items", "trial", "trials", "best", "epoch", "epochs", "loss", "val_loss", "images_per_s")
        self.stages[node.key].said = {k: said[k] for k in keep if k in said}

    def end(self, node: Node, status: str, result: dict) -> None:
        """A stage has ended; a stage that ran in this process's time teaches how long its kind takes."""
        stage = self.stages[node.key]
        stage.status, stage.seconds = status, float(result.get("seconds", 0.0))
        stage.error, stage.traceback = str(result.get("error", "")), str(result.get("traceback", ""))
        stage.log = str(result.get("log", ""))
        if status == "done" and result.get("worked"):
            self.seconds[node.kind] = stage.seconds

    def status(self, cell: PlannedCell) -> str:
        """A cell's status: its ``evaluate`` stage's, or ``running`` when its own search, training or features are."""
        status = self.stages[cell.key].status
        own = (cell.stages[name] for name in OWN if name in cell.stages)
        if status == "waiting" and any(self.stages[key].status == "running" for key in own):
            return "running"
        return status

    def error(self, cell: PlannedCell) -> str:
        """Why a cell has no result, in one line."""
        return self.stages[cell.key].error

    def counts(self) -> Counter:
        """How many cells of the grid are in each status."""
        return Counter(self.status(cell) for cell in self.plan.cells)

    def running(self) -> list[StageState]:
        """Stages that are running, the longest first."""
        return sorted((s for s in self.stages.values() if s.status == "running"), key=lambda s: s.started)

    def seconds_left(self, capacity: dict[str, float]) -> tuple[float, bool] | None:
        """Estimate of the time until the end.

        A kind of stage costs what it cost before; one that never ran, what its running stages will have cost at
        the pace that they report. The scarcest resource decides, or the longest stage.

        Returns
        -------
        (seconds, whole) or None
            ``whole`` is False where stages of some kind are left out because nothing is known of them; None where
            nothing is known of any.
        """
        left = [s for s in self.stages.values() if s.status in ("waiting", "running")]
        costs = {**self._paces(left), **self.seconds}
        known = [s for s in left if s.node.kind in costs]
        if left and not known:
            return None
        rest = {s.node.key: max(0.0, costs[s.node.kind] - s.spent()) for s in known}
        bounds = [max(rest.values(), default=0.0)]
        for name, amount in capacity.items():
            work = sum(rest[s.node.key] * s.node.resources.get(name, 0.0) for s in known)
            bounds.append(work / amount if amount else 0.0)
        return max(bounds), len(known) == len(left)

    @staticmethod
    def _paces(stages: list[StageState]) -> dict[str, float]:
        """Kind to the time that its running stages are heading for [s]."""
        heading: dict[str, list[float]] = {}
        for stage in stages:
            if share := stage.share():
                heading.setdefault(stage.node.kind, []).append(stage.spent() / share)
        return {kind: max(times) for kind, times in heading.items()}
