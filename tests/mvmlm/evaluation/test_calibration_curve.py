"""Calibration: bins of equal mass, an error that matches its definition, and what chance alone does."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.calibration_curve import (
    BINS,
    chance_error,
    ece,
    equal_mass_edges,
    reliability_curve,
    weighted_ece,
    wilson_interval,
)
from tests.mvmlm.evaluation.resamples import agrees_with_repeats, binary_rows, quick


def test_distinct_probabilities_fill_bins_evenly():
    probabilities = np.random.default_rng(0).permutation(np.linspace(0, 1, 203))
    sizes = [row["n"] for row in reliability_curve(np.zeros(203), probabilities)]
    assert len(sizes) == BINS
    assert max(sizes) - min(sizes) <= 1


@quick
@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(1, 12))
def test_rows_of_one_probability_stay_together(values, bins):
    probabilities = np.array(values) / 6
    edges = equal_mass_edges(probabilities, bins)
    assert len(edges) < bins
    curve = reliability_curve(np.zeros(len(values)), probabilities, edges)
    assert len(curve) == len(edges) + 1
    assert sum(row["n"] for row in curve) == len(values)
    assert all(low["highest"] < high["lowest"] for low, high in pairwise(curve))
    order = np.random.default_rng(0).permutation(len(values))
    np.testing.assert_array_equal(equal_mass_edges(probabilities[order], bins), edges)


@quick
@given(binary_rows())
def test_the_error_is_the_mean_distance_of_the_curve(sample):
    labels, probabilities, *_ = sample
    curve = reliability_curve(labels, probabilities)
    expected = sum(row["n"] * abs(row["mean"] - row["observed"]) for row in curve) / len(labels)
    assert ece(labels, probabilities) == pytest.approx(expected, abs=1e-12)
    assert all(row["low"] <= row["observed"] <= row["high"] for row in curve)
    assert sum(row["n_positive"] for row in curve) == labels.sum()


@quick
@given(binary_rows())
def test_weights_are_repeats_on_the_same_bins(sample):
    labels, probabilities, clusters, counts = sample
    counts[0] += 1  # no draw is empty
    clusters[0] = 0
    edges = equal_mass_edges(probabilities)
    drawn = weighted_ece(labels, probabilities, clusters, counts)
    agrees_with_repeats(lambda y, p: ece(y, p, edges), drawn, labels, probabilities, clusters, counts)


def test_constant_and_perfect_probabilities():
    labels = np.array([1, 0, 0, 0])
    assert ece(labels, np.full(4, 0.25)) == 0.0
    assert ece(labels, np.full(4, 0.75)) == 0.5
    assert ece(labels, labels) == 0.0
    assert len(reliability_curve(labels, np.full(4, 0.25))) == 1


def test_a_perfect_forecast_shows_about_the_error_of_chance():
    rng = np.random.default_rng(0)
    probabilities = rng.beta(1, 4, 400)
    shown = np.mean([ece(rng.random(400) < probabilities, probabilities) for _ in range(300)])
    assert chance_error(probabilities) == pytest.approx(shown, rel=0.05)
    assert shown > 0.02


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (0, 20), (7, 9), (50, 100), (20, 20)])
@pytest.mark.parametrize("interval", [0.8, 0.95])
def test_wilson_is_scipys(successes, trials, interval):
    expected = binomtest(successes, trials).proportion_ci(interval, method="wilson")
    assert wilson_interval(successes, trials, interval) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_what_cannot_be_binned_is_refused():
    with pytest.raises(DataError, match="1 of 2 scores are NaN"):
        ece(np.array([1, 0]), np.array([0.5, np.nan]))
    with pytest.raises(DataError, match="no probabilities"):
        reliability_curve(np.array([1, 0]), np.array([0.5, 1.5]))
    with pytest.raises(ConfigError, match="bins is 0"):
        equal_mass_edges(np.array([0.5]), 0)
    with pytest.raises(ConfigError, match="interval is 95"):
        wilson_interval(1, 2, 95)
    with pytest.raises(ConfigError, match="3 of 2 is no share"):
        wilson_interval(3, 2)
