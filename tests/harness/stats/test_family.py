"""Which comparisons of a family are made, and which marks are left."""

from __future__ import annotations

import math

import pytest

from harness.stats.difference import normal
from harness.stats.family import Arm, Comparison, Refusal, compare, correct, refusals
from mvmlm.errors import DataError

CELL = {"patients": "p1", "splits": "s1", "code": "abc", "budget": 30}


def arm(name, *changes):
    return Arm(name, [{**CELL, **change} for change in changes or ({},)])


def difference(p_is_about=0.001):
    return normal({0.001: 3.3, 0.02: 2.33, 0.5: 0.67}[p_is_about], 1.0, level=0.95, test="")


@pytest.mark.parametrize(
    ("what", "words"),
    [("patients", "test patients"), ("splits", "splits"), ("code", "code version"), ("budget", "training budget")],
)
def test_arms_that_differ_in_more_than_the_method_are_refused(what, words):
    found = refusals(arm("ours"), arm("clip", {what: "other"}))
    assert found == (Refusal(what, f"ours and clip differ in {words}"),)
    assert refusals(arm("ours"), arm("clip", {}, {what: "other"})) == found  # one seed of three is enough
    assert refusals(arm("ours"), arm("clip", {what: "other"}), varied=[what]) == ()


def test_what_is_not_known_is_not_equal():
    found = refusals(arm("ours", {"code": None}), arm("clip", {"code": None}))
    assert [(r.what, r.words) for r in found] == [("code", "the code version of ours or clip is not known")]
    assert all(r.unknown for r in found)
    nothing = refusals(Arm("ours", [{}]), Arm("clip", [{}]))
    assert [r.what for r in nothing] == ["patients", "splits", "code", "budget"]
    assert nothing[0].words == "the test patients of ours or clip are not known"


def test_a_refused_comparison_is_not_computed():
    def never():
        raise AssertionError

    found = compare(arm("ours"), arm("clip", {"budget": 60}), never)
    assert (found.arm, found.reference, found.difference) == ("ours", "clip", None)
    assert [r.what for r in found.refusals] == ["budget"]


def test_a_test_that_refuses_is_a_reason_too():
    def refuses():
        raise DataError("one positive patient")

    found = compare(arm("ours"), arm("clip"), refuses)
    assert found.refusals == (Refusal("test", "one positive patient"),)


def test_what_nothing_speaks_against_is_compared():
    found = compare(arm("ours", {}, {}), arm("clip"), difference)
    assert found == Comparison("ours", "clip", difference())


def test_marks_are_of_adjusted_values():
    family = [Comparison(str(p), "clip", difference(p)) for p in (0.5, 0.001, 0.02)]
    judged = correct(family)
    assert [j.comparison for j in judged] == family
    p = [c.difference.p for c in family]
    assert [j.p for j in judged] == pytest.approx([p[0], 3 * p[1], 2 * p[2]])
    assert [j.mark for j in judged] == ["", "‡", "†"]


def test_a_refused_comparison_counts_in_its_family():
    refused = Comparison("b", "clip", refusals=(Refusal("code", ""),))
    made = Comparison("a", "clip", difference(0.02))
    alone, beside = correct([made]), correct([made, refused])
    assert beside[0].p == pytest.approx(2 * alone[0].p)
    assert math.isnan(beside[1].p)
    assert beside[1].mark == ""
    assert correct([]) == []
