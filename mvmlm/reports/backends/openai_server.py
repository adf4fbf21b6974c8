"""Backend ``openai``: any server that speaks OpenAI's chat completions, as vLLM, Ollama and llama.cpp do."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mvmlm.errors import ConfigError
from mvmlm.reports.backends import BACKENDS, Answer, Backend, Request, Sampling, UnfinishedError

if TYPE_CHECKING:
    import openai

LONGEST_PAUSE_S = 8.0  # between two askings after nonsense; the openai package has the same between others
LISTED = 8  # models of the server that a message names
BYTES_A_TOKEN = 4  # of English, roughly: what is counted against the budget where a server does not say


@dataclass(frozen=True)
class OpenAIOptions:
    """Settings of the backend.

    Attributes
    ----------
    url : str
        Of the server's API, such as ``http://localhost:8000/v1``.
    key_variable : str
        Name of the environment variable that holds the key; most local servers want none.
    concurrency : int
        Requests under way at a time.
    timeout_s : float
        Longest silence of the server [s].
    retries : int
        Further askings after 408, 409, 429, 5xx, a broken connection, a time-out or nonsense.
    budget_tokens : int
        Tokens read and written, of this backend object, after which nothing more is asked; 0: no limit.
    """

    url: str = ""
    key_variable: str = "OPENAI_API_KEY"
    concurrency: int = 8
    timeout_s: float = 60.0
    retries: int = 5
    budget_tokens: int = 0

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ConfigError(
                f"reports.llm.url: {self.url!r} is no address of a server; set it to that of its API, such as "
                "http://localhost:8000/v1"
            )
        for name, least in (("concurrency", 1), ("retries", 0), ("budget_tokens", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"reports.llm.{name}: {getattr(self, name)} is too few: {least} or more")
        if self.timeout_s <= 0:
            raise ConfigError(f"reports.llm.timeout_s: {self.timeout_s} s are too few: more than 0")


@BACKENDS.register("openai")
class OpenAIServer(Backend):
    """A model behind a server; several requests are under way at a time."""

    Options = OpenAIOptions

    def __init__(self, model: str, options: OpenAIOptions) -> None:
        super().__init__(model, options)
        self.spent = 0
        self._counting = threading.Lock()

    @cached_property
    def client(self) -> openai.OpenAI:
        """The connection; it asks again by itself, after the pause that ``Retry-After`` names or a growing one."""
        from openai import OpenAI

        options = self.options
        key = os.environ.get(options.key_variable) or "none"
        return OpenAI(base_url=options.url, api_key=key, timeout=options.timeout_s, max_retries=options.retries)

    def answer(
        self, requests: Sequence[Request], sampling: Sampling, on_answer: Callable[[int], None] | None = None
    ) -> list[Answer]:
        """One answer a request; after one that fails for good no more are asked, and those under way are waited for."""
        answers: list[Answer | None] = [None] * len(requests)
        failed: ConfigError | None = None
        client = self.client  # made here: threads would each make one
        pool = ThreadPoolExecutor(self.options.concurrency)
        try:
            asked = {pool.submit(self._ask, client, request, sampling): at for at, request in enumerate(requests)}
            for future in as_completed(asked):
                try:
                    answers[asked[future]] = future.result()
                except ConfigError as error:
                    failed = failed or error
                    pool.shutdown(wait=False, cancel_futures=True)
                except CancelledError:
                    continue
                if on_answer:
                    on_answer(sum(answer is not None for answer in answers))
        finally:
            pool.shutdown(cancel_futures=True)
        if failed:
            raise UnfinishedError(str(failed), answers) from failed
        return answers

    def close(self) -> None:
        """Close the connections."""
        if "client" in self.__dict__:
            self.__dict__.pop("client").close()

    def _ask(self, client: openai.OpenAI, request: Request, sampling: Sampling) -> Answer:
        budget = self.options.budget_tokens
        for attempt in range(self.options.retries + 1):
            if attempt:
                time.sleep(min(0.5 * 2 ** (attempt - 1), LONGEST_PAUSE_S))
            if budget and self.spent >= budget:
                raise ConfigError(
                    f"reports.llm.budget_tokens: {self.spent:,} tokens are read and written, the budget is {budget:,}; "
                    "what was answered is kept; raise the budget and run again to go on"
                )
            body = self._send(client, request, sampling)
            try:
                answer = _read(body)
            except (ValueError, LookupError, TypeError, AttributeError):
                continue
            self._count(request, answer)
            return answer
        raise ConfigError(
            f"reports.llm.url: {self.options.url} answers with what is no chat completion ({_start(body)}), "
            f"{self.options.retries + 1} times; is it an OpenAI-compatible API (its address often ends in /v1)?"
        )

    def _send(self, client: openai.OpenAI, request: Request, sampling: Sampling) -> str:
        """Body of the server's reply."""
        import openai

        system = [{"role": "system", "content": request.system}] if request.system else []
        try:
            reply = client.chat.completions.with_raw_response.create(
                model=self.model,
                messages=[*system, {"role": "user", "content": request.user}],
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                max_tokens=sampling.max_tokens,
                seed=request.seed,
            )
        except openai.OpenAIError as error:
            raise ConfigError(self._why(client, error)) from error
        return reply.http_response.text

    def _count(self, request: Request, answer: Answer) -> None:
        said = request.system + request.user
        read = answer.prompt_tokens or len(said.encode(errors="replace")) // BYTES_A_TOKEN
        written = answer.tokens or len(answer.text.encode(errors="replace")) // BYTES_A_TOKEN
        with self._counting:
            self.spent += read + written

    def _why(self, client: openai.OpenAI, error: openai.OpenAIError) -> str:
        import openai

        options, times = self.options, f"asked {self.options.retries + 1} times"
        why = _start(str(error))
        if isinstance(error, openai.APITimeoutError):
            return (
                f"reports.llm.url: {options.url} says nothing for {options.timeout_s:g} s, {times}; look at the "
                "server's log, or raise reports.llm.timeout_s"
            )
        if isinstance(error, openai.APIConnectionError):
            why = _start(str(error.__cause__ or error))
            return (
                f"reports.llm.url: no server answers at {options.url} ({why}), {times}; start one, or set the address "
                "of one that runs"
            )
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            state = "is set" if os.environ.get(options.key_variable) else "is not set"
            return (
                f"reports.llm.key_variable: {options.url} refuses the key ({why}); the environment variable "
                f"{options.key_variable} {state}: put a valid key there, or name another variable"
            )
        if isinstance(error, openai.NotFoundError):
            return f"reports.llm.model: {options.url} has no model {self.model!r} ({why}); {self._offered(client)}"
        if isinstance(error, openai.APIStatusError) and error.status_code in (400, 413, 422):
            return f"reports.llm: {options.url} refuses the request for {self.model!r} ({why})"
        return f"reports.llm.url: {options.url} fails ({why}), {times}; look at the server's log, and run again"

    def _offered(self, client: openai.OpenAI) -> str:
        import openai

        try:
            reply = client.with_options(max_retries=0).models.with_raw_response.list().http_response.text
            names = [model["id"] for model in json.loads(reply)["data"]]
        except (openai.OpenAIError, ValueError, LookupError, TypeError):
            return "nor does it list its models: is the address whole (it often ends in /v1)?"
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        return f"it offers {', '.join(names[:LISTED]) or 'none'}{more}"


def _read(body: str) -> Answer:
    """The answer in a reply's body; without a text in it, one of the errors of looking it up."""
    said: dict[str, Any] = json.loads(body)
    choice = said["choices"][0]
    text, finish = choice["message"]["content"], choice.get("finish_reason")
    if text is None and finish == "length":  # a thinking model that did not come to speak
        text = ""
    if not isinstance(text, str):
        raise TypeError("content is no text")
    usage = said.get("usage") or {}
    prompt_tokens, tokens = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    return Answer(text, "length" if finish == "length" else "stop", int(prompt_tokens), int(tokens))


def _start(text: str) -> str:
    """On one line."""
    said = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return said[:160] or "nothing at all"
