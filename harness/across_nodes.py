"""Work in processes on several machines of a Ray cluster: an actor on each, in the stage's placement group.

The group is Tune's, claimed as a whole before the stage starts and freed as a whole when its trial ends, however that
comes; the actors end with the process that made them. So no machine is held by a training that is gone.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.placement_group import get_current_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from mvmlm import errors
from mvmlm.distributed import Meeting, run_processes
from mvmlm.errors import ConfigError, MvmlmError

POLL_S = 0.5


class MachineLostError(RuntimeError):
    """A machine or its processes are gone: the stage can be started again."""


class Member:
    """An actor: the processes of one machine."""

    def __init__(self, on_gpu: bool) -> None:
        self._said: deque[dict] = deque()
        if not on_gpu:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""

    def address(self) -> str:
        """``host:port`` of this machine, the port free a moment ago."""
        host = ray.util.get_node_ip_address()
        with socket.socket() as sock:
            sock.bind((host, 0))
            return f"{host}:{sock.getsockname()[1]}"

    def work(self, work: Callable, count: int, arguments: tuple, threads: int, meeting: Meeting) -> tuple[str, Any]:
        """``result`` and what the first process returned, or ``error`` with the error's class name and message."""
        try:
            report = self._said.append
            result = run_processes(work, count, arguments, threads=threads, report=report, meeting=meeting)
            return "result", result
        except MvmlmError as error:
            return "error", (type(error).__name__, str(error))

    def told(self) -> list[dict]:
        """What was reported since the last call."""
        return [self._said.popleft() for _ in range(len(self._said))]


def run_across(
    work: Callable[..., Any],
    count: int,
    arguments: tuple = (),
    *,
    threads: int = 1,
    report: Callable[[dict], None],
    nodes: int,
) -> Any:
    """As `mvmlm.distributed.run_processes`, the processes spread evenly over machines.

    Parameters
    ----------
    count : int
        Processes of all machines together, a multiple of ``nodes``.
    threads : int
        CPU threads of all processes together.
    nodes : int
        Machines; the placement group that this runs in has a bundle on each.

    Raises
    ------
    ConfigError
        When the processes cannot be spread evenly.
    MachineLostError
        When a machine or its actor is gone.
    MvmlmError
        Of the class that ``work`` raised in any process.
    """
    if count % nodes:
        raise ConfigError(f"train.processes={count} cannot be spread evenly over train.nodes={nodes}")
    members = _members(nodes)
    try:
        address = ray.get(members[0].address.remote())
        each = count // nodes
        running = [
            member.work.remote(work, each, arguments, max(1, threads // nodes), Meeting(address, i * each, count))
            for i, member in enumerate(members)
        ]
        return _await(members[0], running, report)
    except RayError as error:
        raise MachineLostError(f"a machine of this training is gone ({type(error).__name__})") from error
    finally:
        for member in members:
            ray.kill(member)


def _members(nodes: int) -> list:
    """An actor in each bundle of the group that this process runs in, with all that the bundle holds."""
    group = get_current_placement_group()
    bundles = group.bundle_specs[-nodes:]
    start = len(group.bundle_specs) - nodes
    actors = []
    for place, bundle in enumerate(bundles, start):
        asks = {
            "num_cpus": bundle.get("CPU", 0),
            "num_gpus": bundle.get("GPU", 0),
            "memory": bundle.get("memory") or None,
            "max_concurrency": 2,  # `told` is answered while `work` is under way
            "scheduling_strategy": PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=place),
        }
        actors.append(ray.remote(Member).options(**asks).remote(bool(bundle.get("GPU"))))
    return actors


def _await(first: Any, running: list, report: Callable[[dict], None]) -> Any:
    """The first machine's result, once all have one; an error of any at once."""
    waiting, results = list(running), {}
    while waiting:
        ended, waiting = ray.wait(waiting, timeout=POLL_S)
        for said in ray.get(first.told.remote()):
            report(said)
        for reference in ended:
            kind, content = ray.get(reference)
            if kind == "error":
                name, message = content
                raise getattr(errors, name, MvmlmError)(message)
            results[reference] = content
    return results[running[0]]
