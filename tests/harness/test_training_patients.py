"""Whom a pretraining sees: never a test patient, neither her images nor her reports."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from harness.stages.base import Context
from harness.stages.licence import write_licence
from harness.stages.training_run import pretrain, training_breasts
from mvmlm.batch import Batch
from mvmlm.data.build_store import build_image_store
from mvmlm.data.exam_table import breast_table
from mvmlm.data.image_store import BREASTS, ImageStore, stored_breasts
from mvmlm.data.readers import DATASETS
from mvmlm.data.splits import label_fraction, with_split
from mvmlm.evaluation.tasks import TASKS
from mvmlm.methods import METHODS, WEIGHTS, load_method
from mvmlm.models import text_encoder
from mvmlm.models.text_encoder import TextTokens, encode_texts
from tests.mvmlm.toy_breasts import LOSS

METHOD_NAMES = METHODS.names()
SMALL = {"encoder": "test_resnet", "tokens": 2, "width": 8, "depth": 1, "heads": 2, "projection": 8}
SPLIT = {"test_fraction": 0.3, "split_seed": 1}
VAL_FRACTION = 0.25


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Images, reports and token states of 12 simulated women — reports of the test patients included.

    Every second breast has two wordings of its record.
    """
    folder = tmp_path_factory.mktemp("women")
    reader = DATASETS.get("phantom")()
    options = reader.Options(exams=12, height=96, width=80, test_share=0.34)
    reader.generate(folder / "data", options)
    exams = reader.read(folder / "data", options)
    (folder / "images").mkdir()
    build_image_store(exams, folder / "data", folder / "images", height=48, width=32)
    write_licence(folder / "images", type(reader))
    breasts = breast_table(exams)
    rows = [
        (breast, number, sample, text)
        for number, breast in enumerate(breasts.index)
        for sample, text in enumerate([f"breast {breast}", f"again, breast {breast}"][: 1 + number % 2])
    ]
    reports = pd.DataFrame(rows, columns=["breast_id", "record", "sample", "text"])
    (folder / "reports").mkdir()
    reports.to_parquet(folder / "reports" / "reports.parquet", index=False)
    (folder / "text").mkdir()
    encode_texts(reports["text"].tolist(), "tiny_bert", 32, folder / "text", device="cpu")
    return folder


@pytest.fixture(params=["official split", "drawn split"])
def women(request, made, tmp_path) -> Path:
    """The data, with the set's own split or without one."""
    if request.param == "official split":
        return made
    shutil.copytree(made, tmp_path / "women")
    path = tmp_path / "women" / "images" / BREASTS
    breasts = pd.read_parquet(path)
    breasts.assign(split=pd.array([pd.NA] * len(breasts), dtype="string")).to_parquet(path)
    return tmp_path / "women"


def config_of(name: str, fraction: float = 0.5, text: dict | None = None) -> dict:
    """The slice that stage ``pretrain`` hands on."""
    kind = METHODS.get(name)
    options = {k: v for k, v in SMALL.items() if k in kind.Options.__dataclass_fields__}
    config = {
        "method": {"name": name, **options},
        "train": {"epochs": 2, "batch_size": 4, "precision": "fp32"},
        "seed": 3,
        "split": dict(SPLIT),
    }
    if "loss" in kind.uses:
        config["loss"] = LOSS
    if text is not None:
        config["text"] = text
    if "labels" in kind.uses:
        config["labels"] = {"task": "mass", "fraction": fraction}
    else:
        config["split"]["val_fraction"] = VAL_FRACTION
    return config


def run(name: str, women: Path, folder: Path, fraction: float = 0.5, text: dict | None = None) -> dict:
    """Stage ``pretrain`` for one method, with a frozen text encoder or one that is trained."""
    for part in ("out", "work"):
        (folder / part).mkdir(parents=True)
    stages = ("images", "text", "reports") if "text" in METHODS.get(name).uses else ("images",)
    if text is not None:
        stages = ("images", "reports")
    return pretrain(
        Context(
            config=config_of(name, fraction, text),
            inputs={stage: women / stage for stage in stages},
            out=folder / "out",
            work=folder / "work",
            cache=folder / "cache",
            runtime={"workers": 0, "source": "tiny_bert"},
            threads=1,
            report=lambda record: None,
        )
    )


