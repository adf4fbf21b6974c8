"""What a source of reports is, and the registry of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from mvmlm.registry import Registry
from mvmlm.reports.record import Record


@dataclass(frozen=True)
class NoOptions:
    """A source without settings."""


class Source(ABC):
    """Turns records into texts.

    A source sees nothing but records: whatever it writes, it cannot say more than the guard let through.

    Attributes
    ----------
    Options : class
        Frozen dataclass of the source's settings, each with a default.
    """

    Options: ClassVar[type] = NoOptions

    def __init__(self, options: Any) -> None:
        self.options = options

    @abstractmethod
    def write(self, records: Sequence[Record]) -> list[str]:
        """One text a record, in their order. The same records and options give the same texts."""


SOURCES: Registry[type[Source]] = Registry("report source", packages=("mvmlm.reports",))
