"""A clock for training steps: how long each named phase takes, and how much memory it holds at its peak.

The engine names its phases with `torch.profiler.record_function("mvmlm/…")`; the clock listens to these names alone, so
that what is measured is the step that a training really makes. On a GPU it puts events into the stream and waits for
none of them: the times are those of the device, where a phase that the device need not wait for costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.profiler import record_function

PREFIX = "mvmlm/"
LAST = "optimiser"


@dataclass
class Span:
    """One stay in a phase.

    Attributes
    ----------
    name : str
        ``forward``, or ``forward/encoder`` for a part within it.
    start, end : float or torch.cuda.Event
        Host time [s], or events of the device.
    peak : int
        Most memory that torch had allocated on the GPU meanwhile [bytes]; 0 on a CPU.
    flops : int
        Floating-point operations meanwhile, while they are counted.
    within : list of Span
        Other phases inside this one, which are not counted as its own; parts such as ``forward/encoder`` are.
    """

    name: str
    start: Any
    end: Any = None
    peak: int = 0
    flops: int = 0
    within: list[Span] = field(default_factory=list)

    def ms(self) -> float:
        """Time [ms], without that of other phases within."""
        return _ms(self.start, self.end) - sum(span.ms() for span in self.within)

    def own_flops(self) -> int:
        """Operations, without those of other phases within."""
        return self.flops - sum(span.own_flops() for span in self.within)


@dataclass
class Step:
    """The phases of one optimiser step, in order of their ends."""

    spans: list[Span] = field(default_factory=list)
    began: Any = None

    def of(self, name: str) -> list[Span]:
        """All stays in a phase."""
        return [span for span in self.spans if span.name == name]

    def ms(self, name: str) -> float:
        """Time in a phase [ms], all its stays together."""
        return sum(span.ms() for span in self.of(name))

    def total_ms(self) -> float:
        """From the start of the first phase to the end of the last [ms]."""
        return _ms(self.began, self.spans[-1].end)


class StepClock:
    """Listens to the phases of a training.

    Parameters
    ----------
    device : torch.device
        Where it runs.
    on_step : callable
        Called with the clock after each optimiser step; what it raises ends the training.

    Attributes
    ----------
    steps : list of Step
    flops : callable or None
        Gives the operations counted so far, while somebody counts.
    """

    def __init__(self, device: torch.device, on_step: Callable[[StepClock], None]) -> None:
        self.steps: list[Step] = []
        self.flops: Callable[[], int] | None = None
        self._cuda, self._on_step = device.type == "cuda", on_step
        self._open: list[Span] = []
        self._current = Step()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While it lasts, every ``record_function`` of a phase tells the clock when it begins and ends."""
        enter, leave = record_function.__enter__, record_function.__exit__

        def begin(phase: record_function) -> record_function:
            if phase.name.startswith(PREFIX):
                self._begin(phase.name.removeprefix(PREFIX))
            return enter(phase)

        def end(phase: record_function, *error: Any) -> None:
            leave(phase, *error)
            if phase.name.startswith(PREFIX) and self._open:
                self._end(failed=error[0] is not None)

        record_function.__enter__, record_function.__exit__ = begin, end
        try:
            yield
        finally:
            record_function.__enter__, record_function.__exit__ = enter, leave

    def inside(self, name: str) -> bool:
        """Whether ``name`` is the innermost phase now."""
        return bool(self._open) and self._open[-1].name == name

    def _begin(self, name: str) -> None:
        self._note_peak()
        span = Span(name, self._now(), flops=-self.flops() if self.flops else 0)
        if self._current.began is None:
            self._current.began = span.start
        self._open.append(span)

    def _end(self, *, failed: bool) -> None:
        self._note_peak()
        span = self._open.pop()
        span.end = self._now()
        span.flops = span.flops + self.flops() if self.flops else 0
        if self._open and "/" not in span.name:
            self._open[-1].within.append(span)
        self._current.spans.append(span)
        if span.name == LAST and not failed:
            self.steps.append(self._current)
            self._current = Step()
            self._on_step(self)

    def _note_peak(self) -> None:
        """Give the highest level since the last change of phase to all phases that are open."""
        if self._cuda:
            peak = torch.cuda.max_memory_allocated()
            for span in self._open:
                span.peak = max(span.peak, peak)
            torch.cuda.reset_peak_memory_stats()

    def _now(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event


def _ms(start: Any, end: Any) -> float:
    return 1000.0 * (end - start) if isinstance(start, float) else start.elapsed_time(end)
