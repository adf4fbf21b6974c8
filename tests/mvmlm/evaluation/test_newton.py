"""Logistic regressions that are solved together: each is scikit-learn's optimum, and none knows of the others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from mvmlm.errors import DataError
from mvmlm.evaluation import newton
from mvmlm.evaluation.newton import NEVER, Design, minimise

STRENGTHS = np.array([30.0, 1.0, 0.01, 1e-4])


def features_of(rows: int, width: int, *, spectrum: float = 1.0, seed: int = 0) -> np.ndarray:
    """Standardised features whose principal variances fall as a power of their number."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.standard_normal((width, width)))
    features = rng.standard_normal((rows, width)) * np.arange(1, width + 1) ** (-spectrum / 2) @ turn
    return (features - features.mean(axis=0)) / features.std(axis=0)


def labels_of(features: np.ndarray, classes: int = 0, *, noise: float = 1.0, seed: int = 1) -> np.ndarray:
    """Labels along a random direction, cut where classes get rarer upwards."""
    rng = np.random.default_rng(seed)
    along = features @ rng.standard_normal(features.shape[1])
    along = along / along.std() + noise * rng.standard_normal(len(features))
    if not classes:
        return along > 0.5
    return np.digitize(along, np.quantile(along, 1 - 0.5 ** np.arange(1, classes)))


def folds_of(rows: int) -> np.ndarray:
    """Rows that each of four folds × strengths is fitted to, shape (rows, J)."""
    return np.repeat((np.arange(rows) % 4)[:, None] != np.arange(4), len(STRENGTHS), axis=1)


