"""Predicted against observed risk, and curves by group of risk."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mvmlm.evaluation.risk.calibration import calibration_year, curves_by_risk, risk_groups
from mvmlm.evaluation.risk.survival import FollowUp, kaplan_meier


def honest(n: int, seed: int) -> tuple[FollowUp, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Follow-up of rows whose risk within 3 years is known, that risk, and draws of the rows."""
    rng = np.random.default_rng(seed)
    yearly = np.exp(rng.normal(-2.5, 0.8, n))
    event, end = rng.exponential(1 / yearly), rng.uniform(0.5, 8, n)
    draws = np.arange(n), rng.multinomial(n, np.full(n, 1 / n), size=200).T
    return FollowUp(np.minimum(event, end), event <= end), 1 - np.exp(-3 * yearly), draws


def test_honest_risks_are_calibrated_in_all_and_by_decile():
    follow, risk, draws = honest(4000, 0)
    told = calibration_year(follow, risk, 3, *draws)
    assert told["expected_over_observed"] == pytest.approx(1, abs=0.06)
    assert len(told["groups"]) == 10 and sum(g["n"] for g in told["groups"]) == 4000
    covered = [g["low"] <= g["predicted"] <= g["high"] for g in told["groups"]]
    assert sum(covered) >= 8
    assert [g["predicted"] for g in told["groups"]] == sorted(g["predicted"] for g in told["groups"])


def test_risks_twice_too_high_are_said_to_be():
    follow, risk, draws = honest(4000, 1)
    told = calibration_year(follow, np.minimum(2 * risk, 1), 3, *draws)
    assert told["expected_over_observed"] > 1.7
    assert told["high"] < told["predicted"]


def test_observed_risk_is_one_less_kaplan_meier_with_the_rows_it_rests_on():
    follow, risk, draws = honest(300, 2)
    told = calibration_year(follow, risk, 3, *draws)
    assert told["observed"] == pytest.approx(1 - kaplan_meier(follow).at(3))
    assert told["at_risk"] == (follow.years >= 3).sum() and told["events"] == follow.had_event(3).sum()


def test_a_group_whose_follow_up_ends_earlier_has_no_observed_risk():
    follow = FollowUp([1, 2, 1, 2, 5, 6, 1, 6], [0, 1, 0, 0, 0, 1, 1, 0])
    told = calibration_year(follow, np.repeat([0.1, 0.9], 4), 4, np.arange(8), np.ones((8, 5), int), groups=2)
    low, high = told["groups"]
    assert low["observed"] is None and low["low"] is None and low["n"] == 4
    assert high["observed"] == pytest.approx(1 / 4)
    json.dumps(told, allow_nan=False)


def test_a_group_that_all_had_the_event_has_an_observed_risk_of_one():
    told = calibration_year(FollowUp([1, 2], [1, 1]), np.array([0.5, 0.5]), 5, np.arange(2), np.ones((2, 3), int))
    assert told["observed"] == 1.0


def test_equal_risks_share_a_group():
    assert risk_groups(np.full(20, 0.3)).tolist() == [0] * 20
    group = risk_groups(np.repeat([0.1, 0.2, 0.7], [15, 2, 3]))
    assert all(len({*group[rows]}) == 1 for rows in (slice(0, 15), slice(15, 17), slice(17, 20)))
    assert (np.diff(group) >= 0).all()
    sizes = np.bincount(risk_groups(np.random.default_rng(0).random(1000)))
    assert len(sizes) == 10 and sizes.min() >= 99


def test_curves_start_at_one_and_count_who_is_still_followed():
    follow, risk, _ = honest(500, 3)
    curves = curves_by_risk(follow, risk, years=5, groups=4)
    assert len(curves) == 4
    for curve in curves:
        assert curve["years"][0] == 0 and curve["free"][0] == 1
        assert (np.diff(curve["free"]) <= 0).all() and max(curve["years"]) <= 5
        assert curve["at_risk"][0] == curve["n"] and len(curve["at_risk"]) == 6
    assert sum(curve["at_risk"][3] for curve in curves) == (follow.years >= 3).sum()
    ends = [curve["free"][-1] for curve in curves]
    assert ends[0] > ends[-1]
    json.dumps(curves, allow_nan=False)
