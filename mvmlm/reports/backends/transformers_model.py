"""Backend ``transformers``: a causal language model loaded here, answering in batches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mvmlm.errors import ConfigError
from mvmlm.reports.backends import BACKENDS, Answer, Backend, Request, Sampling, UnfinishedError
from mvmlm.reports.backends.model_loading import LoadedModel, load_model

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

PRECISIONS = ("auto", "fp32", "bf16")
SHORT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")


@dataclass(frozen=True)
class TransformersOptions:
    """Settings of the backend.

    Attributes
    ----------
    batch_size : int
        Answers at a time; halved where memory is short.
    precision, device : str
        See `mvmlm.reports.backends.model_loading.load_model`.
    """

    batch_size: int = 16
    precision: str = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(f"reports.llm.batch_size: {self.batch_size} answers at a time are too few: 1 or more")
        if self.precision not in PRECISIONS:
            raise ConfigError(f"reports.llm.precision: {self.precision!r} is none of {', '.join(PRECISIONS)}")


@BACKENDS.register("transformers")
class TransformersModel(Backend):
    """Any causal language model with a chat template, from a folder or the hub."""

    Options = TransformersOptions

    def __init__(self, model: str, options: TransformersOptions) -> None:
        super().__init__(model, options)
        self._size = options.batch_size

    @cached_property
    def loaded(self) -> LoadedModel:
        """The model, loaded with the first question."""
        return load_model(self.model, device=self.options.device, precision=self.options.precision)

    def answer(
        self, requests: Sequence[Request], sampling: Sampling, on_answer: Callable[[int], None] | None = None
    ) -> list[Answer]:
        """One answer a request. Each has random numbers of its own: what else is asked changes no word of it."""
        prompts = [self._prompt(request) for request in requests]
        rooms = [self._room(len(prompt), sampling) for prompt in prompts]
        order = sorted(range(len(requests)), key=lambda place: len(prompts[place]))
        answers: list[Answer | None] = [None] * len(requests)
        done = 0
        while done < len(order):
            room = rooms[order[done]]
            places = [place for place in order[done : done + self._size] if rooms[place] == room]
            seeds = [requests[place].seed for place in places]
            found = self._fitting([prompts[place] for place in places], seeds, sampling, room)
            if found is None:
                self._halve(len(places), len(prompts[places[0]]), answers)
                continue
            for place, answer in zip(places, found):
                answers[place] = answer
            done += len(places)
            if on_answer:
                on_answer(done)
        return answers

    def close(self) -> None:
        """Let go of the model's memory."""
        self.__dict__.pop("loaded", None)
        _free()

    def _prompt(self, request: Request) -> list[int]:
        """Token ids of the chat; the system message goes before the user's where the template has no place for it."""
        from jinja2 import TemplateError

        tokenizer, why = self.loaded.tokenizer, ""
        chats = [[{"role": "user", "content": request.user}]]
        if request.system:
            chats = [
                [{"role": "system", "content": request.system}, *chats[0]],
                [{"role": "user", "content": f"{request.system}\n\n{request.user}"}],
            ]
        for chat in chats:
            try:
                said = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
            except TemplateError as error:
                why = " ".join(str(error).split())[:120]
                continue
            if all(message["content"].strip() in said for message in chat):
                return tokenizer(said, add_special_tokens=False)["input_ids"]
            why = "it leaves a message out"
        raise ConfigError(f"reports.llm.model: the chat template of {self.model!r} refuses the prompt ({why})")

    def _room(self, prompt: int, sampling: Sampling) -> int:
        """Tokens that the answer to a prompt of so many may have."""
        context = self.loaded.context
        if context is None:
            return sampling.max_tokens
        if prompt >= context:
            raise ConfigError(
                f"reports.llm.prompt: a prompt of {prompt} tokens leaves {self.model!r}, which takes {context}, no "
                "room to answer; choose a shorter prompt, fewer fields or a model with a longer context"
            )
        return min(sampling.max_tokens, context - prompt)

    def _fitting(
        self, prompts: list[list[int]], seeds: list[int], sampling: Sampling, room: int
    ) -> list[Answer] | None:
        """The answers, or None where memory is too short for so many."""
        try:
            return self._generate(prompts, seeds, sampling, room)
        except RuntimeError as error:  # torch.OutOfMemoryError is one
            if not any(words in str(error).lower() for words in SHORT_OF_MEMORY):
                raise
            return None

    def _halve(self, size: int, prompt: int, answers: list[Answer | None]) -> None:
        if size == 1:
            raise UnfinishedError(
                f"reports.llm.model: {self.model!r} runs out of memory with a single prompt of {prompt} tokens; choose "
                "a smaller model, reports.llm.precision=bf16 or fewer reports.llm.max_tokens",
                answers,
            )
        self._size = size // 2
        log.warning("%s: memory is too short for %d answers at a time; %d from here on", self.model, size, self._size)
        _free()

    def _generate(self, prompts: list[list[int]], seeds: list[int], sampling: Sampling, room: int) -> list[Answer]:
        import torch
        from transformers import LogitsProcessorList

        loaded, longest = self.loaded, max(map(len, prompts))
        device = loaded.model.device
        ids = torch.tensor([[loaded.pad] * (longest - len(p)) + p for p in prompts], device=device)
        real = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=device)
        with torch.inference_mode():
            out = loaded.model.generate(
                input_ids=ids,
                attention_mask=real,
                max_new_tokens=room,
                logits_processor=LogitsProcessorList([Drawn(seeds, sampling, device)]),
            )
        return [_answer(loaded, row, len(p)) for row, p in zip(out[:, longest:].tolist(), prompts)]


