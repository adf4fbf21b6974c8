"""A comparison table as GitHub Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.caption import caption
from harness.table_model import Column, ComparisonTable, Entry, Row, stage_of
from harness.wording import measure

EDGE = "│"
"""Fills the column between test results and what stands beside them."""


def render(table: ComparisonTable) -> str:
    """The question, the table, the reading aid and the footnotes."""
    return "\n".join(_lines(table)) + "\n"


def _lines(table: ComparisonTable) -> Iterator[str]:
    said = caption(table)
    yield f"### {_escape(table.spec.ablation)}"
    yield ""
    yield f"**{_escape(said.question)}**"
    yield ""
    if said.warning:
        yield f"> **{_escape(said.warning)}**"
        yield ""
    stubs = len(table.row_levels)
    aside = [EDGE, *map(_side_head, table.beside)] if table.beside else []
    width = len(table.columns) + len(aside)
    yield _line([*map(_escape, table.row_levels), *map(_head, table.columns), *aside])
    yield _line(["---"] * stubs + [":---:"] * width)
    for row in table.rows:
        yield _row(row)
    if table.baselines:
        yield _line(["*no image:*"] + [""] * (stubs - 1 + width))
    for row in table.baselines:
        yield _row(row)
    if table.published:
        yield _line(["*published, not ours:*"] + [""] * (stubs - 1 + width))
    for row in table.published:
        yield _row(row)
    yield ""
    yield _escape(" ".join(said.sentences))
    yield ""
    for letter, text in table.footnotes:
        yield f"- <sup>{letter}</sup> {_escape(text)}"
    if table.footnotes:
        yield ""
    if table.spec.footer:
        yield f"<sub>{_escape(table.spec.footer)}</sub>"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _head(column: Column) -> str:
    sizes = ", ".join(filter(None, column.sizes))
    return "<br>".join(map(_escape, filter(None, (*column.labels, sizes))))


def _side_head(name: str) -> str:
    return "<br>".join(map(_escape, (stage_of(name), measure(name).title)))


def _row(row: Row) -> str:
    labels = [_escape(label) for label in row.labels]
    if row.reference:
        labels[-1] += " (ref)"
    aside = [EDGE, *(fact.text for fact in row.facts)] if row.facts else []
    return _line([*labels, *map(_entry, row.entries), *aside])


def _entry(entry: Entry) -> str:
    above = ",".join(filter(None, (entry.mark, *entry.footnotes)))
    letters = f"<sup>{above}</sup>" if above else ""
    if entry.quoted is not None:
        return "<br>".join(filter(None, (f"{entry.quoted}{letters}", entry.quoted_interval)))
    if entry.mean is None:
        return f"*{_escape(entry.sign)}*{letters}"
    mean = f"**{entry.shown('mean')}**" if entry.best else entry.shown("mean")
    mean = f"<ins>{mean}</ins>" if entry.tied else mean
    value = f"{mean} ± {entry.shown('sd')}" if entry.sd is not None else mean
    interval = f"[{entry.shown('low')}, {entry.shown('high')}]" if entry.low is not None else ""
    second = " ".join(filter(None, (interval, entry.share)))
    return "<br>".join(filter(None, (f"{value}{letters}", second)))


def _escape(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|~])", r"\\\1", " ".join(text.split()))
