"""Metrics of classes against scikit-learn and repeated rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, cohen_kappa_score, roc_auc_score

from mvmlm.errors import DataError
from mvmlm.evaluation import multiclass
from tests.mvmlm.evaluation.resamples import drawn_rows, quick

FORMS = ("macro_auc", "kappa", "accuracy", "balanced_accuracy")


@st.composite
def class_rows(draw, classes: int = 4):
    """Labels of two classes or more, class probabilities with ties, clusters and counts."""
    n, clusters, counts = draw(drawn_rows(clusters=8))
    labels = np.array(draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n)))
    labels[0], labels[1] = 0, 2
    mass = np.array(draw(st.lists(st.integers(1, 4), min_size=n * classes, max_size=n * classes)), dtype=float)
    mass = mass.reshape(n, classes)
    return labels, mass / mass.sum(axis=1, keepdims=True), clusters, counts


@quick
@given(class_rows())
def test_they_are_scikit_learns(sample):
    labels, probabilities, *_ = sample
    called, present = probabilities.argmax(axis=1), np.unique(labels)
    ovr = [roc_auc_score(labels == k, probabilities[:, k]) for k in present]
    assert multiclass.macro_auc(labels, probabilities) == pytest.approx(np.mean(ovr), abs=1e-12)
    if len(present) == 4:
        expected = roc_auc_score(labels, probabilities, multi_class="ovr", average="macro")
        assert multiclass.macro_auc(labels, probabilities) == pytest.approx(expected, abs=1e-12)
    kappa = cohen_kappa_score(labels, called, weights="quadratic", labels=range(4))
    assert multiclass.kappa(labels, probabilities) == pytest.approx(kappa, abs=1e-12)
    assert multiclass.accuracy(labels, probabilities) == accuracy_score(labels, called)
    recalls = [np.mean(called[labels == k] == k) for k in present]
    assert multiclass.balanced_accuracy(labels, probabilities) == pytest.approx(np.mean(recalls), abs=1e-12)
    if set(called) <= set(present):
        expected = balanced_accuracy_score(labels, called)
        assert multiclass.balanced_accuracy(labels, probabilities) == pytest.approx(expected, abs=1e-12)


@quick
@given(class_rows())
def test_weights_are_repeats(sample):
    labels, probabilities, clusters, counts = sample
    for name in FORMS:
        plain, weighted = getattr(multiclass, name), getattr(multiclass, f"weighted_{name}")
        drawn = weighted(labels, probabilities, clusters, counts)
        for number, value in enumerate(drawn):
            times = counts[clusters, number]
            there = np.unique(np.repeat(labels, times))
            needed = {"accuracy": 1, "kappa": 2}.get(name, len(np.unique(labels)))
            if len(there) < needed:
                assert np.isnan(value)
            else:
                repeated = plain(np.repeat(labels, times), np.repeat(probabilities, times, axis=0))
                assert value == pytest.approx(repeated, abs=1e-6)


def test_a_constant_prediction_is_worth_nothing_but_its_share():
    labels, probabilities = np.array([0, 1, 2, 2, 2]), np.tile([0.1, 0.2, 0.6, 0.1], (5, 1))
    assert multiclass.macro_auc(labels, probabilities) == 0.5
    assert multiclass.kappa(labels, probabilities) == 0.0
    assert multiclass.accuracy(labels, probabilities) == 0.6
    assert multiclass.balanced_accuracy(labels, probabilities) == pytest.approx(1 / 3)


def test_far_misses_weigh_more():
    labels = np.array([0, 1, 2, 3])
    near, far = np.eye(4)[[0, 1, 2, 2]], np.eye(4)[[0, 1, 2, 0]]
    assert 1 > multiclass.kappa(labels, near) > multiclass.kappa(labels, far)


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(
    ("labels", "probabilities", "words"),
    [
        ([0, 4], np.eye(4)[:2], r"labels other than the classes 0 to 3: \[4\]"),
        ([0, 1], [[0.5, 0.5], [0.5, np.nan]], "1 of 2 rows of class probabilities do not add up to 1"),
        ([0, 1], [[0.5, 0.5], [2.0, -1.0]], "1 of 2 rows of class probabilities"),
        ([0, 1], [[0.5, 0.5], [0.5, 0.6]], "1 of 2 rows of class probabilities"),
        ([0, 1], [0.5, 0.5], r"class probabilities have shape \(2,\), the labels 2 rows"),
        ([], np.empty((0, 4)), "no row"),
    ],
)
def test_what_is_no_sample_of_classes_is_refused(name, labels, probabilities, words):
    with pytest.raises(DataError, match=words):
        getattr(multiclass, name)(np.array(labels), np.array(probabilities))


def test_a_draw_of_one_class_has_an_accuracy_only():
    labels, probabilities = np.array([0, 0, 2]), np.eye(3)[[0, 1, 2]]
    drawn = {
        name: getattr(multiclass, f"weighted_{name}")(labels, probabilities, np.arange(3), np.array([[1], [1], [0]]))
        for name in FORMS
    }
    assert drawn.pop("accuracy").tolist() == [0.5]
    assert all(np.isnan(value).all() for value in drawn.values())


@pytest.mark.parametrize("name", ["macro_auc", "kappa", "balanced_accuracy"])
def test_one_class_alone_is_refused(name):
    with pytest.raises(DataError, match=r"only class 2 among 3 rows: a .* needs two"):
        getattr(multiclass, name)(np.full(3, 2), np.eye(4)[:3])
