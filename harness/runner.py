"""A run from plan to table: schedule what is missing, log every cell, write the comparison."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console

from harness import schedule
from harness.environment import git_commit
from harness.home import Home
from harness.plan import Plan, estimates, unplaceable
from harness.progress import Progress
from harness.recorder import Recorder
from harness.stages import Node
from harness.state import FAILED, RunState
from harness.store import Store
from harness.tracking import Tracker

OK, CELLS_FAILED = 0, 1
LATE_S = 5
CHANGED = (
    "note the file of method {} has changed since trainings that are not done again; if it computes something else "
    "now, raise its `version`"
)
NOT_SHARED = "its result is not in this store: all machines of a cluster must share the folder that --home names"
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Outcome:
    """How a run ended.

    Attributes
    ----------
    code : int
        0 when every cell has its result; 1 when some have none; 128 + the signal's number when stopped.
    """

    code: int
    state: RunState
    recorder: Recorder
    run_id: str


class Stop:
    """Remembers the first SIGINT or SIGTERM; a second one ends the process at once."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.signal = 0

    def __call__(self) -> bool:
        return bool(self.signal)

    @contextmanager
    def listening(self) -> Iterator[Stop]:
        """Catch both signals inside the block."""
        before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        self.listen()
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def listen(self) -> None:
        """Catch both signals from now on; again after Ray has started, which takes SIGTERM for itself."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._caught)

    def _caught(self, number: int, frame: object) -> None:
        if self.signal:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.signal = number
        self.console.print(
            "stopping: finished stages are kept, trainings go on from their last checkpoint next time"
        )


def run(
    plan: Plan,
    *,
    home: Home,
    tracker: Tracker,
    header: dict,
    console: Console,
    address: str | None = None,
    max_concurrent: int | None = None,
) -> Outcome:
    """Do what a plan needs and log it.

    Parameters
    ----------
    header : dict
        ``ablation``, ``profile`` and ``spec`` (the resolved ablation) of this invocation.
    address : str, optional
        An existing Ray cluster; none starts one on this machine when something has to be done.

    Returns
    -------
    Outcome
    """
    store = Store(home.store)
    store.sweep()
    needed = plan.needed(store)
    state = RunState(plan, plan.cached(store), needed, estimates(store, needed))
    stop = Stop(console)
    with stop.listening():
        recorder = Recorder(plan, state, store, tracker, header)
        try:
            recorder.open()
            for name in recorder.changed_code():
                console.print(CHANGED.format(name), soft_wrap=True)
            if needed:
                _work(plan, needed, state, recorder, home, console, stop, address, max_concurrent)
            recorder.log_cached()
        except SystemExit as end:  # Ray's own handler, while Ray starts
            if end.code != signal.SIGTERM:
                recorder.close("FAILED")
                raise
            stop.signal = signal.SIGTERM
        except BaseException:
            recorder.close("KILLED" if stop.signal else "FAILED")
            raise
    for stage in state.stages.values():
        if stage.status in ("waiting", "running"):
            stage.status = "stopped"
    failed = any(state.status(c) in FAILED for c in (*plan.cells, *plan.baselines))
    code = 128 + stop.signal if stop.signal else (CELLS_FAILED if failed else OK)
    return Outcome(code, state, recorder, recorder.finish(stopped=bool(stop.signal), failed=failed))


def _work(
    plan: Plan,
    needed: list[Node],
    state: RunState,
    recorder: Recorder,
    home: Home,
    console: Console,
    stop: Stop,
    address: str | None,
    max_concurrent: int | None,
) -> None:
    with schedule.cluster(address) as machines:
        stop.listen()
        capacity = schedule.total(machines)
        with Progress(console, state, capacity) as progress:

            def end(node: Node, status: str, result: dict) -> None:
                if status == "done" and not _visible(recorder.store, node):
                    status, result = "failed", {**result, "error": NOT_SHARED}
                state.end(node, status, result)
                progress.ended(node, recorder.notes(node))
                recorder.stage_ended(node)

            def report(node: Node, said: dict) -> None:
                state.report(node, said)
                progress.reported(node)

            placeable = _set_aside(needed, machines, end)
            schedule.run_stages(
                placeable,
                plan.cached(Store(home.store)),
                home,
                capacity,
                git_commit=git_commit(),
                on_start=state.start,
                on_report=report,
                on_end=end,
                should_stop=stop,
                max_concurrent=max_concurrent,
            )


def _visible(store: Store, node: Node) -> bool:
    """Whether a published stage is here; a shared file system may show it some seconds late."""
    for _ in range(LATE_S):
        if store.has(node.stage, node.key):
            return True
        time.sleep(1)
    return store.has(node.stage, node.key)


def _set_aside(needed: list[Node], machines: list[dict[str, float]], end) -> list[Node]:
    """Leave out stages that no machine can hold, and what stands on them; nothing waits for them."""
    reasons = unplaceable(needed, machines)
    lost: dict[str, str] = {}
    placeable = []
    for node in needed:
        above = next((lost[k] for k in node.inputs.values() if k in lost), None)
        reason = reasons.get(node.key) or above
        if reason is None:
            placeable.append(node)
            continue
        lost[node.key] = reason
        end(node, "unplaceable", {"error": reason})
    return placeable
