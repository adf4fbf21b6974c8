"""Thresholds come from the reference, keep their promise there, and meet the test as they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, recall_score

from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.operating import (
    at_best_balance,
    at_sensitivity,
    at_specificity,
    rates,
    weighted_rates,
)
from tests.mvmlm.evaluation.resamples import agrees_with_repeats, binary_rows, quick


def every_threshold(labels, scores):
    """Sensitivity and specificity at each score and at infinity."""
    return {t: rates(labels, scores, t) for t in (*np.unique(scores), np.inf)}


@quick
@given(binary_rows(), st.sampled_from([0.5, 0.9, 0.95]))
def test_the_promise_is_kept_on_the_reference_at_the_least_cost(sample, least):
    labels, scores, *_ = sample
    possible = every_threshold(labels, scores).values()
    point = at_specificity(labels, scores, least)
    assert (point.sensitivity, point.specificity) == rates(labels, scores, point.threshold)
    assert point.specificity >= least
    assert point.sensitivity == max(sens for sens, spec in possible if spec >= least)
    point = at_sensitivity(labels, scores, least)
    assert (point.sensitivity, point.specificity) == rates(labels, scores, point.threshold)
    assert point.sensitivity >= least
    assert point.specificity == max(spec for sens, spec in possible if sens >= least)
    point = at_best_balance(labels, scores)
    assert point.sensitivity + point.specificity == max(map(sum, possible))


@quick
@given(binary_rows(), st.integers(0, 10))
def test_rates_are_the_recalls_of_the_classes(sample, tenths):
    labels, scores, *_ = sample
    called = scores >= tenths / 10
    sensitivity, specificity = rates(labels, scores, tenths / 10)
    assert sensitivity == pytest.approx(recall_score(labels, called), abs=1e-12)
    assert specificity == pytest.approx(recall_score(labels, called, pos_label=0), abs=1e-12)
    assert (sensitivity + specificity) / 2 == pytest.approx(balanced_accuracy_score(labels, called), abs=1e-12)


@quick
@given(binary_rows(), st.integers(0, 10))
def test_weights_are_repeats(sample, tenths):
    labels, scores, clusters, counts = sample
    drawn = weighted_rates(labels, scores, tenths / 10, clusters, counts)
    both = np.where(np.isnan(drawn).any(axis=0), np.nan, drawn)  # one class has one rate; the plain form refuses both
    for which in (0, 1):
        agrees_with_repeats(
            lambda y, s, which=which: rates(y, s, tenths / 10)[which], both[which], labels, scores, clusters, counts
        )


def test_the_choice_follows_any_rescaling_of_the_reference():
    rng = np.random.default_rng(0)
    labels, scores = rng.random(200) < 0.3, rng.random(200)
    for choose in (at_specificity, at_sensitivity, at_best_balance):
        assert choose(labels, np.log(scores)).threshold == np.log(choose(labels, scores).threshold)


def test_shares_that_are_met_exactly_count_as_met():
    labels, scores = np.repeat([True, False], 10), np.concatenate([np.arange(10) + 0.5, np.arange(10)])
    assert at_specificity(labels, scores).specificity == 0.9
    assert at_sensitivity(labels, scores).sensitivity == 0.9


def test_constant_scores_call_nobody_or_everybody():
    labels, scores = np.array([1, 0, 0, 1]), np.full(4, 0.3)
    nobody, everybody = at_specificity(labels, scores), at_sensitivity(labels, scores)
    assert (nobody.threshold, nobody.sensitivity, nobody.specificity) == (np.inf, 0.0, 1.0)
    assert (everybody.threshold, everybody.sensitivity, everybody.specificity) == (0.3, 1.0, 0.0)
    assert sum(rates(labels, scores, at_best_balance(labels, scores).threshold)) == 1.0


@pytest.mark.parametrize(("size", "coarse"), [(9, True), (10, False)])
def test_too_few_rows_for_the_share_are_flagged(size, coarse):
    few, many = np.zeros(size, bool), np.ones(50, bool)
    labels = np.concatenate([few, many])
    scores = np.random.default_rng(0).random(len(labels))
    assert at_specificity(labels, scores).coarse is coarse
    assert at_sensitivity(~labels, scores).coarse is coarse
    assert not at_sensitivity(labels, scores).coarse


@pytest.mark.parametrize(
    ("labels", "scores", "words"),
    [
        ([1, 1], [0.1, 0.2], "only positives among 2 rows: choosing a threshold needs both classes"),
        ([], [], "no row"),
        ([1, 0], [0.1, np.nan], "1 of 2 scores are NaN"),
        ([1, 0], [0.1, np.inf], "1 of 2 scores are infinite: choosing a threshold needs finite ones"),
    ],
)
def test_a_reference_that_supports_no_threshold_is_refused(labels, scores, words):
    for choose in (at_specificity, at_sensitivity, at_best_balance):
        with pytest.raises(DataError, match=words):
            choose(np.array(labels), np.array(scores))


def test_an_impossible_share_is_refused():
    with pytest.raises(ConfigError, match="the share to reach is 90"):
        at_specificity(np.array([1, 0]), np.array([0.1, 0.2]), 90)
