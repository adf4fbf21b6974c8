"""Which stages cells share, what moves a key, and what a plan says of time and place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.comparison import check_table
from harness.expand import expand_file
from harness.facts import Facts
from harness.plan import build_plan, total_time, unplaceable, wall_clock
from harness.stages import Node
from tests.harness.ablation_files import BASE, BELOW_REPORTS, STAGES_IN_ORDER


def count(plan, stage: str) -> int:
    return sum(node.stage == stage for node in plan.nodes.values())


def test_task_fraction_and_strengths_share_one_pretraining(plan):
    found = plan({"eval.fraction": [0.1, 1.0], "eval.folds": [2, 3]}, tasks=("mass", "malignancy"))
    assert len(found.cells) == 8
    assert [count(found, stage) for stage in ALL[:-1]] == [1] * 6
    assert len({cell.key for cell in found.cells}) == 8


def test_protocols_share_one_pretraining(tmp_path, monkeypatch):
    from mvmlm.evaluation.protocols import PROTOCOLS

    PROTOCOLS.get("linear_probe")
    monkeypatch.setitem(PROTOCOLS._items, "other", PROTOCOLS.get("linear_probe"))
    path = tmp_path / "two.yaml"
    path.write_text(
        "question: q\naxes: {}\ntasks: [mass]\nprotocols: [linear_probe, other]\ntable: {rows: [protocol]}\n"
    )
    found = build_plan(expand_file(str(path)).cells)
    assert (len(found.cells), count(found, "pretrain"), count(found, "features")) == (2, 1, 1)


def test_a_supervised_training_is_one_task_and_one_fraction(plan):
    found = plan({"method.name": ["supervised"], "eval.fraction": [0.1, 1.0]}, tasks=("mass", "malignancy"))
    assert (count(found, "pretrain"), count(found, "reports"), count(found, "text")) == (4, 0, 0)


def test_seeds_share_what_draws_nothing(plan):
    found = plan({"method.tokens": [2, 4]}, seeds=(0, 1, 2))
    counts = [count(found, s) for s in ("images", "text", "pretrain", "features")]
    assert counts == [1, 1, 6, 6]


def test_wording_of_reports_touches_neither_images_nor_supervised_trainings(plan):
    found = plan({"method.name": ["mvmlm", "supervised"], "reports.source": ["tabular", "template"]})
    assert (count(found, "images"), count(found, "reports"), count(found, "text")) == (1, 2, 2)
    assert count(found, "pretrain") == 3


def test_baselines_depend_on_no_method_and_the_text_alone_on_the_wording(plan):
    found = plan({"method.tokens": [2, 4], "reports.source": ["tabular", "template"]}, tasks=("mass", "malignancy"))
    silent = [c for c in found.baselines if c.baseline != "text"]
    assert sorted((c.baseline, c.cell.coordinates["task"]) for c in silent) == [
        (baseline, task) for baseline in ("majority", "metadata") for task in ("malignancy", "mass")
    ]
    assert all(set(c.stages) == {"dataset", "images", "evaluate"} for c in silent)
    told = [c for c in found.baselines if c.baseline == "text"]
    assert sorted((c.cell.coordinates["reports.source"], c.cell.coordinates["task"]) for c in told) == [
        (source, task) for source in ("tabular", "template") for task in ("malignancy", "mass")
    ]
    assert all(set(c.stages) == {"dataset", "images", "reports", "evaluate"} for c in told)


def test_the_row_of_texts_stands_only_below_methods_that_read_them(plan):
    found = plan({"method.name": ["mvmlm", "supervised"]})
    assert sorted(c.baseline for c in found.baselines) == ["majority", "metadata", "text"]
    assert {c.baseline for c in plan({"method.name": ["supervised"]}).baselines} == {"majority", "metadata"}


@pytest.mark.parametrize(
    ("axes", "depends"),
    [
        ({"method.tokens": [2, 4]}, []),
        ({"eval.fraction": [0.5, 1.0], "method.tokens": [2, 4]}, ["eval.fraction"]),
        ({"images.height": [64, 96], "method.tokens": [2, 4]}, ["images.height"]),
        ({"images.crop": [True, False]}, ["images.crop"]),
        ({"eval.folds": [2, 3]}, ["eval.folds"]),
        ({"eval.draws": [50, 60]}, ["eval.draws"]),
        ({"data.options.exams": [24, 30]}, ["data.options.exams"]),
        ({"data.val_fraction": [0.1, 0.3]}, []),
        ({"data.split_seed": [0, 1]}, ["data.split_seed"]),
        ({"reports.source": ["tabular", "template"], "train.lr": [0.1, 0.2]}, []),
        ({"reports.samples": [1, 2]}, []),
        ({"size": [{"label": "few", "eval.fraction": 0.1}, {"label": "all", "eval.fraction": 1.0}]}, ["size"]),
    ],
)
def test_a_table_can_be_made_of_any_axis_with_its_baselines_below(plan, axes, depends):
    found = plan(axes, tasks=("mass", "malignancy"), seeds=(0, 1))
    for row in found.baselines:
        worded = [name for name in axes if name == "reports.source"] if row.baseline == "text" else []
        assert sorted(row.cell.coordinates) == sorted([*depends, *worded, "task", "seed"])
    assert len({row.key for row in found.baselines}) == len(found.baselines)
    spec = {"ablation": "a", "profile": "demo", "question": "q"}
    for rows, columns in ((list(axes), ["task"]), (["task"], list(axes))):
        table = {"rows": rows, "columns": columns, "metric": "auc@breast"}
        check_table(found, {**spec, "table": table, "coordinates": [*axes, "task", "protocol", "seed"]})


def test_inputs_come_before_what_needs_them(plan):
    found = plan({"method.name": ["mvmlm", "custom_clip", "supervised"]})
    seen: set[str] = set()
    for key, node in found.nodes.items():
        assert set(node.inputs.values()) <= seen
        seen.add(key)


ALL = STAGES_IN_ORDER
BELOW_IMAGES = ("images", "pretrain", "features", "evaluate")
BELOW_TEXT = BELOW_REPORTS[1:]
BELOW_PRETRAIN = BELOW_REPORTS[2:]
MOVES = {
    "data.root=/elsewhere": (),
    "data.options.exams=25": ALL,
    "data.val_fraction=0.3": BELOW_PRETRAIN,
    "data.test_fraction=0.3": BELOW_REPORTS,
    "data.split_seed=1": BELOW_REPORTS,
    "data.max_bad_share=0.5": (),
    "data.follow_links=true": BELOW_IMAGES,
    "images.height=80": BELOW_IMAGES,
    "images.width=64": BELOW_IMAGES,
    "images.intensity=percentile": BELOW_IMAGES,
    "images.crop=false": BELOW_IMAGES,
    "images.reduced=true": BELOW_IMAGES,
    "reports.source=tabular": BELOW_REPORTS,
    "reports.fields=[age]": BELOW_REPORTS,
    "reports.samples=3": (),  # a template has one text
    "reports.unfaithful=drop": (),  # and nothing untrue
    "reports.attempts=2": (),
    "reports.seed=1": (),
    "reports.options={a: 1}": BELOW_REPORTS,
    "text.encoder=some/hub-model": BELOW_TEXT,
    "text.max_length=64": BELOW_TEXT,
    "method.name=custom_clip": BELOW_PRETRAIN,
    "method.tokens=8": BELOW_PRETRAIN,
    "method.dropout=0.5": BELOW_PRETRAIN,
    "loss.kind=sigmoid": BELOW_PRETRAIN,
    "loss.bias=-5.0": BELOW_PRETRAIN,
    "loss.ii_weight=0.5": BELOW_PRETRAIN,
    "loss.tt_weight=0.1": BELOW_PRETRAIN,
    "loss.ii_negatives=both_views": BELOW_PRETRAIN,
    "loss.same_report=negative": BELOW_PRETRAIN,
    "loss.same_patient=negative": BELOW_PRETRAIN,
    "loss.temperature=0.1": BELOW_PRETRAIN,
    "loss.learn_temperature=false": BELOW_PRETRAIN,
    "train.epochs=3": BELOW_PRETRAIN,
    "train.min_steps=40": BELOW_PRETRAIN,
    "train.batch_size=4": BELOW_PRETRAIN,
    "train.lr=0.01": BELOW_PRETRAIN,
    "train.weight_decay=0.5": BELOW_PRETRAIN,
    "train.warmup_epochs=0.5": BELOW_PRETRAIN,
    "train.precision=bf16": BELOW_PRETRAIN,
    "train.grad_clip=2.0": BELOW_PRETRAIN,
    "train.augment.flip=0.5": BELOW_PRETRAIN,
    "train.augment.vertical_flip=0.5": BELOW_PRETRAIN,
    "train.augment.affine=0.5": BELOW_PRETRAIN,
    "train.augment.rotate=20": BELOW_PRETRAIN,
    "train.augment.shift=0.1": BELOW_PRETRAIN,
    "train.augment.scale=0.2": BELOW_PRETRAIN,
    "train.augment.shear=20": BELOW_PRETRAIN,
    "train.augment.crop=0.2": BELOW_PRETRAIN,
    "train.augment.intensity=0.2": BELOW_PRETRAIN,
    "train.augment.gamma=0.2": BELOW_PRETRAIN,
    "train.augment.erase=0.5": BELOW_PRETRAIN,
    "train.micro_batch=2": BELOW_PRETRAIN,
    "train.accumulate=2": BELOW_PRETRAIN,
    "train.layer_decay=0.7": BELOW_PRETRAIN,
    "train.ema=0.9": BELOW_PRETRAIN,
    "train.compile=true": BELOW_PRETRAIN,
    "train.processes=2": BELOW_PRETRAIN,
    "train.workers=3": (),
    "train.checkpoint_minutes=1.0": (),
    "method.tokenizer=queries": BELOW_PRETRAIN,
    "method.pooling=cls": BELOW_PRETRAIN,
    "method.batch_norm=frozen": BELOW_PRETRAIN,
    "method.frozen_stages=1": BELOW_PRETRAIN,
    "tasks=malignancy": ("evaluate",),
    "eval.fraction=0.5": ("evaluate",),
    "eval.representation=tokens_max": ("features", "evaluate"),
    "eval.folds=3": ("evaluate",),
    "eval.strengths=[1.0]": ("evaluate",),
    "eval.draws=50": ("evaluate",),
    "resources.pretrain.cpu=2": (),
    "resources.images.memory_gib=3": (),
    "seeds=1": BELOW_PRETRAIN,
}  # fmt: skip


@pytest.mark.parametrize("change", MOVES)
def test_a_setting_moves_exactly_the_stages_that_read_it(plan, change):
    (before,) = plan({}).cells
    (after,) = plan({}, change).cells
    assert {name for name in ALL if before.stages[name] != after.stages[name]} == set(MOVES[change])


def test_the_table_above_knows_every_setting():
    from harness.spec import OWNED, all_paths

    said = {change.split("=")[0] for change in MOVES}
    resources = {path for path in all_paths() if path.startswith("resources.")}
    unknown = {"data.name", "data.options", "eval.protocol", "text.trainable", "text.lr_scale", "train.nodes"}
    # test_plan_reports, _search_stage, _finetune_stage, _text_features_stage, _risk_stage
    elsewhere = ("reports.llm.", "search.", "eval.finetune.", "eval.zero_shot.", "eval.risk.")
    others = {path for path in all_paths() if path.startswith(elsewhere)}
    left = set(all_paths()) - said - resources - set(OWNED) - unknown - others
    assert not left


SUPERVISED_IGNORES = ["reports.source=tabular", "text.max_length=64", "loss.temperature=0.1", "method.tokens=8"]


@pytest.mark.parametrize("change", SUPERVISED_IGNORES)
def test_a_setting_that_a_method_does_not_read_moves_nothing(plan, change):
    base = {**BASE, "method": {**BASE["method"], "name": "supervised"}}
    (before,) = plan({}, base=base).cells
    (after,) = plan({}, change, base=base).cells
    assert before.stages == after.stages


def test_what_is_in_no_key_still_reaches_the_worker(plan):
    found = plan({}, "data.root=/elsewhere", "train.workers=3", "resources.pretrain.gpu=1")
    nodes = {node.stage: node for node in found.nodes.values()}
    assert nodes["images"].runtime == {"data_root": "/elsewhere", "max_bad_share": 0.02}
    assert nodes["pretrain"].runtime == {"workers": 3, "checkpoint_minutes": 10.0}
    assert nodes["pretrain"].resources["gpu"] == 1


def test_missing_data_still_give_a_plan_that_says_so(plan, tmp_path):
    unset = plan({}, "data.name=vindr")
    assert unset.cells
    assert list(unset.missing) == ["vindr"]
    assert "--set data.root=" in unset.missing["vindr"]
    nowhere = plan({}, "data.name=vindr", f"data.root={tmp_path / 'none'}")
    assert str(tmp_path / "none") in nowhere.missing["vindr"]
    assert not plan({}).missing


def test_where_real_data_lie_is_in_no_key_and_what_they_are_is(plan, tmp_path):
    """Two copies of a folder are the same data; another label is other data."""
    table = "image_path,patient_id,laterality,view,mass\nx.png,p1,L,CC,{}\n"
    keys = []
    for name, label in (("one", 1), ("two", 1), ("three", 0)):
        root = tmp_path / name
        root.mkdir()
        (root / "x.png").write_bytes(b"not looked at by a plan")
        (root / "labels.csv").write_text(table.format(label))
        found = plan({}, "data.name=table", f"data.root={root}", "data.options.columns={path: image_path}")
        assert not found.missing
        keys.append(found.cells[0].stages["images"])
    assert keys[0] == keys[1] != keys[2]


def node(key: str, seconds: str = "slow", needs=(), **resources: float) -> Node:
    inputs = {f"i{n}": k for n, k in enumerate(needs)}
    return Node("pretrain", key, 1, {}, inputs, seconds, resources or {"cpu": 1}, {})


def test_time_is_bounded_by_the_longest_chain_and_by_the_work():
    seconds = {"slow": 10.0, "quick": 1.0}
    chain = [node("a"), node("b", "quick", ["a"]), node("c", needs=["b"])]
    assert wall_clock(chain, seconds, {"cpu": 8}) == 21
    wide = [node(str(i)) for i in range(8)]
    assert wall_clock(wide, seconds, {"cpu": 2}) == 40
    assert wall_clock(wide, seconds, {"cpu": 100}) == 10
    heavy = [node(str(i), gpu=1, cpu=0.5) for i in range(4)]
    assert wall_clock(heavy, seconds, {"cpu": 8, "gpu": 1}) == 40
    assert wall_clock([], seconds, {"cpu": 2}) == 0
    assert total_time(chain, seconds) == 21


def test_time_is_unknown_where_one_kind_was_never_run():
    nodes = [node("a"), node("b", "new")]
    assert wall_clock(nodes, {"slow": 10.0}, {"cpu": 2}) is None
    assert total_time(nodes, {"slow": 10.0}) is None


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        ("images.height=128", {"images", "pretrain", "features"}),
        ("data.options.exams=48", {"dataset", "images", "reports", "pretrain", "features", "evaluate"}),
        ("method.encoder=test_efficientnet", {"pretrain", "features"}),
        ("train.epochs=4", {"pretrain"}),
    ],
)
def test_time_is_not_told_from_stages_of_another_scale(plan, change, stages):
    kinds = [{n.stage: n.kind for n in plan({}, *said).nodes.values()} for said in ((), (change,))]
    assert {name for name in kinds[0] if kinds[0][name] != kinds[1][name]} >= stages
    seeds = [n.kind for n in plan({}, seeds=(0, 1)).nodes.values() if n.stage == "pretrain"]
    assert len(seeds) == 2 and len(set(seeds)) == 1


def test_what_no_machine_can_hold_is_named_with_what_the_largest_has():
    machines = [{"cpu": 16, "gpu": 0, "memory_gib": 8}, {"cpu": 2, "gpu": 1, "memory_gib": 64}]
    nodes = [
        node("fits", cpu=16),
        node("fits too", gpu=1, memory_gib=64),
        node("too many", gpu=2),
        node("on no single one", cpu=8, gpu=1),
    ]
    assert unplaceable(nodes, machines) == {
        "too many": "pretrain wants 2 gpu; the largest machine has 1 gpu",
        "on no single one": "pretrain wants 8 cpu, 1 gpu; the largest machine has 16 cpu, 1 gpu",
    }
    assert set(unplaceable(nodes, [])) == {n.key for n in nodes}


def test_what_is_spread_over_machines_needs_as_many_that_can_hold_a_share():
    machines = [{"cpu": 8, "gpu": 2, "memory_gib": 8}] * 2 + [{"cpu": 64, "gpu": 0, "memory_gib": 64}]
    spread = {count: replace(node(str(count), gpu=4, cpu=8), runtime={"nodes": count}) for count in (1, 2, 3)}
    assert unplaceable([*spread.values()], machines) == {
        "1": "pretrain wants 4 gpu, 8 cpu; the largest machine has 2 gpu, 64 cpu",
        "3": "pretrain wants 3 machines with 1.33333 gpu, 2.66667 cpu each; there are 2 such",
    }


def test_machines_that_processes_are_spread_over_change_no_key(plan):
    one, two = (plan({}, "train.processes=2", f"train.nodes={count}") for count in (1, 2))
    assert one.nodes.keys() == two.nodes.keys()
    counts = [{n.stage: n.runtime.get("nodes", 1) for n in p.nodes.values()}["pretrain"] for p in (one, two)]
    assert counts == [1, 2]


class FrozenFacts(Facts):
    """What the world says, held still, so that only this project's own choices are in the keys."""

    def fingerprint(self, data) -> str:
        return "a fingerprint"

    def text_identity(self, encoder: str) -> str:
        return "a text encoder"


def test_the_keys_of_a_reference_cell_stay(plan):
    """A change here makes every past result be computed anew: do it only on purpose."""
    base = {**BASE, "images": {"height": 64, "width": 48, "intensity": "voi", "crop": True}}
    (cell,) = plan({}, base=base, facts=FrozenFacts()).cells
    assert cell.stages == {
        "dataset": "ea588578b0590592fed6",
        "images": "90650b4832a91eb6d872",
        "reports": "a8724c1362edb53f1151",
        "text": "a226275caf6db8cbabec",
        "pretrain": "cdd48c06c9a12008218c",
        "features": "fd1abf374ad0c502966b",
        "evaluate": "43328a830431e1eb1771",
    }
