"""Splits are by patient, nested, stratified, and blind to the order of the table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.data.splits import (
    by_label,
    carve_validation,
    label_fraction,
    nested_fraction,
    patient_folds,
    rarest_class,
    split_by_patient,
    with_split,
)
from mvmlm.errors import ConfigError, DataError

FRACTIONS = (0.01, 0.1, 0.5, 1.0)

people = st.dictionaries(
    st.text("abcdef0123456789", min_size=1, max_size=8), st.booleans(), min_size=1, max_size=80
)
seeds = st.integers(0, 2**31)
quick = settings(deadline=None, max_examples=60)


@quick
@given(people, seeds)
def test_a_smaller_fraction_lies_inside_a_larger_one(who, seed):
    drawn = [nested_fraction(list(who), list(who.values()), f, seed) for f in FRACTIONS]
    assert drawn[0] <= drawn[1] <= drawn[2] <= drawn[3] == set(who)


@quick
@given(people, seeds, st.floats(0.001, 1.0))
def test_each_class_gives_its_share_and_at_least_one_patient(who, seed, fraction):
    drawn = nested_fraction(list(who), list(who.values()), fraction, seed)
    for value in (False, True):
        there = sum(v is value for v in who.values())
        taken = sum(who[p] is value for p in drawn)
        if there:
            assert 1 <= taken <= there
            assert abs(taken - fraction * there) <= 0.5 + 1e-9 or taken == 1


@quick
@given(people, seeds, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(who, seed, random):
    rows = [(p, v) for p, v in who.items() for _ in range(2)]
    shuffled = random.sample(rows, len(rows))
    for fraction in FRACTIONS:
        first, second = (nested_fraction(*zip(*r), fraction, seed) for r in (rows, shuffled))
        assert first == second
    assert carve_validation([p for p, _ in rows], 0.2, seed) == carve_validation(
        [p for p, _ in shuffled], 0.2, seed
    )
    if len(who) > 1:
        first, second = (split_by_patient(*zip(*r), 0.3, seed) for r in (rows, shuffled))
        assert first == second


def test_a_patient_with_one_positive_breast_is_positive():
    patients = ["a", "a", *(f"n{i}" for i in range(20))]
    drawn = nested_fraction(patients, [False, True, *[False] * 20], 0.05, 0)
    assert "a" in drawn
    assert len(drawn) == 2


def test_another_seed_draws_other_patients():
    patients = [f"p{i}" for i in range(200)]
    draws = {nested_fraction(patients, [i % 5 == 0 for i in range(200)], 0.1, seed) for seed in range(5)}
    assert len(draws) == 5


def test_draws_for_different_purposes_are_independent_at_one_seed():
    patients = [f"p{i}" for i in range(2000)]
    validation = carve_validation(patients, 0.5, 0)
    granted = nested_fraction(patients, [False] * 2000, 0.5, 0)
    test = split_by_patient(patients, [False] * 2000, 0.5, 0)
    for one, other in ((validation, granted), (validation, test), (granted, test)):
        assert 430 < len(one & other) < 570


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01, float("nan")])
def test_a_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(ConfigError, match="fraction"):
        nested_fraction(["a", "b"], [True, False], fraction, 0)


def test_validation_is_a_share_of_patients_and_never_all_of_them():
    patients = [f"p{i}" for i in range(50)] * 4
    assert len(carve_validation(patients, 0.1, 0)) == 5
    assert carve_validation(patients, 0, 0) == frozenset()
    assert len(carve_validation(["a", "b"], 0.01, 0)) == 1
    assert len(carve_validation(["a", "b"], 0.99, 0)) == 1
    assert carve_validation(["a"], 0.5, 0) == frozenset()
    with pytest.raises(ConfigError, match="val_fraction"):
        carve_validation(patients, 1.0, 0)


def test_validation_does_not_reshuffle_when_patients_are_added():
    patients = [f"p{i}" for i in range(100)]
    before = carve_validation(patients, 0.1, 3)
    after = carve_validation([*patients, "new"], 0.1, 3)
    assert len(before & after) >= len(before) - 1


@quick
@given(st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.booleans()), min_size=2, max_size=150), seeds)
def test_a_drawn_test_set_has_whole_patients_and_something_of_every_label(rows, seed):
    patients = [f"p{p}" for p, *_ in rows]
    labels = pd.DataFrame([r[1:] for r in rows], columns=["mass", "malignancy"])
    if len(set(patients)) < 2:
        with pytest.raises(DataError, match="two are needed"):
            split_by_patient(patients, labels, 0.2, seed)
        return
    test = split_by_patient(patients, labels, 0.2, seed)
    assert 0 < len(test) < len(set(patients))
    positive = labels.groupby(np.array(patients)).any()
    rarest = positive.sum().sort_values(kind="stable").index[0]
    holders = set(positive.index[positive[rarest]])
    if len(holders) > 1 and positive.sum().nunique() == 2:
        assert holders & test
        assert holders - test


def test_a_drawn_test_set_is_close_to_its_share_in_size_and_in_every_label():
    rng = np.random.default_rng(0)
    labels = pd.DataFrame({"malignancy": rng.random(2000) < 0.05, "mass": rng.random(2000) < 0.2})
    patients = np.repeat([f"p{i}" for i in range(1000)], 2)
    test = split_by_patient(patients, labels, 0.2, 1)
    assert len(test) == 200
    chosen = np.isin(patients, list(test))
    for column in labels:
        by_patient = labels[column].groupby(patients).any()
        assert labels[column][chosen].groupby(patients[chosen]).any().sum() == pytest.approx(
            0.2 * by_patient.sum(), rel=0.2
        )


def test_unknown_labels_count_as_not_positive_for_the_draw():
    labels = pd.array([True, None, False, None], dtype="boolean")
    test = split_by_patient(["a", "b", "c", "d"], labels, 0.25, 0)
    assert len(test) == 1


def breasts(split) -> pd.DataFrame:
    n = 40
    ids = [f"p{i // 2}" for i in range(n)]
    return pd.DataFrame(
        {
            "patient_id": ids,
            "split": pd.array([split] * n if not isinstance(split, list) else split, dtype="string"),
            "malignancy": pd.array([i % 8 == 0 for i in range(n)], dtype="boolean"),
        },
        index=pd.Index([f"b{i}" for i in range(n)], name="breast_id"),
    )


def test_an_official_split_stays_as_it_is():
    table = breasts(["train", "test"] * 20)
    pd.testing.assert_frame_equal(with_split(table, 0.5, 0), table)


def test_a_set_without_a_split_gets_one_by_patient():
    table = breasts(pd.NA)
    drawn = with_split(table, 0.2, 0)
    assert drawn.groupby("patient_id")["split"].nunique().eq(1).all()
    assert drawn.loc[drawn["split"] == "test", "patient_id"].nunique() == 4
    assert drawn.loc[drawn["split"] == "test", "malignancy"].nunique() == 2
    assert table["split"].isna().all()


def test_a_split_given_for_some_rows_only_is_refused():
    with pytest.raises(DataError, match=r"38 of 40 breasts \(missing for example for b38\)"):
        with_split(breasts(["train"] * 38 + [pd.NA] * 2), 0.2, 0)


def test_a_label_fraction_grants_only_patients_who_can_be_used():
    table = breasts("train").assign(cc=0, mlo=-1)
    table.loc[table["patient_id"] == "p0", ["cc", "mlo"]] = -1
    label = table["malignancy"].mask(table["patient_id"] == "p4")
    granted = label_fraction(table, label, 1.0, 0)
    assert granted == set(table["patient_id"]) - {"p0", "p4"}


@quick
@given(people, seeds, st.integers(2, 5))
def test_folds_are_by_patient_and_hold_both_classes(who, seed, folds):
    rows = [(p, v and i == 0) for p, v in who.items() for i in range(2)]
    patients, labels = np.array([p for p, _ in rows]), np.array([v for _, v in rows])
    fold = patient_folds(patients, labels, folds, seed)
    frame = pd.DataFrame({"p": patients, "fold": fold})
    assert frame.groupby("p")["fold"].nunique().eq(1).all()
    flags = np.array(list(who.values()))
    for value in (False, True):
        where = frame.groupby("p")["fold"].first()[[p for p, v in who.items() if v is value]]
        counts = np.bincount(where, minlength=folds)
        assert counts.max() - counts.min() <= 1
        if (flags == value).sum() >= folds:
            assert counts.min() >= 1


graded = st.lists(st.tuples(st.integers(0, 25), st.integers(0, 4)), min_size=1, max_size=80)


@quick
@given(graded)
def test_a_patient_stands_with_the_class_that_fewest_patients_have(rows):
    patients, labels = [f"p{p}" for p, _ in rows], [label for _, label in rows]
    having = {k: len({p for p, label in rows if label == k}) for k in set(labels)}
    found = rarest_class(patients, labels)
    assert found.index.tolist() == sorted(set(patients))
    for patient, chosen in found.items():
        mine = {label for p, label in zip(patients, labels) if p == patient}
        assert chosen == min(mine, key=lambda k: (having[k], -k))
    strata = by_label(patients, labels)
    assert sorted(p for members in strata for p in members) == found.index.tolist()
    assert [set(found[members]) for members in strata] == [{k} for k in sorted(set(found))]


@quick
@given(graded, seeds)
def test_fractions_of_classes_are_nested_and_give_each_class_its_share(rows, seed):
    patients, labels = [f"p{p}" for p, _ in rows], [label for _, label in rows]
    drawn = [nested_fraction(patients, labels, f, seed) for f in FRACTIONS]
    assert drawn[0] <= drawn[1] <= drawn[2] <= drawn[3] == set(patients)
    for fraction, granted in zip(FRACTIONS, drawn):
        for members in by_label(patients, labels):
            taken = len(granted & set(members))
            assert taken >= 1
            assert abs(taken - fraction * len(members)) <= 0.5 + 1e-9 or taken == 1


@quick
@given(graded, seeds, st.integers(2, 5), st.randoms(use_true_random=False))
def test_folds_of_classes_are_by_patient_even_and_blind_to_the_order(rows, seed, folds, random):
    patients, labels = [f"p{p}" for p, _ in rows], [label for _, label in rows]
    fold = dict(zip(patients, patient_folds(patients, labels, folds, seed)))
    assert [fold[p] for p in patients] == patient_folds(patients, labels, folds, seed).tolist()
    for members in by_label(patients, labels):
        counts = np.bincount([fold[p] for p in members], minlength=folds)
        assert counts.max() - counts.min() <= 1
    shuffled = random.sample(rows, len(rows))
    again = patient_folds([f"p{p}" for p, _ in shuffled], [label for _, label in shuffled], folds, seed)
    assert {f"p{p}": f for (p, _), f in zip(shuffled, again)} == fold


def test_labels_that_are_true_or_false_and_classes_0_and_1_make_strata_of_their_own_kind():
    """A patient with both is positive; and of the class that fewer patients have."""
    patients = ["a", "a", "b", "c"]
    assert by_label(patients, [True, False, True, True]) == [["a", "b", "c"]]
    assert by_label(patients, [1, 0, 1, 1]) == [["a"], ["b", "c"]]
    assert by_label([], []) == []


def test_a_label_fraction_takes_class_indices_with_unknown_ones():
    table = breasts("train").assign(cc=0, mlo=-1)
    label = pd.Series(pd.array([i % 4 for i in range(len(table))], dtype="Int8"), index=table.index)
    label = label.mask(table["patient_id"] == "p4")
    assert label_fraction(table, label, 1.0, 0) == set(table["patient_id"]) - {"p4"}
