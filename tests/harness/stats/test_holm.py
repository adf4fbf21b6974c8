"""Holm's correction against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.stats.holm import holm
from mvmlm.errors import DataError

quick = settings(deadline=None, max_examples=100)
probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def step_down(p, alpha):
    """Which hypotheses Holm's procedure rejects, step by step."""
    rejected, left = set(), sorted(range(len(p)), key=lambda i: p[i])
    for step, i in enumerate(left):
        if p[i] > alpha / (len(p) - step):
            break
        rejected.add(i)
    return rejected


@quick
@given(probabilities, st.floats(0.001, 0.5))
def test_adjusted_values_reject_as_the_procedure_does(p, alpha):
    adjusted = holm(np.array(p))
    near = np.isclose(adjusted, alpha, rtol=1e-9)
    assert {i for i in np.flatnonzero(adjusted <= alpha) if not near[i]} == {
        i for i in step_down(p, alpha) if not near[i]
    }


@quick
@given(probabilities)
def test_it_lies_between_no_correction_and_bonferronis(p):
    p = np.array(p)
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(p * len(p), 1)).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


def test_an_example_by_hand():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


def test_a_comparison_that_was_not_made_still_counts():
    np.testing.assert_allclose(holm(np.array([0.01, np.nan, 0.04])), [0.03, np.nan, 0.08])
    assert np.isnan(holm(np.array([np.nan]))).all()
    assert holm(np.array([])).shape == (0,)


def test_what_is_no_probability_is_refused():
    with pytest.raises(DataError, match="outside 0 to 1"):
        holm(np.array([0.5, 1.2]))
