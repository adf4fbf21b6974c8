"""Train the shipped text encoder from nothing, on the project's own report corpus.

    python -m mvmlm.models.train_tiny_bert

Makes a WordPiece vocabulary and a small BERT by masked language modelling, on one CPU core in about ten minutes,
and writes both with a model card to ``mvmlm/models/tiny_bert/``. The same seed on the same machine gives the
same weights.
"""

from __future__ import annotations

import argparse
import math
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mvmlm.models.text_encoder import TINY_BERT
from mvmlm.reports.corpus import random_texts

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
SIGNS = "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~\\"
IGNORED = -100  # the label of a position that the loss leaves out, as `transformers` has it


@dataclass(frozen=True)
class Recipe:
    """Everything that the weights depend on, beside the code. Lengths in tokens."""

    texts: int = 80_000
    held_out: int = 1_000
    vocabulary: int = 2_500  # at most; the corpus has fewer distinct pieces
    hidden: int = 128
    layers: int = 6
    heads: int = 4
    positions: int = 256
    init: float = 0.06  # standard deviation; BERT's 0.02 suits six times the width and starts slowly here
    steps: int = 5_600
    batch: int = 8  # small: many short steps leave the first plateau soonest
    lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.1  # share of the steps
    masked: float = 0.3  # share of the tokens that must be guessed in training
    masked_held_out: float = 0.15  # and in the measurement
    joined: float = 0.15  # share of the sequences that join reports, so that late positions are trained
    seed: int = 0


def make_tokenizer(texts: list[str], recipe: Recipe) -> Any:
    """A lower-casing WordPiece tokenizer whose vocabulary is learnt from ``texts``.

    Every ASCII letter, digit and sign is in it, alone and as a continuation, so that words which the corpus
    lacks fall into pieces rather than into ``[UNK]``.
    """
    from tokenizers.trainers import WordPieceTrainer
    from transformers import BertTokenizer

    # Named beforehand, because the trainer numbers what it meets in an order that changes from run to run.
    first = [*SPECIAL, *ALPHABET, *(f"##{letter}" for letter in ALPHABET), *SIGNS]
    learner = BertTokenizer().backend_tokenizer
    learner.train_from_iterator(
        texts, WordPieceTrainer(vocab_size=recipe.vocabulary, special_tokens=first, show_progress=False)
    )
    return BertTokenizer(vocab=learner.get_vocab(with_added_tokens=False), model_max_length=recipe.positions)


