"""Fine-tuning to risk: it learns, from training women alone, and what it leaves predicts as the network does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from mvmlm.data.augment import Augmentation
from mvmlm.errors import DataError
from mvmlm.evaluation.fine_tuning import risk as tuning
from mvmlm.evaluation.fine_tuning.exam_network import ExamNetwork, fuse_breasts
from mvmlm.evaluation.fine_tuning.risk import ExamData, RiskTuned, exam_views, fine_tune_to_risk
from mvmlm.evaluation.fine_tuning.train import FineTuneOptions
from mvmlm.evaluation.protocols import PROTOCOLS
from mvmlm.evaluation.risk.exam_features import exam_features
from mvmlm.evaluation.risk.hazard import HazardLayer
from mvmlm.evaluation.risk.options import FUSIONS, RiskOptions
from mvmlm.evaluation.risk.survival import FollowUp
from mvmlm.evaluation.risk.targets import log_loss, targets
from mvmlm.evaluation.risk.tuned import TunedLayer
from mvmlm.features import image_features
from mvmlm.methods import Method, Shapes
from tests.mvmlm.evaluation.risk.made_up import RISK
from tests.mvmlm.toy_breasts import SIZE, small_method, toy_store

pytestmark = pytest.mark.usefixtures("one_thread")
OPTIONS = FineTuneOptions(
    lrs=(1e-3,), epochs=6, min_steps=0, batch_size=4, patience=3, precision="fp32", augment=Augmentation.none()
)
YEARS = 3
WOMEN = 60
MISSING = ((0, 0), (3, 1), (6, 0), (6, 1))  # (breast, view): one of a breast's views, and a breast's both


@pytest.fixture(scope="module")
def women():
    """A store, and breasts of one exam a woman. A spot in the left breast is the brighter the sooner the event is.

    A band above it, in every image, means nothing: an embedding of few numbers has to choose.
    """
    store, breasts = toy_store(2 * WOMEN, missing=MISSING)
    rng = np.random.default_rng(5)
    hazard = rng.uniform(0, 1, WOMEN)
    event, end = rng.exponential(1 / (0.02 + hazard**3)), rng.uniform(2, 8, WOMEN)
    store.pixels[:] //= 8
    for (_, views), bright in zip(breasts[::2][["cc", "mlo"]].iterrows(), hazard):
        rows = views[views >= 0].to_numpy()
        store.pixels[rows, 16:48, 12:36] += int(50000 * bright)
    store.pixels[:, :16] += np.random.default_rng(9).integers(0, 50000, (len(store), 1, 1)).astype(np.uint16)
    split = np.where(np.arange(WOMEN) % 3 == 0, "test", "train")
    told = {"event": event <= end, "years_to_event": np.maximum(np.minimum(event, end), 0.6), "split": split}
    kinds = {"event": "boolean", "years_to_event": "Float64", "split": "string", "exam_id": "string"}
    table = breasts.assign(
        laterality=["L", "R"] * WOMEN, **{name: np.repeat(column, 2) for name, column in told.items()}
    )
    return store, table.astype(kinds)


def method() -> Method:
    return small_method("custom_clip", dropout=0.0, projection=3)


def tuned(women, folder: Path, *, seed: int = 0, options=OPTIONS, **risk) -> RiskTuned:
    torch.manual_seed(len(str(folder)))  # whatever the process did before must not matter
    return fine_tune_to_risk(
        method(),
        *women,
        fraction=1.0,
        seed=seed,
        work_dir=folder,
        options=options,
        risk={"years": YEARS, **risk},
        device="cpu",
    )


def of_breasts(features: np.ndarray, breasts: pd.DataFrame) -> np.ndarray:
    """Mean over the views that there are."""
    rows = breasts[["cc", "mlo"]].to_numpy()
    return np.stack(
        [features[mine[mine >= 0]].mean(axis=0) if max(mine) >= 0 else features[0] * np.nan for mine in rows]
    )


def judged(women, features: np.ndarray, layer: TunedLayer | None, **options):
    options = {"years": YEARS, "draws": 50, "folds": 3, "strengths": (0.01, 1.0)} | options
    run = PROTOCOLS.get("risk")
    return run(of_breasts(features, women[1]), women[1], RISK, fraction=1.0, seed=0, options=options, tuned=layer)


@pytest.fixture(scope="module")
def found(women, tmp_path_factory, one_thread_for_module) -> RiskTuned:
    return tuned(women, tmp_path_factory.mktemp("tuned"))


@pytest.fixture(scope="module")
def one_thread_for_module():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_tuned_embeddings_rank_better_than_those_before_with_either_model(women, found):
    store = women[0]
    before = image_features(method(), store, np.arange(len(store)), device="cpu")
    for model in ("hazard", "cox"):
        frozen, after = (
            judged(women, before, None, model=model),
            judged(women, found.features, found.tuned, model=model),
        )
        assert after.metrics["c_uno@exam"] > 0.75
        assert after.metrics["c_uno@exam"] > frozen.metrics["c_uno@exam"] + 0.05
        pd.testing.assert_frame_equal(after.predictions[["unit_id", "label"]], frozen.predictions[["unit_id", "label"]])
        assert list(after.predictions) == list(frozen.predictions)
        assert (frozen.details["embeddings"], after.details["embeddings"]) == ("frozen", "finetuned")
        assert after.details.get("strength_chosen_by", "validation") == "validation"


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not(women, found, tmp_path):
    again, other = tuned(women, tmp_path / "a"), tuned(women, tmp_path / "b", seed=1)
    np.testing.assert_array_equal(again.features, found.features)
    np.testing.assert_array_equal(again.tuned.layer.weights, found.tuned.layer.weights)
    assert again.tuned.validation == found.tuned.validation
    assert not np.array_equal(other.features, found.features)


def test_nothing_of_test_women_is_seen_before_all_is_chosen(women, found, tmp_path, monkeypatch):
    store, breasts = women
    read: list[set[int]] = []

    class Watched(ExamData):
        def batch(self, rows, **how):
            read.append(set(self.views[rows].ravel().tolist()) - {-1})
            return super().batch(rows, **how)

    monkeypatch.setattr(tuning, "ExamData", Watched)
    tested = (breasts["split"] == "test").to_numpy(dtype=bool)
    changed = breasts.assign(event=breasts["event"].mask(tested), years_to_event=breasts["years_to_event"].mask(tested))
    again = tuned((store, changed), tmp_path)
    np.testing.assert_array_equal(again.features, found.features)
    mine = breasts.loc[~tested, ["cc", "mlo"]].to_numpy()
    assert set().union(*read) == set(mine[mine >= 0].tolist()), "every training woman, and no other"


def test_women_who_choose_the_epoch_are_not_trained_on(women, found):
    breasts = women[1]
    training = set(breasts.loc[breasts["split"] == "train", "patient_id"])
    sizes = found.details["parts"]
    assert set(found.tuned.validation) < training
    assert sizes["validation"]["patients"] == len(found.tuned.validation) == round(0.2 * len(training))
    assert sizes["train"]["patients"] + sizes["validation"]["patients"] == len(training)
    assert found.details["chosen_by"] == "validation"


def exams_of(women) -> tuple[ExamData, pd.Index]:
    store, breasts = women
    views = exam_views(breasts)
    patients = breasts.groupby(breasts["exam_id"].astype(str))["patient_id"].first()
    return ExamData(store, views.assign(patient_id=patients)), views.index


@pytest.mark.parametrize("fuse", FUSIONS)
def test_what_is_kept_predicts_as_the_network_does(fuse, women):
    store, breasts = women
    made = ExamNetwork.Options(small_method("custom_clip"), np.array([-1.0, 0.1, 0.2, 0.3]), fuse=fuse)
    network = ExamNetwork.build(made, Shapes(SIZE)).eval()
    torch.nn.init.normal_(network.head.weight, std=0.3)
    data, exams = exams_of(women)
    with torch.no_grad():
        forms = network.outputs(data.batch(np.arange(len(exams))).to("cpu"))["forms"].double()
        expected = torch.sigmoid(forms[:, :1] + forms[:, 1:].relu().cumsum(dim=1))
    features = of_breasts(image_features(network, store, np.arange(len(store)), device="cpu"), breasts)
    kept = TunedLayer(network.layer(), ()).risks(exam_features(features.astype(np.float64), breasts, exams, fuse))
    np.testing.assert_allclose(kept, expected, atol=1e-5)


def test_a_difference_from_a_breast_that_is_not_there_is_nothing():
    features = torch.tensor([[[1.0, 5.0], [9.0, 9.0]], [[1.0, 5.0], [2.0, 3.0]]])
    fused = fuse_breasts(features, torch.tensor([[True, False], [True, True]]), "mean_difference")
    assert fused.tolist() == [[1.0, 5.0, 0.0, 0.0], [1.5, 4.0, 1.0, 2.0]]


@pytest.mark.parametrize("mask", ["ipcw", "mirai"])
def test_the_loss_is_the_weighted_log_loss_of_the_fit_to_frozen_features(mask, women):
    store, breasts = women
    exams = breasts.assign(years=breasts["years_to_event"].astype(float), event=breasts["event"].astype(bool))
    exams = exams.groupby(exams["exam_id"].astype(str)).first()
    options = RiskOptions(years=YEARS, mask=mask)
    data = tuning._data(store, exams, exam_views(breasts), tuning._weighed(exams, options))
    network = ExamNetwork.build(
        ExamNetwork.Options(small_method("custom_clip"), np.array([-1.0, 0.5, 0.1, 0.3])), Shapes(SIZE)
    ).eval()
    torch.nn.init.zeros_(network.head.weight)
    batch = data.batch(np.arange(len(data))).to("cpu")
    with torch.no_grad():
        loss, _ = network.loss(batch)
    risks = HazardLayer(np.zeros((1, 4)), np.array([-1.0, 0.5, 0.1, 0.3])).risks(np.zeros((len(exams), 1)))
    said = targets(FollowUp(exams["years"], exams["event"]), YEARS, mask)
    assert float(loss) == pytest.approx(log_loss(risks, said), rel=1e-5)


def test_the_layer_is_kept_and_read_back_and_a_damaged_one_is_said(found, tmp_path):
    found.tuned.write(tmp_path)
    again = TunedLayer.read(tmp_path)
    np.testing.assert_array_equal(again.layer.weights, found.tuned.layer.weights)
    np.testing.assert_array_equal(again.layer.intercepts, found.tuned.layer.intercepts)
    assert again.validation == found.tuned.validation
    (tmp_path / "layer.json").write_text('{"weights": [[0')
    with pytest.raises(DataError, match="no whole hazard layer"):
        TunedLayer.read(tmp_path)
