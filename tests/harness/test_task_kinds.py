"""Tasks of ordered classes in an ablation: which metrics its table can show."""

from __future__ import annotations

from harness.expand import expand_file
from tests.harness.ablation_files import expander, problems

GRID = """\
question: Does it matter?
axes:
  method.tokens: [8, 16]
tasks: [{tasks}]
protocols: [{protocols}]
table:
  rows: [method.tokens]
  columns: [task, protocol]
  metric: {metric}
"""


def grid(tasks: str, metric: str, protocols: str = "linear_probe") -> str:
    return GRID.format(tasks=tasks, metric=metric, protocols=protocols)


def test_a_table_of_one_kind_of_task_has_any_metric_of_that_kind(tmp_path):
    for tasks, metrics in {
        "density, birads": ("macro_auc@breast", "kappa@patient", "accuracy@breast", "balanced_accuracy@breast"),
        "mass, malignancy": ("auc@breast", "pf1@patient", "balanced_accuracy@breast"),
        "mass, density": ("balanced_accuracy@breast",),
    }.items():
        for metric in metrics:
            assert expander(tmp_path)(grid(tasks, metric)).cells


def test_a_task_without_the_tables_metric_is_refused_with_what_to_write(tmp_path):
    assert problems(tmp_path, grid("mass, density", "auc@breast")) == [
        "a.yaml:9:3: table.metric: task density has no auc, and a table shows one metric; give it an ablation of its "
        "own, with macro_auc@breast (it has: macro_auc, kappa, accuracy, balanced_accuracy)"
    ]
    (one,) = problems(tmp_path, grid("mass, density", "kappa@breast"))
    assert "task mass has no kappa" in one and "with auc@breast" in one


def test_a_level_that_a_task_is_not_judged_at_is_refused(tmp_path):
    assert problems(tmp_path, grid("mass", "auc@exam")) == [
        "a.yaml:9:3: table.metric: task mass is not judged at level exam; write auc@breast (it is at: breast, patient)"
    ]
    assert expander(tmp_path)(grid("density", "macro_auc@view", "zero_shot")).cells, "views are compared with prompts"


def test_tasks_of_other_kinds_may_stand_beside(tmp_path):
    assert expander(tmp_path)(grid("mass, report", "auc@breast", "linear_probe, retrieval")).cells


def test_an_override_is_held_to_the_same(tmp_path):
    (one,) = problems(tmp_path, grid("mass", "auc@breast"), overrides=["tasks=[birads]"])
    assert "task birads has no auc" in one


def test_the_ablation_of_reports_and_classes_asks_every_method_for_both():
    cells = expand_file("density", profile="paper").cells
    assert {c.config.eval.task for c in cells} == {"density", "birads"}
    assert {c.config.method.name for c in cells} == {"supervised", "clip", "custom_clip", "mv_clip", "mvmlm"}
    assert {c.config.eval.fraction for c in cells} == {0.1, 1.0}
