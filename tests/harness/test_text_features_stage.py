"""Stage ``text_features`` and its protocols: what they stand on, what moves their keys, a whole run in one process."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from harness.plan import build_plan
from harness.progress import title
from harness.stages import STAGES
from harness.stages.base import Context
from harness.stages.text_features import _cut
from mvmlm.evaluation.protocols import Evaluation
from mvmlm.evaluation.text_set import TextSet
from tests.harness.ablation_files import BASE, expander, problems

PRETRAINED = ("dataset", "images", "reports", "text", "pretrain", "features")
COMPARED = (*PRETRAINED, "text_features", "evaluate")
OWN = {"text_features", "evaluate"}
TRAINED = {"pretrain", "features", *OWN}


def cell(plan, protocol: str, *changes: str, base=None):
    """The one cell of a protocol."""
    task = "report" if protocol == "retrieval" else "mass"
    return plan({}, f"protocols={protocol}", *changes, base=base, tasks=(task,)).cells[0]


@pytest.mark.parametrize("protocol", ["zero_shot", "retrieval"])
def test_it_shares_pretraining_and_features_with_the_probe(plan, protocol):
    compared, probed = cell(plan, protocol).stages, plan({}).cells[0].stages
    assert set(compared) == set(COMPARED)
    assert "text_features" not in probed
    assert {name for name in compared if compared[name] == probed.get(name)} == set(PRETRAINED)


MOVES = {
    "eval.fraction=0.5": (set(), set()),
    "eval.folds=3": (set(), set()),
    "eval.strengths=[1.0]": (set(), set()),
    "eval.finetune.epochs=3": (set(), set()),
    "eval.draws=50": ({"evaluate"}, {"evaluate"}),
    "text.trainable=true": ({"text", *TRAINED}, {"text", *TRAINED}),
    "text.encoder=some/hub-model": ({"text", *TRAINED}, {"text", *TRAINED}),
    "reports.source=tabular": ({"reports", "text", *TRAINED}, {"reports", "text", *TRAINED}),
    "method.name=clip": (TRAINED, TRAINED),
    "seeds=1": (TRAINED, TRAINED),
    "train.epochs=3": (TRAINED, TRAINED),
    "data.split_seed=1": ({"reports", "text", *TRAINED}, {"reports", "text", *TRAINED}),
    "resources.text_features.gpu=1": (set(), set()),
    "PROMPTS": (OWN, set()),
}


@pytest.mark.parametrize("change", MOVES)
@pytest.mark.parametrize("protocol", ["zero_shot", "retrieval"])
def test_a_setting_moves_exactly_the_stages_that_read_it(plan, tmp_path, protocol, change):
    moved = MOVES[change][protocol == "retrieval"]
    before = cell(plan, protocol).stages
    after = cell(plan, protocol, prompts_file(tmp_path) if change == "PROMPTS" else change).stages
    assert {name for name in before if before[name] != after.get(name)} == moved


def prompts_file(folder: Path, **more) -> str:
    """An override that names a file of one's own prompts."""
    said = {"mass": {"negative": ["nothing is seen"], "positive": ["a lump is seen"]}, **more}
    (folder / "prompts.yaml").write_text(yaml.safe_dump(said))
    return f"eval.zero_shot.prompts={folder / 'prompts.yaml'}"


def test_the_wording_of_a_tasks_own_prompts_is_in_the_key_and_no_other(plan, tmp_path):
    other = {"calcification": {"negative": ["no specks"], "positive": ["specks"]}}
    one, same = (cell(plan, "zero_shot", prompts_file(tmp_path, **more)).key for more in ({}, other))
    assert one == same
    reworded = {"mass": {"negative": ["nothing is seen"], "positive": ["a mass is seen"]}}
    assert cell(plan, "zero_shot", prompts_file(tmp_path, **reworded)).key != one


def test_fractions_share_one_evaluation_and_tasks_one_pretraining(plan):
    found = plan({"eval.fraction": [0.1, 1.0]}, "protocols=[zero_shot]", tasks=("mass", "malignancy"))
    counts = {stage: sum(node.stage == stage for node in found.nodes.values()) for stage in COMPARED}
    assert (len(found.cells), len({c.key for c in found.cells})) == (4, 2)
    assert (counts["pretrain"], counts["features"], counts["text_features"]) == (1, 1, 2)


