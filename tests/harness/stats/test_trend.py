"""Slopes along an axis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.paired import from_draws
from harness.stats.trend import trend
from harness.stats.two_way import TwoWay, two_way
from mvmlm.errors import ConfigError, DataError

quick = settings(deadline=None, max_examples=40)
TOKENS = (4, 8, 16, 32)


@quick
@given(st.integers(2, 7), st.integers(0, 100), st.sampled_from(["log2", "linear"]))
def test_it_is_the_least_squares_slope(length, number, scale):
    rng = np.random.default_rng(number)
    points = np.cumsum(rng.random(length)) + 0.1
    values, draws = rng.random(length), rng.random((length, 30))
    x = np.log2(points) if scale == "log2" else points
    found = trend(points, values, draws, scale=scale)
    assert found.delta == pytest.approx(np.polyfit(x, values, 1)[0])
    oracle = from_draws(found.delta, np.array([np.polyfit(x, d, 1)[0] for d in draws.T]))
    assert (found.p, *found.interval) == pytest.approx((oracle.p, *oracle.interval))


def test_gain_a_doubling():
    values = 0.6 + 0.02 * np.log2(TOKENS)
    assert trend(TOKENS, values, values[:, None] + np.random.default_rng(0).random((4, 9))).delta == pytest.approx(0.02)


def test_two_points_are_a_paired_difference():
    rng = np.random.default_rng(0)
    values, draws = rng.random(2), rng.random((2, 50))
    found = trend((1, 2), values, draws)
    oracle = from_draws(values[1] - values[0], draws[1] - draws[0])
    assert (found.delta, found.p, found.low) == pytest.approx((oracle.delta, oracle.p, oracle.low))


def test_seeds_are_a_sample_too():
    rng = np.random.default_rng(0)
    values, draws = rng.random((3, 4)), rng.random((3, 4, 50))
    found = trend(TOKENS, values, draws)
    assert isinstance(found, TwoWay)
    x = np.log2(TOKENS)
    slopes = np.array([np.polyfit(x, v, 1)[0] for v in values])
    drawn = np.array([[np.polyfit(x, v, 1)[0] for v in d.T] for d in draws])
    oracle = two_way(slopes, drawn)
    assert (found.p, found.se_seeds) == pytest.approx((oracle.p, oracle.se_seeds))
    assert not isinstance(trend(TOKENS, values[:1], draws[:1]), TwoWay)


def test_axes_without_a_slope_are_refused():
    with pytest.raises(ConfigError, match="holds 0, which has no logarithm"):
        trend((0, 1), np.ones(2), np.ones((2, 5)))
    with pytest.raises(ConfigError, match="an axis of 2 points has no slope"):
        trend((3, 3), np.ones(2), np.ones((2, 5)))
    with pytest.raises(ConfigError, match="scale is 'cubic'"):
        trend((1, 2), np.ones(2), np.ones((2, 5)), scale="cubic")
    with pytest.raises(DataError, match=r"an axis of 4 points with values \(3,\)"):
        trend(TOKENS, np.ones(3), np.ones((3, 5)))