@dataclass
class Read:
    """What was looked at: rows of the image store, rows of the token states, texts."""

    images: set[int] = field(default_factory=set)
    tokens: set[int] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)


class WatchedRows:
    """An array that notes which of its rows are read."""

    def __init__(self, array: np.ndarray, seen: set[int]) -> None:
        self.array, self.seen = array, seen
        self.shape = array.shape

    def __getitem__(self, rows):
        self.seen.update(np.atleast_1d(np.arange(len(self.array))[rows]).tolist())
        return self.array[rows]


@pytest.fixture
def seen(monkeypatch) -> Read:
    """Notes every read of pixels and of token states, below anything that training code could do."""
    read = Read()
    open_store, open_text, id_of = ImageStore.open, TextTokens.open, TextTokens.id_of

    def store(folder):
        opened = open_store(folder)
        opened.pixels = WatchedRows(opened.pixels, read.images)
        return opened

    def text(folder):
        opened = open_text(folder)
        return replace(opened, tokens=WatchedRows(opened.tokens, read.tokens))

    def number(self, said):
        read.texts.add(said)
        return id_of(self, said)

    monkeypatch.setattr(ImageStore, "open", store)
    monkeypatch.setattr(TextTokens, "open", text)
    monkeypatch.setattr(TextTokens, "id_of", number)
    return read


def table_of(women: Path) -> pd.DataFrame:
    """Breasts with their split, as the scoring sees them."""
    return with_split(stored_breasts(women / "images"), **SPLIT)


def test_the_fixture_has_something_to_leak(women):
    breasts = table_of(women)
    counts = breasts.groupby("split")["patient_id"].nunique()
    assert counts["test"] >= 3
    assert counts["train"] >= 6
    reports = pd.read_parquet(women / "reports" / "reports.parquet")
    assert set(breasts.index[breasts["split"] == "test"]) <= set(reports["breast_id"])


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_no_image_and_no_text_of_a_test_patient_is_read(name, women, seen, tmp_path):
    summary = run(name, women, tmp_path)
    exams = pd.read_parquet(women / "images" / "index.parquet")
    breasts = table_of(women)
    tested = set(breasts.loc[breasts["split"] == "test", "patient_id"])
    looked_at = set(exams["patient_id"].iloc[sorted(seen.images)])
    assert not looked_at & tested
    assert summary["breasts"] >= 2
    if "labels" in METHODS.get(name).uses:
        assert not seen.tokens
        return
    training = set(breasts.loc[breasts["split"] == "train", "patient_id"])
    assert looked_at == training, "training and validation patients are both read"
    if "text" not in METHODS.get(name).uses:
        assert not seen.tokens
        return
    owner = owners(women, breasts)
    number = {i: owner[t] for i, t in enumerate(texts_by_row(women))}
    assert {owner[text] for text in seen.texts} == training
    assert {number[row] for row in seen.tokens} == training


def owners(women: Path, breasts: pd.DataFrame) -> dict[str, str]:
    """Text to its patient."""
    reports = pd.read_parquet(women / "reports" / "reports.parquet")
    return dict(zip(reports["text"], breasts["patient_id"].reindex(reports["breast_id"])))


