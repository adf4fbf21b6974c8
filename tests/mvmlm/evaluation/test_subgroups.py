"""Subgroups: who is in each, which are too small, which is worst, and what the gap is worth."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from mvmlm.errors import DataError
from mvmlm.evaluation.bootstrap import PatientBootstrap, percentile_interval
from mvmlm.evaluation.metrics import auc, weighted_auc
from mvmlm.evaluation.subgroups import LEAST, UNKNOWN, age_bands, by_subgroup, subgroups_of


def graded(groups, effects, *, seed=0, draws=200):
    """Report over groups (n,) whose scores separate the classes by ``effects`` (group to distance)."""
    rng = np.random.default_rng(seed)
    groups = np.asarray(groups)
    labels = rng.random(len(groups)) < 0.4
    scores = rng.standard_normal(len(groups)) + labels * np.array([effects[g] for g in groups])
    patients = np.array([f"p{i:04d}" for i in range(len(groups))])
    counts = PatientBootstrap.draw(patients, labels, draws=draws, seed=0).counts

    def measure(rows):
        return auc(labels[rows], scores[rows]), weighted_auc(
            labels[rows], scores[rows], np.arange(rows.sum()), counts[rows]
        )

    report = by_subgroup(pd.DataFrame({"site": groups}), labels, patients, measure, metric="auc@breast")
    return report, labels, scores, measure


def test_each_group_has_its_rows_value_and_interval():
    groups = np.repeat(["1", "2"], [150, 250])
    report, labels, scores, measure = graded(groups, {"1": 1.0, "2": 2.0})
    for row in report["attributes"]["site"]["groups"]:
        inside = groups == row["group"]
        assert (row["n"], row["n_positive"], row["small"]) == (inside.sum(), labels[inside].sum(), False)
        assert row["value"] == auc(labels[inside], scores[inside])
        assert (row["low"], row["high"]) == percentile_interval(measure(inside)[1])
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_the_worst_group_is_named_and_the_gap_is_between_the_two():
    groups = np.repeat(["1", "2", "3"], 200)
    report, _, _, measure = graded(groups, {"1": 2.0, "2": 0.3, "3": 1.0})
    found = report["attributes"]["site"]
    assert (found["worst"], found["best"]) == ("2", "1")
    assert report["worst"]["group"] == "2"
    assert report["worst"]["attribute"] == "site"
    values, drawn = zip(*(measure(groups == name) for name in ("1", "2")))
    assert found["gap"] == pytest.approx(values[0] - values[1])
    assert (found["low"], found["high"]) == pytest.approx(percentile_interval(drawn[0] - drawn[1]))
    assert found["gap"] > found["chance"]
    assert found["p"] < 0.02


def test_small_and_unknown_groups_are_shown_and_never_named():
    groups = np.array(["1"] * 200 + ["2"] * 200 + [UNKNOWN] * 200 + ["tiny"] * (LEAST - 1))
    report, *_ = graded(groups, {"1": 2.0, "2": 1.5, UNKNOWN: -1.0, "tiny": -3.0})
    rows = {row["group"]: row for row in report["attributes"]["site"]["groups"]}
    assert list(rows) == ["1", "2", "tiny", UNKNOWN]
    assert rows["tiny"]["small"]
    assert rows["tiny"]["value"] is None
    assert rows[UNKNOWN]["value"] < 0.5
    assert report["attributes"]["site"]["worst"] == "2"
    assert report["worst"]["group"] == "2"


@pytest.mark.parametrize("positives", [LEAST - 1, LEAST])
def test_a_group_needs_so_many_of_either_kind(positives):
    labels = np.concatenate([np.ones(positives, bool), np.zeros(50, bool), np.arange(60) % 2 == 0])
    groups = pd.DataFrame({"site": np.repeat(["a", "b"], [positives + 50, 60])})
    for kind in (labels, ~labels):
        report = by_subgroup(groups, kind, np.arange(len(labels)), lambda _: (0.7, np.full(5, 0.7)), metric="auc")
        assert report["attributes"]["site"]["groups"][0]["small"] is (positives < LEAST)


def test_no_worst_where_fewer_than_two_groups_have_a_value():
    report, *_ = graded(["1"] * 100 + ["2"] * 5, {"1": 1.0, "2": 1.0})
    assert report["worst"] is None
    assert set(report["attributes"]["site"]) == {"groups"}


def test_undefined_draws_leave_values_without_an_interval():
    groups, labels = pd.DataFrame({"site": np.repeat(["a", "b"], 40)}), np.tile([True, False], 40)
    report = by_subgroup(groups, labels, np.arange(80), lambda _: (0.7, np.full(5, np.nan)), metric="auc")
    rows = report["attributes"]["site"]["groups"]
    assert all("low" not in row and row["value"] == 0.7 for row in rows)
    assert "p" not in report["attributes"]["site"]
    json.dumps(report, allow_nan=False)


def test_equal_groups_are_called_different_about_as_often_as_said():
    """5 % nominal over four equal groups; 200 simulations leave the share ± 3.1 points (2 sd)."""
    groups = np.repeat(["1", "2", "3", "4"], [60, 90, 120, 150])
    called, apart = 0, 0
    for seed in range(200):
        found = graded(groups, dict.fromkeys("1234", 1.0), seed=seed, draws=199)[0]["attributes"]["site"]
        called += found["p"] <= 0.05
        apart += found["low"] > 0
    assert 0.01 <= called / 200 <= 0.10
    assert apart > called  # the interval of the two named groups ignores that they were picked


def test_people_fall_into_the_groups_that_the_table_has():
    people = pd.DataFrame(
        {
            "age": pd.array([39.9, 40, 69, 70, pd.NA, 12], dtype="Float64"),
            "density": pd.array(["A", "B", "A", "B", pd.NA, "C"], dtype="string"),
            "site": ["1"] * 6,
            "race": pd.array([pd.NA] * 6, dtype="string"),
            "mass": [True] * 6,
        },
        index=[f"b{i}" for i in range(6)],
    )
    groups = subgroups_of(people, pd.Series(["b4", "b0", "b1", "b2", "b3"]))
    assert list(groups) == ["age", "density"]
    assert groups["age"].tolist() == [UNKNOWN, "0–39", "40–49", "60–69", "70 and over"]
    assert groups["density"].tolist() == [UNKNOWN, "A", "B", "A", "B"]
    with pytest.raises(DataError, match=r"1 units are not in the table of subgroups \(such as zz\)"):
        subgroups_of(people, pd.Series(["b1", "zz"]))


def test_bands_sort_by_age():
    bands = age_bands(pd.Series([0.0, 45.0, 55.0, 65.0, 99.0]))
    assert sorted(bands) == bands.tolist()
