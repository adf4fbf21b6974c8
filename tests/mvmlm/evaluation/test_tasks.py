"""Tasks say what they predict, at which level, and where their labels come from."""

from __future__ import annotations

import pandas as pd
import pytest

from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.tasks import TASKS, Task
from tests.mvmlm.evaluation.synthetic import breast_table


def test_every_task_says_what_it_is_and_at_which_level_it_is_scored():
    kinds = {name: TASKS.get(name).kind for name in TASKS}
    assert kinds == {
        "birads": "multiclass", "calcification": "binary", "density": "multiclass", "malignancy": "binary",
        "mass": "binary", "report": "report", "risk": "risk",
    }  # fmt: skip
    for name in TASKS:
        task = TASKS.get(name)
        assert (task.name, task.level) == (name, "exam" if name == "risk" else "breast")
        assert task.description and task.levels[0] == task.level
        assert bool(task.classes) == (task.kind == "multiclass")


def test_a_misspelt_task_gets_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'malignancy'"):
        TASKS.get("malignacy")


def test_unknown_labels_stay_unknown():
    table = breast_table(4)
    table["mass"] = pd.array([True, None, False, None] * 2, dtype="boolean")
    assert TASKS.get("mass").labels(table).isna().tolist() == [False, True] * 4


@pytest.mark.parametrize("spoil", [lambda t: t.drop(columns="mass"), lambda t: t.assign(mass=pd.NA)])
def test_a_set_without_the_label_is_refused(spoil):
    with pytest.raises(DataError, match="task mass: no breast of this data set has the label 'mass'"):
        TASKS.get("mass").labels(spoil(breast_table(4)))


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["birads"] * 4, "malignancy: BI-RADS ≥ 4, which stands in for pathology"),
        (["pathology"] * 4, "malignancy: pathology"),
        (
            ["pathology", "birads", "birads", "birads"],
            "malignancy: pathology (n = 1); BI-RADS ≥ 4, which stands in for pathology (n = 3)",
        ),
        ([None] * 4, "malignancy: a source that the data set does not name"),
    ],
)
def test_the_caption_says_where_malignancy_comes_from(sources, expected):
    table = breast_table(2).assign(malignancy_source=pd.array(sources, dtype="string"))
    assert TASKS.get("malignancy").note(table) == expected


def test_breasts_without_a_malignancy_label_do_not_enter_its_note():
    table = breast_table(2).assign(
        malignancy_source=pd.array(["pathology", "birads", "birads", None], dtype="string")
    )
    table.loc[table["malignancy_source"].fillna("") != "birads", "malignancy"] = pd.NA
    assert TASKS.get("malignancy").note(table) == "malignancy: BI-RADS ≥ 4, which stands in for pathology"


def test_a_finding_needs_no_note():
    assert TASKS.get("mass").note(breast_table(2)) == ""


def test_classes_are_numbered_in_their_order():
    table = breast_table(3)
    table["density"] = pd.array(["A", "B", "C", "D", None, "B"], dtype="string")
    table["birads"] = pd.array([1, 5, 0, 6, None, 3], dtype="Int64")
    density, birads = (TASKS.get(name).labels(table) for name in ("density", "birads"))
    assert density.tolist() == [0, 1, 2, 3, pd.NA, 1]
    assert birads.tolist() == [0, 4, pd.NA, pd.NA, pd.NA, 2], "0 and 6 are no degree of suspicion"
    assert str(density.dtype) == str(birads.dtype) == "Int8"
    assert density.index.equals(table.index)


def test_a_set_with_none_of_the_classes_is_refused():
    table = breast_table(2).assign(birads=pd.array([0, 6, 0, None], dtype="Int64"))
    with pytest.raises(DataError, match="task birads: no breast of this data set has a birads of 1, 2, 3, 4, 5"):
        TASKS.get("birads").labels(table)
    with pytest.raises(DataError, match="task density: no breast of this data set has the label 'density'"):
        TASKS.get("density").labels(table.drop(columns="density"))


def test_captions_say_whose_category_it_is_and_what_is_left_out():
    table = breast_table(3).assign(birads=pd.array([1, 2, 0, 6, 0, None], dtype="Int64"))
    note = TASKS.get("birads").note(table)
    assert note.startswith("birads: the radiologist's assessment, 1 to 5")
    assert note.endswith("3 left out")
    assert "left out" not in TASKS.get("birads").note(table[:2])
    assert TASKS.get("density").note(table).startswith("density: the category, A to D, that the data set gives")


@pytest.mark.parametrize("wrong", [{"kind": "multiclass"}, {"classes": ("a", "b")}])
def test_a_task_of_classes_names_them(wrong):
    with pytest.raises(ConfigError, match=r"task mine is .* classes: give both or neither"):
        Task("mine", "mine", "ours", **wrong)


def test_labels_have_names():
    assert TASKS.get("mass").names([True, True]) == "positives"
    assert TASKS.get("density").names([3]) == "class D"
    assert TASKS.get("birads").names([4, 0, 4]) == "classes 1, 5"
