"""What a Chrome trace of torch's profiler says of memory and of the GPU's work."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np

from mvmlm.errors import DataError
from mvmlm.step_clock import PREFIX

DEVICE_WORK = {"kernel", "gpu_memcpy", "gpu_memset"}
CPU = 0


def make_room(path: Path) -> None:
    """Make the folder of a trace that is to be written.

    Raises
    ------
    DataError
        When a file cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, "no file can be written there")
    except OSError as error:
        raise DataError(f"{path}: the trace cannot be written ({error.strerror})") from error


def read_trace(path: Path) -> list[dict]:
    """The events of a trace, in order of their start; times in microseconds."""
    events = json.loads(Path(path).read_text(encoding="utf-8", errors="replace"))["traceEvents"]
    return sorted((event for event in events if "ts" in event), key=lambda event: float(event["ts"]))


def cpu_growth(events: list[dict]) -> dict[str, int]:
    """How far torch's tensors on the CPU grow in each phase beyond the least that was held [bytes].

    Only tensors that come or go while the profiler runs are seen: what is held all the time, such as the weights, is
    not among them.
    """
    held = [event for event in events if event.get("name") == "[memory]" and event["args"].get("Device Type") == CPU]
    times = np.array([float(event["ts"]) for event in held])
    levels = np.concatenate([[0], np.cumsum([event["args"]["Bytes"] for event in held])]).astype(np.int64)
    peaks: dict[str, int] = {}
    for name, start, end in _phases(events):
        first, last = np.searchsorted(times, start), np.searchsorted(times, end, side="right")
        peaks[name] = max(peaks.get(name, 0), int(levels[first : last + 1].max() - levels.min()))
    return peaks


def device_ms(events: list[dict]) -> float:
    """How long the GPU worked in all: kernels and copies [ms]."""
    return sum(float(event.get("dur", 0)) for event in events if event.get("cat") in DEVICE_WORK) / 1000.0


def _phases(events: list[dict]) -> list[tuple[str, float, float]]:
    """Name, start and end of each phase [µs]."""
    return [
        (event["name"].removeprefix(PREFIX), float(event["ts"]), float(event["ts"]) + float(event.get("dur", 0)))
        for event in events
        if event.get("cat") == "user_annotation" and str(event.get("name", "")).startswith(PREFIX)
    ]
