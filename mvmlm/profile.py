"""Where a training step's time and memory go: real steps of the engine, measured part by part."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch
from torch import nn
from torch.profiler import ProfilerActivity, record_function
from torch.utils.flop_counter import FlopCounterMode

from mvmlm.data.breast_batches import BreastData
from mvmlm.errors import ConfigError
from mvmlm.methods import Method
from mvmlm.step_clock import PREFIX, Step, StepClock
from mvmlm.trace_reading import cpu_growth, device_ms, make_room, read_trace
from mvmlm.training import TrainConfig, train

PHASES = ("loader", "augment", "forward", "loss", "backward", "optimiser")
NAMES = {"image": "tokens", "text_tower": "text"}
"""Parts of a method by their attribute, where people call them otherwise; the two of the text side are one."""
TRACED = 2
GPU_MEMORY = "all that torch had allocated on the GPU, at its highest"
CPU_MEMORY = "tensors that come and go within a step, at their highest; weights and optimiser are held beside them"
WAITS, IDLE = 0.10, 0.80
"""A step is bound by its loader from this share of waiting on, by its host below this share of the GPU's work."""


@dataclass(frozen=True)
class Row:
    """One part of a step.

    Attributes
    ----------
    part : str
        A phase, a part of the forward pass such as ``forward/encoder``, or ``rest``.
    ms : float
        Median over the measured steps [ms].
    share : float
        Of the median step.
    memory : int or None
        Peak [bytes], see `Profile.memory`.
    flops : int or None
        Floating-point operations a step: those of matrix products, convolutions and attention.
    """

    part: str
    ms: float
    share: float
    memory: int | None
    flops: int | None


@dataclass(frozen=True)
class Profile:
    """What was measured.

    Attributes
    ----------
    step_ms : float
        Median step [ms].
    busy : float or None
        Share of a step in which the GPU works; None on a CPU.
    memory : str
        What the memory of a row is: it differs between CPU and GPU.
    bound : str
        What the step waits for most, in words.
    """

    device: str
    rows: tuple[Row, ...]
    steps: int
    step_ms: float
    images_per_s: float
    flops: int
    busy: float | None
    memory: str
    bound: str


class _EnoughError(Exception):
    """All steps are measured."""


def profile(
    method: Method,
    data: BreastData,
    config: TrainConfig,
    *,
    trace: Path,
    steps: int = 10,
    warmup: int = 2,
    seed: int = 0,
    device: str = "auto",
) -> Profile:
    """Train for a few steps with the engine itself, and say where they spend their time.

    After ``warmup`` steps come ``steps`` that are timed with no profiler on, one in which operations are counted, and
    two for the trace. The method's weights are changed by all of them.

    Parameters
    ----------
    config : TrainConfig
        As it would be trained; epochs are repeated where the data are fewer than the steps.
    trace : Path
        Where the Chrome trace of the last two steps is written.

    Raises
    ------
    ConfigError
        When there is no step to measure.
    DataError
        When the trace cannot be written, or there is nothing to train on.
    """
    if steps < 1 or warmup < 0:
        raise ConfigError(f"{steps} steps after {warmup}: at least one is measured, and none is before the first")
    make_room(trace)
    target = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    session = _Session(target, steps, warmup)
    config = replace(config, min_steps=(warmup + steps + 1 + TRACED) * config.accumulate)
    with tempfile.TemporaryDirectory() as work, session.clock.listening(), _parts(method, session.clock):
        try:
            train(method, data, config, seed=seed, work_dir=Path(work), device=str(target))
        except _EnoughError:
            pass
        finally:
            session.close()
    method.to("cpu")
    session.profiler.export_chrome_trace(str(trace))
    return _summary(session, read_trace(trace), data, config)


