"""ROC, precision–recall and calibration curves, held against scikit-learn and against resampling by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve, roc_curve

from harness.figures.curves import IN_BIN, Predictions, curves_figure, probabilities
from harness.figures.operating_curves import GRID, Sample, bands, precision_recall, roc
from harness.figures.style import Notes
from mvmlm.errors import DataError
from mvmlm.evaluation.bootstrap import PatientBootstrap
from mvmlm.evaluation.metrics import auc
from tests.harness.figures.looking import apart, foot, inside, legend, lines
from tests.harness.figures.stored import predictions

pytestmark = pytest.mark.filterwarnings("error:constrained_layout not applied")


def sample(seed=0, rows=60, ties=8):
    rng = np.random.default_rng(seed)
    labels = rng.random(rows) < 0.3
    labels[:2] = True, False
    scores = np.round(rng.normal(labels, 1) * ties) / ties
    return labels, scores, np.array([f"p{i // 2}" for i in range(rows)])


both_classes = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=25).filter(
    lambda rows: len({label for label, _ in rows}) == 2
)


@settings(max_examples=150, deadline=None)
@given(both_classes)
def test_roc_is_scikit_learns(rows):
    labels, scores = map(np.array, zip(*rows))
    x, y = roc(Sample.of(labels, scores))
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    assert np.trapezoid(y, x) == pytest.approx(auc(labels, scores))
    corners = {(a, b) for a, b in zip(x.round(9), y.round(9))}
    assert corners <= {(a, b) for a, b in zip(fpr.round(9), tpr.round(9))}
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)


@settings(max_examples=150, deadline=None)
@given(both_classes)
def test_precision_and_recall_are_scikit_learns(rows):
    labels, scores = map(np.array, zip(*rows))
    recall, precision = precision_recall(Sample.of(labels, scores))
    p, r, _ = precision_recall_curve(labels, scores)
    assert {*zip(recall.round(9), precision.round(9))} <= {*zip(r.round(9), p.round(9))}
    assert recall[-1] == 1
    assert (recall > 0).all()


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    labels, scores, _ = sample(rows=5000, ties=10**6)
    x, y = roc(Sample.of(labels, scores))
    assert len(x) <= 600
    assert (x[0], y[-1]) == (0, 1)
    assert np.trapezoid(y, x) == pytest.approx(auc(labels, scores), abs=2e-3)


@pytest.mark.parametrize("kind", ["roc", "precision"])
def test_bands_are_percentiles_of_resampled_curves(kind):
    labels, scores, people = sample(3)
    low, high = bands(Sample.of(labels, scores, people), 40, 0)[0 if kind == "roc" else 1]
    counts = PatientBootstrap.draw(people, labels, draws=40, seed=0)
    clusters = np.searchsorted(counts.patients, people)
    by_hand = []
    for draw in counts.counts.T:
        rows = np.repeat(np.arange(len(labels)), draw[clusters])
        if kind == "roc":
            fpr, tpr, _ = roc_curve(labels[rows], scores[rows], drop_intermediate=False)
            by_hand.append(np.interp(GRID, fpr, tpr))
        else:
            p, r, _ = precision_recall_curve(labels[rows], scores[rows])
            p, r = p[:-1][::-1], r[:-1][::-1]
            by_hand.append([p[np.argmax(r >= g - 1e-12)] for g in GRID])
    np.testing.assert_allclose([low, high], np.percentile(by_hand, [2.5, 97.5], axis=0), atol=1e-12)


def test_bands_in_blocks_are_bands_at_once(monkeypatch):
    labels, scores, people = sample(4)
    whole = bands(Sample.of(labels, scores, people), 30, 0)
    monkeypatch.setattr("harness.figures.operating_curves.BLOCK", 1)
    np.testing.assert_array_equal(bands(Sample.of(labels, scores, people), 30, 0), whole)


def test_three_panels_with_a_line_each():
    both = [Predictions("mvmlm (reference)", predictions(0.8, 0)), Predictions("clip", predictions(0.7, 1))]
    figure = curves_figure(both, unit="breasts", draws=50, notes=Notes("n = 80.", True))
    assert [a.get_xlabel() for a in figure.axes] == ["1 − specificity", "recall (sensitivity)", "predicted probability"]
    assert figure.axes[2].get_ylabel() == "observed share of breasts"
    assert legend(figure)[0].startswith("mvmlm (reference): AUC 0.")
    for axis in figure.axes[:2]:
        assert len(axis.collections) == 2
    for axis in figure.axes:
        for points in lines(axis):
            assert (points >= 0).all()
            assert (points <= 1).all()
    said = foot(figure)
    for word in ("50 bootstrap draws of patients", "Wilson", "SIMULATED", "n = 80."):
        assert word in said
    assert inside(figure)
    assert apart(figure)


def test_bins_of_calibration_hold_enough_rows():
    frame = predictions(0.8, 0, patients=3 * IN_BIN)
    (axis,) = curves_figure([Predictions("a", frame)], kinds=["calibration"]).axes
    assert len(lines(axis)[1]) == 6


def test_scores_that_are_no_probabilities_are_not_calibrated():
    frame = predictions(0.8, 0)
    logits = frame.assign(score=10 * frame["score"] - 5)
    assert probabilities(logits) is None
    np.testing.assert_array_equal(probabilities(logits.assign(p1=0.3)), np.full(len(frame), 0.3))
    assert len(curves_figure([Predictions("a", logits)]).axes) == 2
    figure = curves_figure([Predictions("a", frame), Predictions("b", logits)])
    assert "not drawn where scores are no probabilities" in foot(figure)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"label": 1}, "a curve needs both"),
        ({"label": 2}, "a curve needs both"),
        ({"score": math.nan}, "scores are not finite"),
    ],
)
def test_what_has_no_curve_is_named(change, why):
    with pytest.raises(DataError, match=f"curves: clip: .*{why}"):
        curves_figure([Predictions("clip", predictions(0.8, 0).assign(**change))])


def test_no_predictions():
    with pytest.raises(DataError, match="there are no predictions"):
        curves_figure([])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rows", [2, 80])
def test_constant_scores_and_two_rows(rows):
    frame = pd.DataFrame({"label": [0, 1] * (rows // 2), "score": 0.5, "patient_id": [f"p{i}" for i in range(rows)]})
    figure = curves_figure([Predictions("a", frame)], draws=20)
    assert inside(figure)
    np.testing.assert_allclose(lines(figure.axes[0])[0], [[0, 0], [1, 1]])
    assert legend(figure) == ["a: AUC 0.500"]
