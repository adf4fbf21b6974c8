"""The patient bootstrap against resampling by hand, and the promises that pair the cells of a table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation import bootstrap
from mvmlm.evaluation.bootstrap import PatientBootstrap, percentile_interval

quick = settings(deadline=None, max_examples=40)


def sample(n_patients: int, seed: int, *, effect: float = 1.0, prevalence: float = 0.2):
    """Two breasts a patient with a shared patient effect; ties by rounding."""
    rng = np.random.default_rng(seed)
    patients = np.repeat([f"p{i:03d}" for i in range(n_patients)], 2)
    labels = rng.random(2 * n_patients) < prevalence
    labels[:2] = True, False
    shared = np.repeat(rng.standard_normal(n_patients), 2)
    return patients, labels, np.round(effect * labels + 0.7 * shared + rng.standard_normal(2 * n_patients), 1)


def test_every_draw_is_the_auc_of_the_resampled_rows():
    patients, labels, scores = sample(40, 0)
    drawn = PatientBootstrap.draw(patients, labels, draws=60, seed=3)
    values = drawn.auc(patients, labels, scores)
    for b in range(60):
        rows = np.concatenate(
            [
                np.flatnonzero(patients == p)
                for p, n in zip(drawn.patients, drawn.counts[:, b])
                for _ in range(n)
            ]
        )
        assert values[b] == pytest.approx(roc_auc_score(labels[rows], scores[rows]), abs=1e-12)


@quick
@given(st.integers(2, 30), st.integers(0, 1000))
def test_a_draw_keeps_the_number_of_patients_of_each_stratum(n_patients, seed):
    patients, labels, _ = sample(n_patients, seed)
    drawn = PatientBootstrap.draw(patients, labels, draws=20, seed=seed)
    positive = np.isin(drawn.patients, patients[labels])
    assert (drawn.counts[positive].sum(axis=0) == positive.sum()).all()
    assert (drawn.counts[~positive].sum(axis=0) == (~positive).sum()).all()


@quick
@given(st.integers(3, 30), st.integers(0, 1000))
def test_draws_know_patients_and_strata_and_nothing_else(n_patients, seed):
    patients, labels, _ = sample(n_patients, seed)
    first = PatientBootstrap.draw(patients, labels, draws=10, seed=1)
    order = np.random.default_rng(seed).permutation(len(patients))
    # Rows in another order, and a positive label moved to the same patient's other breast.
    moved = labels.reshape(-1, 2)[:, ::-1].ravel()
    for other in (
        PatientBootstrap.draw(patients[order], labels[order], draws=10, seed=1),
        PatientBootstrap.draw(patients, moved, draws=10, seed=1),
    ):
        np.testing.assert_array_equal(first.patients, other.patients)
        np.testing.assert_array_equal(first.counts, other.counts)


def test_more_draws_begin_with_the_same_draws(monkeypatch):
    patients, labels, _ = sample(31, 0)
    long = PatientBootstrap.draw(patients, labels, draws=101, seed=0).counts
    np.testing.assert_array_equal(
        PatientBootstrap.draw(patients, labels, draws=40, seed=0).counts, long[:, :40]
    )
    monkeypatch.setattr(bootstrap, "BLOCK", 100)
    np.testing.assert_array_equal(PatientBootstrap.draw(patients, labels, draws=101, seed=0).counts, long)
    assert (PatientBootstrap.draw(patients, labels, draws=101, seed=1).counts != long).any()


def test_cells_on_the_same_patients_are_paired():
    """Two near copies of one score: their difference spreads far less over the draws than either."""
    patients, labels, scores = sample(100, 0)
    noisy = scores + 0.1 * np.random.default_rng(1).standard_normal(len(scores))
    one = PatientBootstrap.draw(patients, labels, draws=500, seed=0).auc(patients, labels, scores)
    two = PatientBootstrap.draw(patients, labels, draws=500, seed=0).auc(patients, labels, noisy)
    assert (one - two).std() < 0.3 * one.std()


@quick
@given(st.integers(0, 1000))
def test_draws_do_not_feel_a_change_of_scale(seed):
    patients, labels, scores = sample(20, seed)
    drawn = PatientBootstrap.draw(patients, labels, draws=15, seed=seed)
    values = drawn.auc(patients, labels, scores)
    np.testing.assert_array_equal(drawn.auc(patients, labels, 3 * scores + 1), values)
    np.testing.assert_allclose(drawn.auc(patients, labels, -scores), 1 - values, atol=1e-12)
    assert ((values >= 0) & (values <= 1)).all()


def test_constant_scores_are_chance_in_every_draw():
    patients, labels, _ = sample(20, 0)
    values = PatientBootstrap.draw(patients, labels, draws=25, seed=0).auc(patients, labels, np.zeros(40))
    assert (values == 0.5).all()


def test_draws_without_a_class_are_undefined_and_stay_out_of_the_interval():
    # Every patient is positive; only one has a negative breast, and some draws miss her.
    patients, labels = np.array(["a", "a", "b", "c"]), np.array([1, 0, 1, 1])
    drawn = PatientBootstrap.draw(patients, labels, draws=200, seed=0)
    values = drawn.auc(patients, labels, np.array([0.4, 0.3, 0.2, 0.9]))
    missed = drawn.counts[0] == 0
    assert missed.any()
    np.testing.assert_array_equal(np.isnan(values), missed)
    low, high = percentile_interval(values)
    assert (low, high) == percentile_interval(values[~missed])
    assert np.isnan(percentile_interval(np.full(3, np.nan))).all()


def test_a_single_patient_is_drawn_every_time():
    values = PatientBootstrap.draw(np.array(["a", "a"]), np.array([1, 0]), draws=5, seed=0)
    assert values.auc(np.array(["a", "a"]), np.array([1, 0]), np.array([2.0, 1.0])).tolist() == [1.0] * 5


def test_the_interval_is_the_percentiles():
    draws = np.random.default_rng(0).permutation(np.linspace(0, 1, 1001))
    assert percentile_interval(draws, 0.9) == pytest.approx((0.05, 0.95))


def test_wrong_settings_and_strange_patients_are_refused():
    patients, labels, scores = sample(5, 0)
    with pytest.raises(ConfigError, match="draws is 0"):
        PatientBootstrap.draw(patients, labels, draws=0, seed=0)
    with pytest.raises(ConfigError, match="interval is 95"):
        percentile_interval(scores, 95)
    with pytest.raises(DataError, match="2 rows are of patients outside the bootstrap, such as zz"):
        PatientBootstrap.draw(patients, labels, draws=2, seed=0).auc(
            np.where(patients == "p004", "zz", patients), labels, scores
        )


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """Clusters with a shared effect, 95 % nominal; 200 simulations leave the estimate ± 3.1 points (2 sd)."""
    truth = sample(200_000, 999)
    from mvmlm.evaluation.metrics import auc

    value = auc(truth[1], truth[2])
    covered = 0
    for seed in range(200):
        patients, labels, scores = sample(150, seed)
        low, high = percentile_interval(
            PatientBootstrap.draw(patients, labels, draws=300, seed=seed).auc(patients, labels, scores)
        )
        covered += low <= value <= high
    assert 0.90 <= covered / 200 <= 0.985
