"""From a file, a profile and overrides to cells."""

from __future__ import annotations

import copy
import itertools
import random
import time

import pytest
import yaml

from harness.config import CellConfig
from harness.discover import SHIPPED
from harness.expand import expand_file
from tests.harness.ablation_files import GOOD, expander

CONDITIONAL = """\
question: q
axes:
  method.name: [supervised, mvmlm]
  method.tokens: {values: [8, 32], when: {method.name: [mvmlm]}}
tasks: [mass]
table: {rows: [method.name, method.tokens]}
"""
LABELLED = """\
question: q
axes:
  size:
    - {label: small, method.width: 16, train.batch_size: 4}
    - {label: as it is}
    - {label: large, method.width: 128, train.batch_size: 64}
tasks: [mass]
table: {rows: [size]}
"""


@pytest.fixture
def expand(tmp_path):
    return expander(tmp_path)


def test_later_places_win(expand, tmp_path):
    """Defaults < profile < base < the ablation's profile < --set: each seen by taking the later ones away."""
    layers = [
        ("file", "train: {warmup_epochs: 2.0, weight_decay: 0.2, grad_clip: 0.2, lr: 0.2}"),
        ("base", "train: {weight_decay: 0.3, grad_clip: 0.3, lr: 0.3}"),
        ("part", "train: {grad_clip: 0.4, lr: 0.4}"),
    ]
    said = dict(layers)
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "mine.yaml").write_text(f"base:\n  {said['file']}\n")
    text = GOOD + f"base:\n  {said['base']}\nprofiles:\n  mine:\n    base:\n      {said['part']}\n"
    train = expand(text, profile="mine", overrides=["train.lr=0.5"]).cells[0].config.train
    assert train.epochs == CellConfig().train.epochs
    assert (train.warmup_epochs, train.weight_decay, train.grad_clip, train.lr) == (2.0, 0.3, 0.4, 0.5)


def test_an_axis_wins_over_the_base(expand):
    text = GOOD + "base: {method: {tokens: 99}}\n"
    assert [c.config.method.tokens for c in expand(text).cells] == [8, 16]


def test_the_last_of_two_equal_overrides_wins(expand):
    cells = expand(GOOD, overrides=["train.epochs=3", "train.epochs=4"]).cells
    assert {c.config.train.epochs for c in cells} == {4}


@pytest.mark.parametrize("value", [16, 64])
def test_an_override_pins_an_axis(expand, value):
    expansion = expand(GOOD, overrides=[f"method.tokens={value}"])
    assert [c.coordinates["method.tokens"] for c in expansion.cells] == [value]
    assert [c.config.method.tokens for c in expansion.cells] == [value]
    assert "method.tokens" in expansion.coordinates


def test_an_axis_can_be_pinned_to_nothing(expand):
    text = GOOD.replace("method.tokens: [8, 16]", "reports.fields: [null, [age]]")
    text = text.replace("rows: [method.tokens]", "rows: [reports.fields]")
    cells = expand(text, overrides=["reports.fields=null"]).cells
    assert [c.config.reports.fields for c in cells] == [None]


def test_a_labelled_axis_is_pinned_by_its_label(expand):
    (cell,) = expand(LABELLED, overrides=["size=large"]).cells
    assert (cell.coordinates["size"], cell.config.method.width, cell.config.train.batch_size) == ("large", 128, 64)


def test_seeds_tasks_and_protocols_are_overridden_whole(expand):
    cells = expand(GOOD, seeds=[5, 3], overrides=["tasks=[mass, malignancy]"]).cells
    assert {c.config.seed for c in cells} == {3, 5}
    assert {c.config.eval.task for c in cells} == {"mass", "malignancy"}
    assert {c.config.seed for c in expand(GOOD, overrides=["seeds=7"]).cells} == {7}


def test_a_conditional_axis_varies_only_where_its_condition_holds(expand):
    cells = expand(CONDITIONAL, overrides=["method.heads=4"]).cells
    assert [(c.config.method.name, c.config.method.tokens) for c in cells] == [
        ("supervised", 16),
        ("mvmlm", 8),
        ("mvmlm", 32),
    ]
    assert [c.coordinates["method.tokens"] for c in cells] == [16, 8, 32]


