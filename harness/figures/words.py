"""What stands on axes and in captions, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.entries import LEVEL
from harness.figures.style import Notes
from harness.table_model import ComparisonTable, Row
from harness.wording import column_label, is_fraction, level_name, plural, unit

AXES = {"eval.fraction": "labelled training patients", "method.tokens": "visual tokens"}
"""Coordinates whose short name says too little for an axis."""


def axis_words(path: str, among: Sequence[str] = ()) -> str:
    """Name of a coordinate along an axis."""
    return AXES.get(path) or level_name(path, among)


def label_of(path: str, value: Any) -> str:
    """A coordinate's value in a legend, where no head says what it is."""
    label = column_label(path, value)
    return f"{label} of labels" if path == "eval.fraction" and is_fraction(path) else label


def row_label(table: ComparisonTable, row: Row) -> str:
    """A row in a legend: its values at the levels where the table's rows differ."""
    differ = [len({other.values[i] for other in table.rows}) > 1 for i in range(len(table.spec.rows))]
    said = [label_of(p, v) for p, v, tells in zip(table.spec.rows, row.values, differ) if tells or not any(differ)]
    return ", ".join(said)


def column_label_of(table: ComparisonTable, column: int) -> str:
    """A column in a caption: ``mass, 100 % of labels``."""
    return ", ".join(label_of(p, v) for p, v in zip(table.spec.columns, table.columns[column].values))


def notes(table: ComparisonTable, columns: Sequence[int], *said: str, seeds: bool = True) -> Notes:
    """The foot of a figure that shows these columns of a table: data, n, seeds, and what the caller has to say.

    Parameters
    ----------
    seeds : bool
        Whether numbers are means over the seeds; where not, they are of one column, which is named.
    """
    spec = table.spec
    count = len(table.seeds)
    means = f"; mean over {plural(count, 'seed')}" if seeds and count > 1 else "; one seed" if seeds and count else ""
    which = "" if seeds else f"; {column_label_of(table, columns[0])}".rstrip("; ")
    first = f"Data: {spec.dataset}, profile {spec.profile}{which}; {sizes(table, columns)}{means}."
    return Notes(" ".join(filter(None, (first, *said))), spec.simulated, spec.question)


def intervals(table: ComparisonTable, columns: Sequence[int]) -> str:
    """What the intervals are, where there are any."""
    any_ = any(row.entries[i].low is not None for row in table.rows for i in columns)
    return f"Intervals: {LEVEL} %, over test patients." if any_ else ""


def tests(table: ComparisonTable) -> str:
    """How the table's rows were compared with their reference, where they were."""
    contrasts = [entry.contrast for row in table.rows for entry in row.entries]
    found = list(dict.fromkeys(c.difference.test for c in contrasts if c and c.difference))
    over = "of the table" if (table.spec.compare or {}).get("family") == "table" else "of each column"
    return f"Differences: {'; '.join(found)}; p by Holm over the comparisons {over}." if found else ""


def refusals(table: ComparisonTable) -> str:
    """Why rows could not be compared with their reference."""
    contrasts = [entry.contrast for row in table.rows for entry in row.entries]
    said = dict.fromkeys(refusal.words for c in contrasts if c for refusal in c.refusals)
    return f"{next(iter(said))}{' and other reasons' if len(said) > 1 else ''}" if said else ""


def sizes(table: ComparisonTable, columns: Sequence[int]) -> str:
    """``n = 118 breasts of 59 patients``; by column where the test sets differ."""
    units = unit(table.spec.metric)
    told = {i: table.columns[i].n for i in columns if table.columns[i].n}
    if not told:
        return "n unknown"
    entries = [row.entries[i] for row in (*table.rows, *table.baselines) for i in told]
    patients = sorted({count for entry in entries for count in entry.count("n_patients")})
    ends = "–".join(f"{p:,.0f}" for p in dict.fromkeys(patients[:1] + patients[-1:]))
    people = f" of {ends} patients" if patients and units != "patients" else ""
    if len(set(told.values())) == 1:
        return f"n = {next(iter(told.values()))} {units}{people}"
    by_name = dict.fromkeys(f"{n} ({table.columns[i].labels[0]})" for i, n in told.items())
    return f"n = {', '.join(by_name)} {units}{people}"
