"""What a GPU does with a training step of MV-MLM: images a second, memory, share of the card's peak, ours to plain.

Needs torch, timm and transformers beside the packages ``mvmlm`` and ``baselines``; data are noise, made on the device.
In order: the step against float64; the card's own peak (a large bf16 matrix product) and bandwidth (a large copy); the
batch swept for each encoder; ours against ``plain_step.py``; the sweep once more, compiled. When the time is used up
the rest is left out, and said to be. ``--device cpu`` tries the script out, at a small size; it measures nothing.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import timm
import torch
import transformers

from tests.benchmarks.roofline import ENCODERS, SIZE, count
from tests.benchmarks.step import Engine, Pair, Setting, alternate, batch_of, build, noise, processor

BREASTS = (2, 4, 8, 18, 32)  # 18 is the paper's
SECONDS = 450.0  # of the 480 that it may take: the last step and the end take some
TURNS = 5
CHECK = {"encoder": "test_resnet", "size": (96, 64)}
CLOSE = {"float32": (1e-4, 1e-3), "bfloat16": (0.1, 0.2)}
"""Largest differences from float64: of the loss, and of the norm of the gradient as a share of it."""


class TimeUpError(BaseException):
    """The time is used up; not an `Exception`, which torch's compiler would wrap into one of its own."""


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
        self.breasts, self.repeats = (BREASTS, TURNS) if self.cuda else (BREASTS[:2], 1)
        versions = {m.__name__: m.__version__ for m in (torch, timm, transformers)}
        self.found = Found(torch.cuda.get_device_name() if self.cuda else processor(), versions, self.size)

    def setting(self, encoder: str, breasts: int) -> Setting:
        """The paper's model; on a CPU a toy text encoder and transformers."""
        setting = Setting(encoder=encoder, size=self.size, breasts=breasts)
        return setting if self.cuda else setting.small()

    def parts(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Name and work of each part, the most telling first."""
        yield "numerics", self.numerics
        yield "the card", self.card
        for encoder in self.encoders:
            yield f"{encoder} eager", partial(self.sweep, encoder, compiled=False)
        for encoder in reversed(self.encoders):
            yield f"{encoder} against plain", partial(self.against_plain, encoder, train_text=False)
        for encoder in self.encoders:
            yield f"{encoder} compiled", partial(self.sweep, encoder, compiled=True)
        last = self.encoders[-1]
        yield f"{last} against plain, text trained", partial(self.against_plain, last, train_text=True)

    def numerics(self) -> None:
        """Ours in float32 and bf16 against the plain model in float64, from the same weights."""
        setting = replace(Setting().small().still(), breasts=4, **CHECK)
        for kind, precision in (("float32", "fp32"), ("bfloat16", "bf16")):
            with exact_float32():
                pair = Pair(setting, train_text=False, device=self.device, precision=precision)
                ours, wanted = pair.ours.gradient(), in_float64(pair)
            self.found.numerics[kind] = {
                "loss": ours[0], "loss_float64": wanted[0], "gradient": ours[1], "gradient_float64": wanted[1],
            }  # fmt: skip
            print(
                f"numerics, {kind} against float64: loss {ours[0]:.6f} and {wanted[0]:.6f}, norm of the gradient "
                f"{ours[1]:.6f} and {wanted[1]:.6f}",
                flush=True,
            )
            apart = abs(ours[0] - wanted[0]), abs(ours[1] / wanted[1] - 1)
            if not (apart[0] <= CLOSE[kind][0] and apart[1] <= CLOSE[kind][1]):
                raise SystemExit(f"gpu: {kind} is off by {apart[0]:.1e} and {apart[1]:.1e}, more than {CLOSE[kind]}")

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
            row = self.if_it_fits(partial(self.row, encoder, breasts, compiled=compiled))
            if row is None:
                print(f"{encoder}, {breasts} breasts: does not fit", flush=True)
                break
            row["gflop_an_image"] = work.flops() / 1e9
            row["share_of_peak"] = row["images_per_s"] * work.flops() / peak
            row["share_possible"] = {
                name: work.share(peak, bandwidth, fused=name == "fused") for name in ("eager", "fused")
            }
            self.found.rows.append(row)
            print(line(row), flush=True)

    def row(self, encoder: str, breasts: int, *, compiled: bool) -> dict[str, Any]:
        """One batch: steps of ours for some two seconds."""
        setting = self.setting(encoder, breasts)
        method = build(setting).to(self.device)
        images, _, mask = noise(setting, self.device)
        states = torch.randn(*mask.shape, setting.text_width, device=self.device)
        engine = Engine(method, batch_of(images, states, mask), "bf16")
        if compiled:
            method.encoder.net.compile()  # as the setting ``train.compile`` does
        started = time.perf_counter()
        for _ in range(3):
            engine.step()
        warm = time.perf_counter() - started
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
        times: list[float] = []
        while len(times) < self.repeats or (self.cuda and sum(times) < 2.0 and len(times) < 100):
            started = time.perf_counter()
            engine.step()
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
            found = self.if_it_fits(partial(self.turns, encoder, breasts, train_text=train_text))
            if found is None:
                continue
            plain, ours = found
            text = "trained" if train_text else "frozen"
            row = {"encoder": encoder, "breasts": breasts, "text": text, "plain_s": plain, "ours_s": ours}
            self.found.against_plain.append({**row, "ratio": plain / ours})
            print(
                f"{encoder} against plain, text {text}, {breasts} breasts a step: {plain:.3f} s and {ours:.3f} s "
                f"(medians of {self.repeats}, taking turns), ratio {plain / ours:.2f}",
                flush=True,
            )
            return
        print(f"{encoder} against plain: not even 2 breasts fit", flush=True)

    def turns(self, encoder: str, breasts: int, *, train_text: bool) -> tuple[float, float]:
        """Median seconds of a step, plain and ours."""
        pair = Pair(self.setting(encoder, breasts), train_text=train_text, device=self.device, precision="bf16")
        times = alternate({"plain": pair.plain_step, "ours": pair.ours.step}, self.repeats)
        return median(times["plain"].wall), median(times["ours"].wall)

    def if_it_fits(self, work: Callable[[], Any]) -> Any:
        """What ``work`` gives, or None where memory is short; its memory is given back."""
        try:
            return work()
        except torch.OutOfMemoryError:
            return None
        finally:
            gc.collect()
            if self.cuda:
                torch.cuda.empty_cache()


def in_float64(pair: Pair) -> tuple[float, float]:
    """Loss and norm of the gradient of the plain model, in float64."""
    images, text, mask = pair.given
    plain = pair.plain.double()
    loss = plain(images.double(), text, mask)
    loss.backward()
    return float(loss.detach()), float(torch.nn.utils.clip_grad_norm_(plain.parameters(), math.inf))


@contextmanager
def exact_float32() -> Iterator[None]:
    """Without TF32, whose ten bits would hide a mistake."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """`TimeUpError` from within whatever runs when the time is used up."""

    def stop(*_: Any) -> None:
        raise TimeUpError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


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
    except TimeUpError:
        print(f"the {said.seconds:.0f} s are used up; left out or cut off: {', '.join(left)}")
    finally:  # what was measured before something broke is kept
        bench.found.left_out, bench.found.seconds = left, time.perf_counter() - started
        if said.out:
            said.out.write_text(json.dumps(asdict(bench.found), indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
