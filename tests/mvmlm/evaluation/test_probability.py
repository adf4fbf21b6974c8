"""Brier score and probabilistic F1 against scikit-learn, the challenge's definition and repeated rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from sklearn.metrics import brier_score_loss, f1_score

from mvmlm.errors import DataError
from mvmlm.evaluation import draw_sums
from mvmlm.evaluation.probability import brier, pf1, weighted_brier, weighted_pf1
from tests.mvmlm.evaluation.resamples import agrees_with_repeats, binary_rows, quick


def pf1_by_definition(labels, probabilities) -> float:
    """Harmonic mean of probabilistic precision and recall, row by row."""
    found = called_wrongly = positives = 0.0
    for label, probability in zip(labels, probabilities):
        if label:
            positives += 1
            found += probability
        else:
            called_wrongly += probability
    if found == 0:
        return 0.0
    precision, recall = found / (found + called_wrongly), found / positives
    return 2 * precision * recall / (precision + recall)


@quick
@given(binary_rows())
def test_brier_is_scikit_learns(sample):
    labels, probabilities, *_ = sample
    assert brier(labels, probabilities) == pytest.approx(brier_score_loss(labels, probabilities), abs=1e-12)


@quick
@given(binary_rows())
def test_pf1_is_what_the_challenge_defines(sample):
    labels, probabilities, *_ = sample
    assert pf1(labels, probabilities) == pytest.approx(pf1_by_definition(labels, probabilities), abs=1e-12)


@quick
@given(binary_rows())
def test_pf1_of_certain_calls_is_f1(sample):
    labels, probabilities, *_ = sample
    calls = probabilities >= 0.5
    assert pf1(labels, calls) == pytest.approx(f1_score(labels, calls, zero_division=0), abs=1e-12)


@quick
@given(binary_rows())
def test_weights_are_repeats(sample):
    labels, probabilities, clusters, counts = sample
    drawn = weighted_pf1(labels, probabilities, clusters, counts)
    agrees_with_repeats(pf1, drawn, labels, probabilities, clusters, counts)
    drawn = weighted_brier(labels, probabilities, clusters, counts)
    agrees_with_repeats(brier, drawn, labels, probabilities, clusters, counts)


def test_one_class_has_a_brier_score_and_negatives_alone_no_pf1():
    assert brier(np.zeros(3), np.array([0.0, 0.5, 1.0])) == pytest.approx(1.25 / 3)
    assert pf1(np.ones(2), np.array([0.5, 0.5])) == pytest.approx(2 / 3)
    with pytest.raises(DataError, match="only negatives among 3 rows: a probabilistic F1"):
        pf1(np.zeros(3), np.array([0.0, 0.5, 1.0]))


@pytest.mark.parametrize("function", [brier, pf1])
@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ([0.1, np.nan, 0.2], "1 of 3 scores are NaN"),
        ([0.1, -2.5, 3.0], r"2 of 3 scores are no probabilities \(such as -2.5\): name the scale"),
    ],
)
def test_what_is_no_probability_is_refused(function, scores, words):
    with pytest.raises(DataError, match=words):
        function(np.array([1, 0, 1]), np.array(scores))


def test_blocks_of_draws_do_not_change_a_sum(monkeypatch):
    rng = np.random.default_rng(0)
    values, clusters, counts = rng.random((40, 3)), rng.integers(0, 9, 40), rng.integers(0, 4, (9, 31))
    whole = draw_sums.draw_sums(values, clusters, counts)
    np.testing.assert_allclose(whole, values.T @ counts[clusters], rtol=1e-13)
    monkeypatch.setattr(draw_sums, "BLOCK", 50)
    np.testing.assert_allclose(draw_sums.draw_sums(values, clusters, counts), whole, rtol=1e-13)
