"""Tasks of ordered classes through every protocol that reads features or needs none."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from mvmlm.data.splits import label_fraction
from mvmlm.errors import DataError
from mvmlm.evaluation.linear_probe import run
from mvmlm.evaluation.logistic import DEFAULT_STRENGTH, ProbeOptions, fit_logistic
from mvmlm.evaluation.no_image import BASELINES, metadata_features
from mvmlm.evaluation.panel import METRICS
from mvmlm.evaluation.tasks import TASKS
from tests.mvmlm.evaluation.synthetic import breast_table

DENSITY, BIRADS = TASKS.get("density"), TASKS.get("birads")
FEW = ProbeOptions(draws=50)
TEXTS = {"A": "fatty", "B": "some tissue", "C": "dense", "D": "very dense"}


def women(n_patients: int = 150, seed: int = 3) -> pd.DataFrame:
    """Density of the woman, unequal shares; BI-RADS of the breast, gravest ones few."""
    breasts = breast_table(n_patients, seed=seed)
    rng = np.random.default_rng(seed)
    density = np.repeat(rng.choice(list("ABCD"), n_patients, p=[0.15, 0.35, 0.35, 0.15]), 2)
    birads = rng.choice([0, 1, 2, 3, 4, 5], 2 * n_patients, p=[0.05, 0.4, 0.25, 0.1, 0.1, 0.1])
    return breasts.assign(density=pd.array(density, "string"), birads=pd.array(birads, "Int64"))


def features_for(breasts: pd.DataFrame, task, *, signal: float = 1.5, width: int = 12) -> np.ndarray:
    """Noise with the class index in the first feature."""
    features = np.random.default_rng(1).standard_normal((len(breasts), width))
    features[:, 0] += signal * task.labels(breasts).fillna(0).to_numpy(dtype=float)
    return features.astype(np.float32)


def probe(breasts, task=DENSITY, *, features=None, fraction=1.0, seed=0, options=FEW):
    features = features_for(breasts, task) if features is None else features
    return run(features, breasts, task, fraction=fraction, seed=seed, options=options)


def class_probabilities(result) -> np.ndarray:
    return result.predictions[[c for c in result.predictions if c[0] == "p" and c[1:].isdigit()]].to_numpy()


@pytest.mark.parametrize("task", [DENSITY, BIRADS], ids=lambda task: task.name)
def test_a_signal_is_read_and_noise_is_not(task):
    breasts = women()
    result = probe(breasts, task)
    strong = result.metrics
    assert next(iter(strong)) == "macro_auc@breast", "the primary metric"
    assert 0.7 < strong["macro_auc@breast/low"] < strong["macro_auc@breast"] < strong["macro_auc@breast/high"]
    assert strong["kappa@breast"] > 0.5
    none = probe(breasts, task, features=features_for(breasts, task, signal=0.0)).metrics
    assert none["macro_auc@breast/low"] < 0.5 < none["macro_auc@breast/high"]
    assert abs(none["kappa@breast"]) < 0.2
    measured = [name for name in strong if "@" in name and "/" not in name]
    assert measured == [f"{m}@{level}" for level in ("breast", "patient") for m in METRICS["multiclass"]]
    assert "prevalence" not in strong and "n_positive" not in strong


def test_every_number_can_be_had_from_the_predictions_again():
    result = probe(women())
    kept, likely = result.predictions, class_probabilities(result)
    assert likely.shape == (len(kept), 4)
    np.testing.assert_allclose(likely.sum(axis=1), 1)
    np.testing.assert_allclose(kept["score"], likely @ np.arange(4))
    assert result.metrics["macro_auc@breast"] == pytest.approx(
        roc_auc_score(kept["label"], likely, multi_class="ovr", average="macro")
    )
    assert result.metrics["kappa@breast"] == pytest.approx(
        cohen_kappa_score(kept["label"], likely.argmax(axis=1), weights="quadratic")
    )
    json.dumps(result.details)


@pytest.mark.parametrize("width", [6, 200])
@pytest.mark.parametrize("strength", [1e-2, 1.0])
def test_the_fit_is_scikit_learns_multinomial_optimum(width, strength):
    """Also where there are more features than rows, and the fit is made in a basis of the rows."""
    breasts = women(50)
    features = features_for(breasts, DENSITY, width=width).astype(np.float64) * 3 - 2
    labels = DENSITY.labels(breasts).to_numpy(dtype=np.int8)
    fit = fit_logistic(features, labels, breasts["patient_id"].to_numpy(), ProbeOptions((strength,)), 0, 4)
    scaled = StandardScaler().fit_transform(features)
    plain = LogisticRegression(C=1 / (strength * len(scaled)), tol=1e-10, max_iter=100_000).fit(scaled, labels)
    assert fit.chosen_by == "given"
    np.testing.assert_allclose(fit.coefficients, plain.coef_, atol=2e-3 * np.abs(plain.coef_).max())
    np.testing.assert_allclose(fit.score(features), plain.predict_proba(scaled), atol=1e-3)


def test_the_strength_is_the_best_over_folds_and_out_of_fold_scores_are_honest():
    breasts = women(200)
    features = features_for(breasts, DENSITY, signal=0.6, width=80)
    labels, patients = DENSITY.labels(breasts).to_numpy(dtype=np.int8), breasts["patient_id"].to_numpy()
    fit = fit_logistic(features, labels, patients, FEW, 0, 4)
    assert (fit.chosen_by, fit.folds, fit.folds_without) == ("cross-validation", 5, {})
    assert fit.cv_auc[fit.strength] == max(fit.cv_auc.values())
    assert fit.out_of_fold.shape == (len(breasts), 4)
    out = roc_auc_score(labels, fit.out_of_fold, multi_class="ovr")
    assert out == pytest.approx(fit.cv_auc[fit.strength], abs=0.03)
    assert out < roc_auc_score(labels, fit.score(features), multi_class="ovr")


def test_a_class_of_one_patient_is_missing_in_folds_and_said():
    breasts = women(90)
    breasts["density"] = breasts["density"].replace("D", "C")
    alone = breasts.index[(breasts["split"] == "train").to_numpy()][:1]
    breasts.loc[alone, "density"] = "D"
    result = probe(breasts)
    assert result.details["folds"] == 5
    assert result.details["folds_without"] == {"3": 5}, "held out in one fold, fitted to in the others"
    assert result.details["class_patients"]["train"]["D"] == 1
    assert result.details["notes"] == ["density: no test breast of class D: macro AUC is over the others"]
    assert class_probabilities(result)[:, 3].max() > 0


def test_a_class_without_a_training_breast_is_never_expected_and_said():
    breasts = women(90)
    breasts.loc[(breasts["split"] == "train") & (breasts["density"] == "A"), "density"] = "B"
    result = probe(breasts)
    assert (class_probabilities(result)[:, 0] == 0).all()
    assert result.details["notes"] == ["density: no training breast of class A: nothing is learnt of it"]
    assert result.details["class_patients"]["train"]["A"] == 0
    assert 0 in result.predictions["label"].to_numpy(), "its test breasts count all the same"


def test_few_patients_make_few_folds_and_one_of_all_but_one_class_none():
    breasts = women(60)
    training = breasts[(breasts["split"] == "train").to_numpy()].index
    few = breasts.copy()
    few.loc[training, "density"] = "B"
    few.loc[training[:4], "density"] = "C"  # two patients
    assert probe(few).details["folds"] == 2
    few.loc[training[2:4], "density"] = "D"
    result = probe(few)
    assert result.details["folds"] == 0
    assert (result.details["strength"], result.details["strength_chosen_by"]) == (DEFAULT_STRENGTH, "default")


@pytest.mark.parametrize("side", ["train", "test"])
def test_one_class_is_refused_with_its_name(side):
    breasts = women(40)
    breasts.loc[breasts["split"] == side, "birads"] = 4
    where = "test set" if side == "test" else r"training set \(fraction 1\)"
    with pytest.raises(DataError, match=rf"task birads: the {where} holds only class 4 \(\d+ breasts of \d+ "):
        probe(breasts, BIRADS)


def test_a_fraction_grants_patients_of_every_class_and_the_probe_sees_no_others():
    breasts = women(200)
    features = features_for(breasts, DENSITY)
    result = probe(breasts, features=features, fraction=0.1, seed=2)
    train = breasts[breasts["split"] == "train"]
    granted = label_fraction(train, DENSITY.labels(train), 0.1, 2)
    assert result.metrics["n_train_patients"] == len(granted)
    assert min(result.details["class_patients"]["train"].values()) >= 1
    outside = (breasts["split"] == "train").to_numpy() & ~breasts["patient_id"].isin(granted).to_numpy()
    features[outside] = 1e9
    again = probe(breasts, features=features, fraction=0.1, seed=2)
    pd.testing.assert_frame_equal(again.predictions, result.predictions)


def test_test_labels_cannot_reach_the_fit():
    breasts = women(120)
    features = features_for(breasts, DENSITY)
    before = probe(breasts, features=features)
    testing = (breasts["split"] == "test").to_numpy()
    shuffled = breasts.copy()
    shuffled.loc[testing, "density"] = breasts.loc[testing, "density"].to_numpy()[::-1]
    after = probe(shuffled, features=features)
    assert (after.predictions["label"] != before.predictions["label"]).any()
    np.testing.assert_array_equal(class_probabilities(after), class_probabilities(before))
    assert after.details["cv_auc"] == before.details["cv_auc"]


def test_the_order_of_the_rows_changes_nothing():
    breasts = women(80)
    features = features_for(breasts, BIRADS)
    order = np.random.default_rng(0).permutation(len(breasts))
    first = probe(breasts, BIRADS, features=features, fraction=0.5)
    second = probe(breasts.iloc[order], BIRADS, features=features[order], fraction=0.5)
    pd.testing.assert_frame_equal(first.predictions, second.predictions)
    assert first.metrics == second.metrics


def blind(name: str, breasts: pd.DataFrame, task, **changed):
    texts = {"texts": breasts["density"].map(TEXTS).fillna("")} if name == "text" else {}
    return BASELINES[name](breasts, task, **{"fraction": 1.0, "seed": 0, "options": {"draws": 50}, **changed}, **texts)


@pytest.mark.parametrize("name", sorted(BASELINES))
@pytest.mark.parametrize("task", [DENSITY, BIRADS], ids=lambda task: task.name)
def test_rows_without_image_are_scored_on_the_probes_breasts(name, task):
    breasts = women(100)
    seen, mine = probe(breasts, task, fraction=0.5), blind(name, breasts, task, fraction=0.5)
    columns = ["unit_id", "patient_id", "label"]
    pd.testing.assert_frame_equal(mine.predictions[columns], seen.predictions[columns])
    assert mine.metrics["n_train_patients"] == seen.metrics["n_train_patients"]
    assert list(mine.metrics) == list(seen.metrics)
    json.dumps(mine.details)


def test_the_majority_row_is_the_shares_of_the_classes_and_knows_nothing():
    breasts = women(100)
    result = blind("majority", breasts, DENSITY)
    shares = breasts.loc[(breasts["split"] == "train").to_numpy(), "density"].value_counts(normalize=True).sort_index()
    np.testing.assert_allclose(class_probabilities(result), np.tile(shares.to_numpy(), (len(result.predictions), 1)))
    assert (result.metrics["macro_auc@breast"], result.metrics["kappa@breast"]) == (0.5, 0.0)
    assert result.metrics["balanced_accuracy@breast"] == 0.25


@pytest.mark.parametrize("task", [DENSITY, BIRADS], ids=lambda task: task.name)
def test_metadata_hold_neither_the_label_nor_its_absence(task):
    breasts = women(100)
    _, names = metadata_features(breasts, breasts, task.column)
    assert not [name for name in names if name.startswith(task.column)]
    assert "age" in names
    assert blind("metadata", women(300), task).metrics["macro_auc@breast"] == pytest.approx(0.5, abs=0.08)
    assert set(blind("metadata", breasts, task).details["coefficients"]) == {str(name) for name in task.classes}


def test_the_other_categories_label_is_metadata():
    """Density is known before anyone looks for cancer: a feature of task birads, and never of density itself."""
    _, names = metadata_features(women(40), women(40), "birads")
    assert {"density=A", "density missing"} <= set(names)


def test_texts_that_state_the_class_score_one_and_name_the_words():
    result = blind("text", women(100), DENSITY)
    assert result.metrics["macro_auc@breast"] == 1.0
    assert result.metrics["kappa@breast"] == 1.0
    assert "fatty" in result.details["telling_words"]["A"]
