"""The most memory that a piece of work held."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mvmlm import memory
from mvmlm.memory import peak_memory

pytestmark = pytest.mark.skipif(
    not (memory.PROCESS / "clear_refs").exists(), reason="needs Linux's /proc/self/clear_refs"
)


def held(megabytes: int) -> float:
    with peak_memory() as peak:
        np.ones(megabytes << 17)
    return peak.gib


def test_it_sees_what_is_given_back_before_the_end():
    assert held(400) == pytest.approx(400 / 1024, abs=0.05)


def test_what_was_held_before_does_not_count():
    kept = np.ones(300 << 17)
    assert held(100) == pytest.approx(100 / 1024, abs=0.05)
    assert kept.any()


def test_memory_that_earlier_work_left_unused_counts_again():
    pieces = [np.ones(1 << 10) for _ in range(20_000)]  # small enough to stay with the C library
    del pieces
    with peak_memory() as peak:
        pieces = [np.ones(1 << 10) for _ in range(20_000)]
    assert peak.gib > 0.12 and pieces


def test_it_is_not_known_where_the_kernel_does_not_say(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "PROCESS", tmp_path / "nowhere")
    with peak_memory() as peak:
        pass
    assert math.isnan(peak.gib) and peak.measures == {}
