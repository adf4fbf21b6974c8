"""Clustered DeLong against its formulas written out pair by pair, and against what must not change it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from harness.stats.delong import Components, compare, components
from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.bootstrap import PatientBootstrap
from mvmlm.evaluation.metrics import auc
from tests.harness.stats.samples import labels_of, patients_of, signals

quick = settings(deadline=None, max_examples=40)


def placements(labels, scores):
    """Share of the other class that each positive, and each negative, is on the right side of; by pairs."""
    pairs = np.array([[(p > n) + 0.5 * (p == n) for n in scores[~labels]] for p in scores[labels]])
    return pairs.mean(axis=1), pairs.mean(axis=0)


def ordinary(labels, one, two):
    """Difference and standard error of DeLong, DeLong and Clarke-Pearson (1988), a row a patient."""
    (p1, n1), (p2, n2) = placements(labels, one), placements(labels, two)
    positives, negatives = np.cov(p1, p2, ddof=1), np.cov(n1, n2, ddof=1)
    contrast = np.array([1, -1])
    variance = contrast @ (positives / len(p1) + negatives / len(n1)) @ contrast
    return p1.mean() - p2.mean(), np.sqrt(variance)


def clustered(labels, one, two, patients):
    """The same of Obuchowski (1997), variances and covariances of the two AUCs one by one."""
    ids, parts = sorted(set(patients)), []
    m, n = labels.sum(), (~labels).sum()
    for scores in (one, two):
        of_positives, of_negatives = placements(labels, scores)
        parts.append(
            (
                [of_positives[patients[labels] == i].sum() for i in ids],
                [of_negatives[patients[~labels] == i].sum() for i in ids],
                of_positives.mean(),
            )
        )
    with_positive = len(set(patients[labels]))
    with_negative = len(set(patients[~labels]))

    def covariance(a, b):
        s10 = s01 = s11 = 0.0
        for k, i in enumerate(ids):
            mi, ni = labels[patients == i].sum(), (~labels)[patients == i].sum()
            da, db = a[0][k] - mi * a[2], b[0][k] - mi * b[2]
            ea, eb = a[1][k] - ni * a[2], b[1][k] - ni * b[2]
            s10, s01, s11 = s10 + da * db, s01 + ea * eb, s11 + da * eb + db * ea
        s10 *= with_positive / ((with_positive - 1) * m)
        s01 *= with_negative / ((with_negative - 1) * n)
        s11 *= len(ids) / (len(ids) - 1)
        return s10 / m + s01 / n + s11 / (m * n)

    variance = covariance(parts[0], parts[0]) + covariance(parts[1], parts[1]) - 2 * covariance(*parts)
    return parts[0][2] - parts[1][2], np.sqrt(max(variance, 0))


@st.composite
def two_arms(draw):
    """Labels with both classes, two scores with many ties, and a patient a row that may own several."""
    n = draw(st.integers(6, 30))
    values = st.lists(st.integers(-3, 3), min_size=n, max_size=n)
    labels = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    labels[:4] = True, False, True, False
    scores = [np.array(draw(values), dtype=float) for _ in range(2)]
    owners = np.array(draw(st.lists(st.integers(0, 9), min_size=n, max_size=n)))
    owners[:4] = 0, 1, 2, 3
    return labels, *scores, np.array([f"p{i}" for i in owners])


@quick
@given(two_arms())
def test_with_one_row_a_patient_it_is_the_ordinary_test(sample):
    labels, one, two, _ = sample
    patients = np.arange(len(labels))
    found = compare(components(labels, one, patients), components(labels, two, patients))
    delta, se = ordinary(labels, one, two)
    assert found.delta == pytest.approx(delta, abs=1e-12)
    assert found.se == pytest.approx(se, abs=1e-12)
    if se > 1e-9:
        assert found.p == pytest.approx(2 * norm.sf(abs(delta) / se))
        assert found.interval == pytest.approx((delta - 1.959964 * se, delta + 1.959964 * se), abs=1e-6)


@quick
@given(two_arms())
def test_with_several_rows_a_patient_it_is_obuchowskis(sample):
    labels, one, two, patients = sample
    found = compare(components(labels, one, patients), components(labels, two, patients))
    delta, se = clustered(labels, one, two, patients)
    assert found.delta == pytest.approx(delta, abs=1e-12)
    assert found.se == pytest.approx(se, abs=1e-7)  # the root of a rounding error where the variance is zero


@quick
@given(two_arms())
def test_components_hold_the_auc(sample):
    labels, scores, _, patients = sample
    found = components(labels, scores, patients)
    assert found.auc == pytest.approx(auc(labels, scores), abs=1e-12)
    assert found.patients.tolist() == sorted(set(patients))
    assert found.counts.sum(axis=0).tolist() == [labels.sum(), (~labels).sum()]
    np.testing.assert_allclose(found.sums.sum(axis=0), auc(labels, scores) * found.counts.sum(axis=0))


@quick
@given(two_arms(), st.randoms())
def test_neither_scale_nor_order_of_rows_matters(sample, random):
    labels, one, two, patients = sample
    order = np.array(random.sample(range(len(labels)), len(labels)))
    first = compare(components(labels, one, patients), components(labels, two, patients))
    other = compare(
        components(labels[order], np.exp(one[order]), patients[order]),
        components(labels[order], 5 * two[order] - 2, patients[order]),
    )
    assert (other.delta, other.se) == pytest.approx((first.delta, first.se), abs=1e-9)


@quick
@given(two_arms())
def test_arms_change_sides_with_the_sign(sample):
    labels, one, two, patients = sample
    a, b = components(labels, one, patients), components(labels, two, patients)
    there, back = compare(a, b), compare(b, a)
    assert (there.delta, there.se) == pytest.approx((-back.delta, back.se), abs=1e-12)
    assert there.p == pytest.approx(back.p, nan_ok=True)


def test_rows_of_one_patient_count_less_than_rows_of_several():
    """Every row four times over: taken for as many patients the error halves, taken for what it is it stays."""
    rng = np.random.default_rng(0)
    labels = np.arange(200) < 60
    scores = signals(rng, 2, labels, 1)
    again = np.repeat(labels, 4), *np.repeat(scores, 4, axis=1)

    def se(labels, one, two, patients):
        return compare(components(labels, one, patients), components(labels, two, patients)).se

    honest = se(labels, *scores, np.arange(200))
    assert se(*again, np.repeat(np.arange(200), 4)) == pytest.approx(honest, rel=1e-9)
    assert se(*again, np.arange(800)) == pytest.approx(honest / 2, rel=0.02)


def test_it_agrees_with_the_patient_bootstrap():
    labels, patients = labels_of(200, 4, 0.3, mixed=True), patients_of(200, 4)
    one, two = signals(np.random.default_rng(0), 2, labels, 4)
    bootstrap = PatientBootstrap.draw(patients, labels, draws=2000, seed=0)
    draws = bootstrap.auc(patients, labels, one) - bootstrap.auc(patients, labels, two)
    found = compare(components(labels, one, patients), components(labels, two, patients))
    assert found.se == pytest.approx(draws.std(), rel=0.05)


def test_means_over_seeds_are_compared_by_mean_components():
    """Two equal seeds are one; and the standard error of a mean is that of the mean of the seeds' influences."""
    labels, patients = labels_of(60, 4, 0.3, mixed=True), patients_of(60, 4)
    one, two, three = (components(labels, s, patients) for s in signals(np.random.default_rng(1), 3, labels, 4))
    assert compare([one, one], [two]) == compare(one, two)
    mean = Components(one.patients, (one.sums + three.sums) / 2, one.counts)
    found = compare([one, three], two)
    assert (found.delta, found.se) == pytest.approx((mean.auc - two.auc, compare(mean, two).se), abs=1e-12)
    assert found.se < max(compare(one, two).se, compare(three, two).se)


