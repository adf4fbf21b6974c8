"""Prompts: those that ship say what their class says, and a file of one's own is checked to the last line."""

from __future__ import annotations

import pytest
import yaml

from mvmlm.errors import ConfigError
from mvmlm.evaluation.prompts import load_prompts, prompts_of
from mvmlm.evaluation.tasks import TASKS
from mvmlm.reports.faithfulness import extract

SHIPPED = load_prompts()
#: Class of malignancy to the assessments that say it.
ASSESSED = {"negative": {1, 2, 3}, "positive": {4, 5}}


def test_every_task_with_classes_has_prompts_six_or_more_a_class():
    assert set(SHIPPED) == {task for task in TASKS if TASKS.get(task).kind in ("binary", "multiclass")}
    assert min(len(texts) for classes in SHIPPED.values() for texts in classes.values()) >= 6
    assert list(SHIPPED["mass"]) == ["negative", "positive"]
    assert list(SHIPPED["density"]) == ["A", "B", "C", "D"]
    assert list(SHIPPED["birads"]) == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("task", SHIPPED)
def test_classes_have_no_prompt_in_common_and_alike_many(task):
    said = [text for texts in SHIPPED[task].values() for text in texts]
    assert len(set(said)) == len(said)
    assert len({len(texts) for texts in SHIPPED[task].values()}) == 1


@pytest.mark.parametrize("task", SHIPPED)
def test_prompts_say_what_their_class_says(task):
    """As the reader reads them that holds reports to their records; plain language alone may be beyond it."""
    for name, texts in SHIPPED[task].items():
        right = {
            "malignancy": ASSESSED.get(name),
            "birads": {int(name)} if name.isdigit() else None,
            "density": {name},
        }.get(task, {name == "positive"})
        read = [extract(text).values.get("birads" if task == "malignancy" else task) for text in texts]
        assert all(values <= right for values in read if values)
        assert read.count(None) <= 2


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("mas: {negative: [a], positive: [b]}", "there is no task 'mas' with classes; did you mean 'mass'"),
        ("mass: {negative: [a]}", "mass: expected the classes negative, positive, got negative"),
        ("mass: {negative: [a], positive: [b], other: [c]}", "expected the classes negative, positive, got"),
        ("mass: {negative: [], positive: [b]}", "mass: negative: has no prompts"),
        ("mass: {negative: , positive: [b]}", "mass: negative: has no prompts"),
        ("mass: {negative: a, positive: [b]}", "mass: negative: has no prompts; give at least one, as a list"),
        ("mass: {negative: [''], positive: [b]}", "'' is no text"),
        ("mass: {negative: [{Assessment: 1}], positive: [b]}", "put quotes around a prompt that holds a colon"),
        ("mass: {negative: [a, a], positive: [b]}", "'a' is there twice"),
        ("mass: [a]", "mass: expected classes"),
        ("[a]", "expected tasks"),
        ("", "expected tasks"),
        ("mass: {", "is no YAML"),
        ("density: {A: [fatty]}", "density: expected the classes A, B, C, D, got A"),
        ("risk: {low: [a], high: [b]}", "there is no task 'risk' with classes (known: birads, calcification"),
    ],
)
def test_a_wrong_file_says_what_is_wrong_in_one_line(tmp_path, said, why):
    file = tmp_path / "mine.yaml"
    file.write_text(said)
    with pytest.raises(ConfigError) as caught:
        load_prompts(file)
    assert why in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: there is no such file of prompts"):
        load_prompts(tmp_path / "none.yaml")


def test_a_file_of_ones_own_stands_in_place_of_ours(tmp_path):
    file = tmp_path / "mine.yaml"
    birads = {place: [f"category {place}"] for place in (5, 1, 4, 2, 3)}
    said = {"mass": {"positive": ["lump"], "negative": ["no lump"]}, "birads": birads}
    file.write_text(yaml.safe_dump(said))
    assert prompts_of("mass", file) == {"negative": ["no lump"], "positive": ["lump"]}
    assert list(prompts_of("mass", file)) == ["negative", "positive"]
    assert list(prompts_of("birads", file)) == ["1", "2", "3", "4", "5"]
    assert prompts_of("mass") == SHIPPED["mass"]
    with pytest.raises(ConfigError, match=r"no prompts for task calcification: .*mine\.yaml has none"):
        prompts_of("calcification", file)
    with pytest.raises(ConfigError, match=r"no prompts for task report: .*there are some for: birads, calcification"):
        prompts_of("report")