def theirs(features: np.ndarray, labels: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (C, D) and intercepts (C,) by scikit-learn."""
    model = LogisticRegression(C=1 / (strength * len(labels)), solver="newton-cholesky", tol=1e-10, max_iter=1000)
    fit = model.fit(features, labels)
    return fit.coef_, fit.intercept_


def gradient_size(features: np.ndarray, labels: np.ndarray, weights: np.ndarray, strength: float) -> float:
    """Norm of the gradient of mean log loss + λ/2 ‖w‖² at weights (C, D + 1), written out."""
    logits = features @ weights[:, :-1].T + weights[:, -1]
    if len(weights) == 1:
        logits = np.column_stack([np.zeros(len(labels)), logits[:, 0]])
    rest = np.exp(log_softmax(logits, axis=1)) - (labels[:, None] == np.arange(logits.shape[1]))
    rest = rest[:, -len(weights) :] / len(labels)
    of_weights = features.T @ rest + strength * weights[:, :-1].T
    return float(np.hypot(np.linalg.norm(of_weights), np.linalg.norm(rest.sum(axis=0))))


@pytest.mark.parametrize("classes", [0, 4])
@pytest.mark.parametrize("spectrum", [0.0, 2.0])
@pytest.mark.parametrize("noise", [0.0, 2.0], ids=["separable", "noisy"])
def test_each_is_scikit_learns_optimum(classes, spectrum, noise):
    features = features_of(240, 30, spectrum=spectrum)
    labels, used = labels_of(features, classes, noise=noise), folds_of(240)
    found = minimise(Design.of(features), labels, used, np.tile(STRENGTHS, 4), classes=classes)
    assert found.shape == (max(1, classes), 31, 16)
    for j in (0, 1, 6, 7, 15):
        mine = used[:, j]
        coefficients, intercepts = theirs(features[mine], labels[mine], STRENGTHS[j % 4])
        weights, intercept = found[:, :-1, j], found[:, -1, j]
        size = np.abs(coefficients).max()
        np.testing.assert_allclose(weights, coefficients, atol=5e-4 * size)
        if classes:
            intercept, intercepts = intercept - intercept.mean(), intercepts - intercepts.mean()
        np.testing.assert_allclose(intercept, intercepts, atol=5e-4 * max(1, size))


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("noise", [0.0, 2.0], ids=["separable", "noisy"])
def test_it_is_the_optimum_under_a_penalty_however_weak_or_strong(classes, noise):
    """One feature, a constant and two copies but for a millionth: what the penalty alone decides is not left open."""
    rng = np.random.default_rng(5)
    features = features_of(60, 3)
    features = np.column_stack([features, np.zeros(60), features[:, :2] + 1e-6 * rng.standard_normal((60, 2))])
    labels, strengths = labels_of(features, classes, noise=noise), np.array([1e6, 1e-5, 1e-6])
    for columns in (slice(None), slice(1)):
        some = features[:, columns]
        found = minimise(Design.of(some), labels, np.ones((60, 3), bool), strengths, classes=classes)
        for j, strength in enumerate(strengths):
            coefficients, _ = theirs(some, labels, strength)
            np.testing.assert_allclose(found[:, :-1, j], coefficients, atol=1e-4 * np.abs(coefficients).max())


@pytest.mark.parametrize("classes", [0, 2, 5])
def test_the_gradient_of_the_stated_objective_vanishes(classes):
    features = features_of(150, 12)
    labels, used = labels_of(features, classes), folds_of(150)
    strengths = np.tile(STRENGTHS, 4)
    found = minimise(Design.of(features), labels, used, strengths, classes=classes)
    for j, strength in enumerate(strengths):
        rows = used[:, j]
        assert gradient_size(features[rows], labels[rows], found[..., j], strength) < 1.01e-6


def test_two_classes_are_the_binary_regression_at_half_the_penalty_a_row():
    """Of two rows w and −w, the difference 2w counts as one row's coefficients, and ‖w‖² + ‖−w‖² as half of ‖2w‖²."""
    features = features_of(120, 8)
    labels, all_rows = labels_of(features), np.ones((120, 1), bool)
    design = Design.of(features)
    two = minimise(design, labels.astype(int), all_rows, np.array([0.2]), classes=2)[..., 0]
    one = minimise(design, labels, all_rows, np.array([0.1]))[0, :, 0]
    np.testing.assert_allclose(two[1] - two[0], one, atol=2e-4)
    np.testing.assert_allclose(two[:, :-1].sum(axis=0), 0, atol=1e-5)


@pytest.mark.parametrize("classes", [0, 3])
def test_alone_or_among_others_a_problem_has_the_same_solution(classes, monkeypatch):
    features = features_of(200, 20)
    labels, used, strengths = labels_of(features, classes), folds_of(200), np.tile(STRENGTHS, 4)
    design = Design.of(features)
    together = minimise(design, labels, used, strengths, classes=classes)
    for j in (0, 7, 14):
        alone = minimise(design, labels, used[:, [j]], strengths[[j]], classes=classes)
        np.testing.assert_allclose(together[:, :-1, [j]], alone[:, :-1], atol=1e-5 / strengths[j])
    monkeypatch.setattr(newton, "BLOCK", 200 * 7)
    few = minimise(design, labels, used, strengths, classes=classes)
    np.testing.assert_allclose(few[:, :-1], together[:, :-1], atol=1e-5 / STRENGTHS.min())


@pytest.mark.parametrize("classes", [0, 4])
def test_the_same_call_gives_the_same_bits(classes):
    features = features_of(90, 40)
    labels, used = labels_of(features, classes), folds_of(90)
    first, second = (
        minimise(Design.of(features), labels, used, np.tile(STRENGTHS, 4), classes=classes) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("classes", [0, 3])
def test_rows_that_are_not_used_do_not_matter(classes):
    """Their labels may be anything; their features too, but for the axes that the way to the optimum follows."""
    features = features_of(100, 10)
    labels = labels_of(features, classes)
    used = (np.arange(100) < 60)[:, None]
    spoilt_labels, spoilt = labels.copy(), features.copy()
    spoilt_labels[60:] = spoilt_labels[60:][::-1]
    spoilt[60:] *= -9
    first = minimise(Design.of(features), labels, used, np.array([0.1]), classes=classes)
    np.testing.assert_array_equal(
        first, minimise(Design.of(features), spoilt_labels, used, np.array([0.1]), classes=classes)
    )
    other = minimise(Design.of(spoilt), labels, used, np.array([0.1]), classes=classes)
    np.testing.assert_allclose(other[:, :-1], first[:, :-1], atol=2e-5)


def test_a_class_that_no_used_row_is_of_is_never_expected():
    features = features_of(120, 9)
    labels, used = labels_of(features, 4), np.ones((120, 2), bool)
    used[labels == 2, 1] = False
    found = minimise(Design.of(features), labels, used, np.array([0.05, 0.05]), classes=4)
    assert found[2, -1, 1] == pytest.approx(NEVER, abs=1)
    logits = features @ found[:, :-1, 1].T + found[:, -1, 1]
    assert (np.exp(log_softmax(logits, axis=1))[:, 2] == 0).all()
    rows = used[:, 1]
    coefficients, _ = theirs(features[rows], labels[rows], 0.05)
    np.testing.assert_allclose(found[[0, 1, 3], :-1, 1], coefficients, atol=1e-4)
    assert found[2, -1, 0] > -20, "the other problem has rows of it"


@pytest.mark.parametrize("classes", [0, 3])
def test_features_that_say_nothing_leave_the_shares(classes):
    labels = labels_of(features_of(80, 5), classes)
    found = minimise(Design.of(np.zeros((80, 5))), labels, np.ones((80, 1), bool), np.array([1e-3]), classes=classes)
    assert (found[:, :-1] == 0).all()
    logits = found[:, -1, 0] if classes else np.array([0, found[0, -1, 0]])
    shares = np.bincount(labels.astype(int)) / 80
    np.testing.assert_allclose(np.exp(log_softmax(logits)), shares, atol=1e-6)


def test_copies_of_a_feature_share_its_weight():
    """A singular Gram matrix: the penalty makes the solution unique."""
    single = features_of(100, 4)
    labels, rows = labels_of(single), np.ones((100, 1), bool)
    doubled = np.hstack([single, single])
    one = minimise(Design.of(single), labels, rows, np.array([0.05]))[0, :-1, 0]
    two = minimise(Design.of(doubled), labels, rows, np.array([0.1]))[0, :-1, 0]
    np.testing.assert_allclose(two[:4], two[4:], atol=1e-5)
    np.testing.assert_allclose(two[:4] + two[4:], one, atol=1e-4)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(4, 40), st.integers(1, 8), st.sampled_from([0, 2, 3, 6]))
def test_it_settles_on_words_that_tell_all_or_nothing(seed, rows, width, classes):
    """Features of 0 and 1, rare ones and copies among them, as of a bag of words; rows alike, labels at odds or not."""
    rng = np.random.default_rng(seed)
    features = (rng.random((rows, width)) < rng.choice([0.05, 0.5, 0.9], width)).astype(float)
    features -= features.mean(axis=0)
    features /= np.where(features.std(axis=0) > 0, features.std(axis=0), 1)
    labels = rng.integers(0, classes or 2, rows)
    if rng.random() < 0.5:
        labels = np.unique(features, axis=0, return_inverse=True)[1].reshape(-1) % (classes or 2)
    labels[:2] = 0, 1
    labels = labels if classes else labels.astype(bool)
    used, strengths = np.ones((rows, len(STRENGTHS)), bool), STRENGTHS
    found = minimise(Design.of(features), labels, used, strengths, classes=classes)
    assert np.isfinite(found).all()
    for j, strength in enumerate(strengths):
        assert gradient_size(features, labels, found[..., j], strength) < 1.01e-6


def test_what_does_not_settle_is_an_error_that_names_the_penalty(monkeypatch):
    monkeypatch.setattr(newton, "MOST_STEPS", 1)
    features, two = features_of(50, 5), np.ones((50, 2), bool)
    with pytest.raises(DataError, match=r"2 of 2 .* did not settle within 1 steps \(the weakest .* is 0.001\)"):
        minimise(Design.of(features), labels_of(features), two, np.array([1e6, 1e-3]))


@pytest.mark.parametrize("classes", [0, 3])
def test_rows_of_one_label_are_refused(classes):
    features = features_of(50, 5)
    labels, used = labels_of(features, classes), np.ones((50, 2), bool)
    used[labels != labels[0], 1] = False
    with pytest.raises(DataError, match="1 of 2 logistic regressions have rows of one label only"):
        minimise(Design.of(features), labels, used, np.array([1.0, 1.0]), classes=classes)
