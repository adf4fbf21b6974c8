"""The embedded language model: it loads like any other, ends by itself, and says what the record says."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from mvmlm.models import train_tiny_llama
from mvmlm.models.train_tiny_llama import TINY_LLAMA, Recipe, answer, collate, encode, question, train
from mvmlm.reports.corpus import Example, distinct_examples
from mvmlm.reports.record import Record

MICRO = Recipe(
    vocabulary=400, vocabulary_texts=50, width=32, layers=1, heads=2, kv_heads=1, inner=32, steps=2, batch=4, pool=2,
    held_out=8, sampled=4, watch_every=1, watched=2, answer_tokens=16,
)  # fmt: skip

#: A record, and what its text must say, as regular expressions of lower-case text.
ASKED = [
    (Record(age=47, density="B", mass=False, calcification=False), ["47", "scattered", "mass", "calcification"]),
    (Record(mass=True, calcification=True, n_views=2), ["mass", "calcific", "(2|two) views"]),
    (Record(age=63, density="D", asymmetry=True, birads=0), ["63", "extremely dense", "asymmet", "bi-rads.* 0"]),
    (Record(architectural_distortion=True, birads=4), ["architectural distortion", "bi-rads.* 4"]),
    (Record(mass=True, mass_shape="irregular", birads=5), ["irregular", "mass", "bi-rads.* 5"]),
]
ODD = ["", "🩻 naïve 乳房", "\x00\x07\x1b\x7f\r\n\t", "12.5 mm , a  b .", bytes(range(128)).decode() + "\ufeff\u202e"]


@pytest.fixture(autouse=True, scope="module")
def one_thread_and_no_network():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(before)


@cache
def shipped():
    return AutoTokenizer.from_pretrained(TINY_LLAMA), AutoModelForCausalLM.from_pretrained(TINY_LLAMA)


def test_it_is_small_and_its_card_names_its_numbers():
    tokenizer, model = shipped()
    files = [path for path in TINY_LLAMA.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 8e6
    for path in files:
        if path.suffix != ".safetensors":
            said = path.read_text()
            assert not any(place in said for place in ("/work", "/home", "/tmp", "/root", "name_or_path"))
    weights = sum(p.numel() for p in model.parameters())
    card, config = (TINY_LLAMA / "README.md").read_text(), model.config
    assert 2e6 <= weights <= 4e6
    assert f"A Llama of {weights:,} weights" in card
    assert f"{config.num_hidden_layers} layers, width {config.hidden_size}, {config.num_attention_heads} heads" in card
    assert f"{config.vocab_size} byte-level BPE entries" in card
    assert f"up to {config.max_position_embeddings} tokens" in card
    assert config.vocab_size == len(tokenizer)


def test_it_is_stored_in_half_precision_and_ends_with_the_tokenizer_s_own_token():
    tokenizer, model = shipped()
    assert model.dtype == torch.bfloat16
    said = model.generation_config
    assert (said.eos_token_id, said.pad_token_id) == (tokenizer.eos_token_id, tokenizer.pad_token_id)
    assert len({tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}) == 3


def test_the_chat_template_writes_turns():
    tokenizer, _ = shipped()
    messages = [{"role": "user", "content": " hello\n"}, {"role": "assistant", "content": "yes"}]
    assert tokenizer.apply_chat_template(messages[:1], tokenize=False, add_generation_prompt=True) == (
        "<|begin|><|user|>hello<|end|><|assistant|>"
    )
    with_system = [{"role": "system", "content": "be brief"}, *messages]
    assert tokenizer.apply_chat_template(with_system, tokenize=False) == (
        "<|begin|><|system|>be brief<|end|><|user|>hello<|end|><|assistant|>yes<|end|>"
    )


def test_the_chat_template_refuses_a_role_that_it_does_not_know():
    tokenizer, _ = shipped()
    with pytest.raises(Exception, match="unknown role tool; known: system, user, assistant"):
        tokenizer.apply_chat_template([{"role": "tool", "content": "x"}], tokenize=False)


def test_the_likeliest_text_ends_by_itself_and_says_what_is_known():
    tokenizer, model = shipped()
    texts, ended = answer(model, tokenizer, [record for record, _ in ASKED], max_new_tokens=256, do_sample=False)
    assert all(ended)
    for (record, wanted), text in zip(ASKED, texts):
        missing = [words for words in wanted if not re.search(words, text.lower())]
        assert not missing, f"{record.known()}: {text!r} lacks {missing}"


def test_a_text_does_not_depend_on_what_is_asked_with_it():
    tokenizer, _ = shipped()
    whole = AutoModelForCausalLM.from_pretrained(TINY_LLAMA, dtype=torch.float32)
    records = [record for record, _ in ASKED]
    together, _ = answer(whole, tokenizer, records, max_new_tokens=40, do_sample=False)
    alone = [answer(whole, tokenizer, [record], max_new_tokens=40, do_sample=False)[0][0] for record in records]
    assert together == alone


@pytest.mark.parametrize("text", ODD)
def test_every_character_survives_the_tokenizer(text):
    tokenizer, _ = shipped()
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_digits_stand_alone():
    tokenizer, _ = shipped()
    pieces = tokenizer.tokenize("age: 47, a 47-year-old, 120 mm, 3.4 cm")
    assert [piece for piece in pieces if re.search(r"\d", piece)] == list("474712034")


def test_only_the_answer_counts_in_the_loss():
    tokenizer, _ = shipped()
    pairs = encode([Example(Record(age=47), "Short."), Example(Record(), "A longer answer.")], tokenizer)
    tokens, labels = collate(pairs, tokenizer.pad_token_id)
    for row, text in enumerate(("Short.", "A longer answer.")):
        counted = labels[row][labels[row] >= 0]
        assert tokenizer.decode(counted) == f"{text}<|end|>"
        read = tokens[row][tokens[row] != tokenizer.pad_token_id]
        asked = tokenizer.apply_chat_template(
            question((Record(age=47), Record())[row]), tokenize=False, add_generation_prompt=True
        )
        assert tokenizer.decode(read) == f"{asked}{text}<|end|>"


@pytest.fixture(scope="module")
def micro(tmp_path_factory):
    folder = tmp_path_factory.mktemp("micro")
    for name in ("a", "b"):
        train(MICRO, folder / name)
    return folder


def test_the_script_writes_a_model_that_loads_with_its_card(micro):
    names = {path.name for path in (micro / "a").iterdir()}
    assert names == {
        "README.md", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
        "tokenizer_config.json",
    }  # fmt: skip
    tokenizer = AutoTokenizer.from_pretrained(micro / "a")
    model = AutoModelForCausalLM.from_pretrained(micro / "a")
    assert (model.config.hidden_size, model.config.vocab_size) == (32, len(tokenizer))
    assert answer(model, tokenizer, [Record()], max_new_tokens=3, do_sample=False)[0]
    assert "1 layers, width 32, 2 heads over 1" in (micro / "a" / "README.md").read_text()


def test_the_same_seed_gives_the_same_model(micro):
    for file in ("model.safetensors", "tokenizer.json", "tokenizer_config.json", "config.json"):
        assert (micro / "a" / file).read_bytes() == (micro / "b" / file).read_bytes()


def test_training_sees_no_record_that_is_held_out(micro, monkeypatch, tmp_path):
    seen = []
    whole = train_tiny_llama.encode
    monkeypatch.setattr(
        train_tiny_llama, "encode", lambda examples, tokenizer: seen.extend(examples) or whole(examples, tokenizer)
    )
    train_tiny_llama.learn(MICRO, tmp_path)
    assert len(seen) == MICRO.pool * MICRO.batch
    assert not {example.record for example in seen} & {
        e.record for e in distinct_examples(MICRO.held_out, MICRO.seed + 1)
    }


def test_the_script_is_light_to_import():
    """The registries import every module of the package."""
    code = "import sys, mvmlm.models.train_tiny_llama; sys.exit('transformers' in sys.modules)"
    said = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    assert subprocess.run([sys.executable, "-c", code], env=said).returncode == 0
