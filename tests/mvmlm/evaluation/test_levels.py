"""Names say their level, and scores and labels climb by the rules that are stated."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, logit

from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.levels import LEVELS, RULES, at_level, describe, fuse, steps
from tests.mvmlm.evaluation.resamples import quick


def frame(ids, patients, labels, scores, probabilities=None) -> pd.DataFrame:
    table = pd.DataFrame({"unit_id": ids, "patient_id": patients, "label": labels, "score": scores})
    if probabilities is not None:
        for k, column in enumerate(np.asarray(probabilities, dtype=float).T):
            table[f"p{k}"] = column
    return table


@st.composite
def views(draw, classes: int = 0):
    """Predictions by view and the table of units: up to 3 patients × 2 exams × 2 breasts × 3 views, some absent."""
    rows = []
    for patient in range(draw(st.integers(1, 3))):
        for exam in range(draw(st.integers(1, 2))):
            for side in draw(st.sampled_from(["L", "R", "LR"])):
                for _ in range(draw(st.integers(1, 3))):
                    rows.append((f"p{patient}", f"p{patient}e{exam}", f"p{patient}e{exam}{side}", f"i{len(rows):02d}"))
    patients, exams, breasts, images = map(list, zip(*rows))
    n = len(rows)
    if classes:
        mass = np.array(draw(st.lists(st.integers(1, 5), min_size=n * classes, max_size=n * classes)), float)
        probabilities = mass.reshape(n, classes) / mass.reshape(n, classes).sum(axis=1, keepdims=True)
        labels = draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n))
        table = frame(images, patients, labels, probabilities @ np.arange(classes), probabilities)
    else:
        labels = draw(st.lists(st.sampled_from([0, 1, pd.NA]), min_size=n, max_size=n))
        scores = np.array(draw(st.lists(st.integers(0, 10), min_size=n, max_size=n))) / 10
        table = frame(images, patients, pd.array(labels, dtype="Int8"), scores)
    units = pd.DataFrame({"breast_id": breasts, "exam_id": exams, "patient_id": patients}, index=images)
    return table, units


def above(units: pd.DataFrame, level: str) -> pd.DataFrame:
    """The table of units for units of a level."""
    return units if level == "view" else units.drop_duplicates(f"{level}_id").set_index(f"{level}_id", drop=False)


def test_a_metrics_name_ends_in_a_level_that_there_is():
    assert [at_level("auc", level) for level in LEVELS] == ["auc@view", "auc@breast", "auc@exam", "auc@patient"]
    with pytest.raises(ConfigError, match="unknown level 'side'"):
        at_level("auc", "side")


def test_the_way_is_told_as_it_is_walked():
    assert steps("view", "exam") == ("breast", "exam")
    assert steps("patient", "patient") == ()
    assert describe("finding", "view", "exam") == "breast: mean of logits over views; exam: highest over breasts"
    assert describe("density", "exam", "patient") == "patient: mean of class probabilities over exams"
    for rule in RULES:
        assert [part.split(":")[0] for part in describe(rule, "view", "patient").split("; ")] == list(LEVELS[1:])


@quick
@given(views(), st.sampled_from(["probability", "logit", "order"]), st.sampled_from(LEVELS[1:]))
def test_each_level_stands_on_the_one_below(sample, scale, stop):
    table, units = sample
    told = {"rule": "finding", "scale": scale}
    at_once = fuse(table, units, level="view", to="patient", **told)
    by_stages = fuse(
        fuse(table, units, level="view", to=stop, **told), above(units, stop), level=stop, to="patient", **told
    )
    pd.testing.assert_frame_equal(by_stages, at_once)
    shuffled = table.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(fuse(shuffled, units, level="view", to="patient", **told), at_once)


@quick
@given(views(classes=3), st.sampled_from(["density", "assessment"]), st.sampled_from(LEVELS[1:]))
def test_each_level_of_classes_stands_on_the_one_below(sample, rule, stop):
    table, units = sample
    at_once = fuse(table, units, level="view", to="patient", rule=rule)
    part = fuse(table, units, level="view", to=stop, rule=rule)
    pd.testing.assert_frame_equal(fuse(part, above(units, stop), level=stop, to="patient", rule=rule), at_once)
    columns = ["p0", "p1", "p2"]
    np.testing.assert_allclose(at_once[columns].sum(axis=1), 1)
    np.testing.assert_allclose(at_once["score"], at_once[columns] @ np.arange(3))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("to", LEVELS)
def test_a_unit_with_one_member_keeps_its_numbers_bit_for_bit(rule, to):
    rng = np.random.default_rng(0)
    ids = [f"u{i:02d}" for i in range(50)]
    probabilities = None if rule == "finding" else rng.dirichlet(np.ones(4), 50)
    scores = rng.random(50) ** 8 if rule == "finding" else probabilities @ np.arange(4)
    table = frame(ids, ids, rng.integers(0, 2, 50).astype(np.int8), scores, probabilities)
    units = pd.DataFrame({"breast_id": ids, "exam_id": ids}, index=ids)
    pd.testing.assert_frame_equal(fuse(table, units, level="view", to=to, rule=rule), table, check_exact=True)


def test_rows_come_sorted_by_unit_and_the_first_of_equals_stands_for_them():
    probabilities = [[0.5, 0.0, 0.5], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    table = frame(["c", "b", "a"], ["x", "x", "y"], [1, 1, 0], [1.0, 1.0, 0.0], probabilities)
    assert fuse(table, level="breast", to="breast", rule="assessment")["unit_id"].tolist() == ["a", "b", "c"]
    units = pd.DataFrame({"exam_id": ["e2", "e2", "e1"]}, index=["c", "b", "a"])
    exams = fuse(table, units, level="breast", to="exam", rule="assessment")
    assert exams["unit_id"].tolist() == ["e1", "e2"]
    assert exams["p1"].tolist() == [0.0, 1.0]


def test_findings_average_logits_over_views_and_take_the_highest_above():
    table = frame(list("abcdef"), list("xxxxyy"), [0, 0, 1, 0, 0, 0], [0.1, 0.3, 0.8, 0.9, 0.5, 0.7])
    units = pd.DataFrame(
        {
            "breast_id": ["xL", "xL", "xR", "xR", "yL", "yR"],
            "exam_id": ["x1", "x1", "x1", "x1", "y1", "y2"],
        },
        index=list("abcdef"),
    )
    breasts = fuse(table, units, level="view", to="breast", rule="finding")
    left, right = expit(logit([0.1, 0.3]).mean()), expit(logit([0.8, 0.9]).mean())
    np.testing.assert_allclose(breasts["score"], [left, right, 0.5, 0.7])
    assert breasts["label"].tolist() == [0, 1, 0, 0]
    exams = fuse(table, units, level="view", to="exam", rule="finding")
    np.testing.assert_allclose(exams["score"], [right, 0.5, 0.7])
    patients = fuse(table, units, level="view", to="patient", rule="finding")
    np.testing.assert_allclose(patients["score"], [right, 0.7])
    assert patients["unit_id"].tolist() == patients["patient_id"].tolist() == ["x", "y"]
    as_logits = fuse(
        table.assign(score=logit(table["score"])), units, level="view", to="patient", rule="finding", scale="logit"
    )
    np.testing.assert_allclose(expit(as_logits["score"]), patients["score"])
    order = fuse(table, units, level="view", to="breast", rule="finding", scale="order")
    np.testing.assert_allclose(order["score"], [0.2, 0.85, 0.5, 0.7])


def test_probabilities_of_0_and_1_still_have_a_mean():
    table = frame(list("abcd"), list("xxyy"), [0, 0, 0, 0], [0.0, 1.0, 1.0, 1.0])
    units = pd.DataFrame({"breast_id": list("xxyy")}, index=list("abcd"))
    np.testing.assert_allclose(
        fuse(table, units, level="view", to="breast", rule="finding")["score"], [0.5, 1.0], atol=1e-9
    )


def test_classes_are_averaged_for_density_and_the_worse_breast_counts_for_an_assessment():
    probabilities = [[0.8, 0.2, 0.0], [0.0, 0.4, 0.6]]
    table = frame(["L", "R"], ["x", "x"], [0, 2], [0.2, 1.6], probabilities)
    units = pd.DataFrame({"exam_id": ["e", "e"]}, index=["L", "R"])
    dense = fuse(table, units, level="breast", to="exam", rule="density").iloc[0]
    np.testing.assert_allclose(dense[["p0", "p1", "p2", "score"]].astype(float), [0.4, 0.3, 0.3, 0.9])
    worse = fuse(table, units, level="breast", to="exam", rule="assessment").iloc[0]
    np.testing.assert_allclose(worse[["p0", "p1", "p2", "score"]].astype(float), [0.0, 0.4, 0.6, 1.6])
    assert dense["label"] == worse["label"] == 2


@pytest.mark.parametrize(
    ("labels", "breast", "exam"),
    [
        ([1, pd.NA], 1, 1),
        ([0, pd.NA], 0, None),
        ([pd.NA, pd.NA], None, None),
        ([0, 0], 0, 0),
    ],
)
def test_unknown_labels(labels, breast, exam):
    table = frame(["a", "b"], ["x", "x"], pd.array(labels, dtype="Int8"), [0.1, 0.2])
    units = pd.DataFrame({"breast_id": ["u", "u"], "exam_id": ["u", "u"]}, index=["a", "b"])
    for level, to, expected in (("view", "breast", breast), ("breast", "exam", exam)):
        label = fuse(table, units, level=level, to=to, rule="finding")["label"].iloc[0]
        assert (label is pd.NA) if expected is None else (label == expected)


def test_an_unknown_breast_may_be_in_a_higher_class_than_the_known_one():
    table = frame(["a", "b"], ["x", "x"], pd.array([1, pd.NA], dtype="Int8"), [1.0, 1.0], np.eye(3)[[1, 1]])
    units = pd.DataFrame({"exam_id": ["e", "e"]}, index=["a", "b"])
    assert fuse(table, units, level="breast", to="exam", rule="assessment")["label"].isna().all()
    table["label"] = pd.array([2, pd.NA], dtype="Int8")
    assert fuse(table, units, level="breast", to="exam", rule="assessment")["label"].tolist() == [2]


@pytest.mark.parametrize(
    ("change", "told", "error", "words"),
    [
        (
            {},
            {"level": "exam", "to": "breast"},
            ConfigError,
            "level exam cannot be taken apart into scores at level breast",
        ),
        ({}, {"to": "side"}, ConfigError, "unknown level 'side'"),
        ({}, {"rule": "findings"}, ConfigError, "did you mean 'finding'"),
        ({}, {"rule": "density"}, ConfigError, "'density' does not fit predictions with no class probabilities"),
        ({"p0": 0.5, "p1": 0.5}, {}, ConfigError, "'finding' does not fit predictions with class probabilities"),
        ({}, {"scale": "odds"}, ConfigError, "scale is 'odds'; known: probability, logit, order"),
        ({}, {"units": None}, DataError, "nothing says which exam_id the units belong to"),
        ({"unit_id": ["a", "a", "b"]}, {}, DataError, r"1 units are there more than once \(such as a\)"),
        ({"unit_id": ["a", "b", "z"]}, {}, DataError, r"1 units are not in the table of units \(such as z\)"),
        ({"patient_id": ["x", "y", "y"]}, {}, DataError, "exam_id e1 belongs to 2 of patient_id at once"),
        ({"score": [0.1, np.nan, 0.3]}, {}, DataError, "1 of 3 scores are NaN"),
        ({"score": [0.1, 3.0, 0.3]}, {}, DataError, r"1 of 3 scores are no probabilities \(such as 3\)"),
    ],
)
def test_what_cannot_be_fused_is_refused(change, told, error, words):
    table = frame(["a", "b", "c"], ["x", "x", "y"], [0, 1, 0], [0.1, 0.2, 0.3]).assign(**change)
    units = pd.DataFrame({"exam_id": ["e1", "e1", "e2"]}, index=["a", "b", "c"])
    asked = {"units": units, "level": "breast", "to": "exam", "rule": "finding", **told}
    with pytest.raises(error, match=words):
        fuse(table, **asked)


@pytest.mark.parametrize(
    ("exams", "words"),
    [
        (["e1", "e1", pd.NA, "e1"], r"1 units have no exam_id in the table of units \(such as c\)"),
        (["e1", "e1", "e2", "e9"], "unit a is in the table of units twice, with other parents each time"),
    ],
)
def test_a_table_of_units_that_leaves_a_parent_open_is_refused(exams, words):
    table = frame(["a", "b", "c"], ["x", "x", "y"], [0, 1, 0], [0.1, 0.2, 0.3])
    units = pd.DataFrame({"exam_id": exams}, index=["a", "b", "c", "a"])
    with pytest.raises(DataError, match=words):
        fuse(table, units, level="breast", to="exam", rule="finding")
    units = pd.DataFrame({"exam_id": ["e1", "e1", "e2", "e1"]}, index=units.index)
    assert fuse(table, units, level="breast", to="exam", rule="finding")["unit_id"].tolist() == ["e1", "e2"]


def test_infinite_logits_have_no_mean():
    table = frame(["a", "b"], ["x", "x"], [0, 1], [-np.inf, np.inf])
    units = pd.DataFrame({"breast_id": ["u", "u"]}, index=["a", "b"])
    with pytest.raises(DataError, match="2 of 2 scores are not finite"):
        fuse(table, units, level="view", to="breast", rule="finding", scale="logit")
