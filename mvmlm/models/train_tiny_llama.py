"""Train the shipped language model from nothing, on the project's own corpus of records and reports.

    python -m mvmlm.models.train_tiny_llama

Makes a byte-level vocabulary and a small Llama that is asked with the prompt ``brief`` and answers as the source
``paraphrase`` would, on one CPU core in under half an hour, and writes both with a model card to
``mvmlm/models/tiny_llama/``. The same seed on the same machine gives the same weights.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mvmlm.models.train_tiny_bert import IGNORED, processor
from mvmlm.reports.corpus import Example, distinct_examples, draw_examples
from mvmlm.reports.prompts import Prompt
from mvmlm.reports.record import Record

TINY_LLAMA = Path(__file__).parent / "tiny_llama"
BOS, EOS, PAD = "<|begin|>", "<|end|>", "<|pad|>"
ROLES = ("system", "user", "assistant")

#: Each turn is ``<|role|>content<|end|>``; the answer therefore ends with the end-of-sequence token.
CHAT = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('unknown role ' + message['role'] + '; known: system, user, assistant') }}{% endif %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] | trim + eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


@dataclass(frozen=True)
class Recipe:
    """Everything that the weights depend on, beside the code. Lengths in tokens."""

    vocabulary: int = 1_280  # at most
    vocabulary_texts: int = 6_000  # conversations that the vocabulary is learnt from
    width: int = 256
    layers: int = 4
    heads: int = 8
    kv_heads: int = 4
    inner: int = 704  # of the gated feed-forward
    positions: int = 512
    init: float = 0.04  # standard deviation
    steps: int = 2_000
    batch: int = 16  # conversations; small: many short steps find out soonest how to copy
    pool: int = 64  # batches that are drawn at once and sorted by length, so that little is padding
    lr: float = 3e-3
    weight_decay: float = 0.05
    warmup: float = 0.05  # share of the steps
    held_out: int = 1_000
    sampled: int = 500  # of the held-out records, how many are written about to measure faithfulness
    watch_every: int = 250  # steps between two looks at the held-out records
    watched: int = 64  # how many are looked at
    temperature: float = 0.7
    top_p: float = 0.9
    answer_tokens: int = 256  # of an answer at most
    seed: int = 0


@cache
def _prompt() -> Prompt:
    return Prompt("brief")


def question(record: Record) -> list[dict[str, str]]:
    """The messages that ask for a report of ``record``."""
    system, user = _prompt().render(record)
    return [{"role": role, "content": said} for role, said in (("system", system), ("user", user)) if said]


def make_tokenizer(texts: list[str], recipe: Recipe) -> Any:
    """A byte-level BPE tokenizer with a chat template, its merges learnt from ``texts``.

    All 256 bytes are in it, so nothing is unknown. Digits are split one by one, so that a number in the question
    and in the answer is the same row of tokens. It adds no special token by itself: the chat template writes them.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    learner.decoder = decoders.ByteLevel()
    special = [BOS, EOS, PAD, *(f"<|{role}|>" for role in ROLES)]
    learner.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=recipe.vocabulary,
            special_tokens=special,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=learner,
        **{"bos_token": BOS, "eos_token": EOS, "pad_token": PAD, "additional_special_tokens": special[3:]},
        chat_template=CHAT,
        model_max_length=recipe.positions,
        padding_side="left",  # as generation in batches needs it
        clean_up_tokenization_spaces=False,
    )


def make_model(tokenizer: Any, recipe: Recipe) -> Any:
    """A Llama with tied embeddings, its weights drawn from the global generator."""
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    special = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=recipe.width,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.kv_heads,
            intermediate_size=recipe.inner,
            max_position_embeddings=recipe.positions,
            initializer_range=recipe.init,
            tie_word_embeddings=True,
            **special,
        )
    )
    model.generation_config = GenerationConfig(**_sampling(recipe), **special)
    return model


def encode(examples: Sequence[Example], tokenizer: Any) -> list[tuple[list[int], list[int]]]:
    """Token ids of the question and of the answer with its end, an example."""
    asked = [
        tokenizer.apply_chat_template(question(example.record), tokenize=False, add_generation_prompt=True)
        for example in examples
    ]
    answers = [example.text + tokenizer.eos_token for example in examples]
    return list(zip(tokenizer(asked)["input_ids"], tokenizer(answers)["input_ids"]))


def collate(pairs: Sequence[tuple[list[int], list[int]]], pad: int) -> tuple[Tensor, Tensor]:
    """Inputs and labels of one batch, each of shape (batch, longest), int64, padded on the right.

    The question's labels are `IGNORED`. A causal model needs no mask for what is padded on the right.
    """
    longest = max(len(asked) + len(answer) for asked, answer in pairs)
    tokens = torch.full((len(pairs), longest), pad)
    labels = torch.full((len(pairs), longest), IGNORED)
    for row, (asked, answer) in enumerate(pairs):
        end = len(asked) + len(answer)
        tokens[row, :end] = torch.tensor(asked + answer)
        labels[row, len(asked) : end] = torch.tensor(answer)
    return tokens, labels


