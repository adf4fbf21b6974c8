"""Errors of an ablation file: all at once, each with its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mvmlm.errors import ConfigError


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong, and where."""

    path: str
    line: int
    column: int
    key: str
    what: str

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"{self.path}:{self.line}:{self.column}: {key}{self.what}"


class SpecError(ConfigError):
    """An ablation cannot be used.

    Attributes
    ----------
    problems : list of Problem
        Everything that is wrong, in the order of the file.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(str(p) for p in self.problems))
