"""Draws of patients for classes: strata by the rarest class, and the promises of the binary bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvmlm.errors import DataError
from mvmlm.evaluation.bootstrap import PatientBootstrap
from mvmlm.evaluation.strata import draw_patients, patient_strata
from tests.mvmlm.evaluation.resamples import quick


@st.composite
def patients_with_classes(draw):
    rows = draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=40))
    return np.array([f"p{patient}" for patient, _ in rows]), np.array([label for _, label in rows])


def drawn(patients, labels, *, draws=20, seed=0):
    return draw_patients(patients, labels, kind="multiclass", draws=draws, seed=seed)


@quick
@given(patients_with_classes())
def test_a_patient_stands_in_the_stratum_of_her_rarest_class(sample):
    patients, labels = sample
    holders = {k: len(np.unique(patients[labels == k])) for k in np.unique(labels)}
    ids, stratum = patient_strata(patients, labels)
    for patient, number in zip(ids, stratum):
        mine = np.unique(labels[patients == patient])
        assert number == min(mine, key=lambda k: (holders[k], -k))


@quick
@given(patients_with_classes())
def test_every_draw_keeps_the_number_of_patients_of_each_stratum(sample):
    patients, labels = sample
    bootstrap = drawn(patients, labels)
    ids, stratum = patient_strata(patients, labels)
    np.testing.assert_array_equal(bootstrap.patients, ids)
    for number in np.unique(stratum):
        assert (bootstrap.counts[stratum == number].sum(axis=0) == (stratum == number).sum()).all()


@quick
@given(patients_with_classes())
def test_draws_follow_from_patients_strata_and_seed(sample):
    patients, labels = sample
    bootstrap = drawn(patients, labels)
    order = np.random.default_rng(0).permutation(len(labels))
    np.testing.assert_array_equal(drawn(patients[order], labels[order]).counts, bootstrap.counts)
    np.testing.assert_array_equal(drawn(patients, labels, draws=31).counts[:, :20], bootstrap.counts)


def test_strata_of_one_size_are_drawn_independently():
    patients, labels = np.array([f"p{i:02d}" for i in range(40)]), np.repeat([0, 1], 20)
    counts = drawn(patients, labels, draws=400).counts.astype(float)
    together = np.corrcoef(counts)[:20, 20:]
    assert np.abs(together).max() < 0.25  # 400 correlations of 400 draws: sd 0.05 each
    assert (drawn(patients, labels, draws=400, seed=1).counts != counts).any()


def test_binary_labels_are_drawn_as_they_always_were():
    patients, labels = np.array(["a", "a", "b", "c", "d"]), np.array([0, 1, 0, 0, 1])
    expected = PatientBootstrap.draw(patients, labels, draws=9, seed=4)
    given_ = draw_patients(patients, labels, kind="binary", draws=9, seed=4)
    np.testing.assert_array_equal(given_.counts, expected.counts)


def test_rows_find_their_patients_and_strangers_are_refused():
    bootstrap = drawn(np.array(["b", "a", "b", "c"]), np.array([0, 0, 1, 1]))
    np.testing.assert_array_equal(bootstrap.clusters_of(np.array(["c", "a", "b", "a"])), [2, 0, 1, 0])
    with pytest.raises(DataError, match="1 rows are of patients outside the bootstrap, such as zz"):
        bootstrap.clusters_of(np.array(["a", "zz"]))
