"""The additive-hazard layer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from mvmlm.evaluation.risk.hazard import _loss, fit_hazard
from mvmlm.evaluation.risk.survival import FollowUp, kaplan_meier
from mvmlm.evaluation.risk.targets import targets

STRENGTHS = (10.0, 0.1, 0.001)


def sample(n: int, width: int, seed: int, yearly: float = 0.1) -> tuple[np.ndarray, FollowUp]:
    """Features of which the first moves a constant hazard, and follow-up for up to 8 years."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n, width))
    event, end = rng.exponential(1 / (yearly * np.exp(features[:, 0]))), rng.uniform(0.5, 8, n)
    return features, FollowUp(np.minimum(event, end), event <= end)


@pytest.mark.parametrize("mask", ["ipcw", "mirai"])
def test_the_gradient_is_that_of_the_loss(mask):
    features, follow = sample(40, 3, 0)
    told = {"features": features, "said": targets(follow, 4, mask), "strength": 0.3}
    point = np.random.default_rng(1).standard_normal(3 * 5 + 5)
    by_differences = approx_fprime(point, lambda p: _loss(p, **told)[0], 1e-7)
    np.testing.assert_allclose(_loss(point, **told)[1], by_differences, atol=1e-5)


def test_risk_rises_with_the_years_whatever_the_features():
    features, follow = sample(300, 4, 2)
    for layer in fit_hazard(features, follow, STRENGTHS, years=5, mask="ipcw"):
        risks = layer.risks(10 * features)
        assert (np.diff(risks, axis=1) >= 0).all() and (risks >= 0).all() and (risks <= 1).all()


def test_a_strong_penalty_leaves_the_kaplan_meier_risk():
    features, follow = sample(400, 4, 3)
    (layer,) = fit_hazard(features, follow, (1e6,), years=5, mask="ipcw")
    expected = np.tile(1 - kaplan_meier(follow).at(np.arange(1, 6)), (400, 1))
    np.testing.assert_allclose(layer.risks(features), expected, atol=2e-3)


def test_it_finds_the_risk_that_was_simulated_and_mirai_s_mask_does_not():
    features, follow = sample(6000, 2, 4)
    fresh, _ = sample(1000, 2, 5)
    truth = 1 - np.exp(-0.1 * np.exp(fresh[:, :1]) * np.arange(1, 6))
    for mask, share in (("ipcw", 1.0), ("mirai", 0.5)):
        (layer,) = fit_hazard(features, follow, (1e-3,), years=5, mask=mask)
        risks = layer.risks(fresh)
        assert np.corrcoef(risks[:, -1], truth[:, -1])[0, 1] > 0.9
        if mask == "ipcw":
            np.testing.assert_allclose(risks.mean(axis=0), truth.mean(axis=0), atol=0.02)
        else:  # of the five years' risk it states that of about one
            assert risks[:, -1].mean() < share * truth[:, -1].mean()


def test_more_features_than_rows_is_the_same_solution_in_fewer_numbers():
    features, follow = sample(30, 8, 6)
    wide = np.hstack([features, np.zeros((30, 60))])  # zeros change nothing, but are more than the rows
    for narrow, reduced in zip(*(fit_hazard(x, follow, (1.0, 0.1), years=3, mask="ipcw") for x in (features, wide))):
        np.testing.assert_allclose(narrow.risks(features), reduced.risks(wide), atol=1e-4)


def test_the_same_rows_give_the_same_numbers_bit_for_bit():
    features, follow = sample(200, 5, 7)
    one, two = (fit_hazard(features, follow, STRENGTHS, years=5, mask="ipcw")[-1] for _ in range(2))
    assert (one.weights == two.weights).all() and (one.intercepts == two.intercepts).all()


def test_a_year_without_an_event_is_no_trouble():
    follow = FollowUp([0.7, 0.8, 4.5, 6, 6, 6], [1, 1, 1, 0, 0, 0])
    (layer,) = fit_hazard(np.zeros((6, 2)), follow, (1.0,), years=5, mask="ipcw")
    np.testing.assert_allclose(layer.risks(np.zeros((1, 2)))[0], [2 / 6] * 4 + [3 / 6], atol=5e-3)