def test_identical_scores_do_not_differ():
    labels, patients = labels_of(20, 2, 0.3, mixed=True), patients_of(20, 2)
    scores = signals(np.random.default_rng(0), 1, labels, 2)[0]
    found = compare(components(labels, scores, patients), components(labels, 2 * scores, patients))
    assert (found.delta, found.se, found.p, found.interval) == (0, 0, 1, (0, 0))
    assert "alike" in found.note


def test_a_difference_without_variance_is_not_judged():
    labels, patients = np.array([1, 1, 0, 0]), np.arange(4)
    right, wrong = components(labels, labels, patients), components(labels, 1 - labels, patients)
    found = compare(right, wrong)
    assert (found.delta, found.se) == (1, 0)
    assert np.isnan([found.p, *found.interval]).all()
    assert "nothing varies" in found.note


def test_test_sets_that_differ_are_refused():
    labels = np.array([1, 1, 0, 0, 0])
    first = components(labels, np.arange(5), ["a", "b", "c", "d", "e"])
    other = components(labels, np.arange(5), ["a", "b", "c", "d", "f"])
    with pytest.raises(DataError, match="different patients: 2 are in one test set only, such as e"):
        compare(first, other)
    relabelled = components(np.array([1, 0, 0, 0, 1]), np.arange(5), ["a", "b", "c", "d", "e"])
    with pytest.raises(DataError, match="different labels: 2 patients differ in"):
        compare([first, relabelled], first)


def test_what_has_no_variance_between_patients_is_refused():
    lone = components(np.array([1, 1, 0, 0]), np.arange(4), ["a", "a", "b", "c"])
    with pytest.raises(DataError, match="1 patients with a positive row and 2 with a negative one"):
        compare(lone, lone)
    with pytest.raises(DataError, match="no AUC to compare"):
        compare([], lone)


def test_what_has_no_auc_has_no_components():
    with pytest.raises(DataError, match="only positives"):
        components(np.ones(3), np.arange(3), np.arange(3))
    with pytest.raises(DataError, match="1 of 3 scores are NaN"):
        components(np.array([1, 0, 1]), np.array([0.1, np.nan, 0.2]), np.arange(3))


def test_a_level_is_a_share():
    labels, scores = np.array([1, 1, 0, 0]), np.array([3.0, 1.0, 2.0, 0.0])
    some = components(labels, scores, np.arange(4))
    with pytest.raises(ConfigError, match="interval is 95"):
        compare(some, some, level=95)
