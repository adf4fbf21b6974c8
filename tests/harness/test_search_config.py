"""The search section: what is said of a mistake, and what of the space an arm searches."""

from __future__ import annotations

import pytest
import yaml

from harness.config import CellConfig
from harness.search_space import resolved
from harness.spec import all_paths
from tests.harness.ablation_files import BASE, expander, problems

RATE = {"low": 1.0e-4, "high": 1.0e-2, "log": True}
SEARCH = {"trials": 2, "space": {"train.lr": RATE}}


def text(search: dict, axes: dict | None = None, **base) -> str:
    """An ablation that searches."""
    axes = axes or {"method.tokens": [8, 16]}
    spec = {
        "question": "q",
        "base": {**BASE, **base, "search": search},
        "axes": axes,
        "tasks": ["mass"],
        "table": {"rows": list(axes)},
    }
    return yaml.safe_dump(spec, sort_keys=False)


def mistakes(folder, search: dict, axes: dict | None = None, **base) -> list[str]:
    """What is wrong, without where."""
    return [line.split(": ", 1)[1] for line in problems(folder, text(search, axes, **base))]


WRONG_SPACES = {
    "a name that is nearly right": ({"train.lrr": RATE}, "names no setting; did you mean 'train.lr'?"),
    "a nested one": ({"train.augment.flp": [0.1, 0.2]}, "did you mean 'train.augment.flip'?"),
    "an option of no method": ({"method.tokns": [2, 4]}, "did you mean 'method.tokens'?"),
    "another section": ({"data.split_seed": [0, 1]}, "only settings under train, loss, method can"),
    "the arm": ({"method.name": ["mvmlm", "clip"]}, "is the arm itself; make it an axis"),
    "what all trials share": ({"train.processes": [1, 2]}, "each is trained by one process"),
    "what changes nothing": ({"train.workers": [0, 1]}, "changes no result"),
    "low above high": ({"train.lr": {"low": 0.1, "high": 0.01}}, "low is 0.1 and high 0.01; low must be below high"),
    "low at high": ({"train.lr": {"low": 0.1, "high": 0.1}}, "low must be below high"),
    "a logarithm of 0": ({"train.weight_decay": {"low": 0.0, "high": 0.1, "log": True}}, "must start above 0"),
    "a logarithm with steps": ({"train.lr": {**RATE, "step": 0.001}}, "has both log and step"),
    "a step beyond the range": ({"train.lr": {"low": 0.1, "high": 0.2, "step": 0.5}}, "step is 0.5; it must be"),
    "a range without an end": ({"train.lr": {"low": 0.1}}, "lacks 'high'; a range needs low and high"),
    "a word of no range": ({"train.lr": {**RATE, "logg": True}}, "has no 'logg'; did you mean 'log'?"),
    "a number that YAML takes for a text": ({"train.lr": {"low": "1e-4", "high": 0.1}}, "YAML wants a dot: 1.0e-04"),
    "a text for a number": ({"train.lr": ["fast", 0.1]}, "'fast' is refused by the setting: expected a number"),
    "a value out of bounds": ({"loss.temperature": [0.0, 0.1]}, "0.0 is refused by the setting: is 0.0; must be > 0"),
    "a word that the setting does not know": (
        {"loss.same_report": ["mask", "ignore"]},
        "'ignore' is refused by the setting: is 'ignore'; expected negative, mask or positive",
    ),
    "a method's option of another type": ({"method.depth": ["deep", 1]}, "'deep' is refused by the setting"),
    "half a breast": ({"train.batch_size": {"low": 4.5, "high": 16}}, "4.5 is refused by the setting"),
    "steps of half a breast": ({"train.batch_size": {"low": 4, "high": 16, "step": 0.5}}, "whole number"),
    "a range of words": ({"loss.same_report": {"low": 0, "high": 1}}, "is no number, so it has no range"),
    "one choice": ({"train.lr": [0.1]}, "fewer than two choices"),
    "the same choice twice": ({"train.lr": [0.1, 0.2, 0.1]}, "has a choice twice"),
    "neither choices nor range": ({"train.lr": 0.1}, "expected a list of choices, or a range"),
}


