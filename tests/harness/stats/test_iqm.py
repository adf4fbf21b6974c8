"""Aggregates over tasks and seeds, against resampling in a loop."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import trim_mean

from harness.stats.iqm import interquartile_mean, probability_of_improvement
from mvmlm.errors import DataError


def by_loop(scores, statistic, draws, seed):
    """Runs picked one by one within their task; draws moved away from the value for the smaller side's few runs."""
    rng, n = np.random.default_rng(seed), min(len(s) for s in scores)
    ends = np.quantile([statistic(*[_picked(rng, s) for s in scores]) for _ in range(draws)], [0.025, 0.975])
    value = statistic(*scores)
    return np.clip(value + (ends - value) * np.sqrt(n / (n - 1)), 0, 1)


def _picked(rng, scores):
    n, tasks = scores.shape
    return np.stack([scores[rng.integers(n, size=n), t] for t in range(tasks)], axis=1)


def test_the_interquartile_mean_and_its_interval():
    scores = np.random.default_rng(0).random((4, 7))
    found = interquartile_mean(scores, draws=8000)
    assert found.value == pytest.approx(trim_mean(scores.ravel(), 0.25))
    low, high = by_loop([scores], lambda s: trim_mean(s.ravel(), 0.25), 8000, 1)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.012)


def test_outliers_do_not_move_it():
    scores = np.random.default_rng(0).random((4, 7))
    worst = scores.copy()
    worst[np.unravel_index(scores.argmin(), scores.shape)] = -100
    assert interquartile_mean(worst, draws=10).value == interquartile_mean(scores, draws=10).value


def test_the_probability_of_improvement_and_its_interval():
    rng = np.random.default_rng(0)
    arm, reference = np.round(0.1 + rng.random((4, 6)), 1), np.round(rng.random((3, 6)), 1)

    def chance(one, two):
        return np.mean([(a > b) + 0.5 * (a == b) for t in range(6) for a in one[:, t] for b in two[:, t]])

    found = probability_of_improvement(arm, reference, draws=8000)
    assert found.value == pytest.approx(chance(arm, reference))
    low, high = by_loop([arm, reference], chance, 4000, 1)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)
    back = probability_of_improvement(reference, arm, draws=10)
    assert back.value == pytest.approx(1 - found.value)


def test_runs_that_do_not_vary_leave_no_doubt():
    scores = np.tile(np.linspace(0, 1, 8), (3, 1))
    found = interquartile_mean(scores, draws=50)
    assert (found.low, found.high) == pytest.approx((found.value, found.value))
    same = probability_of_improvement(scores, scores, draws=50)
    assert (same.value, same.low, same.high) == (0.5, 0.5, 0.5)


def test_the_same_seed_gives_the_same_interval():
    scores = np.random.default_rng(0).random((3, 5))
    assert interquartile_mean(scores, seed=1) == interquartile_mean(scores, seed=1)
    assert interquartile_mean(scores, seed=1) != interquartile_mean(scores, seed=2)


def test_too_little_to_aggregate_is_refused():
    with pytest.raises(DataError, match="needs 3 seeds and 5 tasks or more"):
        interquartile_mean(np.ones((2, 9)))
    with pytest.raises(DataError, match="1 of 15 scores are missing"):
        interquartile_mean(np.where(np.arange(15).reshape(3, 5) == 4, np.nan, 1.0))
    with pytest.raises(DataError, match="5 tasks of the arm and 6 of the reference"):
        probability_of_improvement(np.ones((3, 5)), np.ones((3, 6)))
