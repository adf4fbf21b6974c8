"""Stage ``finetune``: what it stands on, what moves its key, and that test labels are read by ``evaluate`` alone."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from harness.config import CellConfig
from harness.facts import Facts
from harness.stages.base import Context
from harness.stages.finetune import DETAILS, SCORES, FineTuneStage
from harness.stages.finetune_run import finetune
from harness.stages.licence import write_licence
from harness.stages.scoring_run import score
from mvmlm.data.build_store import build_image_store
from mvmlm.data.image_store import BREASTS, stored_breasts
from mvmlm.data.readers import DATASETS
from mvmlm.data.splits import with_split
from mvmlm.evaluation.tasks import TASKS
from mvmlm.methods import Shapes, build_method, save_method
from tests.harness.ablation_files import BASE
from tests.harness.conftest import MICRO, Harness
from tests.mvmlm.toy_breasts import LOSS

TUNED = {"lrs": [0.0005, 0.002], "epochs": 2, "min_steps": 0, "batch_size": 8, "precision": "fp32"}
SUPERVISED = {**BASE, "method": {"name": "supervised", "encoder": "test_resnet"}}
PRETRAINED = ("dataset", "images", "reports", "text", "pretrain", "finetune", "evaluate")


def stages(plan, *changes: str, base=None) -> dict[str, str]:
    """Stages and keys of the one cell that is fine-tuned."""
    return plan({}, "protocols=finetune", *changes, base=base).cells[0].stages


def test_a_fine_tuned_cell_has_no_features_and_shares_its_pretraining_with_the_probe(plan):
    found = plan({}, "protocols=finetune")
    tuned, probed = found.cells[0].stages, plan({}).cells[0].stages
    assert set(tuned) == set(PRETRAINED)
    assert "finetune" not in probed and "features" in probed
    assert {name for name in tuned if tuned[name] == probed.get(name)} == set(PRETRAINED[:5])
    order = [node.stage for node in found.nodes.values()]
    assert order.index("pretrain") < order.index("finetune") < order.index("evaluate")


def test_a_method_of_labels_is_not_pretrained_on_them_first(plan):
    assert set(stages(plan, base=SUPERVISED)) == {"dataset", "images", "finetune", "evaluate"}


def test_rows_without_image_are_the_same_below_both_protocols(plan):
    probe, tuned = plan({}), plan({}, "protocols=finetune")
    assert [row.key for row in tuned.baselines] == [row.key for row in probe.baselines]


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        *[
            (f"eval.finetune.{said}", {"finetune", "evaluate"})
            for said in (
                "lrs=[0.1]",
                "epochs=7",
                "min_steps=7",
                "batch_size=4",
                "patience=7",
                "weight_decay=0.1",
                "warmup_epochs=0.5",
                "precision=bf16",
                "val_share=0.3",
                "augment.flip=0.5",
            )
        ],
        ("eval.fraction=0.5", {"finetune", "evaluate"}),
        ("eval.representation=tokens_max", {"finetune", "evaluate"}),
        ("tasks=malignancy", {"finetune", "evaluate"}),
        ("seeds=1", {"pretrain", "finetune", "evaluate"}),
        ("train.epochs=3", {"pretrain", "finetune", "evaluate"}),
        ("train.workers=3", set()),
        ("eval.draws=50", {"evaluate"}),
        ("eval.folds=3", set()),
        ("eval.strengths=[1.0]", set()),
        ("resources.finetune.gpu=1", set()),
    ],
)
def test_a_setting_moves_exactly_the_stages_that_read_it(plan, change, moved):
    before, after = stages(plan), stages(plan, change)
    assert {name for name in before if before[name] != after[name]} == moved


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ("train.epochs=3", set()),
        ("loss.temperature=0.1", set()),
        ("data.val_fraction=0.3", set()),
        ("method.encoder=test_efficientnet", {"finetune", "evaluate"}),
        ("data.split_seed=1", {"finetune", "evaluate"}),
        ("seeds=1", {"finetune", "evaluate"}),
    ],
)
def test_of_a_method_of_labels_its_own_settings_count_and_not_those_of_its_training(plan, change, moved):
    before, after = stages(plan, base=SUPERVISED), stages(plan, change, base=SUPERVISED)
    assert {name for name in before if before[name] != after[name]} == moved


def test_the_probe_and_what_stands_below_it_do_not_read_the_settings_of_a_fine_tuning(plan):
    one, other = plan({}), plan({}, "eval.finetune.epochs=7", "eval.finetune.lrs=[0.5]")
    assert one.cells[0].stages == other.cells[0].stages
    assert [row.key for row in one.baselines] == [row.key for row in other.baselines]


@pytest.mark.parametrize(("path", "there"), [("method.encoder", True), ("train.lr", False)])
def test_searched_options_of_a_method_of_labels_reach_its_initial_weights(path, there):
    search = {"trials": 4, "space": {path: ["test_resnet", "test_efficientnet"]}}
    cell = CellConfig.model_validate({**SUPERVISED, "search": search})
    assert ("search" in FineTuneStage().inputs(cell, Facts())) == there


def test_resources_and_threads_reach_the_worker(plan):
    found = plan({}, "protocols=finetune", "resources.finetune.gpu=1", "train.workers=3")
    (node,) = [node for node in found.nodes.values() if node.stage == "finetune"]
    assert node.resources["gpu"] == 1
    assert node.runtime == {"workers": 3}
    assert "2 × 5 epochs" in stage_kind(plan, "eval.finetune.lrs=[0.1, 0.2]", "eval.finetune.epochs=5")


def stage_kind(plan, *changes: str) -> str:
    nodes = plan({}, "protocols=finetune", *changes).nodes.values()
    return next(node.kind for node in nodes if node.stage == "finetune")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Images of 16 simulated women, and a method with the weights that it was built with."""
    folder = tmp_path_factory.mktemp("women")
    reader = DATASETS.get("phantom")()
    options = reader.Options(exams=16, height=96, width=80, test_share=0.3)
    reader.generate(folder / "data", options)
    (folder / "images").mkdir()
    build_image_store(reader.read(folder / "data", options), folder / "data", folder / "images", height=64, width=48)
    write_licence(folder / "images", type(reader))
    (folder / "pretrain").mkdir()
    config = {"name": "custom_clip", "encoder": "test_resnet", "projection": 8}
    save_method(build_method(config, Shapes((64, 48), 8, 6), loss=LOSS, seed=2), folder / "pretrain")
    return folder