def test_the_worker_is_told_where_the_encoder_lies(plan):
    found = plan({}, "protocols=zero_shot", "resources.text_features.gpu=1")
    (node,) = [node for node in found.nodes.values() if node.stage == "text_features"]
    assert Path(node.runtime["source"]).is_dir() and node.runtime["source"] not in json.dumps(node.config)
    assert node.resources["gpu"] == 1
    assert [name for name, _ in node.config["prompts"]] == ["negative", "positive"]


def test_a_run_shows_what_is_compared_with_what(plan):
    titles = [title(n) for p in ("zero_shot", "retrieval") for n in plan_of(plan, p) if n.stage in OWN]
    shown = [said.rpartition(" (")[0] for said in titles]
    assert shown[:2] == ["text_features prompts", "evaluate zero_shot mass"]
    assert shown[-2:] == ["text_features test reports", "evaluate retrieval report"]


def plan_of(plan, protocol: str) -> list:
    """Nodes of the one cell of a protocol, without rows that need no image."""
    found = plan({}, f"protocols={protocol}", tasks=("report" if protocol == "retrieval" else "mass",))
    return [found.nodes[key] for key in found.nodes if key in found.cells[0].stages.values()]


GRID = """\
question: q
base: {base}
axes: {axes}
seeds: [0]
tasks: {tasks}
protocols: {protocols}
table: {{rows: [protocol], columns: {columns}}}
"""


def grid(tasks: str, protocols: str, axes: str = "{}", columns: str = "[task]") -> str:
    """A small ablation file."""
    return GRID.format(base=json.dumps(BASE), axes=axes, tasks=tasks, protocols=protocols, columns=columns)


def test_a_grid_has_no_cell_of_a_task_that_a_protocol_does_not_evaluate(tmp_path):
    cells = expander(tmp_path)(grid("[mass, malignancy, report]", "[linear_probe, zero_shot, retrieval]")).cells
    pairs = [(c.config.eval.protocol, c.config.eval.task) for c in cells]
    both = [(protocol, task) for protocol in ("linear_probe", "zero_shot") for task in ("mass", "malignancy")]
    assert pairs == [*both, ("retrieval", "report")]
    baselines = build_plan(cells).baselines
    assert {row.cell.coordinates["task"] for row in baselines} == {"mass", "malignancy"}


@pytest.mark.parametrize(
    ("tasks", "protocols", "said"),
    [
        ("[mass]", "[zero_shot, retrieval]", "protocols: retrieval evaluates none of the tasks listed (it evaluates:"),
        ("[mass, report]", "[zero_shot]", "tasks: report is evaluated by none of the protocols listed (it is by: re"),
    ],
)
def test_what_goes_with_nothing_is_said_at_its_place(tmp_path, tasks, protocols, said):
    (line,) = problems(tmp_path, grid(tasks, protocols))
    assert line.startswith("a.yaml:") and said in line


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (
            "{method.name: [clip, supervised]}",
            "zero_shot needs a method that reads reports, and supervised reads none (these do: clip, ",
        ),
        ("{method.name: [simclr_views]}", "zero_shot needs a method that reads reports, and simclr_views reads none"),
        (
            "{eval.representation: [embedding, tokens_max]}",
            "zero_shot compares images with texts where both have an embedding, and eval.representation is tokens_max",
        ),
    ],
)
def test_what_cannot_be_compared_with_texts_is_refused_before_anything_starts(tmp_path, axes, said):
    name = axes.split(":")[0].strip("{")
    (line,) = problems(tmp_path, grid("[mass]", "[linear_probe, zero_shot]", axes, f"[task, {name}]"))
    assert f"protocols: {said}" in line
    cells = expander(tmp_path)(grid("[mass]", "[linear_probe]", axes, f"[task, {name}]")).cells
    assert cells, "and the probe takes them"


def test_a_wrong_file_of_prompts_is_said_before_anything_starts(tmp_path):
    text = grid("[mass]", "[zero_shot]")
    (line,) = problems(tmp_path, text, overrides=["eval.zero_shot.prompts=none.yaml"])
    assert "eval.zero_shot.prompts: none.yaml: there is no such file of prompts" in line
    override = prompts_file(tmp_path)
    (line,) = problems(tmp_path, text.replace("[mass]", "[calcification]"), overrides=[override])
    assert "no prompts for task calcification" in line
    assert len(expander(tmp_path)(text, overrides=[override]).cells) == 1


