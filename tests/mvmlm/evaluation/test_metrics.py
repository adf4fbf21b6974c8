"""The AUC against its definition, scikit-learn and its invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mvmlm.errors import DataError
from mvmlm.evaluation import metrics
from mvmlm.evaluation.metrics import auc, weighted_auc

quick = settings(deadline=None, max_examples=100)


@st.composite
def scored(draw):
    """Labels with both classes, and scores with many ties."""
    rows = draw(st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=40))
    labels, scores = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], dtype=float)
    labels[0], labels[1] = True, False
    return labels, scores


@quick
@given(scored())
def test_it_is_the_share_of_pairs_that_are_in_order(sample):
    labels, scores = sample
    pairs = [(p > n) + 0.5 * (p == n) for p in scores[labels] for n in scores[~labels]]
    assert auc(labels, scores) == pytest.approx(np.mean(pairs), abs=1e-12)
    assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@quick
@given(scored())
def test_it_depends_on_the_order_of_the_scores_only(sample):
    labels, scores = sample
    assert auc(labels, np.exp(scores)) == auc(labels, scores)
    assert auc(labels, -scores) == pytest.approx(1 - auc(labels, scores), abs=1e-12)
    assert auc(~labels, scores) == pytest.approx(1 - auc(labels, scores), abs=1e-12)


def test_ties_everywhere_are_chance():
    assert auc(np.array([1, 0, 0, 1]), np.zeros(4)) == 0.5


def test_infinite_scores_are_only_very_large():
    assert auc(np.array([1, 0, 1]), np.array([np.inf, -np.inf, 0.0])) == 1.0


@pytest.mark.parametrize(
    "function", [auc, lambda y, s: weighted_auc(y, s, np.arange(len(y)), np.ones((len(y), 3)))]
)
@pytest.mark.parametrize(
    ("labels", "scores", "words"),
    [
        ([1, 0, 1], [0.1, np.nan, 0.2], "1 of 3 scores are NaN"),
        ([1, 1], [0.1, 0.2], "only positives among 2 rows"),
        ([0, 0], [0.1, 0.2], "only negatives among 2 rows"),
        ([0, np.nan], [0.1, 0.2], r"labels other than 0 and 1: \[nan\]"),
    ],
)
def test_what_has_no_auc_is_refused(function, labels, scores, words):
    with pytest.raises(DataError, match=words):
        function(np.array(labels), np.array(scores))


@quick
@given(scored(), st.data())
def test_weights_are_repeats(sample, data):
    labels, scores = sample
    n = len(labels)
    clusters = np.array(data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n)))
    counts = np.array(
        data.draw(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=6, max_size=6))
    )
    values = weighted_auc(labels, scores, clusters, counts)
    for draw in range(4):
        times = counts[clusters, draw]
        y, s = np.repeat(labels, times), np.repeat(scores, times)
        if y.any() and not y.all():
            assert values[draw] == pytest.approx(roc_auc_score(y, s), abs=1e-12)
        else:
            assert np.isnan(values[draw])


def test_blocks_of_draws_do_not_change_a_value(monkeypatch):
    rng = np.random.default_rng(0)
    labels, scores = rng.random(50) < 0.4, rng.integers(0, 9, 50)
    counts = rng.integers(0, 4, (50, 33))
    whole = weighted_auc(labels, scores, np.arange(50), counts)
    monkeypatch.setattr(metrics, "BLOCK", 700)
    np.testing.assert_array_equal(weighted_auc(labels, scores, np.arange(50), counts), whole)


@pytest.mark.parametrize("decimals", [0, 1, 9])
@pytest.mark.parametrize("kind", [np.uint16, np.int64, np.float64])
@pytest.mark.parametrize(("rows", "patients", "times"), [(30_000, 500, 3), (10_000, 5_000, 1)])
def test_many_rows_between_two_scores_are_counted_exactly(rows, patients, times, decimals, kind):
    """A draw can have more of them than 16 bits hold."""
    rng = np.random.default_rng(0)
    labels, clusters = rng.random(rows) < 0.3, np.arange(rows) % patients
    scores = np.round(0.1 * labels + 0.2 * rng.standard_normal(rows), decimals)
    counts = rng.poisson(times, (patients, 4)).astype(kind)
    values = weighted_auc(labels, scores, clusters, counts)
    for draw in range(4):
        weights = counts[clusters, draw]
        assert values[draw] == pytest.approx(roc_auc_score(labels, scores, sample_weight=weights), abs=1e-12)
