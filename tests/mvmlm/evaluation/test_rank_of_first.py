"""Ranks with ties: against every order that there is, against numpy, and against what a guess would have."""

from __future__ import annotations

from itertools import pairwise, permutations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.errors import DataError
from mvmlm.evaluation import rank_of_first
from mvmlm.evaluation.rank_of_first import (
    FirstRight,
    first_right,
    median_rank,
    recall,
    weighted_median_rank,
    weighted_recall,
)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def scattered(n: int, reports: int, *, seed: int = 0, width: int = 6) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Breasts' embeddings, their reports' embeddings (equal for equal reports), and the reports' numbers."""
    rng = np.random.default_rng(seed)
    number = rng.integers(0, reports, n)
    return unit(rng.standard_normal((n, width))), unit(rng.standard_normal((reports, width)))[number], number


def ranks_of_every_order(similar: np.ndarray, right: np.ndarray) -> list[int]:
    """Rank of the first right item in every order that sorts by similarity."""
    places = range(len(similar))
    orders = [p for p in permutations(places) if all(similar[a] >= similar[b] for a, b in pairwise(p))]
    return [1 + next(i for i, place in enumerate(order) if right[place]) for order in orders]


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6))
@settings(max_examples=80, deadline=None)
def test_the_distribution_of_a_rank_is_that_over_every_order_of_the_tied(items):
    similar, right = (np.array(side) for side in zip(*items))
    if not right.any():
        right[0] = True
    angle = np.array([0.0, 0.4, 0.8])[similar]
    gallery = np.column_stack([np.cos(angle), np.sin(angle)])
    found = first_right(np.array([[0.0, 1.0]]), gallery, np.array([1]), right.astype(int))
    every = ranks_of_every_order(similar, right)
    assert found.expected()[0] == pytest.approx(np.mean(every))
    for rank in range(len(items) + 2):
        assert found.within(rank)[0] == pytest.approx(np.mean([r <= rank for r in every]), abs=1e-12)


@pytest.mark.parametrize("reports", [3, 12, 400])
def test_without_ties_it_is_the_place_in_the_sorted_gallery(reports):
    images, words, number = scattered(60, reports)
    for queries, gallery in ((images, words), (words, images)):
        found = first_right(queries, gallery, number, number)
        for i in range(len(queries)):
            similar = np.array([np.dot(queries[i], item) for item in gallery.astype(np.float64)])
            best = similar[number == number[i]].max()
            assert found.ahead[i] == (similar > best + 1e-6).sum()
            assert found.tied[i] == found.right[i] == (abs(similar - best) < 1e-6).sum()


def test_breasts_with_one_report_are_all_right():
    """Five breasts have the report that is most like the image: whichever comes first, it is the right one."""
    gallery = unit(np.array([[1.0, 0.0]] * 5 + [[0.0, 1.0]]))
    number = np.array([7] * 5 + [3])
    found = first_right(unit(np.array([[1.0, 0.1], [0.1, 1.0], [1.0, 0.2]])), gallery, np.array([7, 3, 3]), number)
    assert found.expected().tolist() == [1.0, 1.0, 6.0]
    assert [found.within(rank).tolist() for rank in (1, 5, 6)] == [[1, 1, 0], [1, 1, 0], [1, 1, 1]]


@pytest.mark.parametrize("reports", [2, 7, 1000])
def test_embeddings_that_say_nothing_score_what_a_guess_does(reports):
    """In closed form: the first k of N hold none of m right ones with probability C(N − m, k) / C(N, k)."""
    n = 90
    number = np.random.default_rng(0).integers(0, reports, n)
    same = np.tile(unit(np.random.default_rng(1).standard_normal((1, 33))), (n, 1))
    found = first_right(same, same, number, number)
    sizes = np.array([(number == one).sum() for one in number])
    for depth in (1, 5, 10):
        chance = np.mean([1 - comb(n - m, depth) / comb(n, depth) for m in sizes])
        assert recall(found, depth) == pytest.approx(chance, rel=1e-9)
        assert recall(found.guessed(sizes), depth) == pytest.approx(chance, rel=1e-9)
    assert median_rank(found) == median_rank(found.guessed(sizes))
    assert found.expected() == pytest.approx((n + 1) / (sizes + 1))


def test_random_embeddings_come_close_to_it():
    """Of different items; repeats of one item stay together and are no random order of all."""
    found, chance = [], []
    for seed in range(60):
        images, words, number = scattered(80, 25, seed=seed)
        ranks = first_right(words, images, number, number)
        sizes = np.array([(number == one).sum() for one in number])
        found.append([recall(ranks, 5), median_rank(ranks)])
        chance.append([recall(ranks.guessed(sizes), 5), median_rank(ranks.guessed(sizes))])
    assert np.mean(found, axis=0) == pytest.approx(np.mean(chance, axis=0), rel=0.1)


def test_the_median_rank_is_numpys_lower_one():
    ahead = np.array([4, 0, 9, 2, 7, 7])
    ones = np.ones_like(ahead)
    assert median_rank(FirstRight(ahead, ones, ones, 10)) == np.quantile(ahead + 1, 0.5, method="inverted_cdf") == 5
    assert median_rank(FirstRight(ahead[:5], ones[:5], ones[:5], 10)) == np.median(ahead[:5] + 1) == 5


@pytest.mark.parametrize("constant", [False, True])
def test_a_draw_is_the_metric_of_the_queries_that_it_holds(constant):
    images, words, number = scattered(40, 15, seed=3)
    images = images[:1].repeat(40, axis=0) if constant else images
    words = words[:1].repeat(40, axis=0) if constant else words
    found = first_right(images, words, number, number)
    rng = np.random.default_rng(4)
    clusters = np.arange(40) // 2
    counts = rng.multinomial(20, np.full(20, 1 / 20), size=25).T
    for draw in range(25):
        held = np.repeat(np.arange(40), counts[clusters, draw])
        part = FirstRight(found.ahead[held], found.tied[held], found.right[held], found.size)
        for depth in (1, 5, 10):
            drawn = weighted_recall(found, depth, clusters, counts)[draw]
            assert drawn == pytest.approx(recall(part, depth), abs=1e-12)
        assert weighted_median_rank(found, clusters, counts)[draw] == median_rank(part)


def test_a_draw_without_queries_has_no_number():
    images, words, number = scattered(6, 3)
    found = first_right(images, words, number, number)
    counts = np.array([[0, 1], [0, 0]])
    clusters = np.array([0, 0, 0, 1, 1, 1])
    assert np.isnan(weighted_recall(found, 5, clusters, counts)).tolist() == [True, False]
    assert np.isnan(weighted_median_rank(found, clusters, counts)).tolist() == [True, False]


def test_blocks_change_nothing(monkeypatch):
    images, words, number = scattered(50, 10)
    whole = first_right(images, words, number, number)
    monkeypatch.setattr(rank_of_first, "BLOCK", 120)
    parts = first_right(images, words, number, number)
    assert all(np.array_equal(getattr(whole, name), getattr(parts, name)) for name in ("ahead", "tied", "right"))


def test_what_cannot_be_ranked_is_refused():
    images, words, number = scattered(6, 3)
    with pytest.raises(DataError, match="not finite"):
        first_right(images * np.nan, words, number, number)
    with pytest.raises(DataError, match="6 of 6 queries have no right item"):
        first_right(images, words, number + 100, number)
