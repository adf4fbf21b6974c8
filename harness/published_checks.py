"""What a file of published numbers may say: its columns, and what is wrong with a row."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from mvmlm.registry import did_you_mean

COLUMNS = (
    "source",
    "citation",
    "method",
    "encoder",
    "pretraining_data",
    "dataset",
    "split",
    "task",
    "protocol",
    "fraction",
    "metric",
    "level",
    "value",
    "low",
    "high",
    "n",
    "where",
    "not_comparable",
    "note",
)
REQUIRED = ("source", "citation", "method", "task", "metric", "value", "where")
LEVELS = {
    "view": "per view",
    "breast": "per breast",
    "exam": "per exam",
    "patient": "per patient",
    "finding": "per row of the findings table",
    "box": "per box",
}
"""Level to how a sentence says it. The last two are never ours."""
PROTOCOLS = ("linear_probe", "finetune", "zero_shot", "retrieval", "risk", "localization")
COMPARABLE = "comparable because "
"""How the note of a row begins that has no reason against it."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_IDENTIFIER = re.compile(r"arXiv:\d{4}\.\d{4,5}|doi:10\.\d{4,9}/\S+")
_YEAR = re.compile(r"\b(19|20)\d\d\b")
_REMARKS = ("citation", "value", "low", "high", "n", "not_comparable", "note")
_TELLING = tuple(name for name in COLUMNS if name not in _REMARKS)
"""What tells two rows apart."""


def header_problems(header: Sequence[str]) -> Iterator[str]:
    """Columns that are unknown, missing or there twice."""
    for name in header:
        if name not in COLUMNS:
            yield f"unknown column {name!r}{did_you_mean(name, COLUMNS)} (columns: {', '.join(COLUMNS)})"
    for name in COLUMNS:
        if list(header).count(name) != 1:
            yield f"column {name} is {'there twice' if name in header else 'missing'}"


def row_problems(row: Mapping[str, str]) -> Iterator[str]:
    """Everything that is wrong with a row, read as text."""
    for name, text in row.items():
        if name in REQUIRED and not text:
            yield f"{name} is empty; every row needs one"
        if not text.isprintable():
            yield f"{name}: a line break or control character; keep a field on one line"
    if row["citation"] and not (_IDENTIFIER.search(row["citation"]) and _YEAR.search(row["citation"])):
        yield f"citation: {row['citation']!r} has no year with arXiv:NNNN.NNNNN or doi:10.…/…"
    for name in ("task", "metric"):
        if row[name] and not _NAME.fullmatch(row[name]):
            yield f"{name}: {row[name]!r} is no name; use small letters, digits and _, and no level"
    for name, known in (("level", LEVELS), ("protocol", PROTOCOLS)):
        if row[name] and row[name] not in known:
            yield f"{name}: {row[name]!r} is unknown{did_you_mean(row[name], known)} (known: {', '.join(known)})"
    yield from _number_problems(row)
    marked = row["note"].startswith(COMPARABLE)
    if marked and row["not_comparable"]:
        yield f"not_comparable is filled, yet the note begins with {COMPARABLE.strip()!r}; only one can be true"
    if not marked and not row["not_comparable"]:
        yield f"not_comparable is empty; give the reason, or a note that begins with {COMPARABLE.strip()!r}"


def _number_problems(row: Mapping[str, str]) -> Iterator[str]:
    given = [name for name in ("value", "low", "high", "fraction", "n") if row[name]]
    numbers = {name: float(row[name]) for name in given if _NUMBER.fullmatch(row[name])}
    for name in given:
        if name not in numbers:
            yield f"{name}: {row[name]!r} is no plain number, such as 0.75"
    least, most = _range(row["metric"])
    for name in ("value", "low", "high"):
        if name in numbers and not least <= numbers[name] <= most:
            yield f"{name}: {row[name]} is outside [{least:g}, {most:g}] for {row['metric']}; write 76 % as 0.76"
    if bool(row["low"]) != bool(row["high"]):
        yield "an interval needs both low and high"
    if {"value", "low", "high"} <= set(numbers) and not numbers["low"] <= numbers["value"] <= numbers["high"]:
        yield f"the interval [{row['low']}, {row['high']}] does not hold the value {row['value']}"
    if "fraction" in numbers and not 0 < numbers["fraction"] <= 1:
        yield f"fraction: {row['fraction']} is outside (0, 1]; write 10 % as 0.1"
    if row["n"] and not (row["n"].isdigit() and int(row["n"]) > 0):
        yield f"n: {row['n']!r} is no count"


def _range(metric: str) -> tuple[float, float]:
    """Least and greatest value that a metric can take."""
    if metric == "median_rank":
        return 1.0, math.inf
    return (-1.0 if metric == "kappa" or metric.endswith("_difference") else 0.0), 1.0


def conflicts(rows: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Rows that are there twice, and files that mix sources or cite one source in two ways.

    Parameters
    ----------
    rows : sequence of mapping
        Rows as text, with ``file`` and ``line``.
    """
    first: dict[tuple[str, ...], str] = {}
    sources: dict[str, str] = {}
    cited: dict[str, tuple[str, str]] = {}
    for row in rows:
        place = f"{row['file']}:{row['line']}"
        before = first.setdefault(tuple(row[name] for name in _TELLING), place)
        if before != place:
            yield f"{place}: the same row as {before}, but for numbers and remarks; take one of them out"
        if sources.setdefault(row["file"], row["source"]) != row["source"]:
            yield f"{place}: source {row['source']!r} in a file of {sources[row['file']]!r}; keep one source a file"
        citation, where = cited.setdefault(row["source"], (row["citation"], place))
        if citation != row["citation"]:
            yield f"{place}: source {row['source']!r} is cited otherwise at {where}; cite it in one way"