def texts_by_row(women: Path) -> list[str]:
    """Text of each row of the token states."""
    return pd.read_parquet(women / "text" / "texts.parquet").sort_values("text_id")["text"].tolist()


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_other_images_texts_and_labels_of_test_patients_give_the_same_weights(name, women, tmp_path):
    """Seen from outside: whatever test patients bring, the trained weights stay the same bits."""
    run(name, women, tmp_path / "before")
    other = tmp_path / "other"
    shutil.copytree(women, other)
    breasts = table_of(women)
    tested = breasts["split"] == "test"
    exams = pd.read_parquet(other / "images" / "index.parquet")
    rows = exams["patient_id"].isin(breasts.loc[tested, "patient_id"]).to_numpy()
    pixels = np.load(other / "images" / "pixels.npy", mmap_mode="r+")
    pixels[rows] = 65535 - pixels[rows]
    pixels.flush()
    known = stored_breasts(other / "images")
    if known["split"].notna().all():  # a drawn split is stratified: there, labels decide who is tested
        known.loc[tested, "mass"] = ~known.loc[tested, "mass"]
        known.to_parquet(other / "images" / BREASTS)
    tokens = TextTokens.open(other / "text").tokens
    states = np.memmap(other / "text" / "tokens.raw", np.float16, "r+", shape=tokens.shape)
    owner, women_tested = owners(other, breasts), set(breasts.loc[tested, "patient_id"])
    theirs = {text for text, patient in owner.items() if patient in women_tested}
    states[[i for i, text in enumerate(texts_by_row(other)) if text in theirs]] = 7.0
    states.flush()
    run(name, other, tmp_path / "after")
    before, after = (load_file(tmp_path / part / "out" / WEIGHTS) for part in ("before", "after"))
    assert [k for k in before if not torch.equal(before[k], after[k])] == []


@pytest.mark.parametrize("name", [n for n in METHOD_NAMES if "labels" not in METHODS.get(n).uses])
def test_a_change_to_a_training_patient_does_change_the_weights(name, made, tmp_path):
    """The test above would see a leak, if there were one."""
    run(name, made, tmp_path / "before")
    other = tmp_path / "other"
    shutil.copytree(made, other)
    breasts = training_breasts(stored_breasts(made / "images"), config_of(name))
    rows = breasts.loc[breasts["part"] == "train", ["cc", "mlo"]].iloc[0]
    pixels = np.load(other / "images" / "pixels.npy", mmap_mode="r+")
    for row in rows[rows >= 0]:  # a method may look at one view of the two
        pixels[row] = 65535 - pixels[row]
    pixels.flush()
    run(name, other, tmp_path / "after")
    before, after = (load_file(tmp_path / part / "out" / WEIGHTS) for part in ("before", "after"))
    assert any(not torch.equal(before[k], after[k]) for k in before)


@pytest.mark.parametrize("fraction", [0.3, 0.6, 1.0])
def test_labels_are_all_that_the_fraction_grants_to_a_probe(fraction, women, seen, tmp_path):
    breasts = table_of(women)
    breasts = breasts[breasts["split"] == "train"]
    granted = label_fraction(breasts, breasts["mass"], fraction, seed=3)
    assert granted
    found = training_breasts(stored_breasts(women / "images"), config_of("supervised", fraction))
    assert set(found["patient_id"]) == granted and set(found["part"]) == {"train"}
    assert found["label"].notna().all()
    pd.testing.assert_series_equal(
        found["label"].astype(bool), breasts.loc[found.index, "mass"].astype(bool), check_names=False
    )
    summary = run("supervised", women, tmp_path, fraction)
    assert summary["breasts"] == len(found)
    assert "probe" in summary["notes"][0], "the table says that the probe's folds have seen the labels"
    exams = pd.read_parquet(women / "images" / "index.parquet")
    assert set(exams["patient_id"].iloc[sorted(seen.images)]) <= granted


def test_a_method_of_labels_is_trained_on_the_classes_of_a_task(made, tmp_path, monkeypatch):
    config = config_of("supervised", 1.0) | {"labels": {"task": "density", "fraction": 0.5}}
    found = training_breasts(stored_breasts(made / "images"), config)
    table = table_of(made)
    training = table[table["split"] == "train"]
    assert set(found["patient_id"]) == label_fraction(training, TASKS.get("density").labels(training), 0.5, seed=3)
    assert found["label"].tolist() == ["ABCD".index(d) for d in table.loc[found.index, "density"]]
    monkeypatch.setattr("tests.harness.test_training_patients.config_of", lambda *_: config)
    run("supervised", made, tmp_path)
    assert load_method(tmp_path / "out").head.out_features == 4


