"""A causal language model from a folder or the hub, and what to say where it cannot be loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvmlm.errors import ConfigError
from mvmlm.registry import did_you_mean

#: The language model that ships with the package; its README.md is its model card.
NAMES = {"tiny_llama": Path(__file__).parents[2] / "models" / "tiny_llama"}
LISTED = 8  # cached models that a message names


@dataclass(frozen=True)
class LoadedModel:
    """A model that can answer.

    Attributes
    ----------
    ends : tuple of int
        Every token that ends an answer: Llama 3, for one, has two.
    pad : int
        Stands before the shorter prompts of a batch, and is not attended to.
    context : int or None
        Tokens of prompt and answer together at most; None where the model does not say.
    """

    tokenizer: Any
    model: Any
    ends: tuple[int, ...]
    pad: int
    context: int | None


def resolve_model(model: str) -> str:
    """What `from_pretrained` is to be called with: a shipped model's folder, or ``model`` as it is.

    Raises
    ------
    ConfigError
        If ``model`` is written as a path and no such folder exists.
    """
    path = NAMES[model] if model in NAMES else Path(model).expanduser()
    if path.is_dir():
        return str(path.absolute())
    if model in NAMES or model.startswith(("/", ".", "~")):
        raise ConfigError(f"reports.llm.model: there is no folder {str(path)!r}")
    return model


def load_model(name: str, *, device: str = "auto", precision: str = "auto") -> LoadedModel:
    """Tokenizer and model, in eval mode on their device.

    Of the model's own generation settings only the ends are used: a repetition penalty would count the padding, and
    an answer depend on its batch.

    Parameters
    ----------
    name : str
        A shipped model, a local folder or a hub id.
    device : str
        A torch device; ``auto``: the first GPU where there is one.
    precision : {"auto", "fp32", "bf16"}
        ``auto``: bf16 on a GPU, fp32 on a CPU.

    Raises
    ------
    ConfigError
        If the model cannot be loaded, has no chat template, or does not fit the device.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    low = precision == "bf16" or (precision == "auto" and not device.startswith("cpu"))
    source = resolve_model(name)
    told = {"trust_remote_code": False}  # else transformers asks at the terminal
    try:
        AutoConfig.from_pretrained(source, **told)  # first: a tokenizer asks an absent hub twice over
        tokenizer = AutoTokenizer.from_pretrained(source, **told)
        if not tokenizer.chat_template:
            raise ConfigError(
                f"reports.llm.model: {name!r} has no chat template, so that it cannot be asked anything; choose an "
                "instruction-tuned model"
            )
        dtype = torch.bfloat16 if low else torch.float32
        model = AutoModelForCausalLM.from_pretrained(source, dtype=dtype, **told)
    except ConfigError:
        raise
    except Exception as error:  # the libraries beneath raise their own kinds, from OSError to a bare Exception
        raise ConfigError(_why(name, source, error)) from error
    try:
        model = model.to(device).eval()
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch without CUDA
        raise ConfigError(
            f"reports.llm.device: {name!r} cannot be put on {device!r} ({_one_line(error)}); choose another device or "
            "a smaller model"
        ) from error
    ends = _ends(tokenizer, model)
    pad = tokenizer.pad_token_id
    if pad is None:
        pad = ends[0] if ends else 0
    model.generation_config = GenerationConfig(do_sample=False, eos_token_id=list(ends) or None, pad_token_id=pad)
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return LoadedModel(tokenizer, model, ends, pad, context)


def _ends(tokenizer: Any, model: Any) -> tuple[int, ...]:
    given = model.generation_config.eos_token_id
    found = {*(given if isinstance(given, list) else [given]), tokenizer.eos_token_id}
    return tuple(sorted(end for end in found if end is not None))


def _why(name: str, source: str, error: Exception) -> str:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    why = _one_line(error)
    if Path(source).is_dir():
        if not (Path(source) / "config.json").is_file():
            why = "it has no config.json"
        return (
            f"reports.llm.model: the folder {name!r} holds no language model that can be loaded ({why}); it needs a "
            "config, weights and a tokenizer, as `save_pretrained` writes them"
        )
    chain = list(_chain(error))
    if any(isinstance(one, GatedRepoError) for one in chain) or "gated repo" in str(error).lower():
        return (
            f"reports.llm.model: {name!r} is gated: accept its licence on https://huggingface.co/{name} and set "
            "HF_TOKEN to a token of that account"
        )
    if any(isinstance(one, RepositoryNotFoundError) for one in chain):
        why = "the hub has no such model, or it is private and HF_TOKEN is not set to a token that may read it"
    return (
        f"reports.llm.model: {name!r}{did_you_mean(name, NAMES)} cannot be loaded ({why}); {_cached()}; get it with "
        f"`hf download {name}` where there is a network, set HF_HOME to a cache that has it, or set reports.llm.model "
        "to a local folder or to tiny_llama, which needs no network"
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _cached() -> str:
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        names = sorted(repo.repo_id for repo in scan_cache_dir().repos if repo.repo_type == "model")
    except CacheNotFound:
        names = []
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"HF_HOME={constants.HF_HOME} has {', '.join(names[:LISTED]) or 'no model'}{more}"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
