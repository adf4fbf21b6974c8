"""What a source of reports is, and the registry of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from mvmlm.registry import Registry
from mvmlm.reports.record import Record


@dataclass(frozen=True)
class NoOptions:
    """A source without settings."""


@dataclass(frozen=True)
class Case:
    """What a report is made from; equal cases have the same reports.

    Attributes
    ----------
    record : Record
        All that a source may say, but for what follows.
    words : str
        What the data set's own radiologist wrote of the breast; empty where nothing was.
    """

    record: Record
    words: str = ""


@dataclass(frozen=True)
class Draw:
    """One report that is asked for.

    Attributes
    ----------
    case : Case
    sample : int
        Which of the case's reports, from 0.
    attempt : int
        How often it was asked for before, where the earlier text was not faithful.
    """

    case: Case
    sample: int = 0
    attempt: int = 0


@dataclass(frozen=True)
class Setting:
    """What a source may use beside its own options.

    Attributes
    ----------
    seed : int
        Of all that is drawn.
    cache : Path, optional
        Folder of answers that outlive a killed run and are shared between runs.
    threads : int
        Processor cores.
    progress : callable, optional
        Told how many of the texts asked for are written, and how many there are.
    """

    seed: int = 0
    cache: Path | None = None
    threads: int = 1
    progress: Callable[[int, int], None] | None = field(default=None, compare=False)


class Source(ABC):
    """Turns cases into texts.

    A source sees nothing but cases: whatever it writes, it cannot say more than the guard let through.

    Attributes
    ----------
    Options : class
        Frozen dataclass of the source's settings, each with a default.
    varies : bool
        Whether two draws of one case differ; more than one sample makes sense for such sources alone.
    invents : bool
        Whether its texts may say what the record does not: they are cleaned and checked.
    reads_words : bool
        Whether it reads `Case.words`; for others, breasts with one record are one case.
    version : int
        Raised when the same case and options give another text.
    """

    Options: ClassVar[type] = NoOptions
    varies: ClassVar[bool] = False
    invents: ClassVar[bool] = False
    reads_words: ClassVar[bool] = False
    version: ClassVar[int] = 1

    def __init__(self, options: Any, setting: Setting | None = None) -> None:
        self.options = options
        self.setting = setting or Setting()

    @abstractmethod
    def write(self, draws: Sequence[Draw]) -> list[str]:
        """One text a draw, in their order; empty where the source has nothing to say of the case.

        The same draw, options and seed give the same text.
        """

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Give back what it holds."""


SOURCES: Registry[type[Source]] = Registry(
    "report source", packages=("mvmlm.reports",), entry_points="mvmlm.reports"
)
