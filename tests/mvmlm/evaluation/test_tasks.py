"""Tasks say what they predict, at which level, and where their labels come from."""

from __future__ import annotations

import pandas as pd
import pytest

from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.tasks import TASKS
from tests.mvmlm.evaluation.synthetic import breast_table


def test_the_tasks_are_binary_and_scored_per_breast():
    assert TASKS.names() == ["calcification", "malignancy", "mass"]
    for name in TASKS:
        task = TASKS.get(name)
        assert (task.name, task.level, task.kind) == (name, "breast", "binary")
        assert task.description


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
