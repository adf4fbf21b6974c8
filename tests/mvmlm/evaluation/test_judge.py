"""One call gives every metric of a cell: each equal to its own function, and nothing where nothing can be said."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logit
from sklearn.metrics import average_precision_score, brier_score_loss, cohen_kappa_score, roc_auc_score

from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.bootstrap import PatientBootstrap, percentile_interval
from mvmlm.evaluation.judge import NO_REFERENCE, Terms, judge
from mvmlm.evaluation.levels import fuse
from mvmlm.evaluation.metrics import auc
from mvmlm.evaluation.operating import at_best_balance, at_sensitivity, at_specificity, rates
from mvmlm.evaluation.panel import METRICS
from tests.mvmlm.evaluation.resamples import quick

FEW = {"draws": 60}
ALL = ("breast", "exam", "patient")


def binary(n_patients: int = 60, *, seed: int = 0, prefix: str = "t") -> pd.DataFrame:
    """Two breasts a patient, probabilities that know something."""
    rng = np.random.default_rng(seed)
    patients = np.repeat([f"{prefix}{i:03d}" for i in range(n_patients)], 2)
    labels = rng.random(2 * n_patients) < 0.3
    scores = 1 / (1 + np.exp(1 - 1.5 * labels - rng.standard_normal(2 * n_patients)))
    ids = [f"{patient}_{side}" for patient, side in zip(patients, "LR" * n_patients)]
    return pd.DataFrame({"unit_id": ids, "patient_id": patients, "label": labels.astype(np.int8), "score": scores})


def density(n_patients: int = 60, *, seed: int = 0) -> pd.DataFrame:
    """Four classes, the same in both breasts of a patient."""
    rng = np.random.default_rng(seed)
    table = binary(n_patients, seed=seed)
    labels = np.repeat(np.arange(n_patients) % 4, 2)
    mass = rng.dirichlet(np.ones(4), 2 * n_patients) + 0.7 * np.eye(4)[labels]
    probabilities = mass / mass.sum(axis=1, keepdims=True)
    table = table.assign(label=labels.astype(np.int8), score=probabilities @ np.arange(4))
    return table.assign(**{f"p{k}": probabilities[:, k] for k in range(4)})


def units_of(*tables: pd.DataFrame) -> pd.DataFrame:
    rows = pd.concat(tables)
    return pd.DataFrame({"exam_id": ("e" + rows["patient_id"]).to_numpy()}, index=rows["unit_id"])


@pytest.fixture(scope="module")
def whole():
    """Test rows, reference rows, their units and the judgement at three levels."""
    test, reference = binary(), binary(40, seed=1, prefix="r")
    units = units_of(test, reference)
    people = units.assign(age=np.arange(len(units)) % 50 + 30, manufacturer=np.resize(["A", "A", "B", "B"], len(units)))
    found = judge(test, Terms(levels=ALL, **FEW), units=units, people=people, reference=reference)
    return test, reference, units, found


def test_every_metric_is_there_at_every_level_with_draws_and_an_interval(whole):
    *_, found = whole
    names = [f"{metric}@{level}" for level in ALL for metric in METRICS["binary"]]
    assert list(found.draws) == names
    assert [name for name in found.metrics if "/" not in name] == names
    assert next(iter(found.metrics)) == "auc@breast"
    for name in names:
        drawn = found.draws[name]
        assert (drawn.dtype, drawn.shape) == (np.float32, (60,))
        assert (found.metrics[f"{name}/low"], found.metrics[f"{name}/high"]) == percentile_interval(drawn)
    assert found.details["left_out"] == {}


def test_details_are_plain_json(whole):
    *_, found = whole
    assert json.loads(json.dumps(found.details, allow_nan=False)) == found.details
    json.dumps(found.metrics, allow_nan=False)


def test_values_are_those_of_other_libraries_on_the_fused_rows(whole):
    test, _, units, found = whole
    for level in ALL:
        rows = fuse(test, units, level="breast", to=level, rule="finding")
        pd.testing.assert_frame_equal(found.predictions[level], rows)
        y, p = rows["label"], rows["score"]
        assert found.metrics[f"auc@{level}"] == pytest.approx(roc_auc_score(y, p))
        assert found.metrics[f"ap@{level}"] == pytest.approx(average_precision_score(y, p))
        assert found.metrics[f"brier@{level}"] == pytest.approx(brier_score_loss(y, p))
        assert found.details["levels"][level]["n"] == len(rows)
        assert sum(row["n"] for row in found.details["calibration"][level]["curve"]) == len(rows)


def test_thresholds_come_from_the_reference_fused_in_the_same_way(whole):
    test, reference, units, found = whole
    for level in ALL:
        rows, known = (fuse(t, units, level="breast", to=level, rule="finding") for t in (test, reference))
        point = at_specificity(known["label"], known["score"])
        told = found.details["operating"][f"sens_at_spec90@{level}"]
        sensitivity, specificity = rates(rows["label"], rows["score"], point.threshold)
        assert told["threshold"] == point.threshold
        assert found.metrics[f"sens_at_spec90@{level}"] == told["test"]["sensitivity"] == sensitivity
        assert told["test"]["specificity"] == specificity


def test_draws_are_those_of_the_patient_bootstrap(whole):
    test, *_, found = whole
    patients, labels = test["patient_id"].to_numpy(), test["label"].to_numpy()
    bootstrap = PatientBootstrap.draw(patients, labels, draws=60, seed=0)
    expected = bootstrap.auc(patients, labels, test["score"].to_numpy()).astype(np.float32)
    np.testing.assert_array_equal(found.draws["auc@breast"], expected)


def test_draws_at_a_threshold_are_its_rates_on_the_drawn_rows(whole):
    test, reference, _, found = whole
    bootstrap = PatientBootstrap.draw(test["patient_id"], test["label"], draws=60, seed=0)
    y, s = test["label"].to_numpy(), test["score"].to_numpy()
    for metric, choose, worth in (
        ("sens_at_spec90", at_specificity, lambda sens, spec: sens),
        ("spec_at_sens90", at_sensitivity, lambda sens, spec: spec),
        ("balanced_accuracy", at_best_balance, lambda sens, spec: (sens + spec) / 2),
    ):
        threshold = choose(reference["label"], reference["score"]).threshold
        for number in range(5):
            times = bootstrap.counts[np.searchsorted(bootstrap.patients, test["patient_id"]), number]
            expected = worth(*rates(np.repeat(y, times), np.repeat(s, times), threshold))
            assert found.draws[f"{metric}@breast"][number] == pytest.approx(expected, abs=1e-6)


def test_cells_on_the_same_patients_are_paired():
    one, other = binary(), binary()
    other["score"] = 1 - other["score"]
    sum_of_draws = judge(one, Terms(**FEW)).draws["auc@breast"] + judge(other, Terms(**FEW)).draws["auc@breast"]
    np.testing.assert_allclose(sum_of_draws, 1, atol=1e-6)


def test_more_draws_begin_with_the_same_draws_and_rows_have_no_order():
    test = binary()
    short, long = judge(test, Terms(**FEW)), judge(test.sample(frac=1, random_state=0), Terms(draws=90))
    for name, drawn in short.draws.items():
        np.testing.assert_allclose(long.draws[name][:60], drawn, rtol=1e-6)


def test_subgroups_are_those_of_the_primary_level(whole):
    test, *_, found = whole
    report = found.details["subgroups"]
    assert report["metric"] == "auc@breast"
    assert set(report["attributes"]) == {"age", "manufacturer"}
    groups = report["attributes"]["manufacturer"]["groups"]
    assert [row["n"] for row in groups] == [60, 60]
    bootstrap = PatientBootstrap.draw(test["patient_id"], test["label"], draws=60, seed=0)
    odd = np.arange(120) // 2 % 2
    for row, rows in zip(groups, (test[odd == 0], test[odd == 1])):
        drawn = bootstrap.auc(rows["patient_id"], rows["label"].to_numpy(), rows["score"].to_numpy())
        assert row["value"] == auc(rows["label"], rows["score"])
        assert (row["low"], row["high"]) == percentile_interval(drawn)


def test_without_a_reference_what_needs_a_threshold_is_left_out_and_said_to_be():
    found = judge(binary(), Terms(**FEW))
    assert found.details["left_out"] == dict.fromkeys(
        ("sens_at_spec90@breast", "spec_at_sens90@breast", "balanced_accuracy@breast"), NO_REFERENCE
    )
    assert "pf1@breast" in found.metrics
    assert found.details["subgroups"] is None


def test_a_reference_of_one_class_is_a_reason_and_not_a_crash():
    reference = binary(20, prefix="r").assign(label=0)
    found = judge(binary(), Terms(**FEW), reference=reference)
    assert found.details["left_out"]["sens_at_spec90@breast"] == (
        "no threshold from the reference scores: only negatives among 40 rows: choosing a threshold needs both classes"
    )
    assert "auc@breast" in found.metrics


def test_test_patients_in_the_reference_are_refused():
    with pytest.raises(DataError, match=r"60 test patients \(such as t000\) are in the reference"):
        judge(binary(), Terms(**FEW), reference=binary())


def test_the_primary_level_comes_first_and_patients_are_drawn_within_its_strata():
    test = binary()
    plain = judge(test, Terms(levels=("breast", "patient"), **FEW), units=units_of(test))
    found = judge(test, Terms(levels=("breast", "patient"), primary="patient", **FEW), units=units_of(test))
    assert next(iter(found.metrics)) == "auc@patient"
    assert found.metrics == plain.metrics
    with pytest.raises(ConfigError, match="primary is 'exam', which is not judged at"):
        Terms(levels=("breast", "patient"), primary="exam")


def test_a_mere_order_has_no_probabilities():
    found = judge(binary().assign(score=lambda t: 5 * t["score"] - 2), Terms(scale="order", **FEW))
    assert {"brier@breast", "ece@breast", "pf1@breast"} <= set(found.details["left_out"])
    assert "ap@breast" in found.metrics
    assert found.details["calibration"] == {}


def test_logits_are_judged_as_their_probabilities():
    test, reference = binary(), binary(30, seed=1, prefix="r")
    units = units_of(test, reference)
    asked = {"levels": ALL, **FEW}
    plain = judge(test, Terms(**asked), units=units, reference=reference)
    as_logits = [t.assign(score=logit(t["score"])) for t in (test, reference)]
    other = judge(as_logits[0], Terms(scale="logit", **asked), units=units, reference=as_logits[1])
    assert other.metrics == pytest.approx(plain.metrics)


def test_a_level_of_one_class_is_left_out_alone():
    test = binary().assign(label=lambda t: t["unit_id"].str.endswith("L").astype(np.int8))
    found = judge(test, Terms(levels=("breast", "patient"), **FEW), units=units_of(test))
    assert "auc@breast" in found.metrics
    assert found.details["left_out"]["auc@patient"] == "only label 1 among 60 patient rows: nothing can be told apart"
    assert not any(name.endswith("@patient") for name in found.draws)


def test_units_of_unknown_label_are_left_out_and_counted():
    test = binary()
    labels = test["label"].astype("Int8")
    first_negative = labels.index[(labels == 0) & (labels.groupby(test["patient_id"]).transform("max") == 0)][0]
    labels[first_negative] = pd.NA
    found = judge(test.assign(label=labels), Terms(levels=ALL, **FEW), units=units_of(test))
    assert [found.details["levels"][level]["label_unknown"] for level in ALL] == [1, 1, 1]
    assert found.details["levels"]["patient"]["n"] == 59


def test_classes_have_their_own_metrics_and_strata():
    test = density()
    terms = Terms(kind="multiclass", rule="density", levels=("breast", "patient"), **FEW)
    found = judge(test, terms, units=units_of(test), people=units_of(test).assign(site=np.resize(["1", "2"], 120)))
    assert list(found.draws) == [f"{m}@{level}" for level in terms.levels for m in METRICS["multiclass"]]
    probabilities = test[[f"p{k}" for k in range(4)]].to_numpy()
    expected = roc_auc_score(test["label"], probabilities, multi_class="ovr", average="macro")
    assert found.metrics["macro_auc@breast"] == pytest.approx(expected)
    kappa = cohen_kappa_score(test["label"], probabilities.argmax(axis=1), weights="quadratic")
    assert found.metrics["kappa@breast"] == pytest.approx(kappa)
    assert found.details["bootstrap"]["patients_in_strata"] == {"0": 15, "1": 15, "2": 15, "3": 15}
    assert set(found.details["bootstrap"]["undefined_draws"].values()) == {0}
    assert found.details["subgroups"]["metric"] == "kappa@breast"
    json.dumps(found.details, allow_nan=False)


def test_a_rare_class_is_in_every_draw():
    test = density().assign(label=lambda t: np.where(t["patient_id"] == "t007", 3, t["label"] % 3))
    found = judge(test, Terms(kind="multiclass", rule="density", draws=300))
    assert not np.isnan(found.draws["macro_auc@breast"]).any()


def test_one_patient_is_every_draw():
    test = binary(1).assign(label=[0, 1])
    found = judge(test, Terms(**FEW))
    assert found.metrics["auc@breast/low"] == found.metrics["auc@breast/high"] == found.metrics["auc@breast"]
    assert found.details["bootstrap"]["patients_in_strata"] == {"1": 1}


def test_constant_scores_are_chance():
    test, reference = binary().assign(score=0.3), binary(30, seed=1, prefix="r").assign(score=0.3)
    metrics = judge(test, Terms(**FEW), reference=reference).metrics
    assert metrics["auc@breast"] == metrics["balanced_accuracy@breast"] == 0.5
    assert metrics["ap@breast"] == pytest.approx(test["label"].mean())
    assert metrics["sens_at_spec90@breast"] == metrics["spec_at_sens90@breast"] == 0.0


@quick
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=1, max_size=12), st.integers(1, 4))
def test_whatever_the_rows_there_is_a_judgement_or_one_clear_error(rows, breasts):
    labels, scores = zip(*rows)
    test = pd.DataFrame(
        {
            "unit_id": [f"b{i}" for i in range(len(rows))],
            "patient_id": [f"p{i // breasts}" for i in range(len(rows))],
            "label": np.array(labels, dtype=np.int8),
            "score": np.array(scores) / 4,
        }
    )
    reference = test.assign(patient_id="r" + test["patient_id"])
    if len(set(labels)) < 2:
        with pytest.raises(DataError, match="only label"):
            judge(test, Terms(draws=5), reference=reference)
        return
    found = judge(test, Terms(draws=5), reference=reference)
    assert len(found.draws) == len(METRICS["binary"])
    assert all(0 <= value <= 1 for value in found.metrics.values())
    json.dumps(found.details, allow_nan=False)


@pytest.mark.parametrize(
    ("table", "terms", "error", "words"),
    [
        (binary().assign(score=np.nan), {}, DataError, "120 of 120 scores are NaN"),
        (binary().assign(label=1), {}, DataError, "only label 1 among 120 breast rows"),
        (binary().assign(score=3.0), {}, DataError, "no probabilities"),
        (binary().iloc[:0], {"levels": ALL}, DataError, "there is no row to judge"),
        (binary(), {"kind": "multiclass", "rule": "density"}, DataError, "lack their probabilities"),
        (binary(), {"kind": "ordinal"}, ConfigError, "kind is 'ordinal'; known: binary, multiclass"),
        (binary(), {"levels": ("view",)}, ConfigError, "cannot be taken apart"),
        (binary(), {"scale": "odds"}, ConfigError, "scale is 'odds'"),
        (binary(), {"draws": 0}, ConfigError, "draws is 0"),
        (binary(), {"interval": 95}, ConfigError, "interval is 95"),
    ],
)
def test_what_cannot_be_judged_is_refused(table, terms, error, words):
    with pytest.raises(error, match=words):
        judge(table, Terms(**{**FEW, **terms}), units=units_of(binary()))
