"""Gradient caching: peak memory and time a breast as the contrastive batch grows, beside a step without it.

Each case runs in a process of its own, since a peak cannot be taken back; the cases take turns.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from statistics import median

SIZE = (128, 80)


def main(options: list[str] | None = None) -> None:
    """Print the table."""
    asked = _arguments(options)
    if asked.case:
        print(json.dumps(_case(*asked.case, asked.steps)))
        return
    cases = [(asked.plain, 0), *((batch, asked.micro) for batch in asked.batches)]
    found: dict[tuple[int, int], list[dict]] = {case: [] for case in cases}
    for _ in range(asked.repeats):
        for batch, micro in cases:
            found[batch, micro].append(_in_a_process(batch, micro, asked.steps))
    print(f"mvmlm, test_efficientnet at {SIZE[0]}×{SIZE[1]}, one thread, no GPU; medians of {asked.repeats}")
    print(f"{'batch':>6} {'at a time':>10} {'peak MiB':>9} {'ms a breast':>12} {'time ratio':>11}")
    base = None
    for batch, micro in cases:
        runs = found[batch, micro]
        peak, each = (median(r[name] for r in runs) for name in ("peak_mib", "ms"))
        base = base or each
        print(f"{batch:>6} {micro or 'all':>10} {peak:>9.0f} {each:>12.2f} {each / base:>11.2f}")


def _arguments(options: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks caching", description=__doc__)
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 128, 512, 1024], help="breasts")
    parser.add_argument("--micro", type=int, default=16, help="breasts at a time")
    parser.add_argument("--plain", type=int, default=16, help="breasts of the step without caching")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--case", type=int, nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args(options or [])


def _in_a_process(batch: int, micro: int, steps: int) -> dict:
    words = ["-m", "tests.benchmarks", "caching", "--case", str(batch), str(micro), "--steps", str(steps)]
    return json.loads(subprocess.run([sys.executable, *words], check=True, capture_output=True, text=True).stdout)


def _case(batch: int, micro: int, steps: int) -> dict:
    """Peak resident memory beyond what was there before the first step [MiB], and time a breast [ms]."""
    import numpy as np
    import torch

    from mvmlm.distributed import ALONE
    from mvmlm.training_step import Step

    torch.set_num_threads(1)
    method = small_method(SIZE)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    step = Step(method, group=ALONE, device=torch.device("cpu"), precision="fp32", micro_batch=micro, scaler=scaler)
    rows, seconds = np.arange(batch), []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(steps + 1):
        started = time.perf_counter()
        step(rows, [batch], breasts(rows, SIZE, False), lambda part: breasts(part, SIZE, True))
        seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak_mib": (peak - before) / 1024, "ms": 1000 * median(seconds[1:]) / batch}


def small_method(size: tuple[int, int]):
    """MV-MLM around a tiny encoder."""
    from mvmlm.methods import Shapes, build_method

    small = {"encoder": "test_efficientnet", "tokens": 16, "text_tokens": 16, "width": 64, "depth": 2, "projection": 64}
    loss = {"temperature": 0.07, "same_patient": "mask", "same_report": "mask", "ii_weight": 1.0}
    return build_method({"name": "mvmlm", **small}, Shapes(size, 64, 32), loss=loss)


def breasts(rows, size: tuple[int, int], inputs: bool):
    """Noise that depends on the breasts' numbers, so that both passes see the same."""
    import torch

    from mvmlm.batch import Batch

    count = len(rows)
    random = torch.Generator().manual_seed(int(rows[0]))
    number = torch.from_numpy(rows)
    return Batch(
        images=torch.rand(count, 2, 1, *size, generator=random) if inputs else None,
        view_mask=torch.ones(count, 2, dtype=torch.bool),
        patient=number,
        text=torch.randn(count, 32, 64, generator=random) if inputs else None,
        text_mask=torch.ones(count, 32, dtype=torch.bool) if inputs else None,
        text_id=number,
    )
