"""The supervised baseline on labels that are true or false, and on classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.supervised import FUSIONS
from mvmlm.batch import Batch
from mvmlm.methods import Shapes, build_method, load_method, save_method
from tests.mvmlm.toy_breasts import SIZE, small_batch


def supervised(fusion: str, classes: int = 0):
    config = {"name": "supervised", "encoder": "test_resnet", "fusion": fusion}
    return build_method(config, Shapes(SIZE, classes=classes))


def cross_entropy(logits: np.ndarray, label: float) -> float:
    return float(np.log(np.exp(logits).sum()) - logits[int(label)])


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_loss_of_classes_is_their_cross_entropy(fusion):
    """Written out by hand, with a missing view and an unknown label."""
    method = supervised(fusion, classes=4)
    batch = replace(small_batch(4, missing=((1, 0),)), labels=torch.tensor([3.0, 0.0, float("nan"), 2.0]))
    found = method.outputs(batch)["logits"]
    assert found.shape == ((4, 1, 4) if fusion == "features" else (4, 2, 4))
    logits = torch.randn(found.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    small = Batch(images=None, view_mask=batch.view_mask, patient=batch.patient, labels=batch.labels)
    loss, logs = method.objective({"logits": logits}, small)
    values, there = logits.numpy(), batch.view_mask.numpy()
    terms = []
    for breast, label in ((0, 3), (1, 0), (3, 2)):
        if fusion == "features":
            terms.append(cross_entropy(values[breast, 0], label))
        elif fusion == "logits":
            terms.append(cross_entropy(values[breast][there[breast]].mean(axis=0), label))
        else:
            terms += [cross_entropy(view, label) for view in values[breast][there[breast]]]
    assert float(loss) == pytest.approx(np.mean(terms))
    assert 0 <= logs["accuracy"] <= 1


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("classes", [0, 4])
def test_a_batch_without_a_known_label_costs_nothing(fusion, classes):
    method = supervised(fusion, classes)
    batch = replace(small_batch(3), labels=torch.full((3,), float("nan")))
    loss, logs = method.loss(batch)
    loss.backward()
    assert (float(loss), logs) == (0.0, {})


@pytest.mark.parametrize("classes", [0, 5])
def test_how_many_classes_survives_the_disk(classes, tmp_path):
    method = supervised("logits", classes)
    save_method(method, tmp_path)
    again = load_method(tmp_path)
    assert again.classes == classes
    batch = small_batch(2)
    assert torch.equal(again.outputs(batch)["logits"], method.eval().outputs(batch)["logits"])


def test_it_learns_classes():
    method, batch = supervised("logits", classes=3), small_batch(9)
    labels = torch.arange(9) % 3
    batch = replace(batch, images=batch.images * 0.2 + 0.4 * labels[:, None, None, None, None], labels=labels.float())
    optimiser = torch.optim.AdamW(method.parameters(), lr=3e-3)
    for _ in range(40):
        optimiser.zero_grad()
        loss, logs = method.loss(batch)
        loss.backward()
        optimiser.step()
    assert logs["accuracy"] > 0.8
