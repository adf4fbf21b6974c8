"""Kaplan–Meier curves against lifelines, closed forms and resampling by hand; follow-up that cannot be is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter

from mvmlm.errors import DataError
from mvmlm.evaluation.risk.survival import (
    FollowUp,
    censoring_curve,
    kaplan_meier,
    last_free_year,
    weighted_survival,
)
from tests.mvmlm.evaluation.risk.made_up import draws_of, resampled, small_sample

quick = settings(deadline=None, max_examples=40)


@pytest.mark.parametrize("seed", range(5))
def test_event_free_share_is_lifelines(seed):
    follow, _ = small_sample(80, seed)
    at = np.linspace(0, 12, 50)
    theirs = KaplanMeierFitter().fit(follow.years, follow.events).survival_function_at_times(at)
    np.testing.assert_allclose(kaplan_meier(follow).at(at), theirs, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_followed_share_is_lifelines_of_the_reverse_where_nothing_is_tied(seed):
    follow, _ = small_sample(80, seed, tied=False)
    at = np.linspace(0, 12, 50)
    theirs = KaplanMeierFitter().fit(follow.years, ~follow.events).survival_function_at_times(at)
    np.testing.assert_allclose(censoring_curve(follow).at(at), theirs, atol=1e-12)


def test_who_has_her_event_at_a_time_cannot_be_censored_at_it():
    followed = censoring_curve(FollowUp([1, 1, 1, 2], [1, 0, 0, 0]))  # at 1 year three are at risk of it, two are
    np.testing.assert_allclose(followed.at([0.5, 1, 1.5, 2]), [1, 1 / 3, 1 / 3, 0])
    np.testing.assert_allclose(followed.before([1, 2]), [1, 1 / 3])


@quick
@given(st.integers(1, 60), st.integers(0, 1000), st.sampled_from([0.5, 1.0, 2.5, 4.0]))
def test_shares_without_event_and_still_followed_multiply_to_the_rows_that_are_left(n, seed, year):
    follow, _ = small_sample(n, seed)
    left = (follow.years >= year).mean()
    product = kaplan_meier(follow).before(year) * censoring_curve(follow).before(year)
    assert product == pytest.approx(left, abs=1e-12)


@quick
@given(st.integers(1, 40), st.integers(0, 1000), st.sampled_from([0.0, 1.0, 2.0, 5.0]))
def test_nobody_both_had_an_event_and_is_free_of_one(n, seed, year):
    follow, _ = small_sample(n, seed)
    had, free = follow.had_event(year), follow.free(year)
    assert not (had & free).any()
    assert (~had & ~free).tolist() == (~follow.events & (follow.years < year)).tolist()


def test_draws_are_the_curve_of_the_resampled_rows():
    follow, _ = small_sample(60, 3)
    clusters, counts = draws_of(60, 3)
    for year in (0.2, 1.0, 2.0, 30.0):
        drawn = weighted_survival(follow, year, clusters, counts)
        by_hand = [kaplan_meier(follow.take(resampled(clusters, c))).at(year) for c in counts.T]
        np.testing.assert_allclose(drawn, by_hand, atol=1e-12)


def test_a_draw_without_rows_has_no_curve():
    drawn = weighted_survival(FollowUp([1.0], [1]), 1, np.array([0]), np.array([[1, 0]]))
    assert drawn[0] == 0 and np.isnan(drawn[1])


@pytest.mark.parametrize(
    ("years", "events", "says"),
    [
        ([1, -0.5], [0, 1], "1 of 2 times are negative or not finite .such as -0.5"),
        ([1, np.nan], [0, 1], "not finite"),
        ([1, np.inf], [0, 1], "not finite"),
        ([1, 2], [0, 2], "neither 0 nor 1"),
        ([1, 2], [0.0, np.nan], "neither 0 nor 1"),
        ([1, 2, 3], [0, 1], "not one of each"),
    ],
)
def test_follow_up_that_cannot_be_is_refused(years, events, says):
    with pytest.raises(DataError, match=says):
        FollowUp(years, events)


@pytest.mark.parametrize(
    ("years", "events", "last"), [([3.9], [0], 3), ([4], [0], 4), ([4], [1], 3), ([4.1], [1], 4), ([0.3], [0], 0)]
)
def test_last_year_through_which_someone_is_known_to_be_free(years, events, last):
    follow = FollowUp(years, events)
    assert last_free_year(follow) == last
    assert follow.free(last).any() and not follow.free(last + 1).any()