@pytest.mark.parametrize("case", WRONG_SPACES)
def test_a_mistake_in_the_space_is_one_line_at_its_path(case, tmp_path):
    space, said = WRONG_SPACES[case]
    (path,) = space
    (line,) = mistakes(tmp_path, {"trials": 2, "space": space})
    assert line.startswith(f"search.space.{path}: ") and said in line


def test_mistakes_in_several_paths_are_all_said(tmp_path):
    space = {"train.lrr": RATE, "train.lr": {"low": 2, "high": 1}, "loss.temperature": [0.1, 0.2]}
    assert len(mistakes(tmp_path, {"trials": 2, "space": space})) == 2


def test_a_search_without_a_space_without_validation_patients_or_of_unknown_tasks(tmp_path):
    (line,) = mistakes(tmp_path, {"trials": 2})
    assert line == "search.trials: is 2, and search.space does not say what is searched"
    (line,) = mistakes(tmp_path, SEARCH, data={**BASE["data"], "val_fraction": 0.0})
    assert line.startswith("search.trials: needs validation patients") and "search.val_fraction" in line
    (line,) = mistakes(tmp_path, {**SEARCH, "tasks": ["mas"]})
    assert line.startswith("search.tasks: ") and "'mass'" in line
    for task in ("report", "risk"):
        (line,) = mistakes(tmp_path, {**SEARCH, "tasks": ["mass", task]})
        assert f"task {task} has no labels for one; known: birads, calcification, density" in line


def test_an_arm_that_reads_nothing_of_the_space_is_named_at_the_axis(tmp_path):
    axes = {"method.name": ["mvmlm", "supervised"]}
    (line,) = mistakes(tmp_path, {"trials": 2, "space": {"loss.temperature": [0.1, 0.2]}}, axes)
    assert "method supervised reads none of loss.temperature" in line


def test_what_an_axis_sets_cannot_be_searched_in_the_same_cells(tmp_path):
    (line,) = mistakes(tmp_path, SEARCH, {"train.lr": [0.1, 0.2]})
    assert "sets train.lr, which search.space searches as well" in line
    arms = {"arm": [{"label": "tuned", "search.trials": 2}, {"label": "fast", "train.lr": 0.1}]}
    cells = expander(tmp_path)(text({**SEARCH, "trials": 0}, arms)).cells
    assert [cell.config.search.trials for cell in cells] == [2, 0], "another value of the axis may set it"


def test_the_number_of_trials_can_be_an_axis(tmp_path):
    cells = expander(tmp_path)(text({"space": {"train.lr": RATE}}, {"search.trials": [0, 3]})).cells
    assert [cell.config.search.trials for cell in cells] == [0, 3]


def config_of(method: str, space: dict) -> CellConfig:
    return CellConfig.model_validate({**BASE, "method": {"name": method}, "search": {"trials": 1, "space": space}})


def test_an_arm_searches_what_it_reads_with_numbers_of_the_settings_own_kind():
    space = {
        "loss.temperature": [1, 2],
        "method.tokens": [2, 4],
        "train.batch_size": {"low": 4, "high": 16, "step": 4},
        "train.lr": {"low": 1, "high": 2},
    }
    found = resolved(config_of("mvmlm", space))
    assert list(found) == list(space)
    assert found["train.batch_size"] == {"low": 4, "high": 16, "log": False, "step": 4, "whole": True}
    assert found["loss.temperature"] == {"choices": [1.0, 2.0]}
    assert isinstance(found["train.lr"]["low"], float) and isinstance(found["method.tokens"]["choices"][0], int)
    assert list(resolved(config_of("supervised", space))) == ["train.batch_size", "train.lr"]


def test_the_section_has_the_settings_that_its_tests_know():
    known = {"trials", "space", "sampler", "pruner", "startup", "every", "val_fraction", "tasks", "seed"}
    assert {path.removeprefix("search.") for path in all_paths() if path.startswith("search.")} == known