SPLIT = {"test_fraction": 0.3, "split_seed": 1}


def tune(made: Path, folder: Path, inputs=("images", "pretrain"), **more) -> dict:
    """Stage ``finetune`` into ``folder/out``, with one thread, as a worker of one CPU runs it."""
    torch.set_num_threads(1)
    for part in ("out", "work"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    told = CellConfig.model_validate({"eval": {"finetune": TUNED}}).eval.finetune.model_dump(mode="json")
    config = {"task": "mass", "fraction": 1.0, "representation": "embedding", "finetune": told, "seed": 3}
    return finetune(
        Context(
            config={**config, "split": SPLIT, **more},
            inputs={name: made / name for name in inputs},
            out=folder / "out",
            work=folder / "work",
            runtime={"workers": 0},
            threads=1,
            report=lambda record: None,
        )
    )


def evaluate(made: Path, tuned: Path, out: Path, **options) -> dict:
    """Stage ``evaluate`` on what a fine-tuning wrote, or on features, into ``out``."""
    out.mkdir(parents=True)
    source = {"finetune": tuned} if "folds" not in options else {"features": tuned}
    said = {"task": "mass", "protocol": "linear_probe" if "folds" in options else "finetune", "fraction": 1.0}
    return score(
        Context(
            config={"eval": {**said, "draws": 20, **options}, "seed": 3, "split": SPLIT},
            inputs={"images": made / "images", **source},
            out=out,
            work=out,
            runtime={},
            threads=1,
            report=lambda record: None,
        )
    )


def test_scores_of_all_test_breasts_are_written_and_judged_like_a_probe(made, tmp_path):
    summary = tune(made, tmp_path)
    breasts = with_split(stored_breasts(made / "images"), **SPLIT)
    table = pd.read_parquet(tmp_path / "out" / SCORES)
    assert list(table.columns) == ["breast_id", "score"]
    details = json.loads((tmp_path / "out" / DETAILS).read_text())
    scored = breasts.loc[table["breast_id"], "split"]
    assert set(scored.index[scored == "test"]) == set(breasts.index[breasts["split"] == "test"])
    assert (scored == "train").sum() == details["parts"]["validation"]["breasts"], "thresholds are chosen on these"
    assert summary["lr"] == summary["measures"]["lr"] == details["lr"]
    assert summary["epochs"] == 4
    assert (tmp_path / "out" / "licence.json").is_file()

    found = evaluate(made, tmp_path / "out", tmp_path / "judged")
    predictions = pd.read_parquet(tmp_path / "judged" / "predictions.parquet").set_index("unit_id")
    assert predictions["score"].equals(table.set_index("breast_id")["score"].reindex(predictions.index))
    assert json.loads((tmp_path / "judged" / "details.json").read_text())["finetune"] == details

    images = len(pd.read_parquet(made / "images" / "index.parquet"))
    np.save(tmp_path / "features.npy", np.random.default_rng(0).standard_normal((images, 4)).astype(np.float32))
    probe = evaluate(made, tmp_path, tmp_path / "probed", folds=2, strengths=[1.0])
    probed = pd.read_parquet(tmp_path / "probed" / "predictions.parquet")
    assert list(probed["unit_id"]) == list(predictions.index), "the same test set"
    sizes = ("n", "n_patients", "n_positive", "n_train", "n_train_patients")
    assert {k: found["metrics"][k] for k in sizes} == {k: probe["metrics"][k] for k in sizes}


def test_a_task_of_classes_is_tuned_and_judged_by_its_probabilities(made, tmp_path):
    tune(made, tmp_path, task="density")
    table = pd.read_parquet(tmp_path / "out" / SCORES).set_index("breast_id")
    assert list(table.columns) == ["p0", "p1", "p2", "p3"]
    summary = evaluate(made, tmp_path / "out", tmp_path / "judged", task="density")
    predictions = pd.read_parquet(tmp_path / "judged" / "predictions.parquet").set_index("unit_id")
    np.testing.assert_array_equal(predictions[["p0", "p1", "p2", "p3"]], table.loc[predictions.index])
    assert next(iter(summary["metrics"])) == "macro_auc@breast"
    assert summary["notes"][0].startswith("density: the category, A to D")


def test_no_test_label_reaches_a_score(made, tmp_path):
    """With an official split: of a drawn one labels are part of the drawing."""
    tune(made, tmp_path / "before")
    other = tmp_path / "other"
    other.mkdir()
    for name in ("data", "pretrain"):
        (other / name).symlink_to(made / name)
    (other / "images").mkdir()
    for path in (made / "images").iterdir():
        (other / "images" / path.name).symlink_to(path)
    breasts = stored_breasts(made / "images")
    assert breasts["split"].notna().all()
    tested = breasts["split"] == "test"
    for column in {TASKS.get(name).column for name in TASKS} & set(breasts):
        breasts.loc[tested, column] = pd.NA
    (other / "images" / BREASTS).unlink()
    breasts.to_parquet(other / "images" / BREASTS)
    tune(other, tmp_path / "after")
    before, after = (pd.read_parquet(tmp_path / part / "out" / SCORES) for part in ("before", "after"))
    pd.testing.assert_frame_equal(before, after, check_exact=True)


def test_a_finished_training_is_not_done_again_after_an_interruption(made, tmp_path):
    tune(made, tmp_path)
    first = pd.read_parquet(tmp_path / "out" / SCORES)
    seconds = json.loads((tmp_path / "out" / DETAILS).read_text())["runs"][0]["seconds"]
    tune(made, tmp_path)
    pd.testing.assert_frame_equal(first, pd.read_parquet(tmp_path / "out" / SCORES), check_exact=True)
    assert json.loads((tmp_path / "out" / DETAILS).read_text())["runs"][0]["seconds"] == seconds


def test_the_notes_say_how_it_was_chosen_and_where_a_method_of_labels_started(made, tmp_path):
    (how,) = tune(made, tmp_path / "a")["notes"]
    assert "learning rates 0.0005, 0.002" in how and "20 % of the granted patients" in how
    method = {"name": "supervised", "encoder": "test_resnet"}
    fresh = tune(made, tmp_path / "b", ("images",), method=method, method_version=1)["notes"]
    assert fresh[0] == how
    assert "supervised: fine-tuned from its initial weights" in fresh[1]


@pytest.mark.slow
def test_both_protocols_run_from_dicom_to_table(tmp_path):
    harness, spec = Harness(tmp_path), copy.deepcopy(MICRO)
    spec["base"]["eval"]["finetune"] = TUNED
    spec["base"]["method"]["tokens"] = 2
    spec["axes"] = {"method.name": ["mvmlm", "supervised"]}
    spec["protocols"] = ["linear_probe", "finetune"]
    spec["table"] = {"rows": ["method.name", "protocol"], "columns": ["task"]}
    harness.write(spec)
    said = harness.run()
    assert said.returncode == 0, said.stderr + said.stdout
    counts = {name: len(harness.stages(name)) for name in ("pretrain", "finetune", "features", "evaluate")}
    assert counts == {"pretrain": 2, "finetune": 2, "features": 2, "evaluate": 4 + 3}
    table = (tmp_path / "results" / "micro" / "demo.md").read_text()
    assert table.count("finetune") >= 2 and "fine-tuned from its initial weights" in table
    assert "4 of them done" in harness("plan", str(harness.ablation)).stdout
    (folder,) = (f for f in harness.stages("finetune") if "method" in read(f)["config"])
    card = read(folder)
    card["summary"]["method_source"] = "another"
    (folder / "card.json").write_text(json.dumps(card))
    assert "note the file of method supervised has changed since" in harness.run().stdout


def read(folder: Path) -> dict:
    """The card of a stage's folder."""
    return json.loads((folder / "card.json").read_text())
