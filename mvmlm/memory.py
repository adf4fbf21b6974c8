"""The most memory that a piece of work held at once: tensors on a GPU, without one the process's resident set."""

from __future__ import annotations

import ctypes
import gc
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

PROCESS = Path("/proc/self")


@dataclass
class Peak:
    """What `peak_memory` found.

    Attributes
    ----------
    gib : float
        Beyond what was held before [GiB]; NaN until the work is done, and where neither a GPU nor Linux can tell.
    """

    gib: float = math.nan

    @property
    def measures(self) -> dict[str, float]:
        """``memory_gib``; nothing where it is not known."""
        return {} if math.isnan(self.gib) else {"memory_gib": self.gib}


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Watch the work within; with a GPU its own allocator is asked, else the kernel for the process's resident set.

    What the process held before, its libraries above all, does not count; what it holds without using it is given back
    first, where the C library can. Of several processes that share a training each sees itself alone.

    Examples
    --------
    >>> with peak_memory() as peak:
    ...     held = torch.ones(8 << 20)
    >>> peak.gib > 0.03
    True
    """
    gc.collect()
    held = _held_on_gpu if torch.cuda.is_available() else _held_by_process
    _forget_peaks()
    before, _ = held()
    peak = Peak()
    yield peak
    peak.gib = held()[1] - before


def _forget_peaks() -> None:
    """Give back memory that is not used, and set the high-water marks to what is held now."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # of glibc
    with suppress(OSError):
        (PROCESS / "clear_refs").write_text("5")  # of the resident set, man 5 proc


def _held_on_gpu() -> tuple[float, float]:
    """Now, and at most [GiB]."""
    return torch.cuda.memory_allocated() / 2**30, torch.cuda.max_memory_allocated() / 2**30


def _held_by_process() -> tuple[float, float]:
    """``VmRSS`` and ``VmHWM`` [GiB], NaN where there is no such file."""
    try:
        lines = (PROCESS / "status").read_text().splitlines()
    except OSError:
        return math.nan, math.nan
    said = dict(line.split(":", 1) for line in lines)
    return tuple(int(said[name].split()[0]) / 2**20 for name in ("VmRSS", "VmHWM"))