def test_a_condition_may_look_at_an_axis_that_stands_below(expand):
    text = """\
    question: q
    axes:
      method.depth: {values: [1, 2], when: {method.tokens: 32}}
      method.tokens: {values: [8, 32], when: {method.name: mvmlm}}
      method.name: [supervised, mvmlm]
    tasks: [mass]
    table: {rows: [method.name, method.tokens, method.depth]}
    """
    cells = expand(text, overrides=["method.heads=4"]).cells
    found = [tuple(c.coordinates[k] for k in ("method.name", "method.tokens", "method.depth")) for c in cells]
    assert sorted(found) == [("mvmlm", 8, 2), ("mvmlm", 32, 1), ("mvmlm", 32, 2), ("supervised", 16, 2)]


def test_a_label_sets_several_settings_and_is_what_tables_show(expand):
    cells = expand(LABELLED).cells
    assert [c.coordinates["size"] for c in cells] == ["small", "as it is", "large"]
    assert [(c.config.method.width, c.config.train.batch_size) for c in cells] == [(16, 4), (64, 32), (128, 64)]


def test_another_data_set_drops_the_readers_folder_and_options(expand):
    text = GOOD + "base: {data: {root: /data/phantom, options: {exams: 5}, val_fraction: 0.3}}\n"
    data = expand(text, overrides=["data.name=vindr"]).cells[0].config.data
    assert (data.name, data.root, data.options, data.val_fraction) == ("vindr", None, {}, 0.3)
    kept = expand(text, overrides=["data.name=phantom"]).cells[0].config.data
    assert (kept.root, kept.options["exams"]) == ("/data/phantom", 5)


@pytest.mark.parametrize("order", list(itertools.permutations(["data.name=vindr", "data.root=/data/vindr"])))
def test_the_order_of_overrides_does_not_lose_the_folder(expand, order):
    assert expand(GOOD, overrides=list(order)).cells[0].config.data.root == "/data/vindr"


def test_an_axis_of_data_sets_gives_each_its_own_folder_and_options(expand):
    text = """\
    question: q
    base: {data: {options: {exams: 5}}}
    axes:
      set: [{label: made, data.name: phantom}, {label: real, data.root: /data/vindr, data.name: vindr}]
    tasks: [mass]
    table: {rows: [set]}
    """
    made, real = (cell.config.data for cell in expand(text).cells)
    assert (made.options, made.root) == ({"exams": 5}, None)
    assert (real.options, real.root) == ({}, "/data/vindr")


def test_a_profile_may_change_add_and_drop_axes(expand):
    text = GOOD.replace("rows:", "columns: [task]\n  rows:") + (
        "profiles:\n  demo:\n    axes: {method.tokens: [4, 2], method.depth: [1, 2]}\n"
    )
    text = text.replace("rows: [method.tokens]", "rows: [method.tokens, method.depth]")
    assert len(expand(text).cells) == 4
    text = GOOD.replace("rows: [method.tokens]", "rows: [task]\n  columns: [seed]")
    assert len(expand(text + "profiles: {demo: {axes: {method.tokens: null}}}\n").cells) == 1


def test_cells_come_axis_by_axis_then_protocol_task_and_seed(expand):
    text = """\
    question: q
    axes: {method.tokens: [16, 8], eval.fraction: [1.0, 0.1]}
    seeds: [1, 0]
    tasks: [mass, calcification]
    table: {rows: [method.tokens], columns: [task, eval.fraction]}
    """
    expansion = expand(text)
    assert expansion.coordinates == ["method.tokens", "eval.fraction", "task", "protocol", "seed"]
    found = [tuple(c.coordinates[k] for k in expansion.coordinates) for c in expansion.cells]
    tasks, probe = ["mass", "calcification"], ["linear_probe"]
    assert found == [
        (n, f, t, p, s) for n in (16, 8) for f in (1.0, 0.1) for p in probe for t in tasks for s in (1, 0)
    ]


