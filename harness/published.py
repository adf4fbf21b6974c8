"""Numbers of the literature: read strictly, and stood beside ours with what keeps them from being compared."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harness.published_checks import COLUMNS, LEVELS, conflicts, header_problems, row_problems
from mvmlm.errors import DataError

LABEL_FREE = ("zero_shot", "retrieval")
"""Protocols that train on no labels, so that a share of them means nothing."""
_SAID = {"dataset": "data set", "fraction": "share of the labels"}
"""Columns by another name in a sentence."""


def read_published(folder: Path) -> pd.DataFrame:
    """All ``*.csv`` of a folder, one a source.

    Returns
    -------
    DataFrame
        :data:`~harness.published_checks.COLUMNS`: text, '' where unknown; ``value``, ``low``, ``high`` and
        ``fraction`` float64, NaN where unknown; ``n`` Int64. Then ``printed`` and ``interval``, the numbers as they
        were printed (``0.70``; ``[0.65, 0.75]`` or ''), and ``file`` and ``line``. In the order of the files.

    Raises
    ------
    DataError
        When there is no file, or one is not as it must be: every problem at once, each with its file and line.
    """
    paths = sorted(Path(folder).glob("*.csv"))
    if not paths:
        raise DataError(f"{folder}: no *.csv there; name a folder of published numbers, such as results/published")
    problems: list[str] = []
    rows = [row for path in paths for row in _rows(path, problems)]
    problems += conflicts(rows)
    if problems:
        raise DataError("\n".join(problems))
    frame = pd.DataFrame([_typed(row) for row in rows], columns=[*COLUMNS, "printed", "interval", "file", "line"])
    return frame.astype({"value": float, "low": float, "high": float, "fraction": float, "n": "Int64", "line": int})


def _rows(path: Path, problems: list[str]) -> Iterator[dict[str, str]]:
    """The rows of a file as text; what is wrong with them is added to ``problems``."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, fields) for fields in reader if fields]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problems.append(f"{path}: cannot be read as CSV in UTF-8 ({error})")
        return
    header = lines[0][1] if lines else []
    wrong = [f"{path}:1: {what}" for what in header_problems(header)]
    problems += wrong
    for number, fields in [] if wrong else lines[1:]:
        place = f"{path}:{number}"
        if len(fields) != len(header):
            problems.append(f"{place}: {len(fields)} fields, the header has {len(header)}; quote texts with a comma")
            continue
        row = {name: field.strip() for name, field in zip(header, fields)}
        problems += [f"{place}: {what}" for what in row_problems(row)]
        yield {**row, "file": str(path), "line": str(number)}


def _typed(row: Mapping[str, str]) -> dict[str, Any]:
    numbers = {name: float(row[name]) if row[name] else math.nan for name in ("value", "low", "high", "fraction")}
    interval = f"[{row['low']}, {row['high']}]" if row["low"] else ""
    n = int(row["n"]) if row["n"] else pd.NA
    return {**row, **numbers, "n": n, "printed": row["value"], "interval": interval, "line": int(row["line"])}


@dataclass(frozen=True)
class Ours:
    """What a place in a table of ours stands for; None or '' where the table does not tell it apart.

    Attributes
    ----------
    fraction : float or None
        Share of the training labels, in (0, 1].
    metric : str or None
        With its level, ``auc@breast``; without one, levels are not compared.
    split : str
        In the words of the column ``split``.
    simulated : bool
        Whether the images are made by this project.
    """

    task: str | None = None
    protocol: str | None = None
    fraction: float | None = None
    metric: str | None = None
    dataset: str = ""
    split: str = ""
    simulated: bool = False


