"""An existing cluster of two Ray nodes, both on this machine, through ``--address``."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

RAY = str(Path(sys.executable).with_name("ray"))
ENV = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}

def free_port() -> int:
    """A port that nothing listens at now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]

@pytest.fixture
def two_nodes(harness) -> Iterator[str]:
    """Address of a cluster of two nodes with one CPU each; the second also has what the first lacks."""
    address = f"127.0.0.1:{free_port()}"
    common = ["--block", "--node-ip-address=127.0.0.1", "--num-cpus=1", "--object-store-memory=80000000"]
    starts = [
        [RAY, "start", "--head", f"--port={address.rpartition(':')[2]}", "--include-dashboard=false", *common],
        [RAY, "start", f"--address={address}", *common],
    ]
    nodes = []
    try:
        for command in starts:
            log = (harness.folder / f"node{len(nodes)}.log").open("w")
            nodes.append(subprocess.Popen(command, stdout=log, stderr=log, env=harness.environment(**ENV)))
            time.sleep(8)
            assert nodes[-1].poll() is None, (harness.folder / f"node{len(nodes) - 1}.log").read_text()
        yield address
    finally:
        for node in reversed(nodes):
            node.terminate()
            node.wait(timeout=60)

def test_an_ablation_runs_over_two_nodes(harness, two_nodes):
    large = ["--set", "resources.dataset.cpu=2"]
    plan = harness("plan", str(harness.ablation), "--address", two_nodes, *large, **ENV)
    assert "2 CPUs" in plan.stdout and "dataset wants 2 cpu; the largest machine has 1 cpu" in plan.stdout
    assert plan.returncode == 1, "two nodes of one CPU are no machine of two"
    said = harness.run("--address", two_nodes, **ENV)
    assert said.returncode == 0, said.stdout + said.stderr
    assert len(harness.stages("pretrain")) == 2 and len(harness.stages("evaluate")) == 10
    cards = [json.loads((p / "card.json").read_text()) for p in harness.stages("pretrain")]
    assert {c["resources"]["cpu"] for c in cards} == {1.0}
    shared = ["--set", "train.processes=2", "--set", "train.nodes=2", "--set", "resources.pretrain.cpu=2"]
    both = harness.run("--address", two_nodes, *shared, "--set", "method.tokens=2", **ENV)
    assert both.returncode == 0, both.stdout + both.stderr
    cards = [json.loads((p / "card.json").read_text()) for p in harness.stages("pretrain")]
    trained = [c for c in cards if c["config"]["train"]["processes"] == 2]
    assert len(trained) == 1 and {c["resources"]["cpu"] for c in trained} == {2.0}
    more = ["--set", "train.processes=3", "--set", "train.nodes=3"]
    three = harness("plan", str(harness.ablation), "--address", two_nodes, *more, **ENV)
    assert "pretrain wants 3 machines with" in three.stdout and "there are 2 such" in three.stdout