def test_texts_that_are_longer_than_any_of_the_training_are_told():
    summary = {"truncated": 2, "distinct": 9, "max_length": 31}
    (note,) = _cut(summary, "test reports")
    assert "2 of 9 different test reports" in note and "31 tokens" in note
    assert _cut({**summary, "truncated": 0}, "prompts") == []


SMALL = {
    "data": {"name": "phantom", "options": {"exams": 20, "height": 96, "width": 80, "test_share": 0.4}},
    "images": {"height": 64, "width": 48},
    "method": {"name": "custom_clip", "encoder": "test_resnet", "projection": 8, "tokens": 2, "text_tokens": 2,
               "width": 8, "depth": 1, "heads": 2},
    "train": {"epochs": 1, "min_steps": 0, "batch_size": 8, "precision": "fp32"},
    "eval": {"draws": 20, "folds": 2},
}  # fmt: skip


def work(cells: list, folder: Path) -> dict[str, Path]:
    """Every stage of some cells, one after the other in this process; coordinates to the evaluated folder."""
    torch.set_num_threads(1)
    plan = build_plan(cells)
    for key, node in plan.nodes.items():
        out, aside = folder / key, folder.with_name(f"work-{key}")
        out.mkdir(parents=True)
        aside.mkdir()
        inputs = {name: folder / below for name, below in node.inputs.items()}
        context = Context(node.config, inputs, out, aside, node.runtime, 1, lambda said: None, folder / "cache")
        summary = STAGES[node.stage].run(context)
        (out / "summary.json").write_text(json.dumps(summary))
    return {row.name: folder / row.key for row in plan.cells}


@pytest.fixture(scope="module")
def worked(tmp_path_factory) -> dict[str, Path]:
    """Three protocols on a frozen and a trained text encoder, from DICOM to predictions."""
    folder = tmp_path_factory.mktemp("worked")
    text = grid("[mass, report]", "[linear_probe, zero_shot, retrieval]", "{text.trainable: [false, true]}",
                "[task, text.trainable]").replace(json.dumps(BASE), json.dumps(SMALL))  # fmt: skip
    return work(expander(folder)(text).cells, folder / "store")


@pytest.mark.parametrize("trained", [False, True])
def test_from_images_and_words_to_predictions(worked, trained):
    mine = {name: path for name, path in worked.items() if f"trainable={trained}" in name}
    assert len(mine) == 3
    probe, zero, found = (
        Evaluation.read(next(p for n, p in mine.items() if f"protocol={protocol}" in n))
        for protocol in ("linear_probe", "zero_shot", "retrieval")
    )
    assert zero.predictions["unit_id"].tolist() == probe.predictions["unit_id"].tolist()
    assert next(iter(zero.metrics)) == "auc@breast" and "auc@view" in zero.metrics
    assert next(iter(found.metrics)) == "recall_at_5@breast"
    assert set(zero.predictions["unit_id"]) <= set(found.predictions["unit_id"])
    assert zero.details["prompts"].keys() == {"negative", "positive"}


def test_notes_say_what_a_reader_must_know_and_the_licence_goes_along(worked):
    folders = next(iter(worked.values())).parent
    said = {name: " ".join(json.loads((path / "summary.json").read_text())["notes"]) for name, path in worked.items()}
    assert all("no label of a training breast" in notes for name, notes in said.items() if "zero_shot" in name)
    assert all("different reports" in notes for name, notes in said.items() if "retrieval" in name)
    embedded = [path.parent for path in folders.glob("*/text_features.json")]
    assert len(embedded) == 4
    assert all((path / "licence.json").is_file() for path in embedded)
    for path in embedded:
        texts = TextSet.read(path)
        assert len(texts.features) == texts.table["text"].nunique()
        assert 0 < texts.temperature < 1


def test_retrieval_reads_the_reports_of_test_patients_and_of_no_other(worked):
    folders = next(iter(worked.values())).parent
    (reports,) = {path.parent for path in folders.glob("*/test_reports.parquet")}
    tested = pd.read_parquet(reports / "test_reports.parquet")
    trained = pd.read_parquet(reports / "reports.parquet")
    owners = [set(TextSet.read(path.parent).owners()) for path in folders.glob("*/text_features.json")]
    by_breast = [mine for mine in owners if "negative" not in mine]
    assert by_breast == [set(tested["breast_id"])] * 2
    assert not by_breast[0] & set(trained["breast_id"])
