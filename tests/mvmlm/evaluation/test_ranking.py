"""Average precision against scikit-learn, repeated rows and its invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from sklearn.metrics import average_precision_score

from mvmlm.errors import DataError
from mvmlm.evaluation import draw_sums
from mvmlm.evaluation.ranking import average_precision, weighted_average_precision
from tests.mvmlm.evaluation.resamples import agrees_with_repeats, binary_rows, quick


@quick
@given(binary_rows())
def test_it_is_scikit_learns_ties_included(sample):
    labels, scores, *_ = sample
    assert average_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


@quick
@given(binary_rows())
def test_weights_are_repeats(sample):
    labels, scores, clusters, counts = sample
    drawn = weighted_average_precision(labels, scores, clusters, counts)
    agrees_with_repeats(average_precision, drawn, labels, scores, clusters, counts)


@quick
@given(binary_rows())
def test_it_depends_on_the_order_of_the_scores_alone(sample):
    labels, scores, *_ = sample
    order = np.argsort(scores[::-1], kind="stable")
    assert average_precision(labels, np.exp(scores)) == average_precision(labels, scores)
    assert average_precision(labels[::-1][order], scores[::-1][order]) == pytest.approx(
        average_precision(labels, scores), abs=1e-12
    )


def test_many_rows_and_draws_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    labels, scores = rng.random(3000) < 0.05, rng.standard_normal(3000).round(2)
    clusters, counts = np.arange(3000) // 2, rng.poisson(1, (1500, 5)).astype(np.uint16)
    drawn = weighted_average_precision(labels, scores, clusters, counts)
    for number in range(5):
        times = counts[clusters, number]
        expected = average_precision_score(labels, scores, sample_weight=times)
        assert drawn[number] == pytest.approx(expected, abs=1e-6)


def test_constant_scores_give_the_prevalence_and_perfect_ones_give_one():
    labels = np.array([1, 0, 0, 1, 0])
    assert average_precision(labels, np.ones(5)) == 0.4
    assert average_precision(labels, labels) == 1.0
    assert average_precision(labels, np.where(labels, np.inf, -np.inf)) == 1.0


@pytest.mark.parametrize(
    "function",
    [average_precision, lambda y, s: weighted_average_precision(y, s, np.arange(len(y)), np.ones((len(y), 3)))],
)
@pytest.mark.parametrize(
    ("labels", "scores", "words"),
    [
        ([1, 0, 1], [0.1, np.nan, 0.2], "1 of 3 scores are NaN"),
        ([1, 1], [0.1, 0.2], "only positives among 2 rows: an average precision needs both"),
        ([0, 0], [0.1, 0.2], "only negatives among 2 rows"),
        ([0, 2], [0.1, 0.2], r"labels other than 0 and 1: \[2\]"),
        ([0, 1], [0.1], r"scores have shape \(1,\), the labels 2 rows"),
        ([], [], "no row"),
    ],
)
def test_what_has_no_average_precision_is_refused(function, labels, scores, words):
    with pytest.raises(DataError, match=words):
        function(np.array(labels), np.array(scores))


def test_blocks_of_draws_do_not_change_a_value(monkeypatch):
    rng = np.random.default_rng(0)
    labels, scores, counts = rng.random(50) < 0.4, rng.integers(0, 9, 50), rng.integers(0, 4, (50, 33))
    whole = weighted_average_precision(labels, scores, np.arange(50), counts)
    monkeypatch.setattr(draw_sums, "BLOCK", 500)
    np.testing.assert_array_equal(weighted_average_precision(labels, scores, np.arange(50), counts), whole)