def test_validation_patients_are_not_trained_on(made):
    found = training_breasts(stored_breasts(made / "images"), config_of("mvmlm"))
    parts = found.groupby("patient_id")["part"].nunique()
    assert (parts == 1).all(), "both breasts of a patient are on one side"
    assert set(found["part"]) == {"train", "val"}
    assert (found["split"] == "train").all()


def test_a_breast_without_a_report_is_left_out(made, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(made, other)
    path = other / "reports" / "reports.parquet"
    found = training_breasts(stored_breasts(made / "images"), config_of("mvmlm"))
    training = found.index[found["part"] == "train"]
    reports = pd.read_parquet(path)
    reports[reports["breast_id"] != training[0]].to_parquet(path, index=False)
    assert run("mvmlm", other, tmp_path / "run")["breasts"] == len(training) - 1


TRAINED = {"max_length": 32, "trainable": True, "lr_scale": 0.5}
TEXT_METHODS = [n for n in METHOD_NAMES if METHODS.get(n).trains_text]


@pytest.mark.parametrize("name", TEXT_METHODS)
def test_a_trained_text_encoder_reads_no_words_of_a_test_patient(name, women, seen, tmp_path, monkeypatch):
    tokenised: list[str] = []
    monkeypatch.setattr(text_encoder, "tokenize_texts", noting(text_encoder.tokenize_texts, tokenised))
    run(name, women, tmp_path, text=TRAINED)
    breasts = table_of(women)
    owner = owners(women, breasts)
    training = set(breasts.loc[breasts["split"] == "train", "patient_id"])
    assert {owner[text] for text in tokenised} == training
    assert {owner[text] for text in seen.texts} == training
    assert not seen.tokens, "no states are kept"


def noting(function, seen: list[str]):
    """The function, which notes its first argument."""

    def noted(texts, *more):
        seen.extend(texts)
        return function(texts, *more)

    return noted


def test_a_trained_text_encoder_ends_up_in_the_weights_and_reloads(made, tmp_path):
    summary = run("mvmlm", made, tmp_path, text=TRAINED)
    shipped = load_file(text_encoder.TINY_BERT / "model.safetensors")
    trained = load_file(tmp_path / "out" / WEIGHTS)
    key = "encoder.layer.0.attention.self.query.weight"
    assert not torch.equal(trained[f"text_tower.backbone.{key}"], shipped[key])
    method = load_method(tmp_path / "out")
    assert summary["parameters"] == sum(p.numel() for p in method.parameters())
    assert torch.equal(method.text_tower.backbone.state_dict()[key], trained[f"text_tower.backbone.{key}"])


def test_reports_that_a_trained_encoder_cuts_are_told(made, tmp_path):
    assert not run("custom_clip", made, tmp_path / "whole", text={**TRAINED, "max_length": 128})["notes"]
    (note,) = run("custom_clip", made, tmp_path / "cut", text={**TRAINED, "max_length": 5})["notes"]
    assert "longer than 5 tokens and are cut there" in note


def test_texts_rotate_and_wordings_of_one_record_are_one_report(made, tmp_path, monkeypatch):
    batches: list[Batch] = []
    method = METHODS.get("mvmlm")
    outputs = method.outputs

    def watched(self, batch):
        if self.training:
            batches.append(batch)
        return outputs(self, batch)

    monkeypatch.setattr(method, "outputs", watched)
    summary = run("mvmlm", made, tmp_path)
    shown = [set() for _ in range(2)]
    reports = [set() for _ in range(2)]
    for number, batch in enumerate(batches):
        epoch = number // (len(batches) // 2)
        shown[epoch] |= {states.numpy().tobytes() for states in batch.text}
        reports[epoch] |= set(batch.text_id.tolist())
    assert len(reports[0]) == summary["breasts"]
    assert reports[0] == reports[1]
    assert 0 < len(shown[0] & shown[1]) < len(shown[0]), "those with one text stay, the others turn"
