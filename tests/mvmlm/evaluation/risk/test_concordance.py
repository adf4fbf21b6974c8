"""The three concordance indices: against lifelines, double loops and closed forms, and how they differ."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines.utils import concordance_index

from mvmlm.errors import DataError
from mvmlm.evaluation.risk import pairs
from mvmlm.evaluation.risk.concordance import (
    c_harrell,
    c_mirai_compat,
    c_uno,
    weighted_c_harrell,
    weighted_c_mirai_compat,
    weighted_c_uno,
)
from mvmlm.evaluation.risk.survival import Curve, FollowUp, censoring_curve
from tests.mvmlm.evaluation.risk.made_up import draws_of, resampled, small_sample

quick = settings(deadline=None, max_examples=40)
ALL_FOLLOWED = Curve(np.array([]), np.array([]))


def followed_before(train: FollowUp, year: float) -> float:
    """Share still followed just before a time, as a product over the times before it."""
    share = 1.0
    for time in sorted({t for t, e in zip(train.years, train.events) if not e and t < year}):
        ended = sum(t == time and not e for t, e in zip(train.years, train.events))
        there = sum(t > time or (t == time and not e) for t, e in zip(train.years, train.events))
        share *= 1 - ended / there
    return share


def by_loops(follow: FollowUp, scores: np.ndarray, weight=lambda year: 1.0, tau: float = math.inf) -> float:
    right = total = 0.0
    for i in range(len(follow)):
        for j in range(len(follow)):
            later = follow.years[j] > follow.years[i] or (follow.years[j] == follow.years[i] and not follow.events[j])
            if follow.events[i] and follow.years[i] < tau and later:
                total += weight(follow.years[i])
                right += weight(follow.years[i]) * ((scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j]))
    return right / total


def mirai_by_loops(follow: FollowUp, risks: np.ndarray, train: FollowUp) -> float:
    """As the code around Mirai: whole years, weights from the cancer-free curve at the later year, its risks too."""

    def discrete(one: FollowUp) -> list[tuple[int, bool]]:
        last = risks.shape[1]
        rows = [
            (int(t), True) if e and t < last else (int(min(t, last)) - 1, False) for t, e in zip(one.years, one.events)
        ]
        return rows

    known = [row for row in discrete(train) if row[0] >= 0]
    free = []
    for year in range(risks.shape[1]):
        there = sum(t >= year for t, _ in known)
        cancers = sum(t == year and e for t, e in known)
        free.append((free[-1] if free else 1.0) * (1 - cancers / there if there else 1.0))
    rows, right, total = discrete(follow), 0.0, 0.0
    for i, (early, event) in enumerate(rows):
        for j, (late, also) in enumerate(rows):
            if event and late >= 0 and (late > early or (late == early and not also)):
                weight = free[late] ** -2
                total += weight
                right += weight * ((risks[i, late] > risks[j, late]) + 0.5 * (risks[i, late] == risks[j, late]))
    return right / total


def risks_of(scores: np.ndarray, seed: int, years: int = 5) -> np.ndarray:
    """Risks that rise with the years, and whose order changes from year to year."""
    steps = np.random.default_rng(seed).exponential(0.1, (len(scores), years))
    return np.round(np.cumsum(steps, axis=1) + 0.05 * scores[:, None], 2)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_harrell_is_lifelines(seed, tied):
    follow, scores = small_sample(120, seed, tied=tied)
    theirs = concordance_index(follow.years, -scores, follow.events)
    assert c_harrell(follow, scores) == pytest.approx(theirs, abs=1e-12)


@quick
@given(st.integers(5, 25), st.integers(0, 10_000))
def test_all_three_are_their_double_loops(n, seed):
    follow, scores = small_sample(n, seed)
    train, _ = small_sample(60, seed + 1, share=0.3)
    if not (follow.events & (follow.years < follow.years.max())).any():
        return
    assert c_harrell(follow, scores) == pytest.approx(by_loops(follow, scores), abs=1e-12)
    tau = min(train.years[~train.events].max(), 5.0)
    if (follow.events & (follow.years < min(tau, follow.years.max()))).any():
        loops = by_loops(follow, scores, lambda year: followed_before(train, year) ** -2, tau)
        assert c_uno(follow, scores, censoring_curve(train), tau) == pytest.approx(loops, rel=1e-9)
    risks = risks_of(scores, seed)
    try:
        value = c_mirai_compat(follow, risks, train)
    except DataError:
        return
    assert value == pytest.approx(mirai_by_loops(follow, risks, train), rel=1e-9)


def test_a_score_that_is_the_time_is_right_always_its_reverse_never_and_a_constant_half_the_time():
    follow, _ = small_sample(50, 0, tied=False)
    for scores, value in ((-follow.years, 1.0), (follow.years, 0.0), (np.zeros(50), 0.5)):
        assert c_harrell(follow, scores) == value
        assert c_uno(follow, scores, censoring_curve(follow), 3.0) == pytest.approx(value)
    assert c_mirai_compat(follow, np.zeros((50, 5)), follow) == 0.5


@quick
@given(st.integers(5, 40), st.integers(0, 1000))
def test_turning_the_score_round_turns_the_index_round(n, seed):
    follow, scores = small_sample(n, seed)
    if (follow.events & (follow.years < follow.years.max())).any():
        assert c_harrell(follow, scores) + c_harrell(follow, -scores) == pytest.approx(1)
        assert c_harrell(follow, np.exp(scores)) == c_harrell(follow, scores)


def test_uno_is_harrell_where_all_are_followed_to_the_end():
    follow, scores = small_sample(90, 4, share=1.0)
    assert c_uno(follow, scores, censoring_curve(follow), math.inf) == pytest.approx(c_harrell(follow, scores))


def test_uno_of_three_exams_by_hand():
    # Half of the training exams are followed beyond 1 year: the event at 2 years stands for two of them, in each pair.
    train = FollowUp([1, 1, 3, 3], [0, 0, 0, 0])
    follow, scores = FollowUp([0.5, 2, 4], [1, 1, 0]), np.array([0.0, 2.0, 1.0])
    # Pairs (1,2) wrong, (1,3) wrong, both of weight 1; (2,3) right, of weight 2².
    assert c_uno(follow, scores, censoring_curve(train), 5.0) == pytest.approx(4 / 6)
    assert c_uno(follow, scores, censoring_curve(train), 2.0) == 0.0  # the event at tau leads no pair


def test_uno_stays_where_censoring_moves_harrell_and_mirai_compat():
    """A score that is right about early events alone, and women who are followed for 3 years on average.

    The index that all events would give is known, for the simulation knows them. Uno's finds it. Harrell's sees few
    late events and calls the score better than it is. The Mirai variant does as Harrell's: where few have cancer its
    weights are near 1, and where many have they still are not those of the censoring. Over 10 pairs of samples, with
    11 % (40 %) of the women seen to have an event: truth .635 (.666), Uno .632 (.665), with a standard deviation of
    .009 (.004) about the truth, Harrell .752 (.765), Mirai's .753 (.751).
    """
    for yearly in (0.05, 0.3):
        _, _, train = early_warning(20_000, 1, yearly)
        event, scores, follow = early_warning(20_000, 2, yearly)
        everyone = FollowUp(event, np.ones(len(event)))
        truth = c_uno(everyone, scores, ALL_FOLLOWED, 5.0)
        assert c_uno(follow, scores, censoring_curve(train), 5.0) == pytest.approx(truth, abs=0.03)
        assert c_harrell(follow, scores) > truth + 0.06
        assert c_mirai_compat(follow, np.tile(scores[:, None], 5), train) > truth + 0.06


def early_warning(n: int, seed: int, yearly: float) -> tuple[np.ndarray, np.ndarray, FollowUp]:
    """Times of the events, scores that change the hazard in the first two years, and what follow-up shows of them."""
    rng = np.random.default_rng(seed)
    scores, amount = rng.standard_normal(n), rng.exponential(size=n)
    early = yearly * np.exp(1.5 * scores - 1.125)
    event = np.where(amount < 2 * early, amount / early, 2 + (amount - 2 * early) / yearly)
    end = np.minimum(rng.exponential(3, n), 8.0)
    return event, scores, FollowUp(np.minimum(event, end), event <= end)


@pytest.mark.parametrize("block", [pairs.BLOCK, 200])
def test_draws_are_the_indices_of_the_resampled_rows(monkeypatch, block):
    monkeypatch.setattr(pairs, "BLOCK", block)
    follow, scores = small_sample(70, 5)
    train, _ = small_sample(200, 6, share=0.3)
    clusters, counts = draws_of(70, 7)
    risks, followed = risks_of(scores, 8), censoring_curve(train)
    drawn = (
        weighted_c_harrell(follow, scores, clusters, counts),
        weighted_c_uno(follow, scores, followed, 4.0, clusters, counts),
        weighted_c_mirai_compat(follow, risks, train, clusters, counts),
    )
    for b, count in enumerate(counts.T):
        rows = resampled(clusters, count)
        mine = follow.take(rows)
        by_hand = (
            c_harrell(mine, scores[rows]),
            c_uno(mine, scores[rows], followed, 4.0),
            c_mirai_compat(mine, risks[rows], train),
        )
        np.testing.assert_allclose([d[b] for d in drawn], by_hand, rtol=2e-6)


def test_a_draw_without_a_pair_is_undefined_and_takes_no_other_with_it():
    follow = FollowUp([1, 2, 3], [1, 0, 0])
    drawn = weighted_c_harrell(follow, [3, 2, 1], np.arange(3), np.array([[1, 0], [1, 2], [1, 1]]))
    assert drawn[0] == 1 and np.isnan(drawn[1])


@pytest.mark.parametrize(
    ("follow", "scores", "says"),
    [
        (FollowUp([1, 2], [0, 0]), [1, 2], "no two rows can be compared"),
        (FollowUp([1], [1]), [1], "no two rows can be compared"),
        (FollowUp([2, 2, 2], [1, 1, 1]), [1, 2, 3], "no two rows can be compared"),
        (FollowUp([], []), [], "no two rows can be compared"),
        (FollowUp([1, 2], [1, 0]), [1, np.nan], "1 of 2 scores are NaN"),
        (FollowUp([1, 2], [1, 0]), [1], "1 scores for 2 rows"),
    ],
)
def test_what_has_no_index_is_refused(follow, scores, says):
    with pytest.raises(DataError, match=says):
        c_harrell(follow, scores)


def test_an_event_beyond_the_follow_up_of_all_training_exams_has_no_weight():
    train = FollowUp([1, 2, 3], [0, 0, 0])
    follow = FollowUp([1.5, 4, 5], [1, 1, 0])
    with pytest.raises(DataError, match=r"1 times \(such as 4.00 years\) lie beyond all follow-up"):
        c_uno(follow, [3, 2, 1], censoring_curve(train), 5.0)
    assert c_uno(follow, [3, 2, 1], censoring_curve(train), 3.0) == 1.0