class _Session:
    """Which step is timed, counted, traced."""

    def __init__(self, device: torch.device, steps: int, warmup: int) -> None:
        self.device, self.steps, self.warmup = device, steps, warmup
        self.clock = StepClock(device, self._on_step)
        self.counter = FlopCounterMode(display=False)
        self.profiler = torch.profiler.profile(
            activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])],
            profile_memory=True,
        )
        self._running: list = []

    @property
    def timed(self) -> list[Step]:
        """The steps in which nothing but the clock ran."""
        return self.clock.steps[self.warmup : self.warmup + self.steps]

    @property
    def counted(self) -> Step:
        """The step in which operations were counted."""
        return self.clock.steps[self.warmup + self.steps]

    def _on_step(self, clock: StepClock) -> None:
        done = len(clock.steps) - self.warmup - self.steps
        if done == 0:
            self._start(self.counter)
            clock.flops = self.counter.get_total_flops
        elif done == 1:
            self.close()
            self._start(self.profiler)
        elif done == 1 + TRACED:
            self.close()
            raise _EnoughError

    def _start(self, what: FlopCounterMode | torch.profiler.profile) -> None:
        what.__enter__()
        self._running.append(what)

    def close(self) -> None:
        """Stop what runs beside the training."""
        self.clock.flops = None
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        while self._running:
            self._running.pop().__exit__(None, None, None)


@contextmanager
def _parts(method: Method, clock: StepClock) -> Iterator[None]:
    """Name the parts of the forward pass: the method's own modules."""
    opened: list[record_function] = []

    def before(name: str):
        def open_(module: nn.Module, given: tuple) -> None:
            if clock.inside("forward"):
                opened.append(record_function(f"{PREFIX}forward/{name}"))
                opened[-1].__enter__()

        return open_

    def after(name: str):
        def close(module: nn.Module, given: tuple, found: object) -> None:
            if clock.inside(f"forward/{name}"):
                opened.pop().__exit__(None, None, None)

        return close

    hooks = []
    for attribute, module in method.named_children():
        name = NAMES.get(attribute, attribute)
        hooks += [module.register_forward_pre_hook(before(name)), module.register_forward_hook(after(name))]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _summary(session: _Session, events: list[dict], data: BreastData, config: TrainConfig) -> Profile:
    timed, cuda = session.timed, session.device.type == "cuda"
    step_ms = median(step.total_ms() for step in timed)
    growth = {} if cuda else cpu_growth(events)
    rows = []
    for part in _order([span.name for step in timed for span in step.spans]):
        ms = median(step.ms(part) for step in timed)
        peak = max((span.peak for step in timed for span in step.of(part)), default=0) if cuda else growth.get(part)
        flops = sum(span.own_flops() for span in session.counted.of(part))
        rows.append(Row(part, ms, ms / step_ms, peak, flops))
    outer = [row.part for row in rows if "/" not in row.part]
    rest = median(step.total_ms() - sum(step.ms(part) for part in outer) for step in timed)
    rows.append(Row("rest", rest, rest / step_ms, None, None))
    busy = min(1.0, device_ms(events) / TRACED / step_ms) if cuda else None
    batches = len(data.order(config.batch_size, None))
    images = int((data.views >= 0).sum()) / -(-batches // config.accumulate)
    return Profile(
        device=torch.cuda.get_device_name(session.device) if cuda else "CPU",
        rows=tuple(rows),
        steps=len(timed),
        step_ms=step_ms,
        images_per_s=1000.0 * images / step_ms,
        flops=sum(row.flops or 0 for row in rows if "/" not in row.part),
        busy=busy,
        memory=GPU_MEMORY if cuda else CPU_MEMORY,
        bound=_bound({row.part: row.share for row in rows}, busy, config),
    )


def _order(found: list[str]) -> list[str]:
    """Phases in the order of a step, each followed by its parts as they come; phases of a later engine at the end."""
    names = dict.fromkeys(found)
    outer = [name for name in names if "/" not in name]
    ordered = [*(name for name in PHASES if name in names), *(name for name in outer if name not in PHASES)]
    return [name for phase in ordered for name in [phase, *(n for n in names if n.startswith(f"{phase}/"))]]


def _bound(shares: dict[str, float], busy: float | None, config: TrainConfig) -> str:
    """What to look at first."""
    waits = shares.get("loader", 0.0)
    if waits > WAITS:
        return f"loader-bound: {waits:.0%} of a step is waiting for data (train.workers is {config.workers})"
    if busy is not None and busy < IDLE:
        return (
            f"host-bound: the GPU works in {busy:.0%} of a step and waits for the host's next command in the rest "
            "(larger batches or train.compile give it more to do at a time)"
        )
    phases = sorted(((share, name) for name, share in shares.items() if name in PHASES), reverse=True)[:2]
    most = " and ".join(f"{name} {share:.0%}" for share, name in phases)
    return f"compute-bound: most is spent in {most}; {waits:.0%} is waiting for data"
