"""Brier score under censoring."""

from __future__ import annotations

import numpy as np
import pytest

from mvmlm.errors import DataError
from mvmlm.evaluation.risk.brier import brier_year, integrated_brier, weighted_integrated_brier
from mvmlm.evaluation.risk.survival import FollowUp, censoring_curve, kaplan_meier
from tests.mvmlm.evaluation.risk.made_up import draws_of, resampled, small_sample
from tests.mvmlm.evaluation.risk.test_concordance import early_warning, followed_before

YEARS = (1, 2, 3)


def some_risks(n: int, seed: int) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).random((n, len(YEARS))), axis=1)


def test_it_is_the_mean_squared_error_where_all_are_followed_to_the_end():
    follow, _ = small_sample(60, 0, share=1.0)
    risk = some_risks(60, 1)[:, 0]
    expected = np.mean(((follow.years <= 2) - risk) ** 2)
    assert brier_year(follow, risk, 2, censoring_curve(follow)) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_its_loop(seed):
    follow, _ = small_sample(40, seed)
    train, _ = small_sample(80, seed + 9, share=0.3)
    risk, total = some_risks(40, seed)[:, 1], 0.0
    for t, e, r in zip(follow.years, follow.events, risk):
        if e and t <= 2:
            total += (1 - r) ** 2 / followed_before(train, t)
        elif t >= 2:
            total += r**2 / followed_before(train, 2)
    assert brier_year(follow, risk, 2, censoring_curve(train)) == pytest.approx(total / 40)


def test_weights_find_what_no_censoring_would_give():
    event, _, follow = early_warning(6000, 1, 0.1)
    everyone = FollowUp(event, np.ones(len(event)))
    truth = 1 - kaplan_meier(everyone).at(5)
    flat = np.full(len(event), truth)
    assert brier_year(follow, flat, 5, censoring_curve(follow)) == pytest.approx(truth * (1 - truth), abs=0.005)


def test_the_integral_is_the_trapezoid_over_the_years():
    follow, _ = small_sample(50, 2)
    risks, followed = some_risks(50, 3), censoring_curve(small_sample(90, 4, share=0.3)[0])
    at = [brier_year(follow, risk, year, followed) for risk, year in zip(risks.T, YEARS)]
    expected = (at[0] / 2 + at[1] + at[2] / 2) / 2
    assert integrated_brier(follow, risks, YEARS, followed) == pytest.approx(expected)
    assert integrated_brier(follow, risks[:, :1], YEARS[:1], followed) == pytest.approx(at[0])


def test_draws_are_the_scores_of_the_resampled_rows():
    follow, _ = small_sample(60, 5)
    risks, followed = some_risks(60, 6), censoring_curve(small_sample(90, 7, share=0.3)[0])
    clusters, counts = draws_of(60, 8)
    drawn = weighted_integrated_brier(follow, risks, YEARS, followed, clusters, counts)
    for b, count in enumerate(counts.T):
        rows = resampled(clusters, count)
        assert drawn[b] == pytest.approx(integrated_brier(follow.take(rows), risks[rows], YEARS, followed))


def test_nan_risks_and_years_beyond_all_follow_up_are_refused():
    follow, followed = FollowUp([1, 4], [1, 0]), censoring_curve(FollowUp([1, 2], [0, 0]))
    with pytest.raises(DataError, match="1 of 2 scores are NaN"):
        brier_year(follow, [0.5, np.nan], 1, followed)
    with pytest.raises(DataError, match="beyond all follow-up"):
        brier_year(follow, [0.5, 0.5], 3, followed)
