"""Fine-tuning: it learns, chooses on validation patients alone, and knows nothing of test labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from mvmlm.batch import Batch
from mvmlm.data.augment import Augmentation
from mvmlm.errors import ConfigError, DataError, TrainingError
from mvmlm.evaluation.cohort import select_cohort
from mvmlm.evaluation.fine_tuning import train as fine_tuning
from mvmlm.evaluation.fine_tuning.classifier import Classifier, mean_logit
from mvmlm.evaluation.fine_tuning.parts import granted_breasts, parts
from mvmlm.evaluation.fine_tuning.train import FineTuned, FineTuneOptions, fine_tune
from mvmlm.evaluation.protocols import PROTOCOLS
from mvmlm.evaluation.tasks import TASKS
from mvmlm.methods import METHODS, Shapes
from mvmlm.training import Trained
from tests.mvmlm.evaluation.synthetic import breast_table
from tests.mvmlm.toy_breasts import SIZE, small_batch, small_method, toy_store

pytestmark = pytest.mark.usefixtures("one_thread")
MASS = TASKS.get("mass")
OPTIONS = FineTuneOptions(
    lrs=(1e-3, 4e-3), epochs=4, min_steps=0, batch_size=8, patience=2, precision="fp32", augment=Augmentation.none()
)
COUNT = 48


@pytest.fixture(scope="module")
def women():
    """A store and breasts of which every fourth has a bright spot, label ``mass``; every third patient is tested."""
    store, breasts = toy_store(COUNT, missing=((1, 0), (4, 1)))
    positive = np.arange(COUNT) % 4 == 1
    store.pixels[:] //= 8
    for views in breasts.loc[positive, ["cc", "mlo"]].to_numpy():
        store.pixels[views[views >= 0], 16:48, 12:36] += 40000
    split = np.where(np.arange(COUNT) // 2 % 3 == 0, "test", "train")
    labels = pd.array(positive, dtype="boolean")
    return store, breasts.assign(mass=labels, split=pd.array(split, dtype="string"))


def tuned(
    women, folder: Path, *, name="custom_clip", options=OPTIONS, seed=0, fraction=1.0, task=MASS, **how
) -> FineTuned:
    store, breasts = women
    torch.manual_seed(len(str(folder)))  # whatever the process did before must not matter
    return fine_tune(
        how.pop("method", None) or small_method(name, dropout=0.0),
        store,
        breasts,
        task,
        fraction=fraction,
        seed=seed,
        work_dir=folder,
        options=options,
        device="cpu",
        **how,
    )


def judged(women, found: FineTuned):
    breasts = women[1]
    scores = found.scores.reindex(breasts.index).to_numpy()
    return PROTOCOLS.get("finetune")(scores, breasts, MASS, fraction=1.0, seed=0, options={"draws": 50})


def numbers(details: dict) -> dict:
    """All but the times."""
    times = ("seconds", "images_per_s")
    runs = [{k: v for k, v in run.items() if k not in times} for run in details["runs"]]
    runs = [
        {**run, "history": [{k: v for k, v in e.items() if k not in times} for e in run["history"]]} for run in runs
    ]
    return {**details, "runs": runs}


def assert_same(one: FineTuned, other: FineTuned) -> None:
    pd.testing.assert_frame_equal(one.scores, other.scores, check_exact=True)
    assert numbers(one.details) == numbers(other.details)


@pytest.mark.parametrize("name", ["mvmlm", "supervised"])
def test_it_learns_what_can_be_learnt(name, women, tmp_path):
    options = replace(OPTIONS, epochs=8, patience=4)
    found = tuned(women, tmp_path, name=name, options=options, representation="tokens_max")
    result = judged(women, found)
    assert result.metrics["auc@breast"] > 0.95
    assert len(result.predictions) == found.details["scored"] == COUNT // 3
    assert result.predictions["score"].dtype == found.scores["score"].dtype == np.float64


def test_the_same_seed_gives_the_same_numbers_and_another_one_does_not(women, tmp_path):
    first = tuned(women, tmp_path / "a")
    assert_same(first, tuned(women, tmp_path / "b", workers=1))
    assert not np.array_equal(first.scores, tuned(women, tmp_path / "c", seed=1).scores)


class MachineGoneError(Exception):
    """What stops a training in the middle."""


@pytest.mark.parametrize(("after", "patience"), [(3, 0), (5, 0), (2, 1)])
def test_an_interrupted_one_goes_on_and_ends_with_the_same_numbers(after, patience, women, tmp_path):
    options = replace(OPTIONS, patience=patience)
    whole = tuned(women, tmp_path / "whole", options=options)
    again: list[int] = []

    def stop(record):
        if record["epoch"] == after:
            raise MachineGoneError

    with pytest.raises(MachineGoneError):
        tuned(women, tmp_path / "pieces", options=options, on_epoch=stop)
    assert_same(whole, tuned(women, tmp_path / "pieces", options=options, on_epoch=lambda r: again.append(r["epoch"])))
    if not patience:
        assert again == list(range(after + 1, 9)), "two learning rates of four epochs, counted through"


def test_the_method_that_is_given_stays_as_it_is(women, tmp_path):
    method = small_method("custom_clip")
    before = {name: value.clone() for name, value in method.state_dict().items()}
    tuned(women, tmp_path, method=method)
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
    assert all(weight.requires_grad for weight in method.parameters())


@pytest.mark.parametrize("what", ["swapped", "unknown", "another column's too"])
def test_test_labels_change_no_score(what, women, tmp_path):
    store, breasts = women
    expected = tuned(women, tmp_path / "a")
    changed, tested = breasts.copy(), (breasts["split"] == "test").to_numpy()
    if what == "swapped":
        changed.loc[tested, "mass"] = ~changed.loc[tested, "mass"]
    else:
        changed.loc[tested, "mass"] = pd.NA
    if what == "another column's too":
        changed["malignancy"] = pd.array(tested, dtype="boolean")
    assert_same(expected, tuned((store, changed), tmp_path / "b"))


def test_no_test_image_is_read_before_everything_is_chosen(women, tmp_path, monkeypatch):
    breasts = women[1]
    read: list[set[int]] = []

    class Watched(fine_tuning.BreastData):
        def batch(self, rows, **how):
            read.append(set(self.views[rows][self.views[rows] >= 0].tolist()))
            return super().batch(rows, **how)

    monkeypatch.setattr(fine_tuning, "BreastData", Watched)
    tuned(women, tmp_path)
    mine = breasts.loc[breasts["split"] == "test", ["cc", "mlo"]].to_numpy()
    tested = set(mine[mine >= 0].tolist())
    first = next(place for place, rows in enumerate(read) if rows & tested)
    assert all(rows <= tested for rows in read[first:])
    assert sum(map(len, read[first:])) == len(tested), "once"


def scripted(losses: dict[float, list[float]], seen: list):
    """A training whose validation losses are told beforehand; its weights end as the learning rate."""

    def train(network, data, config, *, validation, seed, work_dir, **_):
        seen.append((network, data, config, validation, seed, work_dir))
        if config.lr not in losses:
            raise TrainingError("the loss is nan")
        with torch.no_grad():
            network.head.bias.fill_(config.lr)
            network.head.weight.zero_()
        history = [{"epoch": i, "val_loss": v, "seconds": 1.0} for i, v in enumerate(losses[config.lr], 1)]
        kept = min(history, key=lambda epoch: epoch["val_loss"]) if config.patience else history[-1]
        return Trained(history, [f"noted at {config.lr:g}"], 0, kept["epoch"])

    return train


def test_the_learning_rate_with_the_lowest_validation_loss_is_chosen(women, tmp_path, monkeypatch):
    seen: list = []
    options = replace(OPTIONS, lrs=(0.5, 0.25, 0.125))
    losses = {0.5: [0.6, 0.9], 0.25: [0.8, 0.4, 0.5], 0.125: [0.45]}
    monkeypatch.setattr(fine_tuning, "train", scripted(losses, seen))
    found = tuned(women, tmp_path, options=options)
    assert found.details["lr"] == 0.25
    assert (found.scores["score"] == 0.25).all(), "the test breasts are scored by its network"
    (chosen,) = [run for run in found.details["runs"] if "chosen" in run]
    assert (chosen["kept_epoch"], chosen["val_loss"], chosen["epochs"]) == (2, 0.4, 3)
    assert chosen["notes"] == ["noted at 0.25"]
    last = tuned(women, tmp_path, options=replace(options, patience=0))
    assert last.details["lr"] == 0.125, "without patience the last epoch's loss counts: its weights are kept"


def test_every_learning_rate_starts_from_the_same_weights_on_the_same_data(women, tmp_path, monkeypatch):
    starts = []

    def train(network, data, config, *, validation, seed, work_dir, **_):
        starts.append({k: v.clone() for k, v in network.state_dict().items()})
        return scripted({config.lr: [1.0]}, seen)(
            network, data, config, validation=validation, seed=seed, work_dir=work_dir
        )

    seen: list = []
    monkeypatch.setattr(fine_tuning, "train", train)
    for name in ("custom_clip", "mvmlm"):
        tuned(women, tmp_path / name, name=name, seed=5)
    assert all(torch.equal(starts[0][k], starts[1][k]) for k in starts[0])
    assert torch.equal(starts[0]["head.weight"], starts[2]["head.weight"]), "the head is the same for all arms"
    assert len({id(data) for _, data, *_ in seen[:2]}) == 1
    rows = [(data.views.tolist(), validation.views.tolist(), said) for _, data, _, validation, said, _ in seen]
    assert all(row == rows[0] for row in rows), "all arms: the same breasts in the same order, the same seed"
    assert len({folder for *_, folder in seen}) == 4


def test_a_learning_rate_that_diverges_is_left_out_and_said(women, tmp_path, monkeypatch):
    monkeypatch.setattr(fine_tuning, "train", scripted({1e-3: [0.7]}, []))
    found = tuned(women, tmp_path)
    assert found.details["lr"] == 1e-3
    assert found.details["runs"][1] == {"lr": 4e-3, "lost": "the loss is nan"}
    monkeypatch.setattr(fine_tuning, "train", scripted({}, []))
    with pytest.raises(TrainingError, match=r"no learning rate .* can be used: the loss is nan"):
        tuned(women, tmp_path)


def test_early_stopping_keeps_the_weights_of_the_lowest_validation_loss(women, tmp_path):
    """Scored with the weights of the kept epoch: those of a training that simply ends there at that rate."""
    options = replace(OPTIONS, lrs=(0.02,), epochs=8, patience=2)
    (record,) = tuned(women, tmp_path, options=options).details["runs"]
    losses: list[float] = []
    tuned(women, tmp_path / "again", options=options, on_epoch=lambda epoch: losses.append(epoch["val_loss"]))
    assert record["val_loss"] == min(losses) == losses[record["kept_epoch"] - 1]
    assert record["epochs"] == min(8, record["kept_epoch"] + 2)


@pytest.mark.parametrize("fraction", [0.1, 0.5, 1.0])
def test_the_granted_breasts_are_the_probes_own(fraction):
    breasts = breast_table()
    breasts.loc[breasts.index[::7], "mass"] = pd.NA
    breasts.loc[breasts.index[::11], ["cc", "mlo"]] = -1
    probe = select_cohort(breasts, MASS, fraction=fraction, seed=3)
    granted = granted_breasts(breasts, MASS, fraction, 3)
    assert list(granted.index) == list(probe.train.index)
    assert list(granted["label"]) == list(probe.train["label"])


def test_validation_patients_are_whole_and_both_parts_hold_both_classes():
    granted = granted_breasts(breast_table(prevalence=0.1), MASS, 0.5, 0)
    training, validation = parts(granted, 0.2, 0)
    assert set(training["patient_id"]).isdisjoint(validation["patient_id"])
    assert len(training) + len(validation) == len(granted)
    assert training["label"].nunique() == validation["label"].nunique() == 2
    assert validation["patient_id"].nunique() == pytest.approx(0.2 * granted["patient_id"].nunique(), abs=1)
    assert list(parts(granted, 0.2, 1)[1].index) != list(validation.index)


def test_with_one_patient_of_a_class_nobody_is_kept_back_and_the_middle_rate_is_trained_out(women, tmp_path):
    store, breasts = women
    few = breasts.copy()
    few.loc[few["split"] == "train", "mass"] = pd.array([True] + [False] * 31, dtype="boolean")
    options = replace(OPTIONS, lrs=(1e-4, 1e-3, 1e-2), epochs=3, patience=1)
    found = tuned((store, few), tmp_path, options=options)
    assert found.details["chosen_by"] == "default"
    (record,) = found.details["runs"]
    assert (record["lr"], record["epochs"], record["val_loss"]) == (1e-3, 3, None)
    assert found.details["parts"]["validation"]["breasts"] == 0
    assert found.details["parts"]["train"]["positive"] == 1


@pytest.mark.parametrize(("steps", "epochs", "patience", "warmup"), [(50, 10, 3, 1.0), (3, 67, 21, 6.7)])
def test_patience_and_warm_up_stretch_with_the_epochs_of_little_data(steps, epochs, patience, warmup):
    config = FineTuneOptions(epochs=10, min_steps=200, patience=3).training(1e-4, steps)
    assert (config.epochs, config.patience) == (epochs, patience)
    assert config.warmup_epochs == pytest.approx(warmup)


def classifier(name: str, representation: str = "embedding", classes: int = 0) -> Classifier:
    return Classifier.build(Classifier.Options(small_method(name), representation, classes), Shapes(SIZE))


def test_a_missing_view_takes_no_part():
    network = classifier("custom_clip").eval()
    both = small_batch(4)
    one = replace(both, view_mask=torch.tensor([[True, False]] * 4))
    other = replace(one, images=both.images.flip(0) * one.view_mask[..., None, None, None])
    mean = mean_logit(network.outputs(one)["logits"], one.view_mask)
    assert torch.allclose(mean, network.outputs(both)["logits"][:, 0], atol=1e-5)
    losses = [network.objective(network.outputs(batch), batch)[0].item() for batch in (one, both, other)]
    assert len({round(loss, 6) for loss in losses}) == 3


def test_the_loss_is_the_cross_entropy_of_the_mean_logit():
    network, batch = classifier("custom_clip"), small_batch(3, missing=((1, 0),))
    logits = torch.tensor([[2.0, 0.0], [9.0, -1.0], [0.5, 0.5]], dtype=torch.float64)
    small = Batch(images=None, view_mask=batch.view_mask, patient=batch.patient, labels=batch.labels.double())
    loss, _ = network.objective({"logits": logits}, small)
    mean, label = np.array([1.0, -1.0, 0.5]), batch.labels.numpy()
    assert float(loss) == pytest.approx(np.mean(np.log1p(np.exp(-np.where(label > 0, mean, -mean)))))


@pytest.mark.parametrize("name", METHODS.names())
@pytest.mark.parametrize("representation", ["embedding", "tokens_max"])
def test_of_every_method_the_image_side_is_trained_and_nothing_that_reads_text(name, representation):
    network = classifier(name, representation)
    left = network.freeze_unread(Shapes(SIZE))
    open_ = {k for k, weight in network.named_parameters() if weight.requires_grad}
    assert {"head.weight", "head.bias"} < open_
    assert any(k.startswith("method.encoder") for k in open_)
    assert not [k for k in open_ if "text" in k or "temperature" in k]
    assert left == sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert all(p.grad is None for p in network.parameters())
    batch = small_batch(4, missing=((2, 1),))
    network.train()
    network.objective(network.outputs(batch), batch)[0].backward()
    assert {k for k, weight in network.named_parameters() if weight.grad is not None} == open_


def test_wrong_settings_and_data_are_one_line(women, tmp_path):
    store, breasts = women
    for wrong in ({"lrs": ()}, {"lrs": (0.0,)}, {"val_share": 1.0}, {"batch_size": 1}, {"patience": -1}):
        with pytest.raises(ConfigError, match=rf"eval\.finetune\.{next(iter(wrong))}"):
            FineTuneOptions(**wrong)
    with pytest.raises(ConfigError, match="unknown option 'lr'"):
        tuned(women, tmp_path, options={"lr": 1e-3})
    with pytest.raises(ConfigError, match=r"eval\.representation is 'pixels'"):
        tuned(women, tmp_path, representation="pixels")
    dull = breasts.assign(mass=pd.array([False] * COUNT, dtype="boolean"))
    with pytest.raises(DataError, match=r"task mass: the training set \(fraction 1\) holds only negatives"):
        tuned((store, dull), tmp_path)
    untested = breasts.assign(split=pd.array(["train"] * COUNT, dtype="string"))
    with pytest.raises(DataError, match="test set holds no breast"):
        tuned((store, untested), tmp_path)


def test_a_test_breast_without_a_score_and_scores_of_another_table_are_refused(women):
    breasts = women[1]
    scores = np.zeros((COUNT, 1))
    scores[0] = np.nan
    protocol = PROTOCOLS.get("finetune")
    with pytest.raises(DataError, match=r"1 of 16 test breasts have no score \(such as b0\)"):
        protocol(scores, breasts, MASS, fraction=1.0, seed=0)
    with pytest.raises(DataError, match=r"shape \(3, 1\)"):
        protocol(scores[:3], breasts, MASS, fraction=1.0, seed=0)
