"""Settings of a run, and how to do it again: command, code, packages, seeds, keys."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.report.sources import Sources
from harness.store import Card
from harness.tracking import flatten

GRID = ("axes", "seeds", "tasks", "protocols")


@dataclass(frozen=True)
class Provenance:
    """Where a run's numbers come from.

    Attributes
    ----------
    command : str
        What was typed, or the nearest to it that is known.
    is_whole : bool
        Whether the command is what was typed.
    grid : dict
        Axes, seeds, tasks and protocols, each with its values in words.
    base : dict
        Dotted setting to its value, of what all cells share.
    table : dict
        The same of the table.
    commits, codes : list of (text, count)
        Git commits, and digests of the code, that the stages ran with, and how many of them did.
    """

    command: str
    is_whole: bool
    grid: dict[str, str]
    base: dict[str, str]
    table: dict[str, str]
    commits: list[tuple[str, int]]
    codes: list[tuple[str, int]]


def provenance(sources: Sources, cards: Mapping[str, Card]) -> Provenance:
    """Where the numbers come from."""
    said = sources.said
    typed = said.get("command", "")
    grid = dict(said.get("axes", {}))
    grid |= {name: said[name] for name in GRID[1:] if name in said}
    return Provenance(
        command=typed or _command(said),
        is_whole=bool(typed),
        grid={name: _listed(values) for name, values in grid.items()},
        base={name: _words(value) for name, value in flatten(said.get("base", {})).items()},
        table={name: _words(value) for name, value in flatten(said["table"]).items()},
        commits=Counter(card.git_commit or "not known" for card in cards.values()).most_common(),
        codes=Counter(card.code or "not known" for card in cards.values()).most_common(),
    )


def _command(said: dict[str, Any]) -> str:
    words = ["python", "-m", "harness", "run", said["ablation"], "--profile", said["profile"]]
    seeds = ["--seeds", ",".join(map(str, said["seeds"]))] if said.get("seeds") else []
    return shlex.join([*words, *seeds])


def _listed(values: Any) -> str:
    """``8, 16, 32``; of a conditional axis, with where it varies."""
    if isinstance(values, dict):
        where = ", ".join(f"{name} = {_words(value)}" for name, value in values.get("when", {}).items())
        return f"{_listed(values.get('values', []))}{f' (where {where})' if where else ''}"
    return ", ".join(_words(value) for value in values) if isinstance(values, list) else _words(values)


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
