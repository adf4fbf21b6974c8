"""The text encoder: every distinct report encoded once, its token states kept on disk; or only its token ids."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from mvmlm.errors import ConfigError, DataError
from mvmlm.registry import did_you_mean

log = logging.getLogger(__name__)

#: The text encoder that ships with the package; its README.md is its model card.
TINY_BERT = Path(__file__).parent / "tiny_bert"
NAMES = {"tiny_bert": TINY_BERT}


def resolve_encoder(encoder: str) -> str:
    """What `from_pretrained` is to be called with: a shipped model's folder, or ``encoder`` as it is.

    Raises
    ------
    ConfigError
        If ``encoder`` is written as a path (starts with ``/``, ``.`` or ``~``) and no such folder exists.
    """
    if encoder in NAMES:
        return str(NAMES[encoder])
    path = Path(encoder).expanduser()
    if path.is_dir():
        return str(path)
    if encoder.startswith(("/", ".", "~")):
        raise ConfigError(f"text.encoder: there is no folder {encoder!r}")
    return encoder


def encode_texts(
    texts: Iterable[str],
    encoder: str,
    max_length: int,
    out_dir: str | Path,
    *,
    batch_size: int = 32,
    device: str = "cpu",
) -> dict[str, Any]:
    """Write the last hidden states of every distinct text to ``out_dir``.

    The files are ``tokens.raw`` (float16, shape ``(n_distinct, length, width)``, zeros behind a text's end),
    ``mask.npy`` (bool, ``(n_distinct, length)``), ``texts.parquet`` (``text_id``, ``text``, ``n_tokens``,
    ``truncated``) and ``text.json``. ``length`` is that of the longest text, at most ``max_length``, special
    tokens included. A text's id is its place among the sorted distinct texts.

    Parameters
    ----------
    texts : iterable of str
        Repeats are encoded once.
    encoder : str
        ``"tiny_bert"``, a local folder or a hub id; anything that `transformers.AutoModel` takes and that
        maps token ids to hidden states.
    max_length : int
        Tokens that a text may have. What is cut off is counted and logged as a warning.
    out_dir : path
        Made if need be.
    batch_size : int
        Texts encoded at a time, longest texts together.
    device : str
        A torch device, or ``"auto"``: the first GPU where there is one.

    Returns
    -------
    dict
        ``encoder``, ``texts``, ``distinct``, ``length``, ``width``, ``max_length``, ``truncated`` (distinct
        texts cut), ``truncated_texts`` (repeats counted), ``longest`` (tokens of the longest text, uncut).

    Raises
    ------
    ConfigError
        If the encoder cannot be loaded, or takes no text of ``max_length`` tokens.
    DataError
        If there are no texts, one is not a string, or a state does not fit float16.
    """
    given = _checked(texts)
    tokenizer, model = load_encoder(encoder, max_length)
    ids, table = _tokenize(tokenizer, given, max_length)

    out = Path(out_dir)
    out.mkdir(parents=True, exist_ok=True)
    mask = _write_states(
        model,
        ids,
        out / "tokens.raw",
        pad=tokenizer.pad_token_id or 0,
        batch_size=batch_size,
        device=_device(device),
    )
    np.save(out / "mask.npy", mask)
    table.to_parquet(out / "texts.parquet", index=False)

    summary = {
        "encoder": encoder,
        "texts": len(given),
        "distinct": len(table),
        "length": mask.shape[1],
        "width": int(model.config.hidden_size),
        **_truncation(table, given, max_length),
    }
    (out / "text.json").write_text(json.dumps(summary, indent=1) + "\n")
    return summary


def tokenize_texts(texts: Iterable[str], tokenizer: Any, max_length: int) -> tuple[TextTokens, dict[str, int]]:
    """Token ids of every distinct text, for an encoder that runs in every step.

    Parameters
    ----------
    texts : iterable of str
        Repeats are tokenised once.
    tokenizer : transformers tokenizer
        From `load_encoder`.
    max_length : int
        As for `encode_texts`.

    Returns
    -------
    TextTokens
        With ids, and the same text numbers and length as `encode_texts` gives.
    dict
        ``texts``, ``distinct``, ``max_length``, ``truncated``, ``truncated_texts``, ``longest``, as `encode_texts`.

    Raises
    ------
    DataError
        If there are no texts, or one is not a string.
    """
    given = _checked(texts)
    ids, table = _tokenize(tokenizer, given, max_length)
    mask = _mask(ids)
    tokens = np.full(mask.shape, tokenizer.pad_token_id or 0, np.int64)
    tokens[mask] = np.concatenate([np.asarray(row, np.int64) for row in ids])
    numbers = dict(zip(table["text"], table["text_id"].astype(int)))
    summary = {"texts": len(given), "distinct": len(table), **_truncation(table, given, max_length)}
    return TextTokens(tokens, mask, table, numbers), summary


@dataclass(frozen=True)
class TextTokens:
    """What `encode_texts` wrote, opened for reading; or what `tokenize_texts` made.

    Attributes
    ----------
    tokens : memmap, shape (n_distinct, length, width), float16
        States; or ids, an array of shape (n_distinct, length), int64.
    mask : ndarray, shape (n_distinct, length), bool
        True at real tokens.
    texts : DataFrame
        Columns ``text_id``, ``text``, ``n_tokens`` (uncut) and ``truncated``.
    """

    tokens: np.memmap | np.ndarray
    mask: np.ndarray
    texts: pd.DataFrame
    _ids: dict[str, int]

    @classmethod
    def open(cls, folder: str | Path) -> TextTokens:
        """The token states of ``folder``; a missing or cut file is a `DataError`."""
        folder = Path(folder)
        try:
            said = json.loads((folder / "text.json").read_text())
            shape = (said["distinct"], said["length"], said["width"])
            tokens = np.memmap(folder / "tokens.raw", dtype=np.float16, mode="r", shape=shape)
            mask = np.load(folder / "mask.npy")
            texts = pd.read_parquet(folder / "texts.parquet")
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"the encoded texts in {folder} cannot be read: {_one_line(error)}") from error
        return cls(tokens, mask, texts, dict(zip(texts["text"], texts["text_id"].astype(int))))

    def __len__(self) -> int:
        return self.tokens.shape[0]

    @property
    def length(self) -> int:
        """Tokens of the longest text."""
        return self.tokens.shape[1]

    @property
    def width(self) -> int:
        """Width of a token's state, where there are states."""
        return self.tokens.shape[2]

    def id_of(self, text: str) -> int:
        """The row of ``text``; one that was not encoded is a `DataError`."""
        if text not in self._ids:
            raise DataError(f"this text was not encoded: {text[:60]!r}")
        return self._ids[text]


def load_encoder(encoder: str, max_length: int) -> tuple[Any, Any]:
    """Tokenizer and model, the model in float32 and eval mode; raises as `encode_texts` does."""
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    source = resolve_encoder(encoder)
    try:
        AutoConfig.from_pretrained(source)  # first: a tokenizer asks an absent hub twice over
        tokenizer = AutoTokenizer.from_pretrained(source)
        model = AutoModel.from_pretrained(source, dtype=torch.float32).eval()
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        raise _not_loaded(encoder, error) from error
    takes = min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", max_length))
    if max_length > takes:
        raise ConfigError(f"text.max_length: {max_length} is more than the {takes} tokens that {encoder!r} takes")
    specials = tokenizer.num_special_tokens_to_add()
    if max_length <= specials:
        raise ConfigError(f"text.max_length: {max_length} leaves no room beside {specials} special tokens")
    return tokenizer, model


def count_tokens(texts: Iterable[str], encoder: str) -> list[int]:
    """How many tokens each text has for an encoder, special tokens counted, nothing cut.

    Raises
    ------
    ConfigError
        If its tokenizer cannot be loaded.
    """
    from transformers import AutoConfig, AutoTokenizer

    source = resolve_encoder(encoder)
    try:
        AutoConfig.from_pretrained(source)
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError, ImportError) as error:
        raise _not_loaded(encoder, error) from error
    return [len(ids) for ids in tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]]


