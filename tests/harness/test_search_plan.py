"""Which cells share a search, what moves its key, and what a plan says of its time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from harness.plan import estimates
from harness.stages import STAGES
from tests.harness.ablation_files import BASE

SPACE = {"train.lr": {"low": 1.0e-4, "high": 1.0e-1, "log": True}, "loss.temperature": [0.05, 0.1, 0.2]}
SEARCHED = {**BASE, "search": {"trials": 2, "space": SPACE}}


def keys(plan, stage: str) -> set[str]:
    return {key for key, node in plan.nodes.items() if node.stage == stage}


def test_without_trials_there_is_no_search_and_no_key_moves(plan):
    plain = plan({})
    said = plan({}, "search.sampler=random", "search.seed=4", base={**BASE, "search": {"space": SPACE}})
    assert said.cells[0].stages == plain.cells[0].stages
    assert not keys(said, "search")


def test_a_search_stands_before_the_training_and_under_it(plan):
    found = plan({}, base=SEARCHED)
    assert list(STAGES).index("text") < list(STAGES).index("search") < list(STAGES).index("pretrain")
    (node,) = (node for node in found.nodes.values() if node.stage == "pretrain")
    assert keys(found, "search") == {node.inputs["search"]}
    assert found.cells[0].stages["search"] == node.inputs["search"]
    assert keys(plan({}), "pretrain") != {node.key}


def test_an_arm_has_one_search_for_all_its_seeds_tasks_and_fractions(plan):
    axes = {"method.tokens": [2, 4], "eval.fraction": [0.5, 1.0]}
    found = plan(axes, base=SEARCHED, tasks=("mass", "malignancy"), seeds=(0, 1))
    assert (len(keys(found, "search")), len(keys(found, "pretrain"))) == (2, 4)


def test_a_supervised_arm_is_searched_for_each_task_and_for_each_share_of_labels_that_a_seed_draws(plan):
    base = {**SEARCHED, "method": {**BASE["method"], "name": "supervised"}}
    assert len(keys(plan({}, base=base, tasks=("mass", "malignancy"), seeds=(0, 1)), "search")) == 2
    assert len(keys(plan({"eval.fraction": [0.5]}, base=base, seeds=(0, 1)), "search")) == 2


def test_trials_are_scored_by_the_task_of_labels_where_a_method_is_trained_on_them(plan):
    found = plan({"method.name": ["mvmlm", "supervised"]}, base=SEARCHED, tasks=("malignancy",))
    tasks = {
        node.config["method"]["name"]: node.config["search"]["tasks"]
        for node in found.nodes.values()
        if node.stage == "search"
    }
    assert tasks == {"mvmlm": ["mass", "calcification"], "supervised": ["malignancy"]}


MOVES = {
    "search.trials=3": True,
    "search.sampler=random": True,
    "search.pruner=none": True,
    "search.startup=2": True,
    "search.every=1": True,
    "search.val_fraction=0.3": True,
    "search.tasks=[mass]": True,
    "search.seed=1": True,
    "search.space={train.lr: [0.1, 0.2]}": True,
    "train.lr=0.5": False,
    "loss.temperature=0.5": False,
    "train.weight_decay=0.5": True,
    "loss.ii_weight=0.5": True,
    "method.tokens=2": True,
    "seeds=1": False,
    "eval.folds=3": False,
    "eval.representation=tokens_max": True,
    "train.workers=2": False,
    "resources.pretrain.cpu=2": False,
}


@pytest.mark.parametrize("change", MOVES)
def test_a_setting_moves_a_search_if_its_trials_depend_on_it(plan, change):
    before, after = plan({}, base=SEARCHED), plan({}, change, base=SEARCHED)
    assert (keys(before, "search") != keys(after, "search")) == MOVES[change]


def test_when_to_look_matters_only_where_trials_are_pruned(plan):
    seldom, often = (plan({}, "search.pruner=none", f"search.every={n}", base=SEARCHED) for n in (1, 2))
    assert keys(seldom, "search") == keys(often, "search")


def test_ranges_that_an_arm_does_not_read_are_left_out_of_its_search(plan):
    base = {**SEARCHED, "method": {**BASE["method"], "name": "supervised"}}
    (node,) = (node for node in plan({}, base=base).nodes.values() if node.stage == "search")
    assert list(node.config["search"]["space"]) == ["train.lr"] and node.config["search"]["trials"] == 2
    assert node.runtime["unread"] == ["loss.temperature"]
    narrower = {**base, "search": {"trials": 2, "space": {"train.lr": SPACE["train.lr"]}}}
    assert keys(plan({}, base=narrower), "search") == {node.key}


def test_a_search_is_given_what_a_training_is_given(plan):
    found = plan({}, "resources.pretrain={cpu: 3, gpu: 1}", base=SEARCHED)
    given = {node.stage: node.resources for node in found.nodes.values()}
    assert given["search"] == given["pretrain"] == {"cpu": 3, "gpu": 1}


def test_a_search_that_never_ran_is_taken_for_its_trainings(plan):
    nodes = list(plan({}, base=SEARCHED).nodes.values())
    kinds = {node.stage: node.kind for node in nodes}
    trained = SimpleNamespace(kind=kinds["pretrain"], seconds=10.0)
    known = estimates(SimpleNamespace(cards=lambda: [trained]), nodes)
    assert known[kinds["search"]] == 20.0
    past = SimpleNamespace(kind=kinds["search"], seconds=13.0)
    assert estimates(SimpleNamespace(cards=lambda: [trained, past]), nodes)[kinds["search"]] == 13.0
    assert kinds["search"] not in estimates(SimpleNamespace(cards=list), nodes)


def test_of_a_training_over_machines_a_search_is_given_what_one_machine_has(plan):
    spread = ("resources.pretrain={cpu: 16, gpu: 4, memory_gib: 64}", "train.processes=4", "train.nodes=2")
    given = {node.stage: node for node in plan({}, *spread, base=SEARCHED).nodes.values()}
    assert given["search"].resources == {"cpu": 8.0, "gpu": 1.0, "memory_gib": 32.0}
    assert given["search"].runtime.get("nodes", 1) == 1 and given["pretrain"].runtime["nodes"] == 2
