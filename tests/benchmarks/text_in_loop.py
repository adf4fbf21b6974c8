"""Seconds an epoch with a frozen text encoder's kept states, with the same encoder run in every step, and trained.

The shipped text encoder and a small method on 288 breasts of noise with as many different reports, two threads or a
GPU; the three take turns, each turn an epoch after one that warms up, and the median of three turns is told. Beside it
stands what the kept states cost once: the encoder is asked once a distinct report.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch

from mvmlm.data.breast_batches import BreastData
from mvmlm.data.image_store import ImageStore
from mvmlm.methods import Method, Shapes, build_method
from mvmlm.models.text_encoder import TextTokens, encode_texts, load_encoder, tokenize_texts
from mvmlm.models.text_tower import backbone_config
from mvmlm.reports.corpus import random_texts
from mvmlm.training import TrainConfig, train

BREASTS, BATCH, TURNS, LENGTH = 288, 18, 3, 128
SIZE = (192, 120)  # the demo's
LOSS = {"ii_weight": 1.0, "same_report": "mask", "same_patient": "mask", "temperature": 0.07, "learn_temperature": True}
METHODS = {
    "mvmlm": {"encoder": "test_resnet", "tokens": 16, "text_tokens": 16, "width": 64, "depth": 2, "heads": 4},
    "custom_clip": {"encoder": "test_resnet"},
}


def main() -> None:
    """Print a line a method."""
    torch.set_num_threads(2)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    texts = _distinct(BREASTS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.perf_counter()
        encode_texts(texts, "tiny_bert", LENGTH, folder / "text", device=device)
        once = time.perf_counter() - started
        kept = TextTokens.open(folder / "text")
        for method, options in METHODS.items():
            config = {"name": method, **options}
            shapes = Shapes(SIZE, kept.width, kept.length)
            ways = {
                "kept": (_data(kept, texts), build_method(config, shapes, loss=LOSS)),
                "run": _inside(config, texts, trained=False),
                "trained": _inside(config, texts, trained=True),
            }
            turns = [
                {way: _epoch(folder / method / way / str(turn), *given, device) for way, given in ways.items()}
                for turn in range(TURNS)
            ]
            took = {way: median(turn[way] for turn in turns) for way in ways}
            print(
                f"text in the loop, {method} on {device}, {BREASTS} breasts of {kept.length} tokens at most: "
                f"{took['kept']:.2f} s an epoch with kept states ({once:.1f} s once to make them), "
                f"{took['run']:.2f} s with the frozen encoder run in every step, {took['trained']:.2f} s with it "
                f"trained; ratios {took['run'] / took['kept']:.1f} and {took['trained'] / took['kept']:.1f}",
                flush=True,
            )


def _distinct(count: int) -> list[str]:
    """Different reports, so that nothing is saved by repeats."""
    return list(dict.fromkeys(random_texts(3 * count, seed=0)))[:count]


def _data(text: TextTokens, texts: list[str]) -> BreastData:
    pixels = np.random.default_rng(0).integers(0, 65536, (2 * BREASTS, *SIZE)).astype(np.uint16)
    rows = np.arange(2 * BREASTS)
    breasts = pd.DataFrame({"patient_id": rows[::2].astype(str), "cc": rows[::2], "mlo": rows[1::2]})
    store = ImageStore(pd.DataFrame({"image_id": rows.astype(str)}), pixels)
    return BreastData(store, breasts, text=text, text_ids=np.array([text.id_of(said) for said in texts]))


def _inside(config: dict[str, Any], texts: list[str], *, trained: bool) -> tuple[BreastData, Method]:
    tokenizer, model = load_encoder("tiny_bert", LENGTH)
    ids, _ = tokenize_texts(texts, tokenizer, LENGTH)
    shapes = Shapes(SIZE, model.config.hidden_size, ids.length, backbone_config(model))
    method = build_method(config, shapes, loss=LOSS)
    method.text_tower.adopt(model, 0.1)
    method.text_tower.requires_grad_(trained)
    return _data(ids, texts), method


def _epoch(work: Path, data: BreastData, method: Method, device: str) -> float:
    config = TrainConfig(epochs=2, batch_size=BATCH, precision="fp32" if device == "cpu" else "bf16")
    return train(method, data, config, seed=0, work_dir=work, device=device).history[1]["seconds"]


if __name__ == "__main__":
    main()