def _not_loaded(encoder: str, error: Exception) -> ConfigError:
    hint = did_you_mean(encoder, NAMES)
    return ConfigError(
        f"text.encoder: {encoder!r} cannot be loaded{hint} ({_one_line(error)}); set HF_HOME to a cache "
        "that holds it, or set text.encoder to a local folder or to tiny_bert, which needs no network"
    )


def _checked(texts: Iterable[str]) -> list[str]:
    given = list(texts)
    if not given:
        raise DataError("there is no report to encode")
    strange = [text for text in given if not isinstance(text, str)]
    if strange:
        raise DataError(f"{len(strange)} of {len(given)} reports are not texts, as {strange[0]!r}")
    return given


def _tokenize(tokenizer: Any, texts: Sequence[str], max_length: int) -> tuple[list[list[int]], pd.DataFrame]:
    """Token ids of each distinct text, cut to ``max_length``, and the table of `TextTokens.texts`."""
    distinct = sorted(set(texts))
    whole = tokenizer(distinct, truncation=False, verbose=False)["input_ids"]
    cut = tokenizer(distinct, truncation=True, max_length=max_length)["input_ids"]
    table = pd.DataFrame({"text_id": np.arange(len(distinct)), "text": distinct, "n_tokens": [*map(len, whole)]})
    table["truncated"] = table["n_tokens"] > max_length
    return cut, table


