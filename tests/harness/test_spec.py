"""Errors of an ablation file: each at its line and column, all at once, with the nearest right name."""

from __future__ import annotations

import re

import pytest

from harness.cli import main
from harness.config import CellConfig
from harness.spec import all_paths, path_problem
from tests.harness.ablation_files import GOOD, expander, problems

LINE = re.compile(r"^(a\.yaml|--set|--seeds|--profile):\d+:\d+: (\S+: )?\S.*$")


def base(text: str) -> str:
    return f"question: q\nbase:\n  {text}\n" + GOOD.split("\n", 1)[1]


def axis(text: str) -> str:
    return GOOD.replace("  method.tokens: [8, 16]\n", f"  method.tokens: [8, 16]\n  {text}\n").replace(
        "rows: [method.tokens]", "rows: [method.tokens]\n  columns: [task]"
    )


def table(text: str) -> str:
    return GOOD.replace("rows: [method.tokens]", text)


def demo(text: str) -> str:
    return f"{GOOD}profiles:\n  demo:\n    {text}\n"


WRONG = {
    "unknown section": (GOOD + "axis: {}\n", "8:1: axis: is no key here; did you mean 'axes'?"),
    "missing section": (GOOD.replace("tasks: [mass]\n", ""), "1:1: tasks: is missing"),
    "empty question": (GOOD.replace("Does it matter?", "''"), "1:1: question: is empty"),
    "unknown key in base": (
        base("train: {epoch: 3}"),
        "3:11: train.epoch: is no key here; did you mean 'epochs'?",
    ),
    "text for a number": (
        base("train: {epochs: ten}"),
        "3:11: train.epochs: expected a whole number, got the text 'ten'",
    ),
    "1e-3 is a text": (
        base("train: {lr: 1e-3}"),
        "3:11: train.lr: expected a number, got the text '1e-3' (YAML wants a dot: 1.0e-03)",
    ),
    "1e-3 in a list": (base("eval: {strengths: [1.0, 1e-3]}"), "3:27: eval.strengths.1: expected a number, got"),
    "true is no number": (base("train: {epochs: true}"), "3:11: train.epochs: expected a whole number, got true"),
    "a mapping for a number": (base("train: {epochs: {}}"), "3:11: train.epochs: expected a whole number, got a map"),
    "a number for a section": (base("train: 3"), "3:3: train: expected a mapping, got a whole number 3"),
    "out of bounds": (base("train: {epochs: 0}"), "3:11: train.epochs: is 0; must be >= 1"),
    "wrong choice": (
        base("train: {precision: fp23}"),
        "3:11: train.precision: is 'fp23'; expected fp32, bf16 or fp16; did you mean 'fp32'?",
    ),
    "machines that cannot share evenly": (
        base("train: {processes: 3, nodes: 2}"),
        "3:25: train.nodes: 3 processes cannot be spread evenly over 2 machines",
    ),
    "resources of no stage": (base("resources: {pretrian: {gpu: 1}}"), "3:15: resources.pretrian: is no key here; did"),
    "unknown data set": (base("data: {name: phantm}"), "3:10: data.name: unknown data set 'phantm'; did you mean"),
    "unknown reader option": (
        base("data: {options: {exmas: 3}}"),
        "3:20: data.options.exmas: the phantom reader has no such option; did you mean 'exams'?",
    ),
    "reader option of wrong type": (
        base("data: {options: {exams: many}}"),
        "3:20: data.options.exams: expected a whole number, got 'many'",
    ),
    "reader option out of bounds": (base("data: {options: {exams: 0}}"), "3:20: data.options.exams: phantom option"),
    "unknown method": (base("method: {name: mvmlmm}"), "3:12: method.name: unknown method 'mvmlmm'; did you mean"),
    "unknown method option": (
        base("method: {token: 3}"),
        "3:12: method.token: is an option of no method; did you mean 'tokens'?",
    ),
    "method option of wrong type": (
        base("method: {depth: two}"),
        "3:12: method.depth: expected a whole number, got 'two'",
    ),
    "method option 1e-1": (base("method: {dropout: 1e-1}"), "3:12: method.dropout: expected a number, got '1e-1' (Y"),
    "unknown encoder": (
        base("method: {encoder: resnet43}"),
        "3:12: method.encoder: timm knows no encoder 'resnet43'; did you mean 'resnet34'?",
    ),
    "text encoder that is no folder": (base("text: {encoder: ./none}"), "3:10: text.encoder: there is no folder"),
    "unknown report source": (base("reports: {source: templat}"), "3:13: reports.source: unknown report source"),
    "outcome in a report": (
        base("reports: {fields: [age, malignancy]}"),
        "3:13: reports.fields: 'malignancy' records the outcome",
    ),
    "task in base": (base("eval: {task: mass}"), "3:10: eval.task: is set by tasks; list its values there"),
    "seed in base": (base("seed: 3"), "3:3: seed: is set by seeds; list its values there"),
    "unknown task": (
        GOOD.replace("[mass]", "[mass, mas]"),
        "5:15: tasks: unknown task 'mas'; did you mean 'mass'?",
    ),
    "task twice": (GOOD.replace("[mass]", "[mass, mass]"), "5:15: tasks: has 'mass' twice"),
    "unknown protocol": (
        GOOD + "protocols: [linear_prob]\n",
        "8:13: protocols: unknown protocol 'linear_prob'; did you mean 'linear_probe'?",
    ),
    "empty seeds": (GOOD.replace("[0]", "[]"), "4:1: seeds: is empty; give at least one"),
    "seed that is no number": (GOOD.replace("[0]", "[0, one]"), "4:12: seeds.1: expected a whole number, got the text"),
    "seed below 0": (GOOD.replace("[0]", "[0, -1]"), "4:12: seeds: is -1; must be >= 0"),
    "seed twice": (GOOD.replace("[0]", "[0, 1, 0]"), "4:15: seeds: has 0 twice"),
    "axis that is no setting": (
        axis("train.wramup_epochs: [1]"),
        "4:3: train.wramup_epochs: names no setting; did you mean 'train.warmup_epochs'?",
    ),
    "axis below a setting": (axis("train.lr.x: [1]"), "4:3: train.lr.x: train.lr has no keys of its own"),
    "empty axis": (axis("eval.fraction: []"), "4:3: eval.fraction: is an empty axis; give at least one value"),
    "axis that is no list": (axis("eval.fraction: 0.5"), "4:3: axes.eval.fraction: expected a list, got a number 0.5"),
    "axis of nothing": (axis("eval.fraction:"), "4:3: axes.eval.fraction: expected a list, got nothing"),
    "axis value twice": (GOOD.replace("[8, 16]", "[8, 16, 8]"), "3:26: method.tokens: has the value 8 twice"),
    "axis value of wrong type": (
        GOOD.replace("[8, 16]", "[8, two]"),
        "3:22: method.tokens: expected a whole number, got 'two'",
    ),
    "axis of methods": (
        axis("method.name: [mvmlm, custom_clp]"),
        "4:24: method.name: unknown method 'custom_clp'; did you mean 'custom_clip'?",
    ),
    "axis of seeds": (axis("seed: [0, 1]"), "4:3: seed: is no axis of its own; list its values under seeds"),
    "label sets no setting": (
        axis("size: [{label: a, method.width: 8}, {label: b, method.wdith: 8}]"),
        "4:50: method.wdith: is an option of no method; did you mean 'width'?",
    ),
    "label twice": (
        axis("size: [{label: a, method.width: 8}, {label: a, method.width: 16}]"),
        "4:39: size: has the value 'a' twice",
    ),
    "conditional axis without condition": (
        axis("method.depth: {values: [1, 2]}"),
        "4:3: axes.method.depth.when: is missing",
    ),
    "conditional axis without values": (
        axis("method.depth: {values: [], when: {method.name: mvmlm}}"),
        "4:18: axes.method.depth.values: is empty; give at least one",
    ),
    "condition on no setting": (
        axis("method.depth: {values: [1, 2], when: {train.lrr: 1}}"),
        "4:41: train.lrr: names no setting; did you mean 'train.lr'?",
    ),
    "condition on an unknown method": (
        axis("method.depth: {values: [1, 2], when: {method.name: mvmlmm}}"),
        "4:41: method.name: unknown method 'mvmlmm'; did you mean 'mvmlm'?",
    ),
    "wrong value of a conditional axis": (
        axis("method.depth: {values: [1, x], when: {method.name: mvmlm}}"),
        "4:30: method.depth: expected a whole number, got 'x'",
    ),
    "condition that is never met": (
        axis("method.depth: {values: [1, 2], when: {method.name: supervised}}"),
        "4:34: method.depth: when is never met",
    ),
    "conditions in a circle": (
        axis("method.depth: {values: [1], when: {method.heads: 2}}\n"
             "  method.heads: {values: [2], when: {method.depth: 1}}"),
        "4:31: method.depth: the conditions of method.depth, method.heads go in a circle",
    ),
    "row that is no axis": (
        table("rows: [method.tokns]"),
        "7:10: table.rows: 'method.tokns' is no axis of this ablation; did you mean 'method.tokens'?",
    ),
    "column that is no axis": (
        table("rows: [method.tokens]\n  columns: [tsk]"),
        "8:13: table.columns: 'tsk' is no axis of this ablation; did you mean 'task'?",
    ),
    "row that is a column too": (
        table("rows: [method.tokens]\n  columns: [task, method.tokens]"),
        "8:19: table.columns: 'method.tokens' is in the table twice",
    ),
    "no rows": (table("rows: []"), "7:3: table.rows: is empty; give at least one"),
    "metric without its level": (
        table("rows: [method.tokens]\n  metric: auc"),
        "8:3: table.metric: 'auc' does not say its level",
    ),
    "measure without a stage": (
        table("rows: [method.tokens]\n  beside: [omitted]"),
        "8:12: table.beside: 'omitted' is no measure; write stage/name, such as reports/hallucinated",
    ),
    "measure below a measure": (
        table("rows: [method.tokens]\n  beside: [reports/omitted/mass]"),
        "8:12: table.beside: 'reports/omitted/mass' is no measure; write stage/name",
    ),
    "measure of no stage": (
        table("rows: [method.tokens]\n  beside: [reports/omitted, report/omitted]"),
        "8:29: table.beside: 'report/omitted': there is no stage 'report'; did you mean 'reports'? (stages: dataset,",
    ),
    "measure twice": (
        table("rows: [method.tokens]\n  beside: [text/truncated, text/truncated]"),
        "8:28: table.beside: 'text/truncated' is there twice",
    ),
    "one measure instead of a list": (
        table("rows: [method.tokens]\n  beside: reports/omitted"),
        "8:3: table.beside: expected a list, got the text 'reports/omitted'",
    ),
    "measure as the metric": (
        table("rows: [method.tokens]\n  metric: reports/omitted"),
        "8:3: table.metric: 'reports/omitted' does not say its level",
    ),
    "metric that there is not": (
        table("rows: [method.tokens]\n  metric: auq@breast"),
        "8:3: table.metric: there is no metric 'auq'; did you mean 'auc'?",
    ),
    "metric of another kind of task": (
        table("rows: [method.tokens]\n  metric: kappa@breast"),
        "8:3: table.metric: task mass has no kappa, and a table shows one metric",
    ),
    "test of AUCs for another metric": (
        table("rows: [method.tokens]\n  metric: ap@breast\n  compare: {test: delong}"),
        "9:13: table.compare.test: DeLong's test is of AUCs, and the metric is ap@breast; take auto or bootstrap",
    ),
    "level that a task is not judged at": (
        table("rows: [method.tokens]\n  metric: auc@exam"),
        "8:3: table.metric: task mass is not judged at level exam; write auc@breast",
    ),
    "table that averages over an axis": (
        table("rows: [task]\n  columns: [protocol]"),
        "6:1: table: an entry would average over method.tokens; add to table.rows or table.columns",
    ),
    "reference to no axis": (
        table("rows: [method.tokens]\n  reference: {method.tokns: 8}"),
        "8:15: table.reference: 'method.tokns' is no axis of this ablation; did you mean 'method.tokens'?",
    ),
    "reference to no value": (
        table("rows: [method.tokens]\n  reference: {method.tokens: 32}"),
        "8:15: table.reference: method.tokens is never 32 (it is: 8, 16)",
    ),
    "reference to another task": (
        table("rows: [method.tokens]\n  reference: {task: masss}"),
        "8:15: table.reference: task is never 'masss'; did you mean 'mass'? (it is: mass)",
    ),
    "unknown key in a profile": (demo("sedes: [1]"), "10:5: profiles.demo.sedes: is no key here; did you mean 'seeds'"),
    "wrong setting in a profile": (demo("base: {train: {epochs: no}}"), "10:20: train.epochs: expected a whole number"),
    "wrong task in a profile": (demo("tasks: [mas]"), "10:13: tasks: unknown task 'mas'; did you mean 'mass'?"),
    "empty seeds in a profile": (demo("seeds: []"), "10:5: profiles.demo.seeds: is empty; give at least one"),
    "seed twice in a profile": (demo("seeds: [1, 1]"), "10:16: seeds: has 1 twice"),
    "wrong axis value in a profile": (
        demo("axes: {method.tokens: [8, x]}"),
        "10:31: method.tokens: expected a whole number, got 'x'",
    ),
    "empty axis in a profile": (demo("axes: {method.tokens: []}"), "10:12: method.tokens: is an empty axis"),
    "reference in a profile": (
        demo("reference: {method.tokens: 9}"),
        "10:17: profiles.demo.reference: method.tokens is never 9 (it is: 8, 16)",
    ),
    "profile of another name": (
        GOOD + "profiles:\n  dmeo: {}\n",
        "9:3: profiles.dmeo: is no profile; did you mean 'demo'?",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_one_mistake_is_one_line_at_its_place(name, tmp_path):
    text, expected = WRONG[name]
    found = problems(tmp_path, text)
    assert len(found) == 1, found
    assert LINE.match(found[0])
    assert found[0].startswith(f"a.yaml:{expected}")


def test_the_file_itself_is_right(tmp_path):
    assert len(expander(tmp_path)(GOOD).cells) == 2


def test_measures_beside_the_table_are_recorded_with_the_run(tmp_path):
    text = table("rows: [method.tokens]\n  beside: [reports/omitted, text/truncated]")
    said = expander(tmp_path)(text).header()["spec"]["table"]
    assert said["beside"] == ["reports/omitted", "text/truncated"]
    assert expander(tmp_path)(GOOD).header()["spec"]["table"]["beside"] == []


def test_a_profile_may_shadow_values_and_bring_its_own_reference(tmp_path):
    text = table("rows: [method.tokens]\n  reference: {method.tokens: 8}")
    text += "profiles:\n  demo:\n    axes: {method.tokens: [2, 4]}\n"
    assert problems(tmp_path, text) == ["a.yaml:8:15: table.reference: method.tokens is never 8 (it is: 2, 4)"]
    expand = expander(tmp_path)
    assert expand(text + "    reference: {method.tokens: 4}\n").table.reference == {"method.tokens": 4}
    assert expand(text + "    reference:\n").table.reference is None


def test_an_override_that_narrows_an_axis_does_not_break_the_reference(tmp_path):
    text = table("rows: [method.tokens]\n  reference: {method.tokens: 8}")
    assert len(expander(tmp_path)(text, overrides=["method.tokens=16"]).cells) == 1


def test_a_reference_that_no_cell_is(tmp_path):
    text = """\
    question: q
    axes:
      method.name: [mvmlm, supervised]
      method.depth: {values: [1, 2], when: {method.name: mvmlm}}
    tasks: [mass]
    table:
      rows: [method.name, method.depth]
      reference: {method.name: supervised, method.depth: 1}
    """
    assert problems(tmp_path, text) == ["a.yaml:8:3: table.reference: matches no cell of this ablation"]


def test_the_same_cell_from_two_points(tmp_path):
    text = GOOD.replace(
        "method.tokens: [8, 16]",
        "size: [{label: a, method.tokens: 8}, {label: b, method.tokens: 8}]",
    ).replace("rows: [method.tokens]", "rows: [size]")
    assert problems(tmp_path, text) == [
        "a.yaml:3:3: axes: the points {'size': 'a'} and {'size': 'b'} are the same cell; drop one"
    ]


def test_all_problems_come_at_once_in_the_order_of_the_file(tmp_path):
    text = """\
    question: q
    base:
      data: {name: phantm, options: {exams: 3}}
      train: {lr: 1e-3, epoch: 2}
      reports: {fields: [malignancy]}
    axes:
      method.encoder: [resnet34, resnet43]
      eval.fraction: []
      method.width: 64
    seeds: [0, one]
    tasks: [mas]
    table: {rows: [method.encodr, method.width], colums: [task]}
    profiles:
      demo: {axes: {method.depth: [x]}}
    extra: 1
    """
    found = problems(tmp_path, text, overrides=["train.epochs=0", "method.nme=3"], seeds=[1, 1])
    places = [tuple(int(n) for n in line.split(":")[1:3]) for line in found if line.startswith("a.yaml")]
    assert places == sorted(places)
    keys = [line.split(": ")[1] for line in found]
    assert keys == [
        "seeds", "train.epochs", "method.nme",
        "data.name", "train.lr", "train.epoch", "method.encoder", "eval.fraction", "axes.method.width",
        "seeds.1", "tasks", "table.rows", "table.colums", "method.depth", "extra",
    ]  # fmt: skip
    assert all(LINE.match(line) for line in found)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"overrides": ["train.epoch=3"]}, "--set:1:1: train.epoch: names no setting; did you mean 'train.epochs'?"),
        ({"overrides": ["seeds=1", "train.epochs=0"]}, "--set:2:1: train.epochs: is 0; must be >= 1"),
        ({"overrides": ["train.lr=1e-3"]}, "--set:1:1: train.lr: expected a number, got the text '1e-3' (YAML wants"),
        ({"overrides": ["train.epochs"]}, "--set:1:1: train.epochs: expected dotted.key=value"),
        ({"overrides": ["train.epochs=[1"]}, "--set:1:1: train.epochs: '[1' is no value: "),
        ({"overrides": ["task=mass"]}, "--set:1:1: task: names no setting; did you mean 'tasks'?"),
        ({"overrides": ["eval.task=mass"]}, "--set:1:1: eval.task: is set by tasks; say --set tasks=[…]"),
        ({"overrides": ["tasks=[]"]}, "--set:1:1: tasks: is empty; give at least one"),
        ({"overrides": ["tasks=[mas]"]}, "--set:1:1: tasks: unknown task 'mas'; did you mean 'mass'?"),
        ({"overrides": ["method.tokens=x"]}, "--set:1:1: method.tokens: expected a whole number, got 'x'"),
        ({"overrides": ["method={tokens: 3}"]}, "--set:1:1: method: is set by the axis method.tokens; pin that: --set"),
        ({"seeds": [1, 1]}, "--seeds:1:1: seeds: has 1 twice"),
        ({"seeds": []}, "--seeds:1:1: seeds: is empty; give at least one"),
        ({"profile": "dmeo"}, "--profile:1:1: dmeo: no such profile; did you mean 'demo'?"),
    ],
)
def test_the_command_lines_mistakes_name_the_override(how, expected, tmp_path):
    found = problems(tmp_path, GOOD, **how)
    assert len(found) == 1
    assert found[0].startswith(expected)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words\n"])
def test_a_file_that_is_no_ablation_at_all(text, tmp_path):
    assert all(LINE.match(line) for line in problems(tmp_path, text))


def test_every_setting_has_a_path_that_names_it():
    for path in all_paths():
        assert path_problem(path) == ""
        assert path_problem(f"{path}x") or path.startswith(("method.", "data.options"))
    assert set(CellConfig.model_fields) == {path.split(".")[0] for path in all_paths()}


def test_the_command_prints_each_problem_on_a_line_that_an_editor_can_jump_to(tmp_path, capsys):
    path, home = tmp_path / "bad.yaml", tmp_path / "home"
    path.write_text(base("train: {epoch: 3, lr: 1e-3}"))
    for command in ("run", "plan"):
        assert main([command, str(path), "--home", str(home)]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert [line.split(": ")[0] for line in err.strip().split("\n")] == [f"{path}:3:11", f"{path}:3:21"]
    assert not home.exists()


def test_other_errors_keep_their_prefix(tmp_path, capsys):
    assert main(["table", "nothing_of_that_name", "--home", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: ")
