"""What the tests claim, held against many simulated studies in which the truth is known.

Every rate is bounded twice: the true one must lie in a stated range, and the simulated one where a binomial of a true
rate in that range would put it all but once in a thousand runs (seeds are fixed, so a test passes always or never).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import binom, norm, trim_mean

from harness.stats.delong import compare, components
from harness.stats.iqm import interquartile_mean, probability_of_improvement
from harness.stats.paired import from_draws, paired
from harness.stats.two_way import two_way
from mvmlm.evaluation.bootstrap import PatientBootstrap
from mvmlm.evaluation.metrics import auc
from tests.harness.stats.samples import SHARED, labels_of, patients_of, seeds_of_two_arms, signals

pytestmark = pytest.mark.slow

DESIGNS = {
    "whole patients, 15 % of 300, 4 views": (300, 4, 0.15, False),
    "one breast, 15 % of 300, 4 views": (300, 4, 0.15, True),
    "one breast, 5 % of 1,000, 4 views": (1000, 4, 0.05, True),
}
DRAWS = 500


def within(found: Sequence[bool], low: float, high: float) -> bool:
    """Whether a share of ``found`` is what a true rate from ``low`` to ``high`` gives, but for one run in 1,000."""
    least, most = binom.ppf(0.0005, len(found), low), binom.ppf(0.9995, len(found), high)
    return bool(least <= np.sum(found) <= most)


@pytest.mark.parametrize("design", DESIGNS.values(), ids=list(DESIGNS))
def test_delong_rejects_equal_models_as_often_as_it_says(design):
    """Nominal 5 %, truly 4 to 6 % with 45 or 50 positive patients."""
    patients, views, prevalence, mixed = design
    labels, ids = labels_of(patients, views, prevalence, mixed=mixed), patients_of(patients, views)
    rng = np.random.default_rng(0)
    clustered, on_views = [], []
    for number in range(1000):
        scores = signals(rng, 2, labels, views)
        clustered.append(compare(*(components(labels, s, ids) for s in scores)).p < 0.05)
        if number < 300:
            on_views.append(compare(*(components(labels, s, np.arange(len(ids))) for s in scores)).p < 0.05)
    assert within(clustered, 0.04, 0.06)
    if not mixed:  # and this is why views are not taken for patients
        assert not within(on_views, 0.0, 0.1)


@pytest.mark.parametrize("design", list(DESIGNS.values())[:2], ids=list(DESIGNS)[:2])
def test_the_paired_bootstrap_rejects_equal_models_and_covers_a_difference_as_often_as_it_says(design):
    """Nominal 5 and 95 %, truly 4 to 7 % and 93 to 96 %: the percentile interval is a little narrow."""
    patients, views, prevalence, mixed = design
    labels, ids = labels_of(patients, views, prevalence, mixed=mixed), patients_of(patients, views)
    rng = np.random.default_rng(0)
    rejected, covered = [], []
    for number in range(800):
        bootstrap = PatientBootstrap.draw(ids, labels, draws=DRAWS, seed=number)
        scores = signals(rng, 3, labels, views, effect=np.array([1.0, 1.0, 1.4]))
        values, draws = zip(*((auc(labels, s), bootstrap.auc(ids, labels, s)) for s in scores))
        equal, better = (paired(values[arm], values[0], draws[arm], draws[0]) for arm in (1, 2))
        truth = true_auc(labels, ids, 1.4) - true_auc(labels, ids, 1.0)
        rejected.append(equal.p < 0.05)
        covered.append(better.low <= truth <= better.high)
    assert within(rejected, 0.04, 0.07)
    assert within(covered, 0.93, 0.96)


def true_auc(labels: np.ndarray, ids: np.ndarray, effect: float) -> float:
    """Expected AUC of `signals`: pairs of rows of one patient share her effect, all others do not."""
    _, row = np.unique(ids, return_inverse=True)
    own = (np.bincount(row, labels) * np.bincount(row, ~labels)).sum() / (labels.sum() * (~labels).sum())
    return own * norm.cdf(effect / 2**0.5) + (1 - own) * norm.cdf(effect / (2 * (1 + SHARED**2)) ** 0.5)


@pytest.mark.parametrize("seeds", [2, 3])
@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0], ids=["patients", "both", "seeds"])
def test_seeds_and_patients_reject_equal_methods_no_more_often_than_they_say(seeds, spread):
    """Nominal 5 %, truly at most 6: whether it is patients that vary, or seeds, or both."""
    rng = np.random.default_rng(seeds)
    labels, ids = labels_of(200, 2, 0.2, mixed=True), patients_of(200, 2)
    found, resampled = [], []
    for number in range(400):
        values, draws = study(rng, seeds, labels, ids, spread=spread, number=number)
        found.append(two_way(values, draws))
        picked = rng.integers(seeds, size=(seeds, DRAWS))
        resampled.append(from_draws(values.mean(), np.take_along_axis(draws, picked, 0).mean(axis=0)).p < 0.05)
    assert within([f.p < 0.05 for f in found], 0.0, 0.06)
    assert within([f.low <= 0 <= f.high for f in found], 0.94, 1.0)
    if spread == 1.0:  # and this is why seeds are not resampled
        assert not within(resampled, 0.0, 0.1)


def study(
    rng: np.random.Generator, seeds: int, labels: np.ndarray, ids: np.ndarray, *, spread: float, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Differences of the AUCs of two methods, a seed at a time, (n,), and their draws, (n, B)."""
    bootstrap = PatientBootstrap.draw(ids, labels, draws=DRAWS, seed=number)
    arms = seeds_of_two_arms(rng, seeds, labels, 2, spread=spread)
    values = np.array([[auc(labels, scores) for scores in arm] for arm in arms])
    draws = np.array([[bootstrap.auc(ids, labels, scores) for scores in arm] for arm in arms])
    return values[0] - values[1], draws[0] - draws[1]


LEVELS = {
    "even": np.linspace(0.6, 0.9, 8),
    "skewed, 5": [0.6, 0.61, 0.62, 0.9, 0.95],
    "skewed, 7": [0.6, 0.62, 0.63, 0.64, 0.66, 0.85, 0.95],
}


@pytest.mark.parametrize("tasks", LEVELS.values(), ids=list(LEVELS))
@pytest.mark.parametrize(("seeds", "shared", "own"), [(3, 0.0, 0.02), (5, 0.005, 0.005), (3, 0.02, 0.01)])
def test_aggregates_over_tasks_that_share_a_seeds_luck_cover_what_they_say(seeds, tasks, shared, own):
    """Nominal 95 %; of equal arms, and of one that is better by 0.01."""
    rng = np.random.default_rng(0)

    def runs(count: int, better: float = 0.0) -> np.ndarray:
        own_luck = rng.normal(0, own, (count, len(tasks)))
        return np.asarray(tasks) + better + rng.normal(0, shared, (count, 1)) + own_luck

    truth = trim_mean(runs(20_000).ravel(), 0.25)
    found = [interquartile_mean(runs(seeds)) for _ in range(200)]
    assert within([f.low <= truth <= f.high for f in found], 0.92, 0.98)
    for better in (0.0, 0.01):
        chance = np.mean(runs(20_000, better) > runs(20_000))
        found = [probability_of_improvement(runs(seeds, better), runs(seeds)) for _ in range(200)]
        assert within([f.low <= chance <= f.high for f in found], 0.94, 1.0)
