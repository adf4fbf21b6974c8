"""AUC at a year, with and without weights for censoring."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mvmlm.errors import DataError
from mvmlm.evaluation.risk.dynamic_auc import auc_ipcw_year, auc_year, weighted_auc_ipcw_year, weighted_auc_year
from mvmlm.evaluation.risk.survival import FollowUp, censoring_curve
from tests.mvmlm.evaluation.risk.made_up import draws_of, resampled, small_sample
from tests.mvmlm.evaluation.risk.test_concordance import early_warning, followed_before


@pytest.mark.parametrize("year", [1, 2, 3.5])
def test_unweighted_is_the_auc_of_those_whose_state_is_known(year):
    follow, scores = small_sample(90, 0)
    rows = [
        (e and t <= year, s) for t, e, s in zip(follow.years, follow.events, scores) if t >= year or (e and t <= year)
    ]
    labels, kept = zip(*rows)
    assert auc_year(follow, scores, year) == pytest.approx(roc_auc_score(labels, kept))


def test_the_end_of_a_follow_up_at_the_year_is_free_through_it_and_an_event_at_it_is_within():
    assert auc_year(FollowUp([2, 2], [1, 0]), [1, 0], 2) == 1.0
    with pytest.raises(DataError, match="only negatives"):
        auc_year(FollowUp([2, 2], [1, 0]), [1, 0], 1.9)


@pytest.mark.parametrize("seed", range(4))
def test_weighted_is_its_double_loop(seed):
    follow, scores = small_sample(50, seed)
    train, _ = small_sample(80, seed + 50, share=0.3)
    right = total = 0.0
    for i in np.flatnonzero(follow.had_event(2)):
        for j in np.flatnonzero(follow.free(2)):
            weight = 1 / followed_before(train, follow.years[i])
            total += weight
            right += weight * ((scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j]))
    assert auc_ipcw_year(follow, scores, 2, censoring_curve(train)) == pytest.approx(right / total)


def test_both_agree_where_all_are_followed_to_the_end():
    follow, scores = small_sample(80, 1, share=1.0)
    value = auc_ipcw_year(follow, scores, 2, censoring_curve(follow))
    assert value == pytest.approx(auc_year(follow, scores, 2))


def test_weights_find_what_no_censoring_would_give():
    """Scores that are right about early events alone: those are seen of more women than late ones."""
    _, _, train = early_warning(20_000, 1, 0.05)
    event, scores, follow = early_warning(20_000, 2, 0.05)
    truth = auc_year(FollowUp(event, np.ones(len(event))), scores, 5)
    assert auc_ipcw_year(follow, scores, 5, censoring_curve(train)) == pytest.approx(truth, abs=0.035)
    assert auc_year(follow, scores, 5) > truth + 0.04


def test_draws_are_the_aucs_of_the_resampled_rows():
    follow, scores = small_sample(70, 2)
    clusters, counts = draws_of(70, 3)
    followed = censoring_curve(small_sample(200, 4, share=0.3)[0])
    plain = weighted_auc_year(follow, scores, 2, clusters, counts)
    weighted = weighted_auc_ipcw_year(follow, scores, 2, followed, clusters, counts)
    for b, count in enumerate(counts.T):
        rows = resampled(clusters, count)
        assert plain[b] == pytest.approx(auc_year(follow.take(rows), scores[rows], 2), rel=2e-6)
        assert weighted[b] == pytest.approx(auc_ipcw_year(follow.take(rows), scores[rows], 2, followed), rel=2e-6)


def test_constant_scores_are_a_coin():
    follow, _ = small_sample(40, 5)
    assert auc_year(follow, np.ones(40), 2) == 0.5
    assert auc_ipcw_year(follow, np.ones(40), 2, censoring_curve(follow)) == 0.5


@pytest.mark.parametrize("year", [0.1, 50])
def test_a_year_without_events_or_with_nothing_else_has_no_auc(year):
    follow = FollowUp([1, 2, 3], [1, 1, 0])
    for call in (auc_year, lambda *a: auc_ipcw_year(*a, censoring_curve(FollowUp([60, 60], [0, 0])))):
        with pytest.raises(DataError):
            call(follow, np.arange(3), year)
    with pytest.raises(DataError, match="NaN"):
        auc_year(follow, [1, 2, np.nan], 1)