def _truncation(table: pd.DataFrame, texts: Sequence[str], max_length: int) -> dict[str, int]:
    """How many texts were cut, which is also logged."""
    cut = set(table.loc[table["truncated"], "text"])
    found = {
        "max_length": max_length,
        "truncated": len(cut),
        "truncated_texts": sum(text in cut for text in texts),
        "longest": int(table["n_tokens"].max()),
    }
    if cut:
        log.warning(
            "%d of %d reports are longer than text.max_length=%d tokens (the longest has %d) and were cut",
            found["truncated_texts"], len(texts), max_length, found["longest"],
        )  # fmt: skip
    return found


def _mask(ids: list[list[int]]) -> np.ndarray:
    """True at real tokens, shape (n, longest)."""
    lengths = np.array([len(row) for row in ids])
    return np.arange(lengths.max()) < lengths[:, None]


def _write_states(
    model: Any, ids: list[list[int]], path: Path, *, pad: int, batch_size: int, device: torch.device
) -> np.ndarray:
    """Write the states of all texts to ``path``, row by row, and return the mask, shape (n, length)."""
    mask = _mask(ids)
    order = np.argsort(-mask.sum(axis=1), kind="stable")
    model = model.to(device)
    with path.open("wb") as file:
        for start in range(0, len(ids), batch_size):
            rows = order[start : start + batch_size]
            states = _states(model, [ids[row] for row in rows], pad, device)
            whole = np.zeros((len(rows), mask.shape[1], states.shape[2]), dtype=np.float16)
            whole[:, : states.shape[1]] = states
            for row, of_text in zip(rows, whole):
                file.seek(int(row) * of_text.nbytes)
                file.write(of_text.tobytes())
    return mask


@torch.inference_mode()
def _states(model: Any, ids: list[list[int]], pad: int, device: torch.device) -> np.ndarray:
    """Last hidden states of one batch, zero behind each text's end, shape (batch, longest, width)."""
    longest = max(len(row) for row in ids)
    padded = torch.tensor([row + [pad] * (longest - len(row)) for row in ids], device=device)
    real = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids], device=device)
    hidden = model(padded, attention_mask=real).last_hidden_state * real[..., None]
    states = hidden.cpu().numpy().astype(np.float16)
    if not np.isfinite(states).all():
        raise DataError("the text encoder's states do not fit float16 (overflow, or not a number)")
    return states


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split("\n", 1)[0].split()) or type(error).__name__
