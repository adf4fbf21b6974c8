"""The order of work: inputs first, room for each, failures cut off what stands on them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.search import Searcher

from harness.searcher import StageSearcher
from harness.stages import Node

DONE = {"state": "done"}


def node(stage: str, key: str, inputs: dict | None = None, **resources: float) -> Node:
    return Node(stage, key, 1, {}, inputs or {}, stage, resources or {"cpu": 1.0}, {})


def chain(n: int) -> list[Node]:
    """One image store, ``n`` pretrainings, one probe each."""
    nodes = [node("images", "i")]
    for k in range(n):
        nodes.append(node("pretrain", f"p{k}", {"images": "i"}, cpu=1.0, gpu=1.0))
        nodes.append(node("evaluate", f"e{k}", {"pretrain": f"p{k}"}, cpu=0.5))
    return nodes


class Driver:
    """Plays Tune: takes suggestions as long as there are any."""

    def __init__(self, nodes, capacity, done=(), limit=None):
        self.ends, self.trial = [], 0
        self.running: dict[str, Node] = {}
        self.searcher = StageSearcher(
            nodes,
            set(done),
            capacity,
            {},
            lambda n: None,
            lambda n, s, r: self.ends.append((n.key, s)),
            limit,
        )

    def pull(self):
        """Everything that can start now."""
        while isinstance(said := self.searcher.suggest(str(self.trial)), dict):
            self.running[str(self.trial)] = Node(**said["node"])
            self.trial += 1
        return said

    def finish(self, key, result=DONE, error=False):
        trial = next(t for t, n in self.running.items() if n.key == key)
        del self.running[trial]
        self.searcher.on_trial_complete(trial, result=result, error=error)

    def keys(self):
        return sorted(n.key for n in self.running.values())


def test_a_stage_waits_for_its_inputs_and_for_room():
    driver = Driver(chain(3), {"cpu": 2.0, "gpu": 1.0})
    assert driver.pull() is None and driver.keys() == ["i"]
    driver.finish("i")
    driver.pull()
    assert driver.keys() == ["p0"], "one GPU holds one pretraining"
    driver.finish("p0")
    driver.pull()
    assert driver.keys() == ["e0", "p1"], "the probe runs beside the next pretraining"


def test_nothing_short_waits_behind_a_long_one_that_has_no_room():
    nodes = [node("pretrain", "p", {"images": "i"}, gpu=1.0), node("evaluate", "e", {"images": "i"}, cpu=1.0)]
    driver = Driver(
        [node("pretrain", "q", {"images": "i"}, gpu=1.0), *nodes], {"cpu": 1.0, "gpu": 1.0}, done={"i"}
    )
    driver.pull()
    assert driver.keys() == ["e", "q"] or driver.keys() == ["e", "p"]


def test_a_failure_takes_its_dependants_along_and_no_others():
    driver = Driver(chain(2), {"cpu": 4.0, "gpu": 2.0}, done={"i"})
    driver.searcher._waiting = [n for n in driver.searcher._waiting if n.key != "i"]
    driver.pull()
    driver.finish("p0", {"state": "failed", "error": "no"})
    driver.finish("p1")
    driver.pull()
    driver.finish("e1")
    assert driver.ends == [("p0", "failed"), ("e0", "upstream"), ("p1", "done"), ("e1", "done")]
    assert driver.pull() == Searcher.FINISHED


def test_a_dead_worker_counts_as_failed():
    driver = Driver([node("images", "i")], {"cpu": 1.0})
    driver.pull()
    driver.finish("i", None, error=True)
    assert driver.ends == [("i", "failed")]


def test_a_stop_fails_nothing():
    driver = Driver(chain(2), {"cpu": 1.0, "gpu": 1.0})
    driver.pull()
    driver.searcher.stopping = True
    assert driver.pull() == Searcher.FINISHED
    driver.finish("i", {"state": "running"})
    assert driver.ends == [("i", "stopped")]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(1, 3),
    st.one_of(st.none(), st.integers(1, 3)),
    st.randoms(),
)
def test_every_graph_ends_and_never_takes_more_than_there_is(n, cpus, gpus, limit, random):
    driver = Driver(chain(n), {"cpu": float(cpus), "gpu": float(gpus)}, limit=limit)
    for _ in range(10 * n + 10):
        if driver.pull() == Searcher.FINISHED:
            break
        for name, amount in (("cpu", cpus), ("gpu", gpus)):
            assert sum(r.resources.get(name, 0) for r in driver.running.values()) <= amount
        assert limit is None or len(driver.running) <= limit
        driver.finish(random.choice(driver.keys()))
    assert sorted(k for k, _ in driver.ends) == sorted(x.key for x in chain(n))
    assert {s for _, s in driver.ends} == {"done"}


def test_a_stage_whose_input_has_vanished_fails_instead_of_waiting_for_ever():
    driver = Driver([node("evaluate", "e", {"pretrain": "removed"})], {"cpu": 2.0})
    assert driver.pull() == Searcher.FINISHED
    assert driver.ends == [("e", "failed")]


def test_what_breaks_in_the_driver_is_not_lost_in_tune():
    def broken(node, state, result):
        raise OSError("the terminal is gone")

    searcher = StageSearcher([node("images", "i")], set(), {"cpu": 1.0}, {}, lambda n: None, broken)
    assert isinstance(searcher.suggest("t"), dict)
    searcher.on_trial_complete("t", result=DONE)
    assert isinstance(searcher.broken, OSError) and searcher.stopping
