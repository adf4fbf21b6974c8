"""Samples with ties and draws of them, and what a draw is by definition: its rows, each as often as it is drawn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from mvmlm.errors import DataError

quick = settings(deadline=None, max_examples=60)


@st.composite
def drawn_rows(draw, most: int = 30, clusters: int = 5, draws: int = 4):
    """Number of rows n, cluster of each (n,), and counts (clusters, draws), from 0 to 3."""
    n = draw(st.integers(2, most))
    cluster = draw(st.lists(st.integers(0, clusters - 1), min_size=n, max_size=n))
    row = st.lists(st.integers(0, 3), min_size=draws, max_size=draws)
    counts = draw(st.lists(row, min_size=clusters, max_size=clusters))
    return n, np.array(cluster), np.array(counts)


@st.composite
def binary_rows(draw):
    """Labels of both classes, probabilities with many ties, clusters and counts."""
    n, clusters, counts = draw(drawn_rows())
    labels = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    labels[:2] = True, False
    tenths = draw(st.lists(st.integers(0, 10), min_size=n, max_size=n))
    return labels, np.array(tenths) / 10, clusters, counts


def agrees_with_repeats(plain: Callable, weighted: np.ndarray, labels, scores, clusters, counts) -> None:
    """Every draw's value is that of its rows, written out; where those have none, it is NaN."""
    assert weighted.shape == (counts.shape[1],)
    for number, value in enumerate(weighted):
        times = counts[clusters, number]
        try:
            expected = plain(np.repeat(labels, times, axis=0), np.repeat(scores, times, axis=0))
        except DataError:
            expected = np.nan
        assert value == pytest.approx(expected, abs=1e-6, nan_ok=True)
