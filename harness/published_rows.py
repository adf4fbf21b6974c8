"""Rows of the literature for the foot of a comparison table of ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from harness.entries import Entry, Fact
from harness.published import Match, Ours, compare, footnote
from harness.published_checks import LEVELS
from harness.table_model import ComparisonTable, Row
from harness.tables import letter
from harness.wording import DASH, level_name, value_label

PLACES = {"task": "task", "protocol": "protocol", "eval.fraction": "fraction"}
"""Coordinates of ours to columns of the published files."""


def with_published(table: ComparisonTable, frame: pd.DataFrame, fixed: Mapping[str, Any]) -> ComparisonTable:
    """The table with those published numbers below it that have a place in one of its columns.

    Parameters
    ----------
    frame : DataFrame
        From :func:`harness.published.read_published`.
    fixed : mapping
        Coordinates that have one value over all cells; a row whose source does not state one of them stays.
    """
    found: dict[tuple, dict[int, tuple[dict, Match]]] = {}
    unplaced: dict[tuple, str] = {}
    records = frame.to_dict("records")
    down = _values_of_rows(table)
    for i, column in enumerate(table.columns):
        told = dict(zip(table.spec.columns, column.values))
        ours = _ours(table, {**fixed, **told})
        for row in records:
            match = compare(row, ours)
            if match.differs or any(row[name] not in values for name, values in down.items()):
                continue
            if {name for path, name in PLACES.items() if path in told} & set(match.unstated):
                unplaced.setdefault((row["file"], row["line"]), f"{row['method']} {row['printed']} ({row['task']})")
            else:
                _place(found, (*_identity(row), *(row[name] for name in down)), i, (row, match))
    shown: dict[str, list[tuple[dict, Match]]] = {}
    for places in found.values():
        for row, match in places.values():
            shown.setdefault(row["source"], []).append((row, match))
    letters = {source: letter(len(table.footnotes) + i) for i, source in enumerate(shown)}
    notes = tuple((letters[source], source_note(pairs)) for source, pairs in shown.items())
    titles = _titles(found, [level_name(path) for path in table.spec.rows])
    return replace(
        table,
        published=tuple(_row(table, places, letters, titles[key[:4]]) for key, places in found.items()),
        footnotes=(*table.footnotes, *notes),
        unplaced=tuple(unplaced.values()),
        compared=True,
    )


def source_note(pairs: Sequence[tuple[Mapping[str, Any], Match]]) -> str:
    """One footnote for all numbers of a source that a table shows; what is true of some alone says of which."""
    rows = [row for row, _ in pairs]
    data = [[", ".join(filter(None, (row["dataset"], row["split"], LEVELS.get(row["level"], ""))))] for row in rows]
    why = [[clause for reason in match.reasons for clause in reason.split("; ")] for _, match in pairs]
    parts = (
        rows[0]["citation"],
        _after("on ", _scoped(data, rows)),
        f"seen in: {_scoped([[row['where']] for row in rows], rows)}",
        _after("not comparable because ", _scoped(why, rows)),
        _scoped([row["note"].split("; ") for row in rows], rows),
    )
    return ". ".join(part[:1].upper() + part[1:] for part in parts if part) + "."


def _after(begin: str, text: str) -> str:
    """A clause, or nothing where there is nothing to say."""
    return f"{begin}{text}" if text else ""


def _scoped(clauses: Sequence[Sequence[str]], rows: Sequence[Mapping[str, Any]]) -> str:
    """Each clause once, with what tells its rows from the others."""
    having: dict[str, set[int]] = {}
    for i, texts in enumerate(clauses):
        for text in filter(None, texts):
            having.setdefault(text, set()).add(i)
    return "; ".join(f"{text}{_scope(members, rows)}" for text, members in having.items())


def _scope(members: set[int], rows: Sequence[Mapping[str, Any]]) -> str:
    if len(members) == len(rows):
        return ""
    for names in (("dataset",), ("protocol",), ("fraction",), ("task",), ("pretraining_data",), ("method", "encoder")):
        keys = [tuple(row[name] for name in names) for row in rows]
        mine = {keys[i] for i in members}
        if {i for i, key in enumerate(keys) if key in mine} == members:
            said = sorted({" ".join(value_label(f".{n}", v) for n, v in zip(names, key) if v) for key in mine})
            return f" ({', '.join(said)})"
    return " (some)"


def _ours(table: ComparisonTable, told: Mapping[str, Any]) -> Ours:
    asked = {name: told.get(path) for path, name in PLACES.items()}
    return Ours(**asked, metric=table.spec.metric, dataset=table.spec.dataset, simulated=table.spec.simulated)


def _values_of_rows(table: ComparisonTable) -> dict[str, set]:
    """Of the coordinates that ours and theirs share, those that are rows of the table, and their values."""
    levels = [(i, PLACES[path]) for i, path in enumerate(table.spec.rows) if path in PLACES]
    return {name: {row.values[i] for row in table.rows} for i, name in levels}


def _identity(row: Mapping[str, Any]) -> tuple:
    return row["source"], row["method"], row["encoder"], row["pretraining_data"]


def _place(found: dict, key: tuple, column: int, what: tuple) -> None:
    """A second number for the same column (poster beside page, say) goes to a further row."""
    copy = 0
    while column in found.setdefault((*key, copy), {}):
        copy += 1
    found[*key, copy][column] = what


def _titles(found: Mapping[tuple, Mapping[int, tuple[dict, Match]]], levels: Sequence[str]) -> dict[tuple, str]:
    """Method and authors by identity; its encoder and its pre-training data where they tell it from another row."""
    firsts = {key[:4]: next(iter(places.values()))[0] for key, places in found.items()}
    titles = {}
    for key, first in firsts.items():
        source, method, encoder, data = key
        mine = [other for other in firsts if other[:2] == (source, method)]
        parts = [method]
        if "encoder" not in levels and len({other[2] for other in mine}) > 1:
            parts.append(encoder)
        if len({other[3] for other in mine if other[2] == encoder}) > 1:
            parts.append(data)
        titles[key] = f"{', '.join(filter(None, parts))} ({first['citation'].partition(',')[0]})"
    return titles


def _row(table: ComparisonTable, places: Mapping[int, tuple[dict, Match]], letters: dict, title: str) -> Row:
    first = next(iter(places.values()))[0]
    entries = []
    for i in range(len(table.columns)):
        if i not in places:
            entries.append(Entry(quoted=""))
            continue
        row, match = places[i]
        said = {"reasons": (footnote(row, match),), "footnotes": (letters[row["source"]],)}
        entries.append(Entry(quoted=row["printed"], quoted_interval=row["interval"], **said))
    labels = tuple(_labels(table.spec.rows, first, title))
    values = tuple(first.get(PLACES.get(path, "")) for path in table.spec.rows)
    facts = tuple(Fact(name) for name in table.beside)
    return Row(values, labels, tuple(entries), published=first["source"], facts=facts)


def _labels(levels: Sequence[str], row: Mapping[str, Any], title: str) -> Iterator[str]:
    """The title at the level of the method, or else at the first that is not the encoder's or shared with ours."""
    names = [level_name(path) for path in levels]
    free = [i for i, (name, path) in enumerate(zip(names, levels)) if name != "encoder" and path not in PLACES]
    place = names.index("method") if "method" in names else (free or [0])[0]
    for i, (name, path) in enumerate(zip(names, levels)):
        if i == place:
            yield title
        elif path in PLACES:
            yield value_label(path, row[PLACES[path]])
        else:
            yield (row["encoder"] or DASH) if name == "encoder" else ""
