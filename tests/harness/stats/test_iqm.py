"""Aggregates over tasks and seeds, whose unit is the seed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, trim_mean, ttest_1samp

from harness.stats.iqm import interquartile_mean, probability_of_improvement
from mvmlm.errors import DataError


def test_the_interquartile_mean_is_that_of_all_runs():
    scores = np.random.default_rng(0).random((4, 7))
    found = interquartile_mean(scores)
    assert found.value == pytest.approx(trim_mean(scores.ravel(), 0.25)), "28 runs have whole quarters"
    assert found.high - found.value == pytest.approx(found.value - found.low)


def test_its_interval_is_students_where_all_that_varies_is_the_seed():
    """Tasks far apart, each moved by its seed alone: a seed left out then moves the mean as it moves a plain mean."""
    luck = np.random.default_rng(0).normal(0, 0.01, 4)
    found = interquartile_mean(np.arange(8) + luck[:, None])
    plain = ttest_1samp(luck, 0).confidence_interval(0.95)
    assert (found.low - 3.5, found.high - 3.5) == pytest.approx((plain.low, plain.high))


@pytest.mark.parametrize("shape", [(3, 5), (3, 6), (5, 7)])
def test_it_is_of_half_the_runs_whatever_their_number(shape):
    """Each run four times: then the quarters are whole."""
    scores = np.random.default_rng(0).random(shape)
    assert interquartile_mean(scores).value == pytest.approx(trim_mean(np.repeat(scores, 4), 0.25))


def test_outliers_do_not_move_it():
    scores = np.random.default_rng(0).random((4, 7))
    worst = scores.copy()
    worst[np.unravel_index(scores.argmin(), scores.shape)] = -100
    assert interquartile_mean(worst).value == interquartile_mean(scores).value


def test_the_probability_of_improvement_is_of_equal_seeds():
    rng = np.random.default_rng(0)
    arm, reference = np.round(0.1 + rng.random((4, 6)), 1), np.round(rng.random((4, 6)), 1)
    wins = [(a > b) + 0.5 * (a == b) for a, b in zip(arm.ravel(), reference.ravel())]
    found, back = probability_of_improvement(arm, reference), probability_of_improvement(reference, arm)
    assert found.value == pytest.approx(np.mean(wins)) and 0 <= found.low < found.value < found.high <= 1
    assert (back.value, back.low, back.high) == pytest.approx((1 - found.value, 1 - found.high, 1 - found.low))


@pytest.mark.parametrize("seeds", [3, 6])
def test_an_arm_that_always_wins_has_won_as_often_as_there_are_seeds(seeds):
    reference = np.random.default_rng(0).random((seeds, 9))
    found = probability_of_improvement(reference + 1, reference)
    exact = binomtest(seeds, seeds).proportion_ci(0.95)
    assert (found.value, found.low, found.high) == (1, pytest.approx(exact.low), 1)


def test_seeds_that_disagree_as_chance_would_count_all_their_tasks():
    """With many seeds, whose number costs nothing: as many wins as comparisons, by Clopper and Pearson."""
    rng = np.random.default_rng(0)
    arm, reference = rng.random((2, 400, 5))
    found = probability_of_improvement(arm, reference)
    wins = int((arm > reference).sum())
    exact = binomtest(wins, arm.size).proportion_ci(0.95)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.003)


def test_seeds_of_one_luck_count_as_one_win_each():
    rng = np.random.default_rng(0)
    better = rng.random(400) < 0.6
    found = probability_of_improvement(np.repeat(better[:, None], 8, axis=1), np.full((400, 8), 0.5))
    exact = binomtest(int(better.sum()), 400).proportion_ci(0.95)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.003)


def test_runs_that_do_not_vary():
    scores = np.tile(np.linspace(0, 1, 8), (3, 1))
    found = interquartile_mean(scores)
    assert (found.low, found.high) == pytest.approx((found.value, found.value))
    same = probability_of_improvement(scores, scores)
    assert same.value == 0.5 and same.low < 0.5 < same.high, "three seeds leave a doubt, whatever they say"


def test_too_little_to_aggregate_is_refused():
    with pytest.raises(DataError, match="needs 3 seeds and 5 tasks or more"):
        interquartile_mean(np.ones((2, 9)))
    with pytest.raises(DataError, match="1 of 15 scores are missing"):
        interquartile_mean(np.where(np.arange(15).reshape(3, 5) == 4, np.nan, 1.0))
    with pytest.raises(DataError, match=r"\(3, 5\) of the arm and \(3, 6\) of the reference"):
        probability_of_improvement(np.ones((3, 5)), np.ones((3, 6)))