@dataclass(frozen=True)
class Match:
    """How a published row stands to a place in a table of ours.

    Attributes
    ----------
    differs : tuple of str
        Which of task, protocol, fraction and metric are others than ours: the row has no place there.
    unstated : tuple of str
        Which of those that the table tells apart the source does not state.
    reasons : tuple of str
        Why the two numbers cannot be compared as they stand.
    """

    differs: tuple[str, ...]
    unstated: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether the row can stand there: all that the table tells apart is stated and the same."""
        return not self.differs and not self.unstated

    @property
    def sentence(self) -> str:
        """``not comparable because …``; '' without a reason."""
        return f"not comparable because {'; '.join(self.reasons)}" if self.reasons else ""


def compare(row: Mapping[str, Any], ours: Ours) -> Match:
    """Stand a row of :func:`read_published` beside a place in a table of ours."""
    asked = [name for name in ("task", "protocol", "fraction") if getattr(ours, name) is not None]
    if row["protocol"] in LABEL_FREE:
        asked = [name for name in asked if name != "fraction"]
    unstated = tuple(name for name in asked if row[name] == "" or pd.isna(row[name]))
    differs = [name for name in asked if name not in unstated and row[name] != getattr(ours, name)]
    metric, _, level = (ours.metric or "").partition("@")
    same, weighting = _metric(row["metric"], metric)
    reasons = (*_of_data(row, ours), _of_level(row["level"], level), weighting, _of_gaps(row, unstated))
    return Match(
        differs=(*differs, *(() if same else ("metric",))),
        unstated=unstated,
        reasons=tuple(filter(None, (*reasons, row["not_comparable"]))),
    )


def _metric(theirs: str, ours: str) -> tuple[bool, str]:
    """Whether two metrics, without levels, can share a column, and what then has to be said."""
    if not ours or theirs == ours:
        return True, ""
    if theirs.startswith("c_") and ours.startswith("c_"):
        return True, "" if theirs == "c_index" else f"its C-index is {theirs}, ours {ours}"
    if theirs.startswith("auc_") and theirs.replace("_ipcw", "") == ours.replace("_ipcw", ""):
        return True, f"{'theirs' if '_ipcw' in theirs else 'ours'} alone is known to be weighted for censoring"
    return False, ""


def _of_data(row: Mapping[str, Any], ours: Ours) -> Iterator[str]:
    theirs = row["dataset"] or "a set that is not stated"
    if ours.simulated:
        yield f"ours are simulated data, theirs are {theirs}"
    elif ours.dataset and row["dataset"] and row["dataset"] != ours.dataset:
        yield f"our data are {ours.dataset}, theirs {theirs}"
    elif ours.dataset and ours.split and row["split"] and row["split"] != ours.split:
        yield f"ours are tested on: {ours.split}; theirs on: {row['split']}"


def _of_level(theirs: str, ours: str) -> str:
    if not ours or not theirs or theirs == ours:
        return ""
    return f"scored {LEVELS[theirs]}, ours {LEVELS.get(ours, f'per {ours}')}"


def _of_gaps(row: Mapping[str, Any], asked: tuple[str, ...]) -> str:
    """What the source leaves open, in one clause."""
    gaps = [name for name in ("dataset", "split", "level", "protocol") if not row[name]]
    gaps += [name for name in asked if name not in gaps]
    said = [_SAID.get(name, name) for name in gaps] + ["kind of C-index"] * (row["metric"] == "c_index")
    if not said:
        return ""
    *others, last = said
    return f"its {', '.join(others)} and {last} are not stated" if others else f"its {last} is not stated"


def footnote(row: Mapping[str, Any], match: Match) -> str:
    """What has to stand under a table that shows a published number: whose it is, of what, and what it is not."""
    n = "" if pd.isna(row["n"]) else f"n = {row['n']:,}"
    of = ", ".join(filter(None, (row["dataset"], row["split"], LEVELS.get(row["level"], ""), n)))
    parts = (row["citation"], f"on {of}" if of else "", f"seen in: {row['where']}", match.sentence, row["note"])
    return ". ".join(part[:1].upper() + part[1:] for part in parts if part) + "."
