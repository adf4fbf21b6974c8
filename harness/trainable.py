"""What runs on a worker: one stage, from a plain description, into the shared store.

A stage that fails does not raise: it reports its error and a traceback, so that the driver can tell a
deterministic failure, which no retry mends, from a killed process or a lost machine, after which Ray starts it again.
"""

from __future__ import annotations

import os
import random
import time
import traceback
from functools import partial
from pathlib import Path
from typing import Any

from ray import tune

from harness.across_nodes import MachineLostError, run_across
from harness.home import Home
from harness.publish import publish_stage
from mvmlm.errors import MvmlmError

QUIET_S = 0.25
LINE_LENGTH = 500


def run_stage(config: dict[str, Any]) -> None:
    """A Tune function trainable: publish one stage.

    Parameters
    ----------
    config : dict
        ``node`` (a :class:`~harness.stages.Node` as a dict), ``home``, ``git_commit``.
    """
    node, home = config["node"], Home(Path(config["home"]))
    started = time.perf_counter()
    try:
        prepare_process(node)
        nodes = node["runtime"].get("nodes", 1)
        together = partial(run_across, nodes=nodes) if nodes > 1 else None
        worked = publish_stage(node, home, config["git_commit"], _Throttled(), together)
    except MachineLostError:
        raise
    except Exception as error:
        tune.report({"state": "failed", **describe_failure(error, node, home)})
    else:
        seconds = time.perf_counter() - started
        tune.report({"state": "done", "worked": worked, "seconds": seconds})


class _Throttled:
    """Passes epochs on at once, and counts of items at most every quarter of a second."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, said: dict) -> None:
        now = time.monotonic()
        if "epoch" in said or now - self._last >= QUIET_S:
            self._last = now
            tune.report({"state": "running", **said})


def prepare_process(node: dict) -> None:
    """Reset what an earlier stage may have left in a reused worker process: seeds, threads, visible GPUs."""
    import numpy as np

    cpus = max(1, int(node["resources"].get("cpu", 1)))
    os.environ["OMP_NUM_THREADS"] = str(cpus)
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if not node["resources"].get("gpu"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    seed = int(node["config"].get("seed", 0))
    random.seed(seed)
    np.random.seed(seed)
    if node["stage"] in ("text", "search", "pretrain", "finetune", "features", "text_features"):
        import torch

        torch.set_num_threads(cpus)
        torch.manual_seed(seed)


def describe_failure(error: Exception, node: dict, home: Home) -> dict[str, str]:
    """One line for people, and where the traceback was written."""
    line = " ".join(str(error).partition("\nTraceback")[0].split())[:LINE_LENGTH] or type(error).__name__
    if not isinstance(error, MvmlmError):
        line = f"{type(error).__name__}: {line}"
    trace = "".join(traceback.format_exception(error))
    path = home.logs / f"{node['stage']}-{node['key']}.txt"
    log = str(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(trace)
    except OSError:
        log = ""
    return {"error": line, "traceback": trace[-20_000:], "log": log}
