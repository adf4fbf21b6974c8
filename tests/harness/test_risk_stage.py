"""Protocol ``risk`` as cells of a plan and as stages: what moves their keys, which rows stand below, what is tuned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from harness.config import CellConfig
from harness.stages.base import Context
from harness.stages.finetune_run import finetune
from harness.stages.licence import write_licence
from harness.stages.scoring_run import score
from mvmlm.data.build_store import build_image_store
from mvmlm.data.image_store import BREASTS, stored_breasts
from mvmlm.data.readers import DATASETS
from mvmlm.methods import Shapes, build_method, save_method
from tests.harness.ablation_files import BASE
from tests.mvmlm.toy_breasts import LOSS

RISKY = {**BASE, "data": {"name": "phantom_embed", "options": {"exams": 24}}}
SETTINGS = ["model=cox", "fuse=max", "exclude_months=3.0", "years=3", "mask=mirai"]


def stages(plan, *changes: str) -> dict[str, str]:
    """Stages and keys of the one cell."""
    return plan({}, "protocols=[risk]", *changes, tasks=("risk",), base=RISKY).cells[0].stages


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_of_risk_moves_what_is_evaluated_and_nothing_before_it(plan, setting):
    before, after = stages(plan), stages(plan, f"eval.risk.{setting}")
    assert {name for name in before if before[name] != after[name]} == {"evaluate"}


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_other_protocol_reads_it(plan, setting):
    assert plan({}).cells[0].stages == plan({}, f"eval.risk.{setting}").cells[0].stages


def test_rows_without_image_are_shared_by_the_models_that_they_do_not_read(plan):
    found = plan({"eval.risk.model": ["hazard", "cox"]}, "protocols=[risk]", tasks=("risk",), base=RISKY)
    assert len(found.cells) == 2
    assert [row.baseline for row in found.baselines] == ["metadata", "text", "majority"]


TUNED = "eval.risk.embeddings=finetuned"


@pytest.mark.parametrize(
    ("setting", "moved"),
    [
        *[(f"eval.risk.{setting}", {"finetune", "evaluate"}) for setting in SETTINGS[1:]],
        ("eval.risk.model=cox", {"evaluate"}),
        ("eval.finetune.epochs=7", {"finetune", "evaluate"}),
        ("eval.folds=3", set()),
        ("eval.strengths=[1.0]", set()),
    ],
)
def test_one_training_serves_both_models_and_the_layer_of_it_has_no_strength(plan, setting, moved):
    before, after = stages(plan, TUNED), stages(plan, TUNED, setting)
    assert "finetune" in before and "features" not in before
    assert {name for name in before if before[name] != after[name]} == moved


def test_cox_on_tuned_features_chooses_a_strength_but_by_no_folds(plan):
    cox = (TUNED, "eval.risk.model=cox")
    before = stages(plan, *cox)
    assert before["evaluate"] != stages(plan, *cox, "eval.strengths=[1.0]")["evaluate"]
    assert before == stages(plan, *cox, "eval.folds=3")


def test_frozen_and_tuned_share_their_pretraining_and_the_rows_below(plan):
    both = plan({"eval.risk.embeddings": ["frozen", "finetuned"]}, "protocols=[risk]", tasks=("risk",), base=RISKY)
    frozen, tuned = (cell.stages for cell in both.cells)
    assert frozen["pretrain"] == tuned["pretrain"] and frozen["evaluate"] != tuned["evaluate"]
    assert len(both.baselines) == 3
    assert frozen == stages(plan), "a default that is said is no other cell"


def test_it_is_a_setting_of_no_other_protocol(plan):
    assert plan({}).cells[0].stages == plan({}, TUNED).cells[0].stages


def test_a_method_of_labels_is_tuned_from_its_initial_weights(plan):
    base = {**RISKY, "method": {"name": "supervised", "encoder": "test_resnet"}}
    found = plan({}, "protocols=[risk]", TUNED, tasks=("risk",), base=base)
    assert set(found.cells[0].stages) == {"dataset", "images", "finetune", "evaluate"}


SPLIT = {"test_fraction": 0.5, "split_seed": 1}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Images of 16 simulated women who are followed, and a method with the weights that it was built with."""
    folder = tmp_path_factory.mktemp("women")
    reader = DATASETS.get("phantom")()
    options = reader.Options(exams=16, height=96, width=80, test_share=0.5)
    reader.generate(folder / "data", options)
    (folder / "images").mkdir()
    build_image_store(reader.read(folder / "data", options), folder / "data", folder / "images", height=64, width=48)
    write_licence(folder / "images", type(reader))
    breasts = stored_breasts(folder / "images")
    number = pd.factorize(breasts["patient_id"])[0]
    told = {"event": number % 2 == 0, "years_to_event": 1.0 + number / 2}
    breasts.assign(**told).astype({"event": "boolean", "years_to_event": "Float64"}).to_parquet(
        folder / "images" / BREASTS
    )
    (folder / "pretrain").mkdir()
    config = {"name": "custom_clip", "encoder": "test_resnet", "projection": 8}
    save_method(build_method(config, Shapes((64, 48), 8, 6), loss=LOSS, seed=2), folder / "pretrain")
    return folder


def context(config: dict, inputs: dict[str, Path], folder: Path) -> Context:
    for part in ("out", "work"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    places = {"out": folder / "out", "work": folder / "work"}
    return Context(config=config, inputs=inputs, runtime={"workers": 0}, threads=1, report=lambda r: None, **places)


def test_it_is_tuned_and_judged_by_both_models(made, tmp_path):
    torch.set_num_threads(1)
    tuned = {"lrs": [0.002], "epochs": 2, "min_steps": 0, "batch_size": 4, "precision": "fp32"}
    said = CellConfig.model_validate({"eval": {"finetune": tuned}}).eval.model_dump(mode="json")
    risk = {**said["risk"], "years": 3}
    asked = {"task": "risk", "fraction": 1.0}
    how = {"representation": "embedding", "finetune": said["finetune"], "risk": {**risk}, "seed": 3, "split": SPLIT}
    for unread in ("embeddings", "model"):
        del how["risk"][unread]
    images = {"images": made / "images"}
    summary = finetune(context({**asked, **how}, {**images, "pretrain": made / "pretrain"}, tmp_path / "tuned"))
    assert "encoder and the additive-hazard layer trained end to end" in summary["notes"][0]
    written = tmp_path / "tuned" / "out"
    assert len(np.load(written / "features.npy")) == summary["images"] == 64
    assert (written / "licence.json").is_file()
    scores = []
    for model in ("hazard", "cox"):
        options = {"protocol": "risk", "draws": 20, **how["risk"], "model": model}
        told = {"eval": {**asked, **options}, "seed": 3, "split": SPLIT}
        found = score(context(told, {**images, "finetune": written}, tmp_path / model))
        assert "c_uno@exam" in found["metrics"]
        details = json.loads((tmp_path / model / "out" / "details.json").read_text())
        assert details["embeddings"] == "finetuned"
        assert details["finetune"]["parts"]["train"]["exams"] == summary["exams"]
        scores.append(pd.read_parquet(tmp_path / model / "out" / "predictions.parquet"))
    assert list(scores[0]) == list(scores[1])
    pd.testing.assert_series_equal(scores[0]["unit_id"], scores[1]["unit_id"])
