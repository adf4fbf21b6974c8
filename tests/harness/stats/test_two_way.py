"""Seeds and patients as two samples: against closed forms where one of them does not vary."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, ttest_1samp

from harness.stats.two_way import two_way
from mvmlm.errors import DataError

quick = settings(deadline=None, max_examples=40)


def luck(rng, seeds, *, shared, own, draws=4000):
    """Draws of the patients' part alone, centred: common to the seeds, and each seed's own."""
    drawn = shared * rng.standard_normal(draws) + own * rng.standard_normal((seeds, draws))
    return drawn - drawn.mean(axis=1, keepdims=True)


@quick
@given(st.integers(2, 8), st.integers(0, 100))
def test_patients_that_do_not_vary_leave_the_paired_t_test(seeds, number):
    values = np.random.default_rng(number).standard_normal(seeds)
    found = two_way(values, np.repeat(values[:, None], 50, axis=1))
    oracle = ttest_1samp(values, 0)
    assert found.p == pytest.approx(oracle.pvalue, rel=1e-6)
    assert found.interval == pytest.approx(oracle.confidence_interval(0.95), rel=1e-9)
    assert (found.se_patients, found.se_seeds) == pytest.approx((0, values.std(ddof=1) / np.sqrt(seeds)))


@quick
@given(st.integers(2, 8), st.floats(-3, 3))
def test_seeds_that_do_not_vary_leave_the_normal_test(seeds, delta):
    shared = luck(np.random.default_rng(0), 1, shared=1, own=0)
    found = two_way(np.full(seeds, delta), np.repeat(delta + shared, seeds, axis=0))
    se = shared.std(ddof=1)
    assert found.p == pytest.approx(2 * norm.sf(abs(delta) / se), rel=1e-6)
    assert found.interval == pytest.approx((delta - 1.959964 * se, delta + 1.959964 * se), abs=1e-5)
    assert (found.se_patients, found.se_seeds) == pytest.approx((se, 0), abs=1e-9)


def test_the_luck_of_one_seed_with_the_patients_is_counted_once():
    """It is in the spread of the seeds' differences already, so it is taken out of the patients' part."""
    rng = np.random.default_rng(0)
    values = np.array([0.03, 0.05, 0.01, 0.04])
    found = two_way(values, values[:, None] + luck(rng, 4, shared=0.02, own=0.03, draws=20000))
    assert found.se_patients == pytest.approx(0.02, rel=0.05)
    assert found.se_seeds == pytest.approx(values.std(ddof=1) / 2)
    assert found.se == pytest.approx(np.hypot(found.se_patients, found.se_seeds))
    assert found.seeds == 4


@quick
@given(st.integers(2, 6), st.integers(0, 300), st.sampled_from([0.8, 0.95, 0.99]))
def test_p_and_interval_agree(seeds, number, level):
    rng = np.random.default_rng(number)
    values = 1 + rng.standard_normal(seeds)
    found = two_way(values, values[:, None] + luck(rng, seeds, shared=0.5, own=0.2, draws=100), level=level)
    assert (found.p < 1 - level) == (found.low > 0 or found.high < 0)


@quick
@given(st.integers(0, 100))
def test_it_claims_no_more_than_either_sample_alone(number):
    rng = np.random.default_rng(number)
    values = 0.5 + 0.2 * rng.standard_normal(3)
    drawn = luck(rng, 3, shared=0.1, own=0.05)
    both = two_way(values, values[:, None] + drawn)
    only_seeds = two_way(values, np.repeat(values[:, None], 10, axis=1))
    only_patients = two_way(np.full(3, values.mean()), values.mean() + drawn)
    assert both.p >= max(only_seeds.p, only_patients.p) * (1 - 1e-6)


@quick
@given(st.integers(2, 5), st.integers(0, 200))
def test_it_is_never_narrower_than_what_the_patients_alone_leave_open(seeds, number):
    """Seeds that happen to agree do not make a hundred patients any more."""
    rng = np.random.default_rng(number)
    drawn = luck(rng, seeds, shared=0.0, own=0.05)
    agreeing = np.full(seeds, 0.06) + 1e-4 * rng.standard_normal(seeds)
    found = two_way(agreeing, agreeing[:, None] + drawn)
    fixed = drawn.mean(axis=0).std(ddof=1)
    assert found.high - found.low >= 2 * 1.959 * fixed
    assert found.p >= 0.99 * 2 * norm.sf(found.delta / fixed)


def test_arms_that_are_alike_do_not_differ():
    found = two_way(np.zeros(3), np.zeros((3, 20)))
    assert (found.delta, found.se, found.p, found.interval, found.seeds) == (0, 0, 1, (0, 0), 3)


def test_a_difference_without_variance_is_not_judged():
    found = two_way(np.full(3, 0.1), np.full((3, 20), 0.1))
    assert np.isnan([found.p, *found.interval]).all()


def test_an_overwhelming_difference_has_a_p_still():
    found = two_way(np.array([0.5, 0.5]), 0.5 + luck(np.random.default_rng(0), 2, shared=0.001, own=0))
    assert 0 < found.p <= 1e-12


def test_undefined_draws_are_left_out_for_all_seeds():
    rng = np.random.default_rng(0)
    values, drawn = np.array([0.1, 0.2]), luck(rng, 2, shared=0.1, own=0.1, draws=100)
    holes = drawn.copy()
    holes[0, :7], holes[1, 7:9] = np.nan, np.nan
    found = two_way(values, holes)
    assert found.note == "9 of 100 draws leave the metric undefined and are left out"
    assert replace(found, note="") == two_way(values, drawn[:, 9:])


def test_what_has_no_spread_over_seeds_is_refused():
    with pytest.raises(DataError, match="two or more of them, and there is 1"):
        two_way(np.array([0.1]), np.ones((1, 10)))
    with pytest.raises(DataError, match="3 seeds with bootstrap draws of 2"):
        two_way(np.ones(3), np.ones((2, 10)))
    with pytest.raises(DataError, match="of 1 of 2 seeds is undefined"):
        two_way(np.array([0.1, np.nan]), np.ones((2, 10)))
    with pytest.raises(DataError, match="4 of 10 bootstrap draws are defined: too few"):
        two_way(np.ones(2), np.where(np.arange(10) < 4, 1.0, np.nan) * np.ones((2, 1)))
