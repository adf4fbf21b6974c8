"""The most memory that a piece of work held at once: tensors on a GPU, without one the process's resident set."""

from __future__ import annotations

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
        [GiB]; NaN until the work is done, and where neither a GPU nor Linux can tell.
    """

    gib: float = math.nan

    @property
    def measures(self) -> dict[str, float]:
        """``memory_gib``; nothing where it is not known."""
        return {} if math.isnan(self.gib) else {"memory_gib": self.gib}


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Watch the work within; with a GPU its own allocator is asked, else the kernel for the process's resident set.

    A process holds its libraries too, and what an earlier piece of work left behind. Of several processes that share a
    training each sees itself alone.

    Examples
    --------
    >>> with peak_memory() as peak:
    ...     held = torch.ones(8 << 20)
    >>> peak.gib > 0.03
    True
    """
    peak, on_gpu = Peak(), torch.cuda.is_available()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    else:
        with suppress(OSError):
            (PROCESS / "clear_refs").write_text("5")  # sets the resident set's high-water mark back, man 5 proc
    yield peak
    peak.gib = torch.cuda.max_memory_allocated() / 2**30 if on_gpu else _high_water_mark()


def _high_water_mark() -> float:
    """``VmHWM`` [GiB], NaN where there is no such file."""
    with suppress(OSError):
        for line in (PROCESS / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**20
    return math.nan
