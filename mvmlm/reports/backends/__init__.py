"""What answers prompts: a model loaded here, or a server; both behind one small protocol."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from mvmlm.errors import ConfigError
from mvmlm.registry import Registry


@dataclass(frozen=True)
class Request:
    """One question.

    Attributes
    ----------
    system, user : str
        The two messages; an empty system message is left out.
    seed : int
        Of this answer alone.
    """

    system: str
    user: str
    seed: int


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn.

    Attributes
    ----------
    temperature : float
        0 takes the likeliest token each time.
    top_p : float
        Share of the probability that is drawn from, in (0, 1].
    max_tokens : int
        Tokens of an answer at most.
    """

    temperature: float = 0.7
    top_p: float = 0.9
    max_tokens: int = 256


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes
    ----------
    text : str
        As it is, not yet cleaned; may be empty.
    finish : {"stop", "length"}
        Whether it came to its own end, or was cut at ``max_tokens``.
    prompt_tokens, tokens : int
        Read and written; 0 where the server does not say.
    """

    text: str
    finish: str = "stop"
    prompt_tokens: int = 0
    tokens: int = 0


class UnfinishedError(ConfigError):
    """Some requests were answered before the model or the server could no longer be used.

    Attributes
    ----------
    answers : list of Answer or None
        One a request, None where there is none: they are worth keeping.
    """

    def __init__(self, message: str, answers: Sequence[Answer | None] = ()) -> None:
        super().__init__(message)
        self.answers = list(answers)


class Backend(ABC):
    """Answers requests.

    Attributes
    ----------
    Options : class
        Frozen dataclass of the backend's settings, each with a default.
    """

    Options: ClassVar[type]

    def __init__(self, model: str, options: Any) -> None:
        self.model, self.options = model, options

    @abstractmethod
    def answer(
        self, requests: Sequence[Request], sampling: Sampling, on_answer: Callable[[int], None] | None = None
    ) -> list[Answer]:
        """One answer a request, in their order.

        An answer depends on its request, the model and ``sampling``, not on what else is asked with it (but for
        rounding).

        Parameters
        ----------
        on_answer : callable, optional
            Told how many of these requests are done, now and then.

        Raises
        ------
        ConfigError
            When the model or the server cannot be used: one line with the setting, what is there, what to do. An
            `UnfinishedError` holds the answers that were there before.
        """

    def close(self) -> None:  # noqa: B027 - a server's client holds nothing
        """Give back what it holds."""


BACKENDS: Registry[type[Backend]] = Registry("backend", packages=("mvmlm.reports.backends",))

__all__ = ["BACKENDS", "Answer", "Backend", "Request", "Sampling", "UnfinishedError"]
