"""Two processes that share each batch against one: breasts a second, one thread each, no GPU."""

from __future__ import annotations

import argparse
import time
from statistics import median

SIZE = (128, 80)


def main(options: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks processes", description=__doc__)
    parser.add_argument("--batch", type=int, default=64, help="breasts")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args(options or [])
    from mvmlm.distributed import run_processes

    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(asked.repeats):
        for count, rates in found.items():
            given = (asked.batch, asked.steps)
            rates.append(run_processes(breasts_a_second, count, given, threads=count, report=lambda told: None))
    one, two = (median(found[count]) for count in (1, 2))
    print(f"mvmlm, test_efficientnet at {SIZE[0]}×{SIZE[1]}, batch of {asked.batch}; medians of {asked.repeats}")
    print(f"one process {one:.1f} breasts/s, two {two:.1f}: {two / one:.2f}×")


def breasts_a_second(group, report, batch: int, steps: int) -> float:
    """What each process does; gradients are exchanged as in training."""
    import numpy as np
    import torch

    from mvmlm.data.breast_batches import share
    from mvmlm.training_step import Step
    from tests.benchmarks.caching import breasts, small_method

    method = small_method(SIZE)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    step = Step(method, group=group, device=torch.device("cpu"), precision="fp32", micro_batch=0, scaler=scaler)
    rows, seconds = np.arange(batch), []
    counts = [len(share(rows, rank, group.size)) for rank in range(group.size)]
    for _ in range(steps + 1):
        started = time.perf_counter()
        mine = share(rows, group.rank, group.size)
        step(mine, counts, breasts(rows, SIZE, False), lambda part: breasts(part, SIZE, True))
        for weight in step.weights:
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
        group.add([weight.grad for weight in step.weights])
        seconds.append(time.perf_counter() - started)
    return batch / median(seconds[1:])
