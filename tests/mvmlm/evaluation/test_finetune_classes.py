"""Fine-tuning on a task of ordered classes; `test_finetune` has what is the same for all tasks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from mvmlm.batch import Batch
from mvmlm.errors import DataError
from mvmlm.evaluation.fine_tuning.parts import parts
from mvmlm.evaluation.protocols import PROTOCOLS
from mvmlm.evaluation.tasks import TASKS
from tests.mvmlm.evaluation.synthetic import breast_table
from tests.mvmlm.evaluation.test_finetune import COUNT, OPTIONS, classifier, tuned
from tests.mvmlm.toy_breasts import small_batch, toy_store

pytestmark = pytest.mark.usefixtures("one_thread")
DENSITY = TASKS.get("density")


@pytest.fixture(scope="module")
def graded():
    """A store and breasts of three densities, by how bright a spot is; D is nowhere."""
    store, breasts = toy_store(COUNT, missing=((1, 0), (4, 1)))
    density = np.arange(COUNT) // 2 % 3
    store.pixels[:] //= 8
    for number, views in zip(density, breasts[["cc", "mlo"]].to_numpy()):
        store.pixels[views[views >= 0], 16:48, 12:36] += np.uint16(20000 * number)
    split = np.where(np.arange(COUNT) // 6 % 4 == 0, "test", "train")
    return store, breasts.assign(
        density=pd.array(np.array(list("ABC"))[density], dtype="string"), split=pd.array(split, dtype="string")
    )


def test_classes_are_learnt_and_scored_with_a_probability_each(graded, tmp_path):
    options = replace(OPTIONS, lrs=(1e-2,), epochs=24, patience=0)
    found = tuned(graded, tmp_path, task=DENSITY, options=options, representation="tokens_max")
    assert list(found.scores) == ["p0", "p1", "p2", "p3"]
    np.testing.assert_allclose(found.scores.sum(axis=1), 1)
    parts_ = found.details["parts"]
    assert parts_["train"]["classes"]["D"] == 0 and min(list(parts_["validation"]["classes"].values())[:3]) >= 2
    breasts = graded[1]
    result = PROTOCOLS.get("finetune")(
        found.scores.reindex(breasts.index).to_numpy(), breasts, DENSITY, fraction=1.0, seed=0, options={"draws": 50}
    )
    assert next(iter(result.metrics)) == "macro_auc@breast"
    assert result.metrics["macro_auc@breast"] > 0.9
    assert len(result.predictions) == found.details["scored"]
    assert result.details["notes"][0] == "density: no training breast of class D: nothing is learnt of it"


def test_the_loss_of_classes_is_the_cross_entropy_of_the_mean_logits():
    network, batch = classifier("custom_clip", classes=3), small_batch(3, missing=((1, 0),))
    assert network.outputs(batch)["logits"].shape == (3, 2, 3)
    logits = torch.randn(3, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([2.0, 0.0, 1.0])
    small = Batch(images=None, view_mask=batch.view_mask, patient=batch.patient, labels=labels)
    loss, _ = network.objective({"logits": logits}, small)
    mean = logits.mean(dim=1).numpy()
    mean[1] = logits[1, 1]
    expected = [np.log(np.exp(row).sum()) - row[int(label)] for row, label in zip(mean, labels)]
    assert float(loss) == pytest.approx(np.mean(expected))


def test_both_parts_hold_two_classes_and_a_class_of_one_patient_trains():
    breasts = breast_table(40).assign(label=0)
    patients = breasts["patient_id"].to_numpy()
    breasts.loc[np.isin(patients, ["p0001", "p0002", "p0003", "p0004"]), "label"] = 1
    breasts.loc[patients == "p0005", "label"] = 2
    for seed in range(5):
        training, validation = parts(breasts, 0.3, seed)
        assert not set(training["patient_id"]) & set(validation["patient_id"])
        assert set(training["label"]) == {0, 1, 2} and set(validation["label"]) == {0, 1}
    alone = breasts[~np.isin(patients, ["p0002", "p0003", "p0004"])]
    assert parts(alone, 0.3, 0)[1].empty, "two classes with one patient each"


def test_scores_of_another_kind_of_task_are_refused(graded):
    with pytest.raises(DataError, match=r"scores have shape \(48, 1\), and task density asks for \(48, 4\)"):
        PROTOCOLS.get("finetune")(np.zeros((COUNT, 1)), graded[1], DENSITY, fraction=1.0, seed=0)