def merged(*parts: dict) -> dict:
    """The plainest merge there is."""
    result: dict = {}
    for part in parts:
        for key, value in part.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else copy.deepcopy(value)
    return result


def nested(path: str, value) -> dict:
    for part in reversed(path.split(".")):
        value = {part: value}
    return value


POOL = {
    "train.epochs": [1, 2, 3],
    "train.lr": [0.1, 0.2, 0.3],
    "method.tokens": [2, 4, 8],
    "method.width": [8, 16, 32],
    "loss.ii_weight": [0.0, 0.5, 1.0],
    "images.height": [64, 128, 256],
    "reports.source": ["tabular", "template"],
    "eval.fraction": [0.1, 0.5, 1.0],
}


@pytest.mark.parametrize("number", range(20))
def test_every_cell_is_the_brute_force_merge(expand, number):
    draw = random.Random(number)

    def some() -> dict:
        return merged(*(nested(p, draw.choice(POOL[p])) for p in draw.sample(sorted(POOL), draw.randint(0, 5))))

    axes = {path: draw.sample(POOL[path], 2) for path in draw.sample(sorted(POOL), 2)}
    free = sorted(set(POOL) - set(axes))
    spec = {
        "question": "q",
        "base": some(),
        "axes": axes,
        "seeds": [0, 4],
        "tasks": ["mass"],
        "table": {"rows": list(axes)},
        "profiles": {"demo": {"base": some()}},
    }
    override = draw.choice(free)
    value = draw.choice(POOL[override])
    cells = expand(yaml.safe_dump(spec, sort_keys=False), overrides=[f"{override}={value}"]).cells
    scale = yaml.safe_load((SHIPPED / "profiles" / "demo.yaml").read_text())["base"]
    below = merged(scale, spec["base"], spec["profiles"]["demo"]["base"], nested(override, value))
    own = {"eval": {"task": "mass", "protocol": "linear_probe"}}
    assert [c.config for c in cells] == [
        CellConfig.model_validate(
            merged(below, *(nested(p, v) for p, v in zip(axes, point)), own, {"seed": seed})
        )
        for point in itertools.product(*axes.values())
        for seed in (0, 4)
    ]


def test_cells_that_differ_only_in_what_changes_no_result_are_the_same(expand):
    from harness.errors import SpecError

    text = GOOD.replace("method.tokens: [8, 16]", "train.workers: [0, 2]")
    with pytest.raises(SpecError, match="are the same cell"):
        expand(text.replace("rows: [method.tokens]", "rows: [train.workers]"))


def test_what_is_recorded_says_how_the_cells_came_about(expand):
    header = expand(GOOD, overrides=["train.epochs=3"]).header()
    assert header["spec"]["axes"] == {"method.tokens": [8, 16]}
    assert header["spec"]["base"]["train"]["epochs"] == 3
    assert header["spec"]["table"]["rows"] == ["method.tokens"]


def test_shipped_names_and_paths_mean_the_same_file():
    assert expand_file("encoder").cells == expand_file("ablations/encoder.yaml").cells


def test_two_thousand_cells(expand):
    from harness.plan import build_plan

    text = """\
    question: q
    axes:
      method.tokens: [8, 16, 32, 64, 128]
      train.lr: [1.0e-2, 1.0e-3, 1.0e-4, 1.0e-5, 1.0e-6]
      eval.fraction: [0.1, 0.5, 0.75, 1.0]
    seeds: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    tasks: [mass, calcification]
    table: {rows: [method.tokens, train.lr], columns: [task, eval.fraction]}
    """
    expand(GOOD)  # imports torch and timm
    start = time.perf_counter()
    cells = expand(text).cells
    expanded = time.perf_counter()
    plan = build_plan(cells)
    planned = time.perf_counter()
    print(f"2,000 cells: expanded in {expanded - start:.2f} s, planned in {planned - expanded:.2f} s")
    assert len(cells) == len({cell.key for cell in plan.cells}) == 2000
