"""McNemar's exact test, a patient at a time."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.mcnemar import mcnemar
from mvmlm.errors import DataError

quick = settings(deadline=None, max_examples=100)


def exact(one, two):
    """Two-sided: twice the smaller tail of fair coins, at most 1."""
    total, less = one + two, min(one, two)
    return min(1.0, 2 * sum(comb(total, k) for k in range(less + 1)) / 2**total)


@quick
@given(st.lists(st.tuples(*[st.booleans()] * 3), min_size=1, max_size=40))
def test_a_row_a_patient(rows):
    labels, arm, reference = np.array(rows).T
    found = mcnemar(labels, arm, reference, np.arange(len(rows)))
    ours = (labels & arm & ~reference).sum(), (~labels & ~arm & reference).sum()
    theirs = (labels & ~arm & reference).sum(), (~labels & arm & ~reference).sum()
    for side, one, two, members in zip((found.sensitivity, found.specificity), ours, theirs, (labels, ~labels)):
        assert (side.n, side.arm_only, side.reference_only) == (members.sum(), one, two)
        assert side.p == pytest.approx(exact(one, two))
        right = arm == labels, reference == labels
        if members.any():
            assert side.delta == pytest.approx(right[0][members].mean() - right[1][members].mean(), abs=1e-12)
        else:
            assert np.isnan(side.delta)


def test_a_patient_counts_once():
    """Ten views called by one arm only are one patient, not ten."""
    labels, patients = np.repeat([1, 1, 0], 10), np.repeat(["a", "b", "c"], 10)
    arm = np.repeat([1, 0, 0], 10)
    found = mcnemar(labels, arm, np.zeros(30), patients)
    assert (found.sensitivity.arm_only, found.sensitivity.n, found.sensitivity.p) == (1, 2, 1)
    assert (found.specificity.n, found.specificity.p) == (1, 1)


def test_any_row_makes_a_patient_positive_and_called():
    labels, patients = np.array([0, 1, 0, 0]), np.array(["a", "a", "b", "b"])
    found = mcnemar(labels, np.array([1, 0, 0, 1]), np.array([0, 0, 0, 0]), patients)
    assert (found.sensitivity.n, found.sensitivity.arm_only) == (1, 1)
    assert (found.specificity.n, found.specificity.reference_only) == (1, 1)


def test_six_against_none():
    labels = np.ones(6)
    assert mcnemar(labels, np.ones(6), np.zeros(6), np.arange(6)).sensitivity.p == pytest.approx(2 / 64)


def test_calls_are_yes_or_no():
    with pytest.raises(DataError, match=r"calls of the arm other than 0 and 1: \[0.7\]"):
        mcnemar(np.array([0, 1]), np.array([0, 0.7]), np.array([0, 1]), np.array(["a", "b"]))