def batches(
    examples: Iterator[Example], tokenizer: Any, recipe: Recipe, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of conversations of similar length, in random order, none of them repeated on purpose."""
    while True:
        drawn = [next(examples) for _ in range(recipe.pool * recipe.batch)]
        pairs = sorted(encode(drawn, tokenizer), key=lambda pair: len(pair[0]) + len(pair[1]))
        for group in rng.permutation(recipe.pool):
            yield collate(pairs[group * recipe.batch : (group + 1) * recipe.batch], tokenizer.pad_token_id)


def answer_loss(model: Any, tokens: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy [nats] of each answer token, shape (answer tokens,); the head is not run on any other."""
    asked = labels[:, 1:] != IGNORED
    states = model.model(tokens, use_cache=False).last_hidden_state[:, :-1][asked]
    return torch.nn.functional.cross_entropy(model.lm_head(states).float(), labels[:, 1:][asked], reduction="none")


def optimisers(model: Any, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices between embedding and head, at the scale of an AdamW step, and AdamW for the rest."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    how = {"lr": recipe.lr, "weight_decay": recipe.weight_decay}
    return [
        torch.optim.Muon(matrices, **how, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, **how, betas=(0.9, 0.98)),
    ]


def fit(
    model: Any, stream: Iterator[tuple[Tensor, Tensor]], recipe: Recipe, watch: Callable[[int], None]
) -> dict[str, int]:
    """Linear warm-up and linear decay over ``recipe.steps`` steps, multiplied out in bfloat16.

    Returns
    -------
    dict
        ``tokens`` read, without padding, and ``answer_tokens``, those of them that the loss counts.
    """
    both = optimisers(model, recipe)
    warm = max(1, round(recipe.warmup * recipe.steps))
    read = {"tokens": 0, "answer_tokens": 0}
    for step, (tokens, labels) in zip(range(1, recipe.steps + 1), stream):
        model.train()
        with torch.autocast("cpu", torch.bfloat16):
            loss = answer_loss(model, tokens, labels).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in both:
            rate = min(step / warm, (recipe.steps - step + 1) / max(1, recipe.steps - warm))
            optimiser.param_groups[0]["lr"] = recipe.lr * rate
            optimiser.step()
            optimiser.zero_grad()
        read["tokens"] += int((tokens != model.config.pad_token_id).sum())
        read["answer_tokens"] += int((labels != IGNORED).sum())
        if step % 100 == 0 or step == recipe.steps:
            print(f"step {step:4d}  loss {loss.item():.3f}", flush=True)
        if step % recipe.watch_every == 0 and step < recipe.steps:
            watch(step)
    return read


@torch.inference_mode()
def held_out_loss(
    model: Any, tokenizer: Any, examples: Sequence[Example], frequency: Tensor, batch: int
) -> dict[str, float]:
    """Loss [nats a token] on the answers, of the model and of the unigram baseline.

    Parameters
    ----------
    frequency : Tensor, shape (vocabulary,)
        Unigram probabilities, counted on answers of the training's kind.
    """
    model.eval()
    pairs = encode(examples, tokenizer)
    parts = [collate(pairs[i : i + batch], tokenizer.pad_token_id) for i in range(0, len(pairs), batch)]
    losses = torch.cat([answer_loss(model, tokens, labels) for tokens, labels in parts])
    truth = torch.cat([labels[labels != IGNORED] for _, labels in parts])
    return {
        "guessed": len(truth),
        "loss": losses.mean().item(),
        "unigram_loss": -frequency[truth].log().mean().item(),
    }


@torch.inference_mode()
def answer(
    model: Any, tokenizer: Any, records: Sequence[Record], batch: int = 50, **sampling: Any
) -> tuple[list[str], list[bool]]:
    """One text a record, and whether it ended by itself; ``sampling`` goes to ``generate``."""
    model.eval()
    texts: list[str] = []
    ended: list[bool] = []
    for start in range(0, len(records), batch):
        asked = tokenizer.apply_chat_template(
            [question(record) for record in records[start : start + batch]],
            add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True,
        )  # fmt: skip
        given = model.generate(**asked, **sampling)[:, asked["input_ids"].shape[1] :]
        texts += tokenizer.batch_decode(given, skip_special_tokens=True)
        ended += (given == tokenizer.eos_token_id).any(1).tolist()
    return texts, ended


def faithfulness(records: Sequence[Record], texts: Sequence[str]) -> dict[str, float]:
    """Shares of the texts with something hallucinated, omitted, contradicted; and of those with none of them."""
    from mvmlm.reports.faithfulness import check

    verdicts = [check(record, text) for record, text in zip(records, texts)]
    wrong = {
        kind: np.array([bool(getattr(verdict, kind)) for verdict in verdicts])
        for kind in ("hallucinated", "omitted", "contradicted")
    }
    faithful = ~np.logical_or.reduce(list(wrong.values()))
    return {"faithful": float(faithful.mean()), **{kind: float(where.mean()) for kind, where in wrong.items()}}


def save(model: Any, tokenizer: Any, out: Path) -> None:
    """Write a copy of the weights in bfloat16, the configuration and the tokenizer."""
    deepcopy(model).to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out, save_jinja_files=False)  # the chat template in tokenizer_config.json
    for file in out.iterdir():
        file.chmod(0o644)  # safetensors writes files that only their owner may read


def learn(recipe: Recipe, out: Path) -> dict[str, Any]:
    """Vocabulary and weights, written to ``out`` now and then and at the end; returns what the card says of them."""
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    began, busy = time.perf_counter(), time.process_time()
    unseen = distinct_examples(recipe.held_out, recipe.seed + 1)
    kept = {example.record for example in unseen}
    examples = (example for example in draw_examples(rng) if example.record not in kept)
    tokenizer = make_tokenizer(_conversations(islice(examples, recipe.vocabulary_texts)), recipe)
    model = make_model(tokenizer, recipe)
    out.mkdir(parents=True, exist_ok=True)

    def watch(step: int) -> None:
        save(model, tokenizer, out)
        records = [example.record for example in unseen[: recipe.watched]]
        texts, _ = answer(model, tokenizer, records, **_sampling(recipe))
        print(f"step {step:4d}  faithful {faithfulness(records, texts)['faithful']:.0%}  {texts[0]!r}", flush=True)

    read = fit(model, batches(examples, tokenizer, recipe, rng), recipe, watch)
    save(model, tokenizer, out)
    return {
        **read,
        "weights": sum(p.numel() for p in model.parameters()),
        "vocabulary": len(tokenizer),
        "minutes": (time.perf_counter() - began) / 60,
        "cpu_minutes": (time.process_time() - busy) / 60,
        "machine": processor(),
    }


def measure(recipe: Recipe, out: Path) -> dict[str, Any]:
    """Held-out loss and faithfulness of the model as it lies in ``out``, which is in bfloat16."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(recipe.seed)
    tokenizer = AutoTokenizer.from_pretrained(out)
    model = AutoModelForCausalLM.from_pretrained(out, dtype=torch.float32)
    unseen = distinct_examples(recipe.held_out, recipe.seed + 1)
    records = [example.record for example in unseen[: recipe.sampled]]
    began = time.perf_counter()
    texts, ended = answer(model, tokenizer, records, **_sampling(recipe))
    seconds = time.perf_counter() - began
    likeliest, _ = answer(model, tokenizer, records, do_sample=False)
    return {
        **held_out_loss(model, tokenizer, unseen, _unigram(tokenizer, recipe), recipe.batch),
        "sampled": faithfulness(records, texts),
        "greedy": faithfulness(records, likeliest),
        "ended": sum(ended) / len(ended),
        "distinct": len(set(texts)) / len(texts),
        "reports_per_s": len(texts) / seconds,
    }


def _sampling(recipe: Recipe) -> dict[str, Any]:
    how = {"temperature": recipe.temperature, "top_p": recipe.top_p}
    return {"do_sample": True, "max_new_tokens": recipe.answer_tokens, **how}


def _conversations(examples: Iterator[Example]) -> Iterator[str]:
    for example in examples:
        yield from (message["content"] for message in question(example.record))
        yield example.text


def _unigram(tokenizer: Any, recipe: Recipe) -> Tensor:
    """Add-one smoothed token probabilities of the first answers that training meets, shape (vocabulary,)."""
    drawn = list(islice(draw_examples(np.random.default_rng(recipe.seed)), recipe.held_out))
    counts = np.bincount(np.concatenate([row for _, row in encode(drawn, tokenizer)]), minlength=len(tokenizer))
    return torch.from_numpy((counts + 1) / (counts + 1).sum()).float()


def train(recipe: Recipe, out: Path) -> None:
    """Corpus, vocabulary, weights, files, measurement, card."""
    facts = learn(recipe, out) | measure(recipe, out)
    facts["megabytes"] = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    (out / "README.md").write_text(card(recipe, facts))
    for name, value in facts.items():
        print(f"{name:15s} {value}")


def card(recipe: Recipe, facts: dict[str, Any]) -> str:
    """The model card, with the numbers of this very run."""
    template = (Path(__file__).parent / "tiny_llama_card.md").read_text()
    worked_out = {
        "perplexity": math.exp(facts["loss"]),
        "unigram_perplexity": math.exp(facts["unigram_loss"]),
        "conversations": recipe.steps * recipe.batch,
        "tokens_per_s": facts["tokens"] / facts["minutes"] / 60,
    }
    return template.format(recipe=recipe, **facts, **worked_out)


def main() -> None:
    """Read the recipe's fields from the command line and train."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, default=TINY_LLAMA, help="folder for the model (default: the shipped one)")
    for field in fields(Recipe):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    asked = vars(parser.parse_args())
    train(Recipe(**{field.name: asked[field.name] for field in fields(Recipe)}), asked["out"])


if __name__ == "__main__":
    main()
