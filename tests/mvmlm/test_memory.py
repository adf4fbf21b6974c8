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
    assert held(400) - held(100) == pytest.approx(300 / 1024, abs=0.1)


def test_earlier_work_does_not_count():
    large, small = held(600), held(50)
    assert small < large - 0.4


def test_it_is_not_known_where_the_kernel_does_not_say(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "PROCESS", tmp_path / "nowhere")
    with peak_memory() as peak:
        pass
    assert math.isnan(peak.gib) and peak.measures == {}
