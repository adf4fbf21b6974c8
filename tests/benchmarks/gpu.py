"""What a GPU does with a training step of MV-MLM: images a second, memory, share of what the card can do, ours to plain.

Needs torch, timm and transformers beside the packages ``mvmlm`` and ``baselines``; data are noise, made on the device. In
order: the step against float64; the card's own peak (a large bf16 matrix product) and bandwidth (a large copy); the
batch swept for each encoder; ours against ``plain_step.py``; the sweep once more, compiled. When the time is used up the
rest is left out, and said to be. ``--device cpu`` checks that the script runs, at a small size; it measures nothing.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import timm
import torch
import transformers

from mvmlm.models.mv_mlm import MVMLM
from tests.benchmarks.roofline import ENCODERS, SIZE, count
from tests.benchmarks.step import Pair, Setting, alternate

BREASTS = (2, 4, 8, 18, 32)  # 18 is the paper's
SECONDS = 450.0  # of the 480 that it may take: the last step and the end take some
TURNS = 5
CHECK = {"encoder": "test_resnet", "size": (96, 64)}
CLOSE = {"float32": (1e-4, 1e-3), "bfloat16": (0.1, 0.2)}
"""Largest differences from float64: of the loss, and of the norm of the gradient as a share of it."""


class TimeUp(Exception):
    """The time is used up."""


@dataclass
class Found:
    """What was measured; written as JSON."""

    device: str
    versions: dict[str, str]
    size: tuple[int, int]
    numerics: dict[str, dict[str, float]] = field(default_factory=dict)
    peak_tflops: float | None = None
    bandwidth_gb: float | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    against_plain: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Bench:
    """One run on one device.

    Parameters
    ----------
    said : Namespace
        Options of the command line.
    """

    def __init__(self, said: argparse.Namespace) -> None:
        self.device, self.encoders, self.size = said.device, said.encoders, tuple(said.size)
        self.cuda = said.device == "cuda"
        self.breasts = BREASTS if self.cuda else BREASTS[:2]
        versions = {m.__name__: m.__version__ for m in (torch, timm, transformers)}
        self.found = Found(torch.cuda.get_device_name() if self.cuda else platform.processor(), versions, self.size)

    def setting(self, encoder: str, breasts: int) -> Setting:
        """The paper's model; on a CPU a toy text encoder and transformers."""
        setting = Setting(encoder=encoder, size=self.size, breasts=breasts)
        return setting if self.cuda else setting.small()

    def parts(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Name and work of each part, the most telling first."""
        yield "numerics", self.numerics
        yield "the card", self.card
        for encoder in self.encoders:
            yield f"{encoder} eager", lambda: self.sweep(encoder, compiled=False)
        for encoder in reversed(self.encoders):
            yield f"{encoder} against plain", lambda: self.against_plain(encoder, train_text=False)
        for encoder in self.encoders:
            yield f"{encoder} compiled", lambda: self.sweep(encoder, compiled=True)
        yield f"{self.encoders[-1]} against plain, text trained", lambda: self.against_plain(
            self.encoders[-1], train_text=True
        )

    def numerics(self) -> None:
        """Ours in float32 and bf16 against the plain model in float64, from the same weights."""
        setting = replace(Setting().small().still(), breasts=4, **CHECK)
        with exact_float32():
            for kind in CLOSE:
                autocast = None if kind == "float32" else torch.bfloat16
                pair = Pair(setting, train_text=False, device=self.device, autocast=autocast)
                ours, plain = pair.gradients()
                apart = {
                    "loss": ours[0], "loss_float64": plain[0], "gradient": ours[1], "gradient_float64": plain[1],
                }  # fmt: skip
                self.found.numerics[kind] = apart
                loss, norm = abs(ours[0] - plain[0]), abs(ours[1] / plain[1] - 1)
                print(
                    f"numerics, {kind} against float64: loss {ours[0]:.6f} and {plain[0]:.6f}, norm of the gradient "
                    f"{ours[1]:.6f} and {plain[1]:.6f}",
                    flush=True,
                )
                if not (loss <= CLOSE[kind][0] and norm <= CLOSE[kind][1]):
                    raise SystemExit(f"gpu: {kind} is off by {loss:.1e} and {norm:.1e}, more than {CLOSE[kind]}")

    def card(self) -> None:
        """Measured peak of bf16 matrix products, and bandwidth of a copy (bytes read and written)."""
        side, megabytes = (8192, 1024) if self.cuda else (512, 16)
        a, b = (torch.randn(side, side, device=self.device).bfloat16() for _ in range(2))
        self.found.peak_tflops = 2 * side**3 / self.fastest(lambda: a @ b) / 1e12
        source = torch.empty(megabytes << 20, dtype=torch.uint8, device=self.device)
        target = torch.empty_like(source)
        self.found.bandwidth_gb = 2 * source.nbytes / self.fastest(lambda: target.copy_(source)) / 1e9
        print(
            f"the card: {self.found.peak_tflops:.2f} TFLOP/s in bf16 (product of two {side}×{side} matrices), "
            f"{self.found.bandwidth_gb:.0f} GB/s (copy of {megabytes} MiB)",
            flush=True,
        )

    def fastest(self, work: Callable[[], Any], repeats: int = 20) -> float:
        """Least time of a call [s]."""
        times = []
        for _ in range(repeats):
            self.wait()
            started = time.perf_counter()
            work()
            self.wait()
            times.append(time.perf_counter() - started)
        return min(times)

    def wait(self) -> None:
        """Until the device has finished."""
        if self.cuda:
            torch.cuda.synchronize()

    def sweep(self, encoder: str, *, compiled: bool) -> None:
        """Images a second for one batch after the other, until one does not fit."""
        work = count(encoder, self.size, self.setting(encoder, 2))
        peak, bandwidth = self.found.peak_tflops * 1e12, self.found.bandwidth_gb * 1e9
        for breasts in self.breasts:
            try:
                row = self.row(encoder, breasts, compiled=compiled)
            except torch.OutOfMemoryError:
                print(f"{encoder}, {breasts} breasts: does not fit", flush=True)
                break
            finally:
                self.empty()
            row["gflop_an_image"] = work.flops() / 1e9
            row["share_of_peak"] = row["images_per_s"] * work.flops() / peak
            row["share_possible"] = {
                name: work.share(peak, bandwidth, fused=name == "fused") for name in ("eager", "fused")
            }
            self.found.rows.append(row)
            print(line(row), flush=True)

    def row(self, encoder: str, breasts: int, *, compiled: bool) -> dict[str, Any]:
        """One batch: steps of ours for some two seconds."""
        pair = Pair(self.setting(encoder, breasts), train_text=False, device=self.device, autocast=torch.bfloat16)
        pair.plain.to("meta"), pair.drop_plain()
        if compiled:
            compile_parts(pair.ours)
        started = time.perf_counter()
        for _ in range(3):
            pair.ours_step()
        warm = time.perf_counter() - started
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
        times: list[float] = []
        while len(times) < TURNS or (self.cuda and sum(times) < 2.0 and len(times) < 100):
            started = time.perf_counter()
            pair.ours_step()
            times.append(time.perf_counter() - started)
        return {
            "encoder": encoder,
            "compiled": compiled,
            "breasts": breasts,
            "images_per_s": 2 * breasts / median(times),
            "peak_gib": torch.cuda.max_memory_allocated() / 2**30 if self.cuda else None,
            "warm_up_s": warm,
            "steps": len(times),
        }

    def against_plain(self, encoder: str, *, train_text: bool) -> None:
        """Ours in bf16 and the plain one in float32 take turns, on the largest batch that both hold."""
        for breasts in (4, 2):
            try:
                setting = self.setting(encoder, breasts)
                pair = Pair(setting, train_text=train_text, device=self.device, autocast=torch.bfloat16)
                times = alternate({"plain": pair.plain_step, "ours": pair.ours_step}, TURNS)
            except torch.OutOfMemoryError:
                pair = None
                self.empty()
                continue
            plain, ours = (median(times[name].wall) for name in ("plain", "ours"))
            row = {
                "encoder": encoder, "breasts": breasts, "text": "trained" if train_text else "frozen",
                "plain_s": plain, "ours_s": ours, "ratio": plain / ours,
            }  # fmt: skip
            self.found.against_plain.append(row)
            print(
                f"{encoder} against plain, text {row['text']}, {breasts} breasts a step: {plain:.3f} s and {ours:.3f} s "
                f"(medians of {TURNS}, taking turns), ratio {row['ratio']:.2f}",
                flush=True,
            )
            break
        self.empty()

    def empty(self) -> None:
        """Give memory back."""
        if self.cuda:
            torch.cuda.empty_cache()


@contextmanager
def exact_float32() -> Iterator[None]:
    """Without TF32, whose ten bits would hide a mistake."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """`TimeUp` from within whatever runs when the time is used up."""

    def stop(*_: Any) -> None:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def compile_parts(method: MVMLM) -> None:
    """Compile the network's three parts; what is between them looks at which views there are."""
    for part in (method.encoder, method.image, method.text):
        part.compile()


def line(row: dict[str, Any]) -> str:
    """One row of the sweep as text."""
    memory = "" if row["peak_gib"] is None else f", {row['peak_gib']:.1f} GiB at most"
    possible = row["share_possible"]
    return (
        f"{row['encoder']} {'compiled' if row['compiled'] else 'eager'}, {row['breasts']:2} breasts: "
        f"{row['images_per_s']:.1f} images/s{memory}; {row['gflop_an_image']:.1f} GFLOP an image, "
        f"{row['share_of_peak']:.1%} of the measured peak (its bytes allow {possible['eager']:.0%} eager, "
        f"{possible['fused']:.0%} all fused); first steps {row['warm_up_s']:.1f} s"
    )


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser("python -m tests.benchmarks gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--encoders", nargs="+", default=list(ENCODERS), help="timm names")
    parser.add_argument("--size", type=int, nargs=2, default=SIZE, metavar=("HEIGHT", "WIDTH"), help="[pixels]")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="when the rest is left out")
    parser.add_argument("--out", type=Path, help="a file for the numbers, as JSON")
    return parser.parse_args(argv)


def main(argv: Sequence[str] = ()) -> int:
    """Run what the time allows, print it, write it; 2 where there is no GPU."""
    said = parse(argv)
    if said.device == "cuda" and not torch.cuda.is_available():
        print("gpu: there is no GPU here, nothing was measured; --device cpu tries the script out at a small --size")
        return 2
    started, bench = time.perf_counter(), Bench(said)
    left = [name for name, _ in bench.parts()]
    print(f"gpu: {bench.found.device}, {bench.found.versions}, {said.size[0]}×{said.size[1]}, bf16, channels-last")
    try:
        with time_limit(said.seconds):
            for name, work in bench.parts():
                work()
                left.remove(name)
    except TimeUp:
        print(f"the {said.seconds:.0f} s are used up; left out or cut off: {', '.join(left)}")
    bench.found.left_out, bench.found.seconds = left, time.perf_counter() - started
    if said.out:
        said.out.write_text(json.dumps(asdict(bench.found), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
