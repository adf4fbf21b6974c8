"""Frozen text: encoded once a distinct report, kept on disk, the same as asking the model directly."""

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from mvmlm.errors import ConfigError, DataError
from mvmlm.models.text_encoder import (
    TINY_BERT,
    TextTokens,
    encode_texts,
    load_encoder,
    resolve_encoder,
    tokenize_texts,
)
from mvmlm.reports import SOURCES
from mvmlm.reports.corpus import random_record, random_texts
from mvmlm.reports.source import Case, Draw, NoOptions

TEXTS = ["There is no mass.", "density: C\nbirads: 4", "There is a round mass with a spiculated margin."]


@pytest.fixture(autouse=True)
def one_thread_and_no_network(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def states_of(text, folder, max_length=128):
    """The oracle: one text, no padding, straight from `transformers`."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    asked = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
    with torch.no_grad():
        return model(**asked).last_hidden_state[0].numpy()


def assert_encoded(encoded, text, folder, max_length=128):
    wanted = states_of(text, folder, max_length)
    row = encoded.id_of(text)
    assert encoded.mask[row].sum() == len(wanted)
    assert encoded.mask[row, : len(wanted)].all()
    np.testing.assert_allclose(encoded.tokens[row, : len(wanted)], wanted, atol=4e-3)
    assert not encoded.tokens[row, len(wanted) :].any()


def test_writes_what_the_model_says_of_each_text_alone(tmp_path):
    summary = encode_texts(TEXTS, "tiny_bert", 128, tmp_path, batch_size=2)
    encoded = TextTokens.open(tmp_path)
    assert encoded.tokens.dtype == np.float16
    assert encoded.tokens.shape == (3, encoded.length, encoded.width)
    assert encoded.width == summary["width"] == 128
    assert encoded.length == summary["length"] == encoded.mask.sum(1).max() == summary["longest"]
    for text in TEXTS:
        assert_encoded(encoded, text, TINY_BERT)


def test_each_distinct_text_is_encoded_once(tmp_path, monkeypatch):
    seen = []
    forward = BertModel.forward

    def counting(self, input_ids, **said):
        seen.append(len(input_ids))
        return forward(self, input_ids, **said)

    monkeypatch.setattr(BertModel, "forward", counting)
    summary = encode_texts([TEXTS[i % 3] for i in range(50)], "tiny_bert", 128, tmp_path)
    assert sum(seen) == 3
    assert (summary["texts"], summary["distinct"]) == (50, 3)
    assert len(TextTokens.open(tmp_path)) == 3


def test_an_id_is_the_place_among_the_sorted_texts_in_whatever_order_they_come(tmp_path):
    for folder, texts in (("a", TEXTS), ("b", TEXTS[::-1] * 2)):
        encode_texts(texts, "tiny_bert", 128, tmp_path / folder)
        encoded = TextTokens.open(tmp_path / folder)
        assert [encoded.id_of(text) for text in sorted(TEXTS)] == [0, 1, 2]
    files = ("tokens.raw", "mask.npy")
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)


def test_the_batch_size_changes_nothing_that_float16_can_tell(tmp_path):
    texts = random_texts(40, seed=5)
    for size in (1, 7, 64):
        encode_texts(texts, "tiny_bert", 128, tmp_path / str(size), batch_size=size)
    alone, *others = (TextTokens.open(tmp_path / str(size)) for size in (1, 7, 64))
    for other in others:
        assert (alone.mask == other.mask).all()
        np.testing.assert_allclose(alone.tokens, other.tokens, atol=4e-3)


def test_truncation_is_counted_and_said(tmp_path, caplog):
    long = " ".join(["There is a mass."] * 30)
    with caplog.at_level(logging.WARNING, "mvmlm"):
        summary = encode_texts([long, TEXTS[0], long], "tiny_bert", 16, tmp_path)
    assert (summary["truncated"], summary["truncated_texts"], summary["length"]) == (1, 2, 16)
    assert summary["longest"] == 152  # 30 sentences of 5 tokens and two special ones
    assert "2 of 3 reports are longer than text.max_length=16" in caplog.text
    encoded = TextTokens.open(tmp_path)
    row = encoded.texts.set_index("text").loc[long]
    assert row["n_tokens"] == 152 and row["truncated"]
    assert_encoded(encoded, long, TINY_BERT, max_length=16)
    assert json.loads((tmp_path / "text.json").read_text()) == summary


def test_nothing_is_said_when_all_fits(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "mvmlm"):
        assert encode_texts(TEXTS, "tiny_bert", 128, tmp_path)["truncated"] == 0
    assert not caplog.records


@pytest.mark.parametrize("text", ["", "  ", "naïve é 乳房 \x00\x07 🩻", "zebra" * 50])
def test_odd_texts_have_states_too(tmp_path, text):
    encode_texts([text, TEXTS[0]], "tiny_bert", 128, tmp_path)
    encoded = TextTokens.open(tmp_path)
    assert encoded.mask[encoded.id_of(text)].sum() >= 2
    assert np.isfinite(encoded.tokens).all()


def test_any_local_model_goes_through_the_same_call(tmp_path):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=700, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64
    )
    other = tmp_path / "other"
    BertModel(config).save_pretrained(other)
    AutoTokenizer.from_pretrained(TINY_BERT).save_pretrained(other)
    summary = encode_texts(TEXTS, str(other), 64, tmp_path / "out")
    assert (summary["width"], summary["encoder"]) == (48, str(other))
    assert_encoded(TextTokens.open(tmp_path / "out"), TEXTS[2], other, max_length=64)


def test_weights_stored_in_half_precision_are_computed_in_full(tmp_path):
    half = tmp_path / "half"
    AutoModel.from_pretrained(TINY_BERT, dtype=torch.float16).save_pretrained(half)
    AutoTokenizer.from_pretrained(TINY_BERT).save_pretrained(half)
    encode_texts(TEXTS, "tiny_bert", 128, tmp_path / "a")
    encode_texts(TEXTS, str(half), 128, tmp_path / "b")
    a, b = TextTokens.open(tmp_path / "a").tokens, TextTokens.open(tmp_path / "b").tokens
    np.testing.assert_allclose(a, b, atol=3e-2)


def test_leaves_the_global_state_alone(tmp_path):
    torch.manual_seed(3)
    before = (
        torch.get_rng_state(),
        np.random.get_state()[1].copy(),
        torch.get_default_dtype(),
        dict(os.environ),
    )
    encode_texts(TEXTS, "tiny_bert", 128, tmp_path)
    assert torch.equal(before[0], torch.get_rng_state())
    assert (before[1] == np.random.get_state()[1]).all()
    assert (torch.get_default_dtype(), dict(os.environ)) == before[2:]
    assert torch.get_num_threads() == 1
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def config_error(*args):
    with pytest.raises(ConfigError) as caught:
        encode_texts(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_model_that_cannot_be_reached_says_what_to_do(tmp_path):
    said = config_error(TEXTS, "emilyalsentzer/No_Such_BERT", 128, tmp_path)
    assert "text.encoder: 'emilyalsentzer/No_Such_BERT' cannot be loaded" in said
    assert all(word in said for word in ("HF_HOME", "local folder", "tiny_bert"))


def test_a_misspelt_name_gets_the_nearest_one(tmp_path):
    assert "did you mean 'tiny_bert'?" in config_error(TEXTS, "tinybert", 128, tmp_path)


def test_a_missing_folder_is_not_taken_for_a_hub_id(tmp_path):
    assert "there is no folder" in config_error(TEXTS, str(tmp_path / "nowhere"), 128, tmp_path)


def test_a_model_whose_weights_are_cut_short_is_named(tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(TINY_BERT, broken)
    weights = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    assert "cannot be loaded" in config_error(TEXTS, str(broken), 128, tmp_path / "out")


@pytest.mark.parametrize(
    ("length", "says"), [(257, "more than the 256 tokens"), (2, "no room beside 2 special")]
)
def test_a_length_that_the_model_does_not_take_is_refused(tmp_path, length, says):
    assert says in config_error(TEXTS, "tiny_bert", length, tmp_path)


@pytest.mark.parametrize("texts", [[], ["a", None], ["a", float("nan")]])
def test_texts_that_are_none_are_refused(tmp_path, texts):
    with pytest.raises(DataError):
        encode_texts(texts, "tiny_bert", 128, tmp_path)
    with pytest.raises(DataError):
        tokenize_texts(texts, AutoTokenizer.from_pretrained(TINY_BERT), 128)


def test_ids_are_the_tokenizers_own_under_the_numbers_of_the_states(tmp_path, caplog):
    texts = [*TEXTS, TEXTS[0], "mass " * 30]
    summary = encode_texts(texts, "tiny_bert", 16, tmp_path)
    tokenizer, _ = load_encoder("tiny_bert", 16)
    caplog.clear()
    ids, said = tokenize_texts(texts, tokenizer, 16)
    assert said == {name: summary[name] for name in said}
    assert said["truncated_texts"] == 1 and "1 of 5 reports are longer" in caplog.text
    states = TextTokens.open(tmp_path)
    np.testing.assert_array_equal(ids.mask, states.mask)
    assert ids.tokens.dtype == np.int64 and ids.length == states.length
    for text in texts:
        row = ids.id_of(text)
        assert row == states.id_of(text)
        asked = tokenizer(text, truncation=True, max_length=16)["input_ids"]
        assert ids.tokens[row, ids.mask[row]].tolist() == asked
    assert (ids.tokens[~ids.mask] == tokenizer.pad_token_id).all()


def test_a_full_disk_is_an_error_and_not_a_crash(tmp_path):
    (tmp_path / "tokens.raw").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        encode_texts(TEXTS, "tiny_bert", 128, tmp_path)
    assert not (tmp_path / "text.json").exists()


def test_reading_names_what_is_wrong(tmp_path):
    with pytest.raises(DataError, match=str(tmp_path)):
        TextTokens.open(tmp_path)
    encode_texts(TEXTS, "tiny_bert", 128, tmp_path)
    with pytest.raises(DataError, match="was not encoded: 'zebra'"):
        TextTokens.open(tmp_path).id_of("zebra")
    os.truncate(tmp_path / "tokens.raw", 100)
    with pytest.raises(DataError, match="cannot be read"):
        TextTokens.open(tmp_path)


def test_the_shipped_model_is_small_and_names_no_place():
    files = [path for path in TINY_BERT.rglob("*") if path.is_file()]
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= {
        path.name for path in files
    }
    assert sum(path.stat().st_size for path in files) < 8e6
    for path in files:
        if path.suffix != ".safetensors":
            said = path.read_text()
            assert not any(place in said for place in ("/work", "/home", "/tmp", "/root", "name_or_path"))
    weights = sum(p.numel() for p in AutoModel.from_pretrained(resolve_encoder("tiny_bert")).parameters())
    assert 1e6 <= weights <= 2e6
    assert f"{weights:,} weights" in (TINY_BERT / "README.md").read_text()
    tokenizer = AutoTokenizer.from_pretrained(TINY_BERT)
    assert tokenizer.is_fast
    assert f"{len(tokenizer)} WordPiece" in (TINY_BERT / "README.md").read_text()


def test_ascii_words_that_the_corpus_lacks_fall_into_pieces():
    tokenizer = AutoTokenizer.from_pretrained(TINY_BERT)
    ids = tokenizer("Quiz: 'zymurgy' (50% of 3/4) & [x] = {y}; 0123456789?")["input_ids"]
    assert tokenizer.unk_token_id not in ids


@pytest.mark.parametrize("source", ["tabular", "template"])
def test_frozen_text_is_informative(tmp_path, source):
    """Findings and assessment can be read off the mean token state of reports that no training saw."""
    rng = np.random.default_rng(97)
    records = [random_record(rng) for _ in range(1200)]
    texts = SOURCES.get(source)(NoOptions()).write([Draw(Case(record)) for record in records])
    encode_texts(texts, "tiny_bert", 128, tmp_path)
    encoded = TextTokens.open(tmp_path)
    rows = [encoded.id_of(text) for text in texts]
    pooled = (encoded.tokens.astype(np.float32).sum(1) / encoded.mask.sum(1, keepdims=True))[rows]
    for field in ("mass", "calcification", "birads"):
        label = np.array([getattr(record, field) for record in records]).astype(int)
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(
            pooled[:900], label[:900]
        )
        assert probe.score(pooled[900:], label[900:]) > 0.95, field


@pytest.mark.slow
def test_the_script_makes_a_model_that_loads_and_the_same_one_twice(tmp_path):
    code = """
import sys
from pathlib import Path
from mvmlm.models.train_tiny_bert import Recipe, train
assert "transformers" not in sys.modules, "the registry of methods imports this file; it must be light"
for name in ("a", "b"):
    train(Recipe(texts=300, held_out=50, steps=3, layers=1, hidden=32), Path(sys.argv[1]) / name)
"""
    root = Path(__file__).parents[3]
    said = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=said, capture_output=True)
    for file in ("model.safetensors", "tokenizer.json", "config.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert "unigram baseline" in (tmp_path / "a" / "README.md").read_text()
    assert encode_texts(TEXTS, str(tmp_path / "a"), 128, tmp_path / "out")["width"] == 32
