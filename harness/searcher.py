"""The order of work: hands Tune a stage when its inputs are done and the cluster has room for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ray.tune import Callback, Stopper
from ray.tune.search import Searcher

from harness.stages import ORDER, Node

EPSILON = 1e-6


class Unpickled:
    """Lives in the driver alone: Tune pickles what it is given, and these hold the console and the tracker."""

    def __getstate__(self) -> dict:
        return {}


class StageSearcher(Unpickled, Searcher):
    """A Tune searcher over a graph of stages.

    A stage is suggested once all its inputs are in the store and its resources are free, so that no trial
    waits in Tune's queue before one that could run. Later stages go first: cells finish early, and
    a short probe never waits for a long training that could start a moment later.

    Parameters
    ----------
    nodes : list of Node
        Stages to run.
    done : set of str
        Keys that are in the store already.
    capacity : dict
        ``cpu``, ``gpu``, ``memory_gib`` of the whole cluster.
    max_concurrent : int, optional
        At most so many stages at once.
    payload : dict
        What every trial's config holds beside its node.
    on_end : callable
        Called as ``on_end(node, state, result)`` with ``state`` in ``done``, ``failed``, ``upstream``.
    """

    def __init__(
        self,
        nodes: list[Node],
        done: set[str],
        capacity: dict[str, float],
        payload: dict[str, Any],
        on_start: Callable[[Node], None],
        on_end: Callable[[Node, str, dict], None],
        max_concurrent: int | None = None,
    ) -> None:
        super().__init__(metric="state", mode="max")
        self._waiting = sorted(nodes, key=lambda n: -ORDER[n.stage])
        self._done = set(done)
        self._free = dict(capacity)
        self._payload = payload
        self._on_start = on_start
        self._on_end = on_end
        self._limit = max_concurrent
        self._running: dict[str, Node] = {}
        self.errors: dict[str, str] = {}
        self.broken: Exception | None = None
        self.stopping = False

    def suggest(self, trial_id: str) -> dict | str | None:
        """The next stage; None for «ask again»; FINISHED when there is nothing more."""
        if self.stopping or not self._waiting:
            return Searcher.FINISHED if not self._running or self.stopping else None
        if self._limit and len(self._running) >= self._limit:
            return None
        if not self._running and not any(self._ready(node) for node in self._waiting):
            self._give_up()
            return Searcher.FINISHED
        for place, node in enumerate(self._waiting):
            if self._ready(node) and self._fits(node):
                del self._waiting[place]
                self._running[trial_id] = node
                self._take(node, -1)
                self._on_start(node)
                return {**self._payload, "node": node.to_dict()}
        return None

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        """Free the resources; mark the stage done, or failed with everything that stands on it.

        What goes wrong in here would only be logged by Tune, and the stage lost: it is kept for the driver to raise.
        """
        try:
            self._ended(trial_id, result, error)
        except Exception as broken:
            self.broken, self.stopping = broken, True

    def _ended(self, trial_id: str, result: dict | None, error: bool) -> None:
        node = self._running.pop(trial_id, None)
        if node is None:
            return
        self._take(node, +1)
        result = result or {}
        if not error and result.get("state") == "done":
            self._done.add(node.key)
            self._on_end(node, "done", result)
        elif self.stopping:
            self._on_end(node, "stopped", result)
        else:
            if result.get("state") != "failed":
                why = self.errors.get(trial_id) or "killed, perhaps for want of memory"
                result = {**result, "error": f"the worker process ended each time that it was started ({why})"}
            self._on_end(node, "failed", result)
            self._drop_dependants(node, result["error"])

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the store is the record."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: a new run plans anew against the store."""

    def _ready(self, node: Node) -> bool:
        return all(key in self._done for key in node.inputs.values())

    def _fits(self, node: Node) -> bool:
        return all(self._free.get(k, 0) + EPSILON >= v for k, v in node.resources.items())

    def _take(self, node: Node, sign: int) -> None:
        for name, amount in node.resources.items():
            self._free[name] = self._free.get(name, 0) + sign * amount

    def _give_up(self) -> None:
        """End stages whose inputs are neither in the store nor under way: somebody removed them meanwhile."""
        for node in self._waiting:
            gone = next(f"{name} {key}" for name, key in node.inputs.items() if key not in self._done)
            self._on_end(node, "failed", {"error": f"its input {gone} is no longer in the store; run again"})
        self._waiting = []

    def _drop_dependants(self, failed: Node, error: str) -> None:
        lost = {failed.key}
        for node in sorted(self._waiting, key=lambda n: ORDER[n.stage]):
            if lost & set(node.inputs.values()):
                lost.add(node.key)
                self._on_end(node, "upstream", {"error": f"{failed.stage} failed: {error}"})
        self._waiting = [n for n in self._waiting if n.key not in lost]


class Listen(Unpickled, Callback):
    """Passes what running workers report to the driver, and why they ended where they could not say it themselves."""

    def __init__(self, searcher: StageSearcher, on_report: Callable[[Node, dict], None]) -> None:
        self._searcher = searcher
        self._on_report = on_report

    def on_trial_recover(self, iteration: int, trials: list, trial: Any, **info: Any) -> None:
        """Called by Tune before it starts a trial again."""
        lines = str(trial.get_error() or "").strip().splitlines()
        if lines:
            self._searcher.errors[trial.trial_id] = " ".join(lines[-1].split())[:300]

    def on_trial_result(self, iteration: int, trials: list, trial: Any, result: dict, **info: Any) -> None:
        """Called by Tune at each report."""
        if result.get("state") == "running":
            self._on_report(Node(**trial.config["node"]), result)


class StopWhenAsked(Unpickled, Stopper):
    """Ends the whole Tune run once it is asked to."""

    def __init__(self, searcher: StageSearcher, should_stop: Callable[[], bool]) -> None:
        self._searcher = searcher
        self._should_stop = should_stop

    def __call__(self, trial_id: str, result: dict) -> bool:
        """No single trial is stopped."""
        return False

    def stop_all(self) -> bool:
        """Asked by Tune between events."""
        self._searcher.stopping = self._searcher.stopping or self._should_stop()
        return self._searcher.stopping
