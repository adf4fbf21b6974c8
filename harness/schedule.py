"""Ray: connect to a cluster or start one on this machine, and run the stages of a plan as one Tune run."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.home import Home
from harness.stages import Node
from mvmlm.errors import MvmlmError

SETTINGS = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_MAX_PENDING_TRIALS_PG": "64",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
    "RAY_DEDUP_LOGS": "0",
}
OBJECT_STORE_BYTES = 150 * 2**20  # stages pass no tensors through Ray
ANSWER_S = 5.0  # that a cluster has to take a connection
RETRIES = 2  # of a killed worker; failures of the stage itself are not retried


class ClusterError(MvmlmError):
    """The Ray cluster cannot be reached or started."""


@contextmanager
def cluster(address: str | None = None) -> Iterator[list[dict[str, float]]]:
    """Machines of an existing Ray cluster, or of one started here and stopped at the end.

    Yields
    ------
    list of dict
        ``cpu``, ``gpu`` and ``memory_gib`` of each machine.

    Raises
    ------
    ClusterError
        When nothing answers at ``address``.
    """
    os.environ.update(SETTINGS)
    if address and not answers(address):
        raise ClusterError(
            f"--address {address}: nothing answers there; start a cluster with `ray start --head`, or leave "
            "--address out to use this machine alone"
        )
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # failures of trials are told by their stages
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False, "include_dashboard": None}
    try:
        if address:
            quiet.pop("include_dashboard")
            if (Path.home() / ".ray" / "auth_token").is_file():
                os.environ.setdefault("RAY_AUTH_MODE", "token")  # what `ray start` uses where a token is kept
            ray.init(address=address, ignore_reinit_error=True, **quiet)
        else:
            quiet["include_dashboard"] = False
            ray.init(address="local", object_store_memory=OBJECT_STORE_BYTES, **quiet)
    except (OSError, RuntimeError, ValueError) as error:  # among them what a long TMPDIR does to Ray's sockets
        first = " ".join(str(error).split())[:200]
        raise ClusterError(
            f"--address {address or 'local'}: no Ray cluster could be used ({first}); `ray status` there tells "
            "whether it is up, and RAY_AUTH_MODE must be the same here and there"
        ) from error
    try:
        _guard_token()
        yield machines(ray.nodes())
    finally:
        ray.shutdown()


def answers(address: str) -> bool:
    """Whether something listens at an address; for ``auto``, which Ray looks up itself, always.

    Ray waits minutes for a cluster that is not there, and then ends the process.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return True
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_S).close()
    except (OSError, ValueError):
        return False
    return True


def machines(nodes: list[dict]) -> list[dict[str, float]]:
    """What each living machine of a cluster has."""
    return [
        {
            "cpu": n["Resources"].get("CPU", 0.0),
            "gpu": n["Resources"].get("GPU", 0.0),
            "memory_gib": n["Resources"].get("memory", 0.0) / 2**30,
        }
        for n in nodes
        if n["Alive"]
    ]


def this_machine() -> dict[str, float]:
    """What Ray would find on this machine, without starting it."""
    import psutil

    gpus = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    available = psutil.virtual_memory().available / 2**30
    return {"cpu": float(os.cpu_count() or 1), "gpu": float(gpus), "memory_gib": 0.7 * available}


def total(cluster_machines: list[dict[str, float]]) -> dict[str, float]:
    """Sum over machines."""
    return {k: sum(m[k] for m in cluster_machines) for k in ("cpu", "gpu", "memory_gib")}


def run_stages(
    nodes: list[Node],
    done: set[str],
    home: Home,
    capacity: dict[str, float],
    *,
    git_commit: str,
    on_start: Callable[[Node], None],
    on_report: Callable[[Node, dict], None],
    on_end: Callable[[Node, str, dict], None],
    should_stop: Callable[[], bool],
    max_concurrent: int | None = None,
) -> None:
    """Run stages as the trials of one Tune run; every end is told through ``on_end``.

    Parameters
    ----------
    nodes : list of Node
        Stages to run, all of which some machine can hold.
    done : set of str
        Keys that are in the store.
    should_stop : callable
        Asked between events; True ends the run, running stages keep their last checkpoint.
    """
    from ray import tune
    from ray.tune import FailureConfig, PlacementGroupFactory, RunConfig, TuneConfig, Tuner

    from harness.searcher import Listen, StageSearcher, StopWhenAsked
    from harness.trainable import run_stage

    searcher = StageSearcher(
        nodes,
        done,
        capacity,
        payload={"home": str(home.root), "git_commit": git_commit},
        on_start=on_start,
        on_end=on_end,
        max_concurrent=max_concurrent,
    )

    def bundles(config: dict) -> PlacementGroupFactory:
        """One bundle, or one on each of several machines behind an empty one for the stage's own process."""
        wants, machines = config["node"]["resources"], config["node"]["runtime"].get("nodes", 1)
        said = {
            "CPU": wants.get("cpu", 0) / machines,
            "GPU": wants.get("gpu", 0) / machines,
            "memory": wants.get("memory_gib", 0) * 2**30 / machines,
        }
        bundle = {k: v for k, v in said.items() if v} or {"CPU": 0.001}
        if machines == 1:
            return PlacementGroupFactory([bundle])
        return PlacementGroupFactory([{}, *[bundle] * machines], strategy="STRICT_SPREAD")

    (home.root / "tune").mkdir(parents=True, exist_ok=True)  # shared by all machines, as the home is
    with tempfile.TemporaryDirectory(prefix="run-", dir=home.root / "tune") as scratch:
        Tuner(
            tune.with_resources(_fresh(run_stage), bundles),
            tune_config=TuneConfig(
                search_alg=searcher,
                num_samples=len(nodes),
                reuse_actors=True,
                trial_name_creator=_trial_name,
                trial_dirname_creator=_trial_name,
            ),
            run_config=RunConfig(
                name="stages",
                storage_path=scratch,
                verbose=0,
                stop=StopWhenAsked(searcher, should_stop),
                callbacks=[Listen(searcher, on_report)],
                failure_config=FailureConfig(max_failures=RETRIES),
            ),
        ).fit()
    if searcher.broken is not None:
        raise searcher.broken


def _fresh(trainable: Callable[[dict], None]) -> Callable[[dict], None]:
    """A new function each time: ``tune.with_resources`` writes into the one that it is given."""

    def stage(config: dict) -> None:
        trainable(config)

    return stage


def _trial_name(trial: Any) -> str:
    node = trial.config["node"]
    return f"{node['stage']}-{node['key']}"


def _guard_token() -> None:
    """Ray writes the cluster's token readable for all; keep it to its owner."""
    token = Path.home() / ".ray" / "auth_token"
    if token.is_file():
        token.chmod(0o600)
