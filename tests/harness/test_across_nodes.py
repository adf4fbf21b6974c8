"""Processes of several actors in one placement group: results, errors, and what becomes of a lost machine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
import torch
from ray.util.placement_group import PlacementGroup, placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from harness.across_nodes import MachineLostError, run_across
from harness.schedule import cluster
from mvmlm.distributed import Group
from mvmlm.errors import ConfigError, DataError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def two_bundles() -> Iterator[PlacementGroup]:
    """A group of two bundles with a CPU each, as a stage over two machines has it."""
    with cluster():
        group = placement_group([{"CPU": 1}, {"CPU": 1}])
        ray.get(group.ready())
        yield group


def within(group: PlacementGroup, work, *arguments, count: int = 2) -> tuple:
    """What a stage in the group gets of `run_across`, and what it was told meanwhile."""

    @ray.remote(num_cpus=0, max_retries=0)
    def stage() -> tuple:
        told = []
        try:
            return run_across(work, count, arguments, threads=2, report=told.append, nodes=2), told
        except Exception as error:
            return type(error).__name__, str(error)

    place = PlacementGroupSchedulingStrategy(group, placement_group_capture_child_tasks=True)
    return ray.get(stage.options(scheduling_strategy=place).remote())


def add_up(group: Group, report) -> float:
    """The sum of all ranks plus one, which every process must contribute to."""
    number = torch.tensor([group.rank + 1.0])
    group.add([number])
    if report:
        report({"epoch": 1, "size": group.size})
    return float(number)


def refuse(group: Group, report) -> None:
    """The second process finds something wrong; the first waits for it."""
    if group.rank == 1:
        raise DataError("the loss of step 3 is nan")
    torch.distributed.barrier()


def lose(group: Group, report, path: Path) -> None:
    """Say who started this process, and wait for what does not come."""
    (path / str(group.rank)).write_text(f"{os.getppid()} {os.getpid()}")
    if group.rank == 1:
        while not (path / "0").is_file():
            time.sleep(0.05)
        os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def test_every_process_takes_part_and_the_first_one_reports(two_bundles):
    assert within(two_bundles, add_up, count=4) == (10.0, [{"epoch": 1, "size": 4}])


def test_an_error_of_one_ends_all_and_keeps_its_words(two_bundles):
    assert within(two_bundles, refuse) == ("DataError", "the loss of step 3 is nan")


def test_a_lost_machine_is_no_failure_of_the_stage(two_bundles, tmp_path):
    name, words = within(two_bundles, lose, tmp_path)
    assert name == MachineLostError.__name__ and "a machine of this training is gone" in words
    left = [int(path.read_text().split()[1]) for path in tmp_path.iterdir()]
    end = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in left) and time.monotonic() < end:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in left), "no process of it is left behind"


def test_processes_that_cannot_be_spread_evenly_are_refused():
    with pytest.raises(ConfigError, match=r"train\.processes=3 cannot be spread evenly over train\.nodes=2"):
        run_across(add_up, 3, report=print, nodes=2)
