"""The frozen text encoder: every distinct report encoded once, its token states kept on disk."""

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
    given = list(texts)
    if not given:
        raise DataError("there is no report to encode")
    strange = [text for text in given if not isinstance(text, str)]
    if strange:
        raise DataError(f"{len(strange)} of {len(given)} reports are not texts, as {strange[0]!r}")
    distinct = sorted(set(given))

    tokenizer, model = _load(encoder, max_length)
    ids, n_tokens = _tokenize(tokenizer, distinct, max_length)
    table = pd.DataFrame({"text_id": np.arange(len(distinct)), "text": distinct, "n_tokens": n_tokens})
    table["truncated"] = table["n_tokens"] > max_length

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

    cut = set(table.loc[table["truncated"], "text"])
    summary = {
        "encoder": encoder,
        "texts": len(given),
        "distinct": len(distinct),
        "length": mask.shape[1],
        "width": int(model.config.hidden_size),
        "max_length": max_length,
        "truncated": len(cut),
        "truncated_texts": sum(text in cut for text in given),
        "longest": max(n_tokens),
    }
    (out / "text.json").write_text(json.dumps(summary, indent=1) + "\n")
    if cut:
        log.warning(
            "%d of %d reports are longer than text.max_length=%d tokens (the longest has %d) and were cut",
            summary["truncated_texts"], len(given), max_length, summary["longest"],
        )  # fmt: skip
    return summary


@dataclass(frozen=True)
class TextTokens:
    """What `encode_texts` wrote, opened for reading.

    Attributes
    ----------
    tokens : memmap, shape (n_distinct, length, width), float16
    mask : ndarray, shape (n_distinct, length), bool
        True at real tokens.
    texts : DataFrame
        Columns ``text_id``, ``text``, ``n_tokens`` (uncut) and ``truncated``.
    """

    tokens: np.memmap
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
        """Width of a token's state."""
        return self.tokens.shape[2]

    def id_of(self, text: str) -> int:
        """The row of ``text``; one that was not encoded is a `DataError`."""
        if text not in self._ids:
            raise DataError(f"this text was not encoded: {text[:60]!r}")
        return self._ids[text]


def _load(encoder: str, max_length: int) -> tuple[Any, Any]:
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    source = resolve_encoder(encoder)
    try:
        AutoConfig.from_pretrained(source)  # first: a tokenizer asks an absent hub twice over
        tokenizer = AutoTokenizer.from_pretrained(source)
        model = AutoModel.from_pretrained(source, dtype=torch.float32).eval()
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        hint = did_you_mean(encoder, NAMES)
        raise ConfigError(
            f"text.encoder: {encoder!r} cannot be loaded{hint} ({_one_line(error)}); set HF_HOME to a cache "
            "that holds it, or set text.encoder to a local folder or to tiny_bert, which needs no network"
        ) from error
    takes = min(tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", max_length))
    if max_length > takes:
        raise ConfigError(
            f"text.max_length: {max_length} is more than the {takes} tokens that {encoder!r} takes"
        )
    specials = tokenizer.num_special_tokens_to_add()
    if max_length <= specials:
        raise ConfigError(f"text.max_length: {max_length} leaves no room beside {specials} special tokens")
    return tokenizer, model


def _tokenize(tokenizer: Any, texts: Sequence[str], max_length: int) -> tuple[list[list[int]], list[int]]:
    """Token ids of each text, cut to ``max_length``, and how many it has uncut."""
    whole = tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
    cut = tokenizer(list(texts), truncation=True, max_length=max_length)["input_ids"]
    return cut, [len(ids) for ids in whole]


def _write_states(
    model: Any, ids: list[list[int]], path: Path, *, pad: int, batch_size: int, device: torch.device
) -> np.ndarray:
    """Write the states of all texts to ``path``, row by row, and return the mask, shape (n, length)."""
    lengths = np.array([len(row) for row in ids])
    mask = np.arange(lengths.max()) < lengths[:, None]
    order = np.argsort(-lengths, kind="stable")
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
