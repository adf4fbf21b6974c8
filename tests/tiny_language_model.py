"""A random Llama with a byte-level BPE and a chat template, in a folder: everything of a real one but sense."""

from __future__ import annotations

from pathlib import Path

TEXTS = (
    "There is an oval mass with a circumscribed margin in the left breast.",
    "No suspicious calcification. The breast is heterogeneously dense.",
    "BI-RADS: 2, density: B, laterality: right",
)
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|turn|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIALS = ("<|end|>", "<|turn|>", "<|system|>", "<|user|>", "<|assistant|>")
CONTEXT = 160  # tokens


def save_tiny_model(folder: Path, *, template: str | None = TEMPLATE, sharpness: float = 25.0) -> Path:
    """Write the model; ``sharpness`` sets how far its next-token distributions are from uniform."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(
            vocab_size=320, special_tokens=list(SPECIALS), initial_alphabet=alphabet, show_progress=False
        ),
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|end|>", pad_token="<|end|>")
    tokenizer.chat_template = template
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        bos_token_id=None,
        eos_token_id=[0, 1],
        pad_token_id=0,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = LlamaForCausalLM(config)
        model.lm_head.weight.data *= sharpness
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
