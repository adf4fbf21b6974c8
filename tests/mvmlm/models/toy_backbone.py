"""A very small text encoder with dropout, reports in words, and methods that train the one on the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from mvmlm.data.breast_batches import BreastData
from mvmlm.methods import METHODS, Method, Shapes, build_method
from mvmlm.models.text_encoder import TINY_BERT, load_encoder, tokenize_texts
from mvmlm.models.text_tower import backbone_config
from tests.mvmlm.toy_breasts import LOSS, SIZE, SMALL, toy_store

TEXT_METHODS = [name for name in METHODS.names() if METHODS.get(name).trains_text]
WORDS = ("no mass", "a round mass", "calcification", "birads 4", "density c", "asymmetry in the upper outer quadrant")


def reports(count: int) -> list[str]:
    """Different texts of different lengths."""
    return [f"There is {WORDS[i % 6]}, {WORDS[(i + 1 + i // 6) % 6]}" + "." * (i // 6 + 1) for i in range(count)]


def write_backbone(folder: Path, *, dropout: float = 0.3) -> Path:
    """A BERT of one layer with random weights, and the shipped tokenizer."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    tokenizer = AutoTokenizer.from_pretrained(TINY_BERT)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=64, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def token_data(source: str | Path, count: int = 8, *, seed: int = 0, max_length: int = 32) -> tuple[BreastData, Any]:
    """Breasts with token ids of one report each, and the encoder for them."""
    tokenizer, model = load_encoder(str(source), max_length)
    tokens, _ = tokenize_texts(reports(count), tokenizer, max_length)
    store, breasts = toy_store(count, seed=seed)
    ids = np.array([tokens.id_of(text) for text in reports(count)])
    return BreastData(store, breasts, text=tokens, text_ids=ids, texts=2), model


def text_method(name: str, model: Any, length: int, *, lr_scale: float = 0.1, seed: int = 0, **options: Any) -> Method:
    """The method ``name``, small, with ``model`` inside it."""
    known = METHODS.get(name).Options.__dataclass_fields__
    config = {"name": name, **{k: v for k, v in {**SMALL, **options}.items() if k in known}}
    shapes = Shapes(SIZE, model.config.hidden_size, length, backbone_config(model))
    method = build_method(config, shapes, loss=LOSS, seed=seed)
    method.text_tower.adopt(model, lr_scale)
    return method
