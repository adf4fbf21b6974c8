"""What an exam tells of each year, by either mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.errors import DataError
from mvmlm.evaluation.risk.survival import FollowUp, kaplan_meier
from mvmlm.evaluation.risk.targets import log_loss, targets
from tests.mvmlm.evaluation.risk.made_up import small_sample


def test_mirai_counts_a_case_up_to_its_year_and_a_control_by_full_years():
    follow = FollowUp([0.4, 2.5, 7.0, 0.9, 3.2, 8.0], [1, 1, 1, 0, 0, 0])
    target, weight = targets(follow, 5, "mirai")
    assert weight.tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1],
    ]
    assert (target * weight).tolist() == [[1, 0, 0, 0, 0], [0, 0, 1, 0, 0], *[[0] * 5] * 4]


def test_known_states_count_in_every_year_and_weigh_more_the_fewer_are_followed():
    follow = FollowUp([0.5, 1.5, 2.5, 4.0], [1, 0, 1, 0])  # from 1.5 years on, half of those left are followed
    target, weight = targets(follow, 3, "ipcw")
    assert target.tolist() == [[1, 1, 1], [0, 0, 0], [0, 0, 1], [0, 0, 0]]
    np.testing.assert_allclose(weight, [[1, 1, 1], [1, 0, 0], [1, 1.5, 1.5], [1, 1.5, 1.5]])


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 80), st.integers(0, 1000))
def test_weighted_share_with_an_event_is_the_kaplan_meier_risk(n, seed):
    follow, _ = small_sample(n, seed)
    try:
        target, weight = targets(follow, 3, "ipcw")
    except DataError:
        return
    for year in (1, 2, 3):
        if follow.free(year).any():
            w = weight[:, year - 1]
            assert w.sum() == pytest.approx(n)
            assert (w * target[:, year - 1]).sum() / n == pytest.approx(1 - kaplan_meier(follow).at(year))


def test_the_kaplan_meier_risk_has_the_least_loss_of_all_constants():
    follow, _ = small_sample(200, 1)
    said = targets(follow, 3, "ipcw")
    best = 1 - kaplan_meier(follow).at([1, 2, 3])
    least = log_loss(np.tile(best, (200, 1)), said)
    for shift in (-0.05, 0.05):
        assert log_loss(np.tile(best + shift, (200, 1)), said) > least
    assert np.isfinite(log_loss(np.tile([0.0, 0.5, 1.0], (200, 1)), said))
