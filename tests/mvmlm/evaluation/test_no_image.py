"""Baselines without an image: they expose a leak, and stay at chance where there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mvmlm.errors import DataError
from mvmlm.evaluation.linear_probe import run
from mvmlm.evaluation.no_image import BASELINES, metadata_features, run_majority, run_metadata
from mvmlm.evaluation.tasks import TASKS
from tests.mvmlm.evaluation.synthetic import breast_table, features_for

MASS = TASKS.get("mass")
ASKED = {"fraction": 1.0, "seed": 0, "options": {"draws": 50}}


def test_a_leak_through_a_missing_birads_is_exposed():
    breasts = breast_table(200)
    rng = np.random.default_rng(0)
    hidden = breasts["mass"].to_numpy(dtype=bool) ^ (rng.random(len(breasts)) < 0.05)
    breasts["birads"] = breasts["birads"].mask(hidden)
    metrics = run_metadata(breasts, MASS, **ASKED).metrics
    assert metrics["auc@breast"] > 0.8
    assert metrics["auc@breast/low"] > 0.5


def test_metadata_that_know_nothing_stay_at_chance():
    metrics = run_metadata(breast_table(400), MASS, **ASKED).metrics
    assert metrics["auc@breast/low"] < 0.5 < metrics["auc@breast/high"]
    assert metrics["auc@breast"] == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("column", ["birads", "mass", "calcification", "malignancy", "malignancy_source"])
def test_no_value_of_a_reading_is_a_feature(column):
    """The values of a reading or a label may be anything: only the absence of BI-RADS is read."""
    breasts = breast_table(100)
    before, _ = metadata_features(breasts, breasts)
    changed = breasts.assign(**{column: breasts[column].to_numpy()[::-1]})
    after, _ = metadata_features(changed, breasts)
    np.testing.assert_array_equal(before, after)


def test_features_name_what_they_hold():
    train = breast_table(20).assign(image_height=4000)
    rows = train.iloc[:3].copy()
    rows["age"] = pd.array([50.0, None, 60.0], dtype="Float64")
    rows["manufacturer"] = pd.array(["A", None, "never seen in training"], dtype="string")
    features, names = metadata_features(rows, train)
    table = pd.DataFrame(features, columns=names)
    assert np.isfinite(features).all()
    assert table["age"].tolist() == pytest.approx([50.0, train["age"].mean(), 60.0])
    assert table["age missing"].tolist() == [0, 1, 0]
    assert table["manufacturer=A"].tolist() == [1, 0, 0]
    assert table["manufacturer=B"].tolist() == [0, 0, 0]
    assert table["manufacturer missing"].tolist() == [0, 1, 0]
    assert table["image_height"].tolist() == [4000] * 3
    assert {"laterality=L", "density=A", "density missing", "n_views", "birads missing"} <= set(names)


def test_a_column_that_is_missing_throughout_does_no_harm():
    breasts = breast_table(60)
    breasts["age"] = pd.array([None] * len(breasts), dtype="Float64")
    breasts["density"] = pd.array([None] * len(breasts), dtype="string")
    assert np.isfinite(run_metadata(breasts, MASS, **ASKED).predictions["score"]).all()


def told(name: str, breasts: pd.DataFrame) -> dict:
    """What a baseline is given beside the breasts: the one that reads texts gets some."""
    texts = {True: "there is a mass", False: "there is no mass"}
    return {"texts": breasts["mass"].map(texts).fillna("")} if name == "text" else {}


@pytest.mark.parametrize("name", sorted(BASELINES))
@pytest.mark.parametrize("fraction", [0.1, 1.0])
def test_baselines_train_and_test_on_the_probes_patients(name, fraction):
    breasts = breast_table(120)
    features = features_for(breasts)
    gone = [3, 4, 5, 60]
    breasts.iloc[gone, [breasts.columns.get_loc("cc"), breasts.columns.get_loc("mlo")]] = -1
    features[gone] = np.nan
    breasts.iloc[10:20, breasts.columns.get_loc("mass")] = pd.NA
    asked = {**ASKED, "fraction": fraction}
    probe = run(features, breasts, MASS, **asked)
    baseline = BASELINES[name](breasts, MASS, **asked, **told(name, breasts))
    same = ["unit_id", "patient_id", "label"]
    pd.testing.assert_frame_equal(probe.predictions[same], baseline.predictions[same])
    sizes = ["n", "n_patients", "n_positive", "prevalence", "n_train", "n_train_patients"]
    assert {k: probe.metrics[k] for k in sizes} == {k: baseline.metrics[k] for k in sizes}
    assert probe.details["dropped"] == baseline.details["dropped"]


def test_the_majority_row_is_chance_by_definition():
    result = run_majority(breast_table(60), MASS, **ASKED)
    assert [result.metrics[f"auc@breast{end}"] for end in ("", "/low", "/high")] == [0.5, 0.5, 0.5]
    assert result.predictions["score"].nunique() == 1
    assert (result.draws["auc@breast"] == 0.5).all()


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_one_class_in_the_test_set_is_refused(name):
    breasts = breast_table(30)
    breasts.loc[breasts["split"] == "test", "mass"] = False
    with pytest.raises(DataError, match="task mass: the test set holds only negatives"):
        BASELINES[name](breasts, MASS, **ASKED, **told(name, breasts))
