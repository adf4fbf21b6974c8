"""Differences by bootstrap draws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.paired import from_draws, paired
from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.bootstrap import PatientBootstrap, percentile_interval
from mvmlm.evaluation.metrics import auc
from tests.harness.stats.samples import labels_of, patients_of, signals

quick = settings(deadline=None, max_examples=60)


def test_it_is_the_percentile_interval_of_the_differences():
    patients, labels = patients_of(80, 2), labels_of(80, 2, 0.3, mixed=True)
    one, two = signals(np.random.default_rng(0), 2, labels, 2)
    bootstrap = PatientBootstrap.draw(patients, labels, draws=400, seed=0)
    draws = [bootstrap.auc(patients, labels, scores) for scores in (one, two)]
    found = paired(auc(labels, one), auc(labels, two), *draws)
    assert found.delta == auc(labels, one) - auc(labels, two)
    assert found.interval == percentile_interval(draws[0] - draws[1])
    assert found.se == pytest.approx((draws[0] - draws[1]).std(), rel=0.01)
    assert (found.test, found.note) == ("paired patient bootstrap", "")


@quick
@given(
    st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=50, max_size=300, unique=True),
    st.sampled_from([0.5, 0.8, 0.9, 0.95]),
)
def test_p_and_interval_do_not_contradict_each_other(draws, level):
    found = from_draws(0.1, np.array(draws), level=level)
    if found.p < 1 - level - 1e-9:
        assert found.low > 0 or found.high < 0, "no mark beside an interval that holds zero"
    if found.low > 0 or found.high < 0:
        assert found.p <= (1 - level) + 4 / (len(draws) + 1)  # one draw either side of the quantile
    else:
        assert found.p > (1 - level) - 4 / (len(draws) + 1)


def test_p_is_never_zero():
    assert from_draws(1.0, np.linspace(0.5, 1.5, 999)).p == pytest.approx(2 / 1000)
    assert from_draws(-1.0, np.linspace(-1.5, -0.5, 999)).p == pytest.approx(2 / 1000)
    assert from_draws(0.0, np.linspace(-1, 1, 999)).p == 1


def test_arms_that_are_alike_do_not_differ():
    draws = np.random.default_rng(0).random(100)
    found = paired(0.7, 0.7, draws, draws)
    assert (found.delta, found.se, found.p, found.interval) == (0, 0, 1, (0, 0))


def test_a_difference_without_variance_is_not_judged():
    found = paired(1.0, 0.5, np.ones(100), np.full(100, 0.5))
    assert np.isnan([found.p, *found.interval]).all()
    assert "nothing varies" in found.note


def test_undefined_draws_are_left_out_on_both_sides():
    one, two = np.random.default_rng(0).random((2, 200))
    whole = paired(0.6, 0.5, one[10:], two[10:])
    one[:5], two[5:10] = np.nan, np.nan
    found = paired(0.6, 0.5, one, two)
    assert (found.p, found.interval) == (whole.p, whole.interval)
    assert found.note == "10 of 200 draws leave the metric undefined and are left out"


def test_half_of_the_draws_are_a_sample_and_fewer_are_none():
    draws = np.linspace(-1, 1, 100)
    draws[:50] = np.nan
    assert from_draws(0.5, draws).note == "50 of 100 draws leave the metric undefined and are left out"
    draws[50] = np.inf
    with pytest.raises(DataError, match="49 of 100 bootstrap draws are defined: too few"):
        from_draws(0.5, draws)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(DataError, match="100 draws of the arm and 50 of the reference"):
        paired(0.6, 0.5, np.ones(100), np.ones(50))
    with pytest.raises(DataError, match="0 of 9 bootstrap draws are defined"):
        paired(0.6, 0.5, np.full(9, np.nan), np.ones(9))
    with pytest.raises(DataError, match="undefined on its test set"):
        paired(np.nan, 0.5, np.ones(9), np.ones(9))
    with pytest.raises(ConfigError, match="interval is 0"):
        from_draws(0.1, np.arange(9), level=0)