class Drawn:
    """A logits processor after which the likeliest token of a row is a draw from its distribution.

    Gumbel noise on log-probabilities makes their largest a draw from their softmax (the Gumbel-max trick; Maddison,
    Tarlow and Minka, «A* sampling», 2014). Each row has a generator of its own, so that its draws do not depend on the
    rows beside it, as those of `torch.multinomial` would.

    Parameters
    ----------
    seeds : sequence of int
        One a row.
    sampling : Sampling
    device : torch.device
        Of the logits. The same seed draws other numbers on another kind of device.
    """

    def __init__(self, seeds: Sequence[int], sampling: Sampling, device: torch.device) -> None:
        import torch

        self.sampling = sampling
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores ``(rows, vocabulary)`` to draw from, as ``generate`` calls it."""
        import torch

        if self.sampling.temperature == 0:
            return scores
        scores = scores.float() / self.sampling.temperature
        if self.sampling.top_p < 1:
            scores = nucleus(scores, self.sampling.top_p)
        exponential = torch.empty_like(scores)
        for row, generator in zip(exponential, self.generators):
            row.exponential_(generator=generator)
        return scores - exponential.clamp_(min=torch.finfo(scores.dtype).tiny).log_()


def nucleus(scores: torch.Tensor, top_p: float) -> torch.Tensor:
    """Only the likeliest tokens of a row that together hold ``top_p`` of its probability (Holtzman et al., 2020).

    Parameters
    ----------
    scores : Tensor, shape (rows, vocabulary)
        Logits; those left out become ``-inf``.
    """
    import torch

    ordered, places = scores.sort(dim=-1, descending=True)
    shares = ordered.softmax(dim=-1)
    ordered = ordered.masked_fill(shares.cumsum(dim=-1) - shares >= top_p, -torch.inf)
    return torch.empty_like(scores).scatter_(-1, places, ordered)


def _answer(loaded: LoadedModel, tokens: list[int], prompt_tokens: int) -> Answer:
    stop = next((place for place, token in enumerate(tokens) if token in loaded.ends), None)
    said = tokens[:stop]
    text = loaded.tokenizer.decode(said, skip_special_tokens=True)
    return Answer(text, "length" if stop is None else "stop", prompt_tokens, len(said))


def _free() -> None:
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
