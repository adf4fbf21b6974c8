"""Protocol ``zero_shot``: scores from similarities by hand, levels, classes, and no look at a training label."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax
from sklearn.metrics import brier_score_loss, roc_auc_score

from mvmlm.errors import DataError
from mvmlm.evaluation.cohort import select_cohort
from mvmlm.evaluation.linear_probe import run as probe
from mvmlm.evaluation.protocols import PROTOCOLS
from mvmlm.evaluation.tasks import TASKS, Task
from mvmlm.evaluation.text_set import TextSet
from mvmlm.evaluation.zero_shot import run
from tests.mvmlm.evaluation.synthetic import breast_table
from tests.mvmlm.evaluation.text_sets import text_set, views_of

TASK = TASKS.get("mass")
DRAWS = {"draws": 40}
WORDS = {"negative": ["no mass", "nothing there"], "positive": ["a mass", "something", "a lump"]}
DENSITY = Task("density", "density", "d", kind="multiclass", rule="density", classes=tuple("ABCD"))


def world(seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Breasts with two views, one, or none, and their embeddings, which know something of the label."""
    breasts = breast_table(60, seed=seed)
    breasts.loc[breasts.index[0::5], "mlo"] = -1
    breasts.loc[breasts.index[1::7], ["cc", "mlo"]] = -1
    breasts.loc[breasts.index[2::11], "mass"] = pd.NA
    views = views_of(breasts, seed=seed)
    direction = text_set(WORDS).mean_of("positive")
    views += 0.5 * breasts["mass"].fillna(False).to_numpy(float)[:, None, None] * direction
    return breasts, views / np.linalg.norm(views, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def found():
    breasts, views = world()
    return breasts, views, run(views, breasts, TASK, texts=text_set(WORDS), options=DRAWS)


def by_hand(breasts: pd.DataFrame, views: np.ndarray, texts: TextSet) -> dict[str, list[float]]:
    """Breast to the scores of its views: similarity to the one class less that to the other, over the temperature."""
    ends = {}
    for name, group in WORDS.items():
        rows = [texts.table.set_index("text").loc[text, "row"] for text in group]
        total = sum(texts.features[row].astype(float) for row in rows)
        ends[name] = total / np.sqrt((total**2).sum())
    scores = {}
    for name, row in breasts.iterrows():
        place = breasts.index.get_loc(name)
        there = [views[place, i] for i, view in enumerate(("cc", "mlo")) if row[view] >= 0]
        scores[name] = [float(v @ ends["positive"] - v @ ends["negative"]) / texts.temperature for v in there]
    return scores


def test_every_score_is_the_similarity_to_one_class_less_that_to_the_other(found):
    breasts, views, evaluation = found
    scores = by_hand(breasts, views, text_set(WORDS))
    predictions = evaluation.predictions.set_index("unit_id")
    for name, row in predictions.iterrows():
        assert row["score"] == pytest.approx(np.mean(scores[name]))
        of_views = iter(scores[name])
        for view in ("cc", "mlo"):
            there = breasts.loc[name, view] >= 0
            assert row[f"score_{view}"] == pytest.approx(next(of_views)) if there else np.isnan(row[f"score_{view}"])


def test_it_is_judged_by_breast_and_by_view_and_the_tasks_level_comes_first(found):
    _, _, evaluation = found
    table, metrics = evaluation.predictions, evaluation.metrics
    assert next(iter(metrics)) == "auc@breast" == next(iter(evaluation.draws))
    assert metrics["auc@breast"] == pytest.approx(roc_auc_score(table["label"], table["score"]))
    assert metrics["brier@breast"] == pytest.approx(brier_score_loss(table["label"], expit(table["score"])))
    views = pd.concat([table[["label", f"score_{v}"]].set_axis(["label", "score"], axis=1) for v in ("cc", "mlo")])
    views = views.dropna()
    assert metrics["auc@view"] == pytest.approx(roc_auc_score(views["label"], views["score"]))
    assert "auc@patient" in metrics
    assert (metrics["n"], metrics["n_positive"]) == (len(table), table["label"].sum())


def test_it_is_tested_on_the_breasts_of_the_linear_probe_with_the_same_draws(found):
    breasts, views, evaluation = found
    cohort = select_cohort(breasts, TASK, fraction=1.0, seed=0)
    assert evaluation.predictions["unit_id"].tolist() == cohort.test.index.tolist()
    assert evaluation.predictions["label"].tolist() == cohort.test["label"].astype(int).tolist()
    mean = np.ma.masked_invalid(views).mean(axis=1).filled(np.nan)
    other = probe(mean, breasts, TASK, fraction=1.0, seed=0, options={**DRAWS, "folds": 2, "strengths": [1.0]})
    same = ("n", "n_patients", "n_positive", "prevalence")
    assert {k: other.metrics[k] for k in same} == {k: evaluation.metrics[k] for k in same}
    assert other.details["bootstrap"]["patients_in_strata"] == evaluation.details["bootstrap"]["patients_in_strata"]
    assert evaluation.details["dropped"] == {k: v for k, v in cohort.dropped.items() if k.startswith("test")}


def test_no_training_label_the_fraction_nor_the_seed_changes_anything(found):
    breasts, views, evaluation = found
    silent = breasts.copy()
    silent.loc[silent["split"] == "train", "mass"] = pd.NA
    other = PROTOCOLS.get("zero_shot")(views, silent, TASK, texts=text_set(WORDS), fraction=0.01, seed=9, options=DRAWS)
    assert other.metrics == evaluation.metrics
    pd.testing.assert_frame_equal(other.predictions, evaluation.predictions)
    assert evaluation.details["notes"] == other.details["notes"] != []


def test_a_prompt_counts_by_its_direction_and_classes_by_theirs():
    texts = text_set(WORDS)
    for name in texts.owners():
        assert np.linalg.norm(texts.mean_of(name)) == pytest.approx(1)
    with pytest.raises(DataError, match="no direction"):
        TextSet(texts.table, 0 * texts.features).mean_of("positive")


def test_without_a_temperature_scores_are_an_order(found):
    breasts, views, evaluation = found
    plain = run(views, breasts, TASK, texts=text_set(WORDS, temperature=None), options=DRAWS)
    assert plain.metrics["auc@breast"] == evaluation.metrics["auc@breast"]
    assert "brier@breast" not in plain.metrics
    np.testing.assert_allclose(plain.predictions["score"], 0.1 * evaluation.predictions["score"], rtol=1e-6)


def test_several_classes_have_a_softmax_and_breasts_the_mean_of_their_views():
    breasts, views = world()
    texts = text_set({name: [f"density {name}", f"so {name}"] for name in "ABCD"}, seed=4)
    evaluation = run(views, breasts, DENSITY, texts=texts, options=DRAWS)
    anchors = np.stack([texts.mean_of(name) for name in "ABCD"])
    table = evaluation.predictions.set_index("unit_id")
    for name, row in table.iterrows():
        place = breasts.index.get_loc(name)
        there = [v for v in views[place] if np.isfinite(v).all()]
        expected = np.mean([softmax(v @ anchors.T / 0.1) for v in there], axis=0)
        np.testing.assert_allclose(row[["p0", "p1", "p2", "p3"]].astype(float), expected, rtol=1e-5)
        assert row["score"] == pytest.approx(expected @ np.arange(4))
        assert "ABCD"[int(row["label"])] == breasts.loc[name, "density"]
    assert next(iter(evaluation.metrics)) == "macro_auc@breast"
    assert {"kappa@view", "p3_mlo"} <= {*evaluation.metrics, *table}
    alone = table[table["p0_mlo"].isna()]
    assert alone["p0"].tolist() == alone["p0_cc"].tolist() != []


def test_two_classes_are_classes_and_texts_are_asked_for_by_their_names():
    breasts, views = world()
    two = Task("density", "density", "d", kind="multiclass", rule="density", classes=("B", "C"))
    texts = text_set({"C": ["dense"], "B": ["hardly dense"]})
    table = run(views, breasts, two, texts=texts, options=DRAWS).predictions
    ends = np.stack([texts.mean_of("B"), texts.mean_of("C")])
    row = table[table["p0_mlo"].notna()].iloc[0]
    expected = softmax(views[breasts.index.get_loc(row["unit_id"])] @ ends.T / 0.1, axis=1).mean(axis=0)
    np.testing.assert_allclose([row["p0"], row["p1"]], expected, rtol=1e-5)
    with pytest.raises(DataError, match="task density has the classes B, C, and the texts are of negative, positive:"):
        run(views, breasts, two, texts=text_set(WORDS), options=DRAWS)


def test_subgroups_are_of_breasts(found):
    said = found[2].details["subgroups"]
    assert said["metric"] == "auc@breast"
    assert sum(row["n"] for row in said["attributes"]["age"]["groups"]) == found[2].metrics["n"]


def test_breasts_of_no_class_take_no_part_and_one_class_is_no_test():
    breasts, views = world()
    breasts["density"] = breasts["density"].replace("D", "x")
    texts = text_set({name: [name] for name in "ABCD"})
    evaluation = run(views, breasts, DENSITY, texts=texts, options=DRAWS)
    tested = breasts[breasts["split"] == "test"]
    assert evaluation.details["dropped"]["test: no label"] == (tested["density"] == "x").sum()
    with pytest.raises(DataError, match="no breast of this data set has the label"):
        run(views, breasts.assign(density=pd.NA), DENSITY, texts=texts, options=DRAWS)
    one = breasts.assign(mass=pd.array([True] * len(breasts), dtype="boolean"))
    with pytest.raises(DataError, match="only label 1"):
        run(views, one, TASK, texts=text_set(WORDS), options=DRAWS)


def test_an_embedding_that_is_not_finite_is_named():
    breasts, views = world()
    place = np.flatnonzero((breasts["split"] == "test") & (breasts["cc"] >= 0) & breasts["mass"].notna())[0]
    views[place, 0] = np.nan
    with pytest.raises(DataError, match=f"1 of .*such as {breasts.index[place]}.*the encoder diverged"):
        run(views, breasts, TASK, texts=text_set(WORDS), options=DRAWS)
