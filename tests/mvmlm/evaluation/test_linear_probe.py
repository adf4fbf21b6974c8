"""The linear probe: who trains, what it fits, and that nothing of the test set reaches it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from mvmlm.data.splits import label_fraction
from mvmlm.errors import DataError
from mvmlm.evaluation.linear_probe import run
from mvmlm.evaluation.logistic import DEFAULT_STRENGTH, ProbeOptions, fit_logistic
from mvmlm.evaluation.panel import METRICS
from mvmlm.evaluation.tasks import TASKS
from tests.mvmlm.evaluation.synthetic import breast_table, features_for

MASS = TASKS.get("mass")
FEW = ProbeOptions(draws=50)


def probe(features, breasts, *, fraction=1.0, seed=0, options=FEW):
    return run(features, breasts, MASS, fraction=fraction, seed=seed, options=options)


def test_a_signal_is_read_and_noise_is_not():
    breasts = breast_table(300)
    strong = probe(features_for(breasts, signal=2.0), breasts).metrics
    assert strong["auc@breast"] > 0.85
    assert 0.5 < strong["auc@breast/low"] < strong["auc@breast"] < strong["auc@breast/high"]
    none = probe(features_for(breasts, signal=0.0), breasts).metrics
    assert none["auc@breast/low"] < 0.5 < none["auc@breast/high"]


def test_the_numbers_beside_the_auc_describe_the_two_sets():
    breasts = breast_table()
    result = probe(features_for(breasts), breasts)
    test, train = breasts[breasts["split"] == "test"], breasts[breasts["split"] == "train"]
    names = list(result.metrics)
    assert names[:3] == ["auc@breast", "auc@breast/low", "auc@breast/high"], "the primary metric comes first"
    measured = [name for name in names if "@" in name and "/" not in name]
    assert measured == [f"{m}@{level}" for level in ("breast", "patient") for m in METRICS["binary"]]
    assert [name for name in names if "@" not in name] == [
        "n", "n_patients", "n_positive", "prevalence", "n_train", "n_train_patients",
    ]  # fmt: skip
    assert result.metrics["n"] == len(test)
    assert result.metrics["n_patients"] == test["patient_id"].nunique()
    assert result.metrics["n_positive"] == test["mass"].sum()
    assert result.metrics["prevalence"] == pytest.approx(test["mass"].mean())
    assert result.metrics["n_train"] == len(train)
    assert result.metrics["n_train_patients"] == train["patient_id"].nunique()
    assert result.predictions["unit_id"].tolist() == sorted(test.index)
    assert result.predictions["label"].tolist() == test["mass"].sort_index().astype(int).tolist()
    kept = result.predictions
    assert result.metrics["auc@breast"] == pytest.approx(roc_auc_score(kept["label"], kept["score"]))


@pytest.mark.parametrize("width", [5, 300])
@pytest.mark.parametrize("strength", [1e-3, 1.0])
def test_the_fit_is_scikit_learns_optimum(width, strength):
    """Also where there are more features than rows, and the fit is made in a basis of the rows."""
    breasts = breast_table(60)
    features = features_for(breasts, width=width).astype(np.float64) * 7 + 3
    labels = breasts["mass"].to_numpy(dtype=bool)
    fit = fit_logistic(features, labels, breasts["patient_id"].to_numpy(), ProbeOptions((strength,)), 0)
    scaled = StandardScaler().fit_transform(features)
    plain = LogisticRegression(C=1 / (strength * len(scaled)), tol=1e-10, max_iter=100_000).fit(
        scaled, labels
    )
    assert fit.chosen_by == "given"
    np.testing.assert_allclose(fit.coefficients, plain.coef_[0], atol=2e-3 * np.abs(plain.coef_).max())
    np.testing.assert_allclose(fit.score(features), plain.predict_proba(scaled)[:, 1], atol=2e-3)


def test_the_gradient_of_the_stated_objective_vanishes_at_the_fit():
    """Mean log loss + λ/2 ‖w‖², written out: what a strength means does not depend on the number of rows."""
    breasts = breast_table(80)
    features, labels = features_for(breasts), breasts["mass"].to_numpy(dtype=bool)
    fit = fit_logistic(features, labels, breasts["patient_id"].to_numpy(), ProbeOptions((0.05,)), 0)
    scaled = (features - fit.mean) / fit.scale
    residual = fit.score(features) - labels
    np.testing.assert_allclose(scaled.T @ residual / len(labels) + 0.05 * fit.coefficients, 0, atol=1e-5)
    assert residual.mean() == pytest.approx(0, abs=1e-5)


def test_the_strength_is_the_best_over_folds_of_training_patients():
    breasts = breast_table(200)
    result = probe(features_for(breasts, width=60, signal=0.8), breasts)
    scores = result.details["cv_auc"]
    assert result.details["strength_chosen_by"] == "cross-validation"
    assert result.details["folds"] == 5
    assert len(scores) == len(ProbeOptions().strengths)
    assert scores[f"{result.details['strength']:g}"] == max(scores.values())
    assert result.details["strength"] > min(ProbeOptions().strengths)


def test_breasts_of_one_patient_are_never_on_both_sides_of_a_fold():
    """Two breasts alike in noise and label: a fold that parted them would find the label in the noise."""
    breasts = breast_table(150)
    left = np.arange(len(breasts)) // 2 * 2
    breasts["mass"] = breasts["mass"].iloc[left].array
    features = features_for(breasts, width=200, signal=0.0)[left]
    scores = probe(features, breasts).details["cv_auc"]
    assert max(scores.values()) < 0.65


def test_linear_algebra_keeps_to_its_threads(monkeypatch):
    from threadpoolctl import threadpool_info

    from mvmlm.evaluation import logistic

    seen = []
    plain = logistic.fit_logistic
    monkeypatch.setattr(logistic, "fit_logistic", lambda *a: seen.append(threadpool_info()) or plain(*a))
    breasts = breast_table(30)
    probe(features_for(breasts), breasts)
    assert {pool["num_threads"] for pool in seen[0]} == {1}


def test_equal_strengths_go_to_the_stronger():
    """One feature: every strength ranks alike, so all folds agree and the strongest must be taken."""
    breasts = breast_table(100)
    result = probe(features_for(breasts, width=1), breasts)
    assert len(set(result.details["cv_auc"].values())) == 1
    assert result.details["strength"] == max(ProbeOptions().strengths)


def test_one_patient_of_a_class_leaves_nothing_to_choose_by():
    breasts = breast_table(60)
    breasts["mass"] = pd.array(breasts["patient_id"].isin(["p0001", "p0003", "p0006"]), dtype="boolean")
    result = probe(features_for(breasts), breasts)
    assert result.details["positive_patients"] == {"train": 1, "test": 2}
    assert result.details["strength_chosen_by"] == "default"
    assert result.details["strength"] == DEFAULT_STRENGTH
    assert result.details["cv_auc"] == {}
    assert result.metrics["auc@breast"] > 0.5


def test_two_patients_of_a_class_make_two_folds():
    breasts = breast_table(60)
    breasts["mass"] = pd.array(breasts["patient_id"].isin(["p0001", "p0002", "p0003"]), dtype="boolean")
    assert probe(features_for(breasts), breasts).details["folds"] == 2


def test_women_with_one_diseased_breast_each_make_folds_though_hardly_one_has_none():
    breasts = breast_table(60)
    breasts["mass"] = pd.array((breasts["laterality"] == "L") & (breasts["patient_id"] != "p0001"), dtype="boolean")
    details = probe(features_for(breasts), breasts).details
    assert (details["folds"], details["strength_chosen_by"]) == (5, "cross-validation")


def test_one_candidate_is_taken_and_still_has_folds_to_choose_thresholds_on():
    breasts = breast_table(60)
    result = probe(features_for(breasts), breasts, options=ProbeOptions((0.1,), draws=20))
    assert (result.details["strength"], result.details["strength_chosen_by"]) == (0.1, "given")
    assert list(result.details["cv_auc"]) == ["0.1"] and "sens_at_spec90@breast" in result.metrics


@pytest.mark.parametrize(
    ("features", "labels", "words"),
    [
        ([[0.0, 1.0], [2.0, np.nan], [1.0, 0.0]], [True, False, True], r"1 of 3 rows .*such as feature 1 of row 1\)"),
        ([[0.0], [1.0], [2.0]], [True, True, True], "rows of one label only"),
    ],
)
def test_rows_that_no_probe_can_be_fitted_to_are_refused(features, labels, words):
    with pytest.raises(DataError, match=words):
        fit_logistic(np.array(features), np.array(labels), np.arange(3), FEW, 0)


def test_test_labels_cannot_reach_the_fit():
    breasts = breast_table(120)
    features = features_for(breasts)
    before = probe(features, breasts)
    testing = (breasts["split"] == "test").to_numpy()
    shuffled = breasts.copy()
    labels = breasts["mass"].to_numpy(dtype=bool).copy()
    labels[testing] = np.random.default_rng(0).permutation(labels[testing])
    shuffled["mass"] = pd.array(labels, dtype="boolean")
    after = probe(features, shuffled)
    assert (after.predictions["label"] != before.predictions["label"]).any()
    np.testing.assert_array_equal(after.predictions["score"], before.predictions["score"])
    assert after.details["strength"] == before.details["strength"]
    assert after.details["cv_auc"] == before.details["cv_auc"]
    assert after.metrics["n_train_patients"] == before.metrics["n_train_patients"]


def test_test_features_cannot_reach_the_fit():
    """Half of the test breasts get absurd features: the scores of the others do not move by a bit."""
    breasts = breast_table(120)
    features = features_for(breasts)
    before = probe(features, breasts)
    spoilt = np.flatnonzero(breasts["split"] == "test")[::2]
    changed = features.copy()
    changed[spoilt] = 1e6 * changed[spoilt] + 17
    after = probe(changed, breasts)
    others = ~before.predictions["unit_id"].isin(breasts.index[spoilt])
    np.testing.assert_array_equal(after.predictions["score"][others], before.predictions["score"][others])
    assert (after.predictions["score"][~others] != before.predictions["score"][~others]).all()
    assert after.details["cv_auc"] == before.details["cv_auc"]


@pytest.mark.parametrize("fraction", [0.1, 0.5])
def test_a_fraction_trains_on_the_granted_patients_and_tests_on_all(fraction):
    breasts = breast_table(150)
    features = features_for(breasts)
    result = probe(features, breasts, fraction=fraction, seed=4)
    train = breasts[breasts["split"] == "train"]
    granted = label_fraction(train, train["mass"], fraction, 4)
    assert result.metrics["n_train_patients"] == len(granted)
    assert result.metrics["n"] == (breasts["split"] == "test").sum()
    # Nobody outside the fraction matters: their features may be anything.
    outside = (breasts["split"] == "train").to_numpy() & ~breasts["patient_id"].isin(granted).to_numpy()
    features[outside] = 1e9
    np.testing.assert_array_equal(
        probe(features, breasts, fraction=fraction, seed=4).predictions["score"], result.predictions["score"]
    )


def test_the_order_of_the_rows_changes_nothing():
    breasts = breast_table(80)
    features = features_for(breasts)
    order = np.random.default_rng(0).permutation(len(breasts))
    first, second = (
        probe(features, breasts, fraction=0.5),
        probe(features[order], breasts.iloc[order], fraction=0.5),
    )
    pd.testing.assert_frame_equal(first.predictions, second.predictions)
    np.testing.assert_array_equal(first.draws["auc@breast"], second.draws["auc@breast"])
    assert first.metrics == second.metrics


def test_breasts_without_a_label_or_a_view_are_left_out_and_counted():
    breasts = breast_table(60)
    features = features_for(breasts)
    train, test = (np.flatnonzero(breasts["split"] == s) for s in ("train", "test"))
    breasts.iloc[train[:3], breasts.columns.get_loc("mass")] = pd.NA
    breasts.iloc[test[:2], breasts.columns.get_loc("mass")] = pd.NA
    for rows in (train[10:14], test[10:15]):
        breasts.iloc[rows, [breasts.columns.get_loc("cc"), breasts.columns.get_loc("mlo")]] = -1
        features[rows] = np.nan
    result = probe(features, breasts)
    assert result.details["dropped"] == {
        "train: no label": 3,
        "test: no label": 2,
        "train: no usable standard view": 4,
        "test: no usable standard view": 5,
    }
    assert result.metrics["n_train"] == len(train) - 7
    assert result.metrics["n"] == len(test) - 7


def test_a_row_of_nan_is_no_image_where_the_table_does_not_list_views():
    breasts = breast_table(60).drop(columns=["cc", "mlo"])
    features = features_for(breasts)
    features[np.flatnonzero(breasts["split"] == "test")[:4]] = np.nan
    assert probe(features, breasts).details["dropped"]["test: no usable standard view"] == 4


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_of_a_diverged_encoder_are_refused(value):
    breasts = breast_table(30)
    features = features_for(breasts)
    features[7] = value
    with pytest.raises(DataError, match=rf"features of 1 of 60 breasts .*{breasts.index[7]}.* diverged"):
        probe(features, breasts)


def test_features_of_another_table_are_refused():
    breasts = breast_table(30)
    with pytest.raises(DataError, match=r"features have shape \(59, 12\), the breast table 60 rows"):
        probe(features_for(breasts)[1:], breasts)


@pytest.mark.parametrize(
    ("split", "where"), [("test", "test set"), ("train", r"training set \(fraction 1\)")]
)
@pytest.mark.parametrize(("value", "kind"), [(False, "negatives"), (True, "positives")])
def test_one_class_is_refused_with_the_task_and_the_side_named(split, where, value, kind):
    breasts = breast_table(30)
    breasts.loc[breasts["split"] == split, "mass"] = value
    with pytest.raises(
        DataError, match=rf"task mass: the {where} holds only {kind} \(\d+ breasts of \d+ patients\)"
    ):
        probe(features_for(breasts), breasts)


def test_an_empty_side_is_refused():
    breasts = breast_table(30)
    breasts["split"] = pd.array(["train"] * len(breasts), dtype="string")
    with pytest.raises(DataError, match="task mass: the test set holds no labelled breast"):
        probe(features_for(breasts), breasts)


def test_constant_features_score_at_chance():
    breasts = breast_table(40)
    result = probe(np.full((len(breasts), 4), 0.1, dtype=np.float32), breasts)
    assert result.metrics["auc@breast"] == 0.5
    assert np.isfinite(result.predictions["score"]).all()


def test_cells_of_different_seeds_and_fractions_share_their_bootstrap():
    """Scores that only differ by rounding have the same draws, whatever the cell's seed."""
    breasts = breast_table(80)
    features = features_for(breasts, width=1, signal=3.0)
    first, second = probe(features, breasts, seed=0), probe(features, breasts, seed=5, fraction=0.5)
    np.testing.assert_array_equal(first.draws["auc@breast"], second.draws["auc@breast"])


def test_the_very_first_fit_of_a_process_keeps_to_its_threads():
    """Libraries that are loaded under a limit are not held to it, and the order of a sum depends on the threads."""
    code = (
        "import threadpoolctl\n"
        "from mvmlm.evaluation import logistic\n"
        "from tests.mvmlm.evaluation.synthetic import breast_table, features_for\n"
        "fit, seen = logistic.fit_logistic, []\n"
        "def spy(*given):\n"
        "    found = fit(*given)\n"
        "    seen.extend(pool['num_threads'] for pool in threadpoolctl.threadpool_info())\n"
        "    return found\n"
        "logistic.fit_logistic = spy\n"
        "b = breast_table()\n"
        "b['label'], x = b['mass'].astype(bool), features_for(b)\n"
        "logistic.fit_and_score(x, b, x, logistic.ProbeOptions(), 0)\n"
        "assert len(seen) > 1 and set(seen) == {1}, seen\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
