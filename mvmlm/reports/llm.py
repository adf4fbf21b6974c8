"""Source ``llm``: a language model's prose round the record's facts, as in the paper."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from mvmlm.reports.backends import BACKENDS, Answer, Backend, Request, Sampling
from mvmlm.reports.prompts import Prompt
from mvmlm.reports.source import SOURCES, Draw, Setting, Source

#: Options that change no text: how much is asked at once, where, and with what patience.
RUNTIME = frozenset(
    {"batch_size", "device", "url", "key_variable", "concurrency", "timeout_s", "retries", "budget_tokens"}
)


@dataclass(frozen=True)
class LLMOptions:
    """Settings under ``reports.llm``; the defaults are ours, but for the model that ``--profile paper`` names.

    Attributes
    ----------
    backend : str
        ``transformers`` loads the model here; ``openai`` asks a server (vLLM, Ollama, llama.cpp, …).
    model : str
        ``tiny_llama``, a local folder or a hub id; with ``openai`` what the server calls it.
    prompt : str
        A shipped prompt or the path of a template.
    temperature, top_p, max_tokens
        See `mvmlm.reports.backends.Sampling`.
    precision, batch_size, device
        Of the backend ``transformers``.
    url, key_variable, concurrency, timeout_s, retries, budget_tokens
        Of the backend ``openai``.
    """

    backend: str = "transformers"
    model: str = "tiny_llama"
    prompt: str = "brief"
    temperature: float = 0.7
    top_p: float = 0.9
    max_tokens: int = 256
    precision: str = "auto"
    batch_size: int = 16
    device: str = "auto"
    url: str = ""
    key_variable: str = "OPENAI_API_KEY"
    concurrency: int = 8
    timeout_s: float = 60.0
    retries: int = 5
    budget_tokens: int = 0


@SOURCES.register("llm")
class LLM(Source):
    """Prose of a language model that is given the record between a prefix and a suffix (the paper's way)."""

    Options = LLMOptions
    varies = True
    invents = True

    def __init__(self, options: LLMOptions, setting: Setting | None = None) -> None:
        super().__init__(options, setting)
        self.prompt = Prompt(options.prompt)
        self.sampling = Sampling(options.temperature, options.top_p, options.max_tokens)

    @cached_property
    def backend(self) -> Backend:
        """What answers; a model is loaded with the first question that no cache answers."""
        kind = BACKENDS.get(self.options.backend)
        mine = {f.name for f in fields(kind.Options)} & {f.name for f in fields(LLMOptions)}
        return kind(self.options.model, kind.Options(**{name: getattr(self.options, name) for name in mine}))

    def write(self, draws: Sequence[Draw]) -> list[str]:
        """One answer a draw, as it came; those that were given before are not asked again."""
        from mvmlm.reports.answers import Answers, ask_all

        requests = [self._request(draw) for draw in draws]
        if self.setting.cache is None:
            return [whole(answer) for answer in self.backend.answer(requests, self.sampling)]
        answers = Answers(self.setting.cache, self.identity())
        given = ask_all(
            self.backend, requests, self.sampling, answers, self.options.batch_size, self.setting.progress
        )
        return [whole(answer) for answer in given]

    def identity(self) -> dict[str, Any]:
        """What an answer depends on beside its request."""
        from mvmlm.reports.answers import model_identity

        said = {"backend": self.options.backend, "model": model_identity(self.options.model)}
        return {**said, "precision": self.options.precision, "sampling": vars(self.sampling)}

    def _request(self, draw: Draw) -> Request:
        """Each answer has a seed of its own: one seed for all would give every record the same turn of phrase."""
        system, user = self.prompt.render(draw.case.record)
        said = repr((self.setting.seed, system, user, draw.sample, draw.attempt))
        seed = int.from_bytes(hashlib.sha256(said.encode()).digest()[:4], "big") >> 1
        return Request(system, user, seed)

    def close(self) -> None:
        """Let go of the model."""
        if "backend" in self.__dict__:
            self.backend.close()


def whole(answer: Answer) -> str:
    """The text without a last sentence that was cut at ``max_tokens``; empty where there is no other.

    >>> whole(Answer("There is a mass. No evidence of calc", "length"))
    'There is a mass.'
    """
    if answer.finish == "stop":
        return answer.text
    return answer.text[: max(answer.text.rfind(end) for end in ".!?\n") + 1].rstrip("\n")
