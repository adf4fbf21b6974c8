"""What cells are said to have in common: the budgets of all stages that train."""

from __future__ import annotations

import pytest

from harness.shared import shared_of
from harness.store import Card


def card(stage: str, key: str, inputs: dict | None = None, code: str = "c0de", **config) -> Card:
    """A published stage."""
    cost = {"seconds": 1.0, "finished": "2026", "host": "", "resources": {}, "bytes": 1}
    return Card(stage, key, 1, config, inputs or {}, kind=stage, git_commit="", code=code, **cost)


def lookup(*cards: Card):
    """As a store finds them."""
    found = {(one.stage, one.key): one for one in cards}
    return lambda stage, key: found.get((stage, key))


TRAIN = {"epochs": 8, "min_steps": 0, "batch_size": 16, "accumulate": 1, "lr": 1e-3}


@pytest.mark.parametrize("trials", [0, 12])
def test_trials_are_budget_and_no_search_is_none(trials):
    searches = {"search": "s"} if trials else {}
    found = shared_of(
        lookup(
            card("evaluate", "e", {"pretrain": "p"}, split={"seed": 0}),
            card("pretrain", "p", searches, train=TRAIN),
            card("search", "s", train=TRAIN, search={"trials": trials, "seed": 7}),
        ),
        "e",
    )
    assert found["budget"]["search"] == f'{{"trials":{trials}}}'
    assert '"epochs":8' in found["budget"]["pretrain"] and "lr" not in found["budget"]["pretrain"]


def test_what_is_not_trained_has_no_budget():
    assert shared_of(lookup(card("evaluate", "e")), "e")["budget"] == {}


def test_codes_of_all_stages_are_told_or_none():
    stages = card("evaluate", "e", {"features": "f"}, code="b"), card("features", "f", code="a")
    assert shared_of(lookup(*stages), "e")["code"] == "a b"
    assert "code" not in shared_of(lookup(stages[0], card("features", "f", code="")), "e")
    assert shared_of(lookup(), "e") == {}
