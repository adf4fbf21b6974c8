"""Protocol ``risk`` and its rows without an image, from breast table to numbers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.bootstrap import PatientBootstrap
from mvmlm.evaluation.protocols import PROTOCOLS, Evaluation
from mvmlm.evaluation.risk.concordance import c_uno, weighted_c_uno
from mvmlm.evaluation.risk.no_image import BASELINES, run_text
from mvmlm.evaluation.risk.survival import Curve, FollowUp
from mvmlm.evaluation.scoring import BOOTSTRAP_SEED
from tests.mvmlm.evaluation.risk.made_up import RISK, exam_sample

QUICK = {"draws": 50, "folds": 3, "strengths": (0.01, 1.0)}
KINDS = [
    "c_uno", "c_harrell", "c_mirai_compat", *[f"auc{how}_year{y}" for y in range(1, 6) for how in ("", "_ipcw")], "ibs",
]  # fmt: skip


@pytest.fixture(scope="module")
def data() -> tuple[pd.DataFrame, np.ndarray]:
    return exam_sample(300, 0)


def evaluate(table, features, *, fraction=1.0, seed=0, task=RISK, **options):
    return PROTOCOLS.get("risk")(features, table, task, fraction=fraction, seed=seed, options=QUICK | options)


@pytest.fixture(scope="module")
def whole(data):
    return evaluate(*data)


@pytest.mark.parametrize("model", ["hazard", "cox"])
def test_it_sees_the_risk_that_is_in_the_features(data, model):
    metrics = evaluate(*data, model=model).metrics
    assert metrics["c_uno@exam"] > 0.65 and metrics["c_uno@exam/low"] > 0.5
    assert (
        metrics["ibs@exam"]
        < BASELINES["majority"](data[0], RISK, fraction=1, seed=0, options=QUICK).metrics["ibs@exam"]
    )


def test_every_metric_has_its_draws_and_its_interval_the_primary_first(whole):
    assert list(whole.draws) == [f"{kind}@exam" for kind in KINDS]
    assert next(iter(whole.metrics)) == "c_uno@exam"
    for name, drawn in whole.draws.items():
        assert drawn.shape == (50,) and drawn.dtype == np.float32
        assert whole.metrics[f"{name}/low"] <= np.nanmedian(drawn) <= whole.metrics[f"{name}/high"]
        assert np.nanmin(drawn) <= whole.metrics[name] <= np.nanmax(drawn)
    json.dumps(whole.metrics, allow_nan=False)
    json.dumps(whole.details, allow_nan=False)


def test_groups_of_exams_have_the_concordance_of_their_own_exams(data, whole):
    told = whole.details["subgroups"]
    assert told["metric"] == "c_uno@exam" and {"age", "density"} <= set(told["attributes"])
    rows = whole.predictions
    density = data[0].groupby("exam_id")["density"].first().reindex(rows["unit_id"]).to_numpy()
    censoring = Curve(*(np.array(whole.details["censoring"][name]) for name in ("years", "followed")))
    assert not told["attributes"]["density"]["groups"][0]["small"]
    for group in told["attributes"]["density"]["groups"]:
        mine = rows[density == group["group"]]
        in_time = (mine["label"] == 1) & (mine["years"] < 5)
        assert (group["n"], group["n_positive"]) == (len(mine), in_time.sum())
        if not group["small"]:
            follow = FollowUp(mine["years"].to_numpy(), mine["label"].to_numpy().astype(bool))
            assert group["value"] == pytest.approx(c_uno(follow, mine["score"].to_numpy(), censoring, 5.0))
            assert group["low"] <= group["value"] <= group["high"]
    worst = told["attributes"]["density"]["worst"]
    values = {g["group"]: g["value"] for g in told["attributes"]["density"]["groups"] if g["value"] is not None}
    assert worst == min(values, key=values.get)


def test_predictions_have_a_row_an_exam_and_a_risk_a_year(data, whole):
    rows, breasts = whole.predictions, data[0]
    assert rows.columns.tolist() == [
        "unit_id",
        "patient_id",
        "label",
        "score",
        "years",
        *[f"risk{y}" for y in range(1, 6)],
    ]
    assert rows["unit_id"].is_monotonic_increasing and rows["unit_id"].is_unique
    assert rows["patient_id"].duplicated().any()
    assert set(rows["unit_id"]) <= set(breasts.loc[breasts["split"] == "test", "exam_id"])
    assert (rows["years"] >= 0.5).all() and set(rows["label"]) == {0, 1}
    risks = rows.filter(like="risk").to_numpy()
    assert (np.diff(risks, axis=1) >= 0).all() and (risks[:, -1] == rows["score"]).all()
    left_out = sum(count for name, count in whole.details["dropped"].items() if name.startswith("test"))
    assert len(rows) + left_out == breasts.loc[breasts["split"] == "test", "exam_id"].nunique()


def test_it_is_kept_and_read_back(whole, tmp_path):
    whole.write(tmp_path)
    again = Evaluation.read(tmp_path)
    pd.testing.assert_frame_equal(again.predictions, whole.predictions)
    assert again.metrics == whole.metrics and again.details == whole.details
    assert {name: drawn.tolist() for name, drawn in again.draws.items()} == {
        name: drawn.tolist() for name, drawn in whole.draws.items()
    }


def test_its_numbers_can_be_computed_again_from_what_is_kept(whole):
    rows, said = whole.predictions, whole.details["censoring"]
    follow = FollowUp(rows["years"], rows["label"])
    censoring = Curve(np.array(said["years"]), np.array(said["followed"]))
    tau = float(whole.details["tau"])
    assert c_uno(follow, rows["score"], censoring, tau) == whole.metrics["c_uno@exam"]
    drawn = PatientBootstrap.draw(rows["patient_id"], rows["label"], draws=50, seed=BOOTSTRAP_SEED)
    clusters = np.searchsorted(drawn.patients, rows["patient_id"])
    again = weighted_c_uno(follow, rows["score"], censoring, tau, clusters, drawn.counts)
    np.testing.assert_array_equal(again.astype(np.float32), whole.draws["c_uno@exam"])


def test_outcomes_of_test_patients_change_no_risk(data, whole):
    breasts, features = data
    testing = (breasts["split"] == "test").to_numpy()
    other = breasts.assign(event=breasts["event"].mask(testing, ~breasts["event"]))
    other["years_to_event"] = other["years_to_event"].mask(testing, other["years_to_event"] + 1.0)
    again = evaluate(other.drop(columns="exam_date"), features).predictions.set_index("unit_id")
    first = whole.predictions.set_index("unit_id")
    both = first.index.intersection(again.index)
    assert len(both) == len(first)
    assert (again.loc[both, "score"] == first.loc[both, "score"]).all()


def test_the_order_of_the_table_and_a_second_run_change_nothing(data, whole):
    breasts, features = data
    order = np.random.default_rng(0).permutation(len(breasts))
    for again in (evaluate(breasts.iloc[order], features[order]), evaluate(breasts, features)):
        pd.testing.assert_frame_equal(again.predictions, whole.predictions)
        assert again.metrics == whole.metrics


def test_a_smaller_share_of_labels_trains_on_fewer_patients_and_tests_on_all(data, whole):
    part = evaluate(*data, fraction=0.4)
    assert part.metrics["n_train_patients"] < 0.5 * whole.metrics["n_train_patients"]
    assert part.predictions["unit_id"].tolist() == whole.predictions["unit_id"].tolist()


@pytest.mark.parametrize("rule", ["max", "mean_max", "mean_difference"])
def test_breasts_can_be_fused_by_another_rule(data, rule):
    breasts, features = data
    features = features.copy()
    features[3] = np.nan
    breasts = breasts.assign(cc=np.where(np.arange(len(breasts)) == 3, -1, 0), mlo=-1)
    breasts.loc[breasts.index != breasts.index[3], "mlo"] = 1
    result = evaluate(breasts, features, fuse=rule)
    assert result.details["width"] == (6 if rule == "max" else 12)
    assert result.metrics["c_uno@exam"] > 0.6


def test_an_exam_without_any_view_is_left_out_and_counted(data, whole):
    breasts, features = data
    gone = (breasts["exam_id"] == whole.predictions["unit_id"].iloc[0]).to_numpy()
    lost = breasts.assign(cc=np.where(gone, -1, 0), mlo=np.where(gone, -1, 1))
    result = evaluate(lost, np.where(gone[:, None], np.nan, features))
    assert result.details["dropped"]["test: no usable standard view"] == 1
    assert len(result.predictions) == len(whole.predictions) - 1


def test_rows_without_an_image_are_scored_on_the_same_exams(data, whole):
    texts = pd.Series("no finding", index=data[0].index)
    for name, run in BASELINES.items():
        told = {"texts": texts} if name == "text" else {}
        result = run(data[0], RISK, fraction=1.0, seed=0, options=QUICK, **told)
        assert result.predictions["unit_id"].tolist() == whole.predictions["unit_id"].tolist()
        assert result.details["baseline"] == name
        assert list(result.draws) == list(whole.draws)
        if name != "metadata":  # one text for all tells nothing either
            assert result.metrics["c_uno@exam"] == result.metrics["auc_year3@exam"] == 0.5
            assert result.metrics["ibs@exam"] == pytest.approx(result.details["null"]["ibs"], rel=0.01)


def test_metadata_are_read_by_cox_and_seen_where_they_tell(data):
    breasts, _ = data
    late = breasts["years_to_event"].groupby(breasts["patient_id"]).transform("max") > 4
    telling = breasts.assign(density=pd.array(np.where(late, "A", "D"), dtype="string"))
    result = BASELINES["metadata"](telling, RISK, fraction=1.0, seed=0, options=QUICK)
    assert result.details["model"] == "cox" and result.details["coefficients"]["density=D"] > 0
    assert result.metrics["c_uno@exam"] > 0.6
    assert {"age", "n_views"} <= set(result.details["coefficients"])
    assert not [name for name in result.details["coefficients"] if "laterality" in name]


def test_words_that_tell_of_a_later_event_are_read(data):
    breasts, features = data
    texts = pd.Series(np.where(features[:, 0] > 0.5, "dense tissue", "fatty tissue"), index=breasts.index)
    result = run_text(breasts, RISK, fraction=1.0, seed=0, options=QUICK, texts=texts.drop(breasts.index[:2]))
    assert result.metrics["c_uno@exam"] > 0.55
    assert sum(result.details["without_text"].values()) == 1


def test_a_year_without_an_event_is_named_and_nothing_else_is_lost(data):
    breasts, features = data
    early = breasts["split"].eq("test") & breasts["event"] & (breasts["years_to_event"] <= 1)
    later = breasts.drop(columns="exam_date").assign(event=breasts["event"].mask(early, pd.NA))
    result = evaluate(later, features)
    assert set(result.details["left_out"]) == {"auc_year1@exam", "auc_ipcw_year1@exam"}
    assert "auc_year1@exam" not in result.metrics and "auc_year2@exam" in result.metrics


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_part_without_an_event_or_with_too_short_a_follow_up_is_refused(data, part):
    breasts, features = data
    mine = breasts["split"].eq(part)
    with pytest.raises(DataError, match=rf"none of the \d+ exams of the {part}.* is followed by an event"):
        evaluate(breasts.assign(event=breasts["event"].mask(mine, False)), features)
    short = breasts["years_to_event"].mask(mine & (breasts["years_to_event"] > 3.2), 3.2)
    with pytest.raises(DataError, match=r"through year 5 .the last such year is 3.: set eval.risk.years=3"):
        evaluate(breasts.drop(columns="exam_date").assign(years_to_event=short), features)


def test_one_test_patient_has_numbers_if_her_exams_compare_and_an_error_if_not(data):
    breasts, features = data
    train = breasts["split"].eq("train")
    cases = breasts[~train & breasts["event"]].groupby("patient_id")["exam_id"].nunique()
    alone = (train | breasts["patient_id"].eq(cases.idxmax())).to_numpy()
    with pytest.raises(DataError, match="through year"):
        evaluate(breasts[alone], features[alone])
    result = evaluate(breasts[alone], features[alone], years=1)
    assert result.metrics["n_patients"] == 1


def test_what_cannot_be_evaluated_is_refused_in_one_line(data, whole):
    breasts, features = data
    broken = features.copy()
    broken[5] = np.nan
    with pytest.raises(DataError, match=r"features of 1 of .* are not finite although they have images"):
        evaluate(breasts, broken)
    with pytest.raises(DataError, match="features have shape"):
        evaluate(breasts, features[:-1])
    with pytest.raises(ConfigError, match="evaluates tasks of kind risk, and mass is binary"):
        evaluate(breasts, features, task=replace(RISK, name="mass", kind="binary"))
    with pytest.raises(ConfigError, match="unknown option 'modle'; did you mean 'model'"):
        evaluate(breasts, features, modle="cox")
    with pytest.raises(DataError, match="has no follow-up"):
        evaluate(breasts.drop(columns=["event", "years_to_event"]), features)


def test_a_group_whose_events_come_after_the_last_year_has_no_value(data):
    """Uno's C counts events before τ alone: twelve later ones are no sample."""
    table, features = data
    exams = table.groupby("exam_id").agg(event=("event", "max"), years=("years_to_event", "max"))
    late = exams.index[exams["event"] & (exams["years"] >= 2)]
    mine = table.assign(site=np.where(table["exam_id"].isin(late) | ~table["event"], "late", "both").astype(object))
    told = evaluate(mine.astype({"site": "string"}), features, years=2).details["subgroups"]["attributes"]["site"]
    group = next(group for group in told["groups"] if group["group"] == "late")
    assert group["n_positive"] == 0 and group["n"] > 20 and group["small"] and group["value"] is None
    assert "worst" not in told
