"""An interval against a margin."""

from __future__ import annotations

import numpy as np
import pytest

from harness.stats.difference import Difference, normal
from harness.stats.noninferiority import judge
from mvmlm.errors import ConfigError


def interval(low: float, high: float) -> Difference:
    return Difference(delta=(low + high) / 2, se=1, low=low, high=high, level=0.95, p=0.5, test="")


@pytest.mark.parametrize(
    ("low", "high", "finding", "held"),
    [
        (0.001, 0.03, "superior", True),
        (-0.01, 0.03, "non-inferior", True),
        (-0.015, -0.005, "non-inferior", True),
        (-0.03, 0.03, "not shown", False),
        (-0.02, 0.03, "not shown", False),
        (-0.05, -0.03, "inferior", False),
        (np.nan, np.nan, "not shown", False),
    ],
)
def test_where_the_interval_lies(low, high, finding, held):
    verdict = judge(interval(low, high), 0.02)
    assert (verdict.finding, verdict.held) == (finding, held)
    mirrored = judge(interval(-high, -low), 0.02, higher_is_better=False)
    assert (mirrored.finding, mirrored.held) == (finding, held)


def test_the_loss_is_the_worse_end_and_its_level_one_sided():
    verdict = judge(normal(-0.01, 0.01, level=0.95, test=""), 0.05)
    assert verdict.loss == pytest.approx(0.01 + 1.959964 * 0.01)
    assert verdict.level == pytest.approx(0.975)


@pytest.mark.parametrize("margin", [0, -0.02, np.nan])
def test_a_margin_is_a_loss(margin):
    with pytest.raises(ConfigError, match="margin is"):
        judge(interval(0, 1), margin)
