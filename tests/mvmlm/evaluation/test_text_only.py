"""The row that reads reports and no image."""

import numpy as np
import pandas as pd
import pytest

from mvmlm.evaluation.tasks import TASKS
from mvmlm.evaluation.text_only import bag_of_words, run_text


def women(n=300, seed=0):
    rng = np.random.default_rng(seed)
    mass = rng.random(n) < 0.4
    table = pd.DataFrame(
        {
            "patient_id": [f"p{i // 2}" for i in range(n)],
            "exam_id": [f"e{i // 2}" for i in range(n)],
            "mass": pd.array(mass, "boolean"),
            "cc": np.arange(n),
            "mlo": np.arange(n),
            "split": np.where(np.arange(n) // 2 % 3 == 0, "test", "train"),
        },
        index=pd.Index([f"b{i:03d}" for i in range(n)], name="breast_id"),
    )
    return table, mass


def score(texts, table):
    result = run_text(table, TASKS.get("mass"), fraction=1.0, seed=0, options={"draws": 50}, texts=texts)
    return result.metrics["auc@breast"], result


def test_texts_that_state_the_answer_score_near_one_and_name_the_words():
    table, mass = women()
    texts = pd.Series(np.where(mass, "there is a mass", "there is no mass"), index=table.index)
    value, result = score(texts, table)
    assert value == 1.0
    assert {"no", "a mass", "no mass"} & set(result.details["telling_words"])


def test_texts_that_say_nothing_of_it_score_near_a_half():
    table, _ = women()
    ages = np.random.default_rng(5).integers(30, 80, len(table))
    value, _ = score(pd.Series([f"the patient is {age} years old" for age in ages], index=table.index), table)
    assert 0.35 < value < 0.65


def test_one_text_for_all_knows_nothing():
    table, _ = women()
    assert score(pd.Series("mammography", index=table.index), table)[0] == 0.5
    assert score(pd.Series("", index=table.index), table)[0] == 0.5


def test_texts_of_test_patients_do_not_train():
    table, mass = women()
    texts = pd.Series(np.where(mass, "mass", "none"), index=table.index)
    other = texts.where(table["split"] == "train", "zebra")
    result, changed = score(texts, table)[1], score(other, table)[1]
    assert result.details["telling_words"] == changed.details["telling_words"]
    assert changed.metrics["auc@breast"] == 0.5


@pytest.mark.parametrize("missing", ["train", "test"])
def test_breasts_without_a_text_are_counted_and_still_scored(missing):
    table, mass = women()
    texts = pd.Series(np.where(mass, "mass", "none"), index=table.index)
    gone = table.index[(table["split"] == missing)][:10]
    _, result = score(texts.drop(gone), table)
    assert result.details["without_text"][missing] == 10
    assert result.metrics["n"] == (table["split"] == "test").sum()


def test_the_vocabulary_is_that_of_the_training_texts():
    train, other, words = bag_of_words(pd.Series(["no mass", "a mass"]), pd.Series(["zebra mass", ""]))
    assert words == ["a", "a mass", "mass", "no", "no mass"]
    assert train.tolist() == [[0, 0, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert other.tolist() == [[0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]
