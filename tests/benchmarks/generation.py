"""Reports a second of the embedded language model, by how many are written at a time, on one core.

    python -m tests.benchmarks generation

Each size writes the same reports, taken in turn; the ratio is to one at a time.
"""

from __future__ import annotations

import time
from statistics import median

SIZES = (1, 4, 16, 64)
COUNT, REPEATS = 64, 3


def main() -> None:
    """Print the sweep."""
    import numpy as np
    import torch

    from mvmlm.reports.backends import BACKENDS, Request, Sampling
    from mvmlm.reports.corpus import random_record
    from mvmlm.reports.prompts import Prompt

    torch.set_num_threads(1)
    rng, prompt, kind = np.random.default_rng(0), Prompt("brief"), BACKENDS.get("transformers")
    requests = [Request(*prompt.render(random_record(rng, 0.3)), seed) for seed in range(COUNT)]
    backends = {size: kind("tiny_llama", kind.Options(batch_size=size, device="cpu")) for size in SIZES}
    for backend in backends.values():
        backend.answer(requests[:2], Sampling())
    seconds: dict[int, list[float]] = {size: [] for size in SIZES}
    texts: dict[int, list[str]] = {}
    for _ in range(REPEATS):
        for size, backend in backends.items():
            began = time.perf_counter()
            texts[size] = [answer.text for answer in backend.answer(requests, Sampling())]
            seconds[size].append(time.perf_counter() - began)
    print(f"{'at a time':>10s} {'reports/s':>10s} {'ratio':>6s} {'same texts':>11s}")
    for size in SIZES:
        rate, ratio = COUNT / median(seconds[size]), median(seconds[1]) / median(seconds[size])
        same = sum(a == b for a, b in zip(texts[1], texts[size]))
        print(f"{size:10d} {rate:10.1f} {ratio:6.1f} {same:7d}/{COUNT}")