def make_model(tokenizer: Any, recipe: Recipe) -> Any:
    """A BERT with a masked-language-modelling head, its weights drawn from the global generator."""
    from transformers import BertConfig, BertForMaskedLM

    return BertForMaskedLM(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.hidden,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            intermediate_size=4 * recipe.hidden,
            max_position_embeddings=recipe.positions,
            initializer_range=recipe.init,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def sequences(texts: list[str], tokenizer: Any, recipe: Recipe, rng: np.random.Generator) -> list[list[int]]:
    """Token ids of one report a sequence; a share of them hold two to five, up to ``recipe.positions``."""
    made: list[list[int]] = []
    left = iter(texts)
    for text in left:
        more = int(rng.integers(1, 5)) if rng.random() < recipe.joined else 0
        made.append(" ".join([text, *(t for _, t in zip(range(more), left))]))
    return tokenizer(made, truncation=True, max_length=recipe.positions)["input_ids"]


def batches(ids: list[list[int]], size: int, rng: np.random.Generator) -> Iterator[list[list[int]]]:
    """Batches of sequences of similar length, in random order, for ever."""
    by_length = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    groups = [by_length[i : i + size] for i in range(0, len(ids), size)]
    while True:
        for at in rng.permutation(len(groups)):
            yield [ids[i] for i in groups[at]]


def mask_tokens(
    ids: list[list[int]], tokenizer: Any, share: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, attention mask and labels of one batch, each of shape (batch, longest), int64.

    Of the tokens that must be guessed 80 % read ``[MASK]``, 10 % a random token and 10 % themselves (Devlin
    et al. 2019). Special tokens are never among them.
    """
    longest = max(len(row) for row in ids)
    tokens = np.array([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in ids])
    attended = tokens != tokenizer.pad_token_id
    guessed = (rng.random(tokens.shape) < share) & ~np.isin(tokens, tokenizer.all_special_ids)
    labels = np.where(guessed, tokens, IGNORED)
    how = rng.random(tokens.shape)
    anything = rng.integers(len(tokenizer.all_special_ids), len(tokenizer), tokens.shape)
    tokens = np.where(guessed & (how < 0.8), tokenizer.mask_token_id, tokens)
    tokens = np.where(guessed & (how >= 0.9), anything, tokens)
    return torch.from_numpy(tokens), torch.from_numpy(attended.astype(np.int64)), torch.from_numpy(labels)


def fit(model: Any, tokenizer: Any, ids: list[list[int]], recipe: Recipe, rng: np.random.Generator) -> None:
    """AdamW with linear warm-up and linear decay, for ``recipe.steps`` steps."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    warm = max(1, round(recipe.warmup * recipe.steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min((s + 1) / warm, (recipe.steps - s) / max(1, recipe.steps - warm))
    )
    model.train()
    for step, batch in zip(range(recipe.steps), batches(ids, recipe.batch, rng)):
        tokens, attended, labels = mask_tokens(batch, tokenizer, recipe.masked, rng)
        loss = model(tokens, attention_mask=attended, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        schedule.step()
        if step % 100 == 0 or step == recipe.steps - 1:
            print(f"step {step:4d}  loss {loss.item():.3f}", flush=True)


@torch.inference_mode()
def score(
    model: Any, tokenizer: Any, ids: list[list[int]], frequency: np.ndarray, recipe: Recipe
) -> dict[str, float]:
    """Loss (nats) and accuracy on held-out masked tokens, of the model and of the unigram baseline.

    Parameters
    ----------
    frequency : ndarray, shape (vocabulary,)
        Unigram probabilities, counted on the training text.
    """
    rng = np.random.default_rng(recipe.seed + 1)
    model.eval()
    losses, hits, truth = [], [], []
    for start in range(0, len(ids), recipe.batch):
        tokens, attended, labels = mask_tokens(
            ids[start : start + recipe.batch], tokenizer, recipe.masked, rng
        )
        asked = labels != IGNORED
        logits, wanted = model(tokens, attention_mask=attended).logits[asked], labels[asked]
        losses.append(torch.nn.functional.cross_entropy(logits, wanted, reduction="none"))
        hits.append(logits.argmax(-1) == wanted)
        truth.append(wanted)
    wanted = torch.cat(truth).numpy()
    return {
        "guessed": len(wanted),
        "loss": torch.cat(losses).mean().item(),
        "accuracy": torch.cat(hits).float().mean().item(),
        "unigram_loss": float(-np.log(frequency[wanted]).mean()),
        "unigram_accuracy": float((wanted == frequency.argmax()).mean()),
    }


def unigram(ids: list[list[int]], tokenizer: Any) -> np.ndarray:
    """Add-one smoothed token probabilities of ``ids`` without the special tokens, shape (vocabulary,)."""
    counts = np.bincount(np.concatenate([np.asarray(row) for row in ids]), minlength=len(tokenizer))
    counts[tokenizer.all_special_ids] = 0
    return (counts + 1) / (counts + 1).sum()


def save(model: Any, tokenizer: Any, out: Path) -> int:
    """Write encoder and tokenizer without the language-modelling head; returns the number of weights.

    The pooler, which masked language modelling does not train, is set to the identity.
    """
    from transformers import BertModel

    encoder = BertModel(model.config)
    encoder.load_state_dict(model.bert.state_dict(), strict=False)
    with torch.no_grad():
        encoder.pooler.dense.weight.copy_(torch.eye(model.config.hidden_size))
        encoder.pooler.dense.bias.zero_()
    encoder.save_pretrained(out)
    tokenizer.backend_tokenizer.no_truncation()  # else the last call's truncation is saved with it
    tokenizer.save_pretrained(out)
    for file in out.iterdir():
        file.chmod(0o644)  # safetensors writes files that only their owner may read
    return sum(p.numel() for p in encoder.parameters())


def train(recipe: Recipe, out: Path) -> None:
    """Corpus, vocabulary, weights, measurement, files, card."""
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    began = time.perf_counter()
    texts = sorted(set(random_texts(recipe.texts, recipe.seed)))
    rng.shuffle(texts)
    held_out, texts = texts[: recipe.held_out], texts[recipe.held_out :]
    tokenizer = make_tokenizer(texts, recipe)
    model = make_model(tokenizer, recipe)
    ids = sequences(texts, tokenizer, recipe, rng)
    fit(model, tokenizer, ids, recipe, rng)
    unseen = tokenizer(held_out, truncation=True, max_length=recipe.positions)["input_ids"]
    measured = score(model, tokenizer, unseen, unigram(ids, tokenizer), recipe)
    out.mkdir(parents=True, exist_ok=True)
    weights = save(model, tokenizer, out)
    facts = {
        **measured,
        "weights": weights,
        "vocabulary": len(tokenizer),
        "texts": len(texts),
        "tokens": sum(len(row) for row in ids),
        "epochs": recipe.steps * recipe.batch / len(ids),
        "held_out": len(held_out),
        "minutes": (time.perf_counter() - began) / 60,
        "cpu_minutes": time.process_time() / 60,
        "machine": processor(),
    }
    (out / "README.md").write_text(_card(recipe, facts))
    for name, value in facts.items():
        print(f"{name:17s} {value}")


def processor() -> str:
    """What this machine's processor calls itself."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _card(recipe: Recipe, facts: dict[str, Any]) -> str:
    """The model card, with the numbers of this very run."""
    template = (Path(__file__).parent / "tiny_bert_card.md").read_text()
    perplexity = {
        "perplexity": math.exp(facts["loss"]),
        "unigram_perplexity": math.exp(facts["unigram_loss"]),
    }
    return template.format(recipe=recipe, **facts, **perplexity)


def main() -> None:
    """Read the recipe's fields from the command line and train."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument(
        "--out", type=Path, default=TINY_BERT, help="folder for the model (default: the shipped one)"
    )
    for field in fields(Recipe):
        parser.add_argument(
            f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default
        )
    asked = vars(parser.parse_args())
    train(Recipe(**{field.name: asked[field.name] for field in fields(Recipe)}), asked["out"])


if __name__ == "__main__":
    main()
