"""Protocol ``retrieval``: who asks, what is right, what a guess has, and draws that leave the gallery alone."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from mvmlm.errors import DataError
from mvmlm.evaluation.bootstrap import PatientBootstrap, percentile_interval
from mvmlm.evaluation.protocols import PROTOCOLS
from mvmlm.evaluation.retrieval import run
from mvmlm.evaluation.scoring import BOOTSTRAP_SEED
from mvmlm.evaluation.tasks import TASKS
from mvmlm.evaluation.text_set import TextSet
from tests.mvmlm.evaluation.synthetic import breast_table
from tests.mvmlm.evaluation.text_sets import text_set, unit, views_of

TASK = TASKS.get("report")
DRAWS = {"draws": 40}


def world(reports: int = 12, *, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, TextSet]:
    """Breasts, their views, and a report of each; some have one view, some no report."""
    breasts = breast_table(40, seed=seed)
    breasts.loc[breasts.index[0::6], "mlo"] = -1
    breasts.loc[breasts.index[1::9], ["cc", "mlo"]] = -1
    number = np.random.default_rng(seed).integers(0, reports, len(breasts))
    owned = {name: [f"report {one}"] for name, one in zip(breasts.index, number) if not name.endswith("3_L")}
    return breasts, views_of(breasts), text_set(owned)


@pytest.fixture(scope="module")
def found():
    breasts, views, texts = world()
    return breasts, views, texts, run(views, breasts, TASK, texts=texts, options=DRAWS)


def ranks_by_hand(breasts, views, texts) -> pd.DataFrame:
    """Rank of the right report among the different ones, and of the first right breast, with a loop for each."""
    owned = texts.table.set_index("owner")
    mine = [
        name for name, row in breasts.sort_index().iterrows()
        if row["split"] == "test" and max(row["cc"], row["mlo"]) >= 0 and name in owned.index
    ]  # fmt: skip
    images = {n: unit(np.nanmean(views[breasts.index.get_loc(n)].astype(float), axis=0)) for n in mine}
    words = {owned.loc[n, "text"]: texts.features[owned.loc[n, "row"]] for n in mine}
    rows = []
    for name in mine:
        own = owned.loc[name, "text"]
        by_report = sorted(words, key=lambda text: -float(images[name] @ words[text]))
        by_image = sorted(mine, key=lambda other: -float(images[other] @ words[own]))
        right = [owned.loc[other, "text"] == own for other in by_image]
        rows.append({"unit_id": name, "report": by_report.index(own) + 1, "image": right.index(True) + 1})
    return pd.DataFrame(rows)


def test_every_number_is_that_of_the_ranks_counted_by_hand(found):
    breasts, views, texts, evaluation = found
    by_hand = ranks_by_hand(breasts, views, texts)
    predictions = evaluation.predictions
    assert predictions["unit_id"].tolist() == by_hand["unit_id"].tolist()
    assert (-predictions["score"]).tolist() == by_hand["report"].tolist()
    for what, prefix in (("report", ""), ("image", "image_")):
        assert (predictions[f"{what}_ahead"] + 1).tolist() == by_hand[what].tolist()
        for depth in (1, 5, 10):
            assert evaluation.metrics[f"{prefix}recall_at_{depth}@breast"] == (by_hand[what] <= depth).mean()
        median = np.quantile(by_hand[what], 0.5, method="inverted_cdf")
        assert evaluation.metrics[f"{prefix}median_rank@breast"] == median


def test_the_first_metric_is_from_image_to_report_within_five(found):
    assert next(iter(found[3].metrics)) == "recall_at_5@breast"
    assert set(found[3].draws) == {name for name in found[3].metrics if "@" in name and "/" not in name}


def test_draws_weigh_the_breasts_that_ask_and_leave_the_gallery(found):
    evaluation = found[3]
    hit = (-evaluation.predictions["score"] <= 5).to_numpy()
    patients = evaluation.predictions["patient_id"].to_numpy()
    drawn = PatientBootstrap.draw(patients, np.ones(len(hit)), draws=40, seed=BOOTSTRAP_SEED)
    weights = drawn.counts[np.searchsorted(drawn.patients, patients)]
    expected = (hit[:, None] * weights).sum(axis=0) / weights.sum(axis=0)
    np.testing.assert_allclose(evaluation.draws["recall_at_5@breast"], expected, rtol=1e-6)
    low, high = (evaluation.metrics[f"recall_at_5@breast/{end}"] for end in ("low", "high"))
    assert (low, high) == percentile_interval(evaluation.draws["recall_at_5@breast"])
    assert evaluation.details["bootstrap"]["gallery"] == "fixed"


def test_who_is_left_out_is_counted(found):
    breasts, _, texts, evaluation = found
    tested = breasts[breasts["split"] == "test"]
    told = tested.index.isin(texts.table["owner"])
    imaged = (tested[["cc", "mlo"]] >= 0).any(axis=1).to_numpy()
    assert evaluation.details["dropped"] == {
        "test: no report": (~told).sum(), "test: no usable standard view": (told & ~imaged).sum(),
    }  # fmt: skip
    assert evaluation.metrics["n"] == (told & imaged).sum() == len(evaluation.predictions)


@pytest.mark.parametrize("blind", ["views", "texts", "both"])
def test_a_method_that_tells_nothing_apart_scores_as_a_guess(blind):
    breasts, views, texts = world()
    if blind != "texts":
        views = np.where(np.isnan(views), np.nan, views[0, 0])
    if blind != "views":
        texts = TextSet(texts.table, np.tile(texts.features[:1], (len(texts.features), 1)))
    evaluation = run(views, breasts, TASK, texts=texts, options=DRAWS)
    chance = evaluation.details["chance"]
    gallery = evaluation.details["gallery"]
    assert chance["recall_at_5@breast"] == pytest.approx(5 / gallery["report"])
    assert chance["median_rank@breast"] == np.ceil(gallery["report"] / 2)
    alike = {"views": ("image",), "texts": ("report",), "both": ("image", "report")}[blind]
    for name, value in chance.items():
        if ("image" if name.startswith("image_") else "report") in alike:
            assert evaluation.metrics[name] == pytest.approx(value)


def test_naming_the_commonest_reports_needs_no_image(found):
    _, _, texts, evaluation = found
    mine = texts.table.set_index("owner").loc[evaluation.predictions["unit_id"], "text"].value_counts()
    whole = mine.to_numpy()
    assert evaluation.details["commonest_first"]["recall_at_1@breast"] == pytest.approx(whole[0] / whole.sum())
    for depth in (5, 10):
        share = whole[:depth].sum() / whole.sum()
        assert evaluation.details["commonest_first"][f"recall_at_{depth}@breast"] == pytest.approx(share)
    assert f"{100 * whole[:5].sum() / whole.sum():.1f} %" in evaluation.details["notes"][0]


def test_a_method_that_knows_finds_everything():
    breasts, _, texts = world()
    row = texts.table.set_index("owner")["row"].reindex(breasts.index).fillna(0).astype(int)
    views = np.repeat(texts.features[row][:, None], 2, axis=1)
    metrics = run(views, breasts, TASK, texts=texts, options=DRAWS).metrics
    assert {metrics[f"{side}recall_at_1@breast"] for side in ("", "image_")} == {1.0}
    assert {metrics[f"{side}median_rank@breast"] for side in ("", "image_")} == {1.0}


def test_it_survives_the_disk_and_reads_no_label(found, tmp_path):
    breasts, views, texts, evaluation = found
    evaluation.write(tmp_path)
    again = type(evaluation).read(tmp_path)
    pd.testing.assert_frame_equal(again.predictions, evaluation.predictions)
    assert json.loads((tmp_path / "details.json").read_text()) == evaluation.details
    silent = breasts.drop(columns=["mass", "calcification", "malignancy", "birads", "density"])
    other = PROTOCOLS.get("retrieval")(views, silent, TASK, texts=texts, fraction=0.1, seed=5, options=DRAWS)
    assert other.metrics == evaluation.metrics


def test_what_leaves_nothing_to_retrieve_is_refused():
    breasts, views, texts = world()
    alike = text_set({name: ["the same"] for name in breasts.index})
    with pytest.raises(DataError, match="have the same report"):
        run(views, breasts, TASK, texts=alike, options=DRAWS)
    with pytest.raises(DataError, match="0 test breasts have a report"):
        run(views, breasts, TASK, texts=text_set({"nobody": ["a", "b"]}), options=DRAWS)
    views[breasts.index.get_loc(breasts.index[breasts["split"] == "test"][3])] = np.inf
    with pytest.raises(DataError, match="the encoder diverged"):
        run(views, breasts, TASK, texts=texts, options=DRAWS)
