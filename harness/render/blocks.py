"""A table too wide for its page, cut into blocks that fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from harness.table_model import ComparisonTable, Row, stage_of


def blocks(table: ComparisonTable, fits: Callable[[ComparisonTable], bool]) -> Iterator[ComparisonTable]:
    """Cut between the outermost groups of columns, and inside a group only where it alone is too wide.

    The side columns of a stage are a group, and come last: beside test columns where they fit, else on their own.

    Parameters
    ----------
    fits : callable
        Whether a block may be as wide as this one. A single column is a block even if it does not fit.
    """
    pieces: list[list[int]] = []
    for group in _groups(table):
        if pieces and fits(_cut(table, [*pieces[-1], *group])):
            pieces[-1] += group
        else:
            pieces += _parts(table, group, fits)
    for piece in pieces:
        yield _cut(table, piece)


def _parts(table: ComparisonTable, group: Sequence[int], fits: Callable[[ComparisonTable], bool]) -> list[list[int]]:
    parts = [[group[0]]]
    for i in group[1:]:
        if fits(_cut(table, [*parts[-1], i])):
            parts[-1].append(i)
        else:
            parts.append([i])
    return parts


def _groups(table: ComparisonTable) -> list[list[int]]:
    nested = len(table.columns[0].labels) > 1
    places = range(len(table.columns))
    groups = [list(g) for _, g in groupby(places, key=lambda i: table.columns[i].labels[0] if nested else "")]
    aside = range(len(table.columns), len(table.columns) + len(table.beside))
    return groups + [list(g) for _, g in groupby(aside, key=lambda i: stage_of(table.beside[i - len(table.columns)]))]


def _cut(table: ComparisonTable, piece: Sequence[int]) -> ComparisonTable:
    size = len(table.columns)
    tested = [i for i in piece if i < size]
    aside = [i - size for i in piece if i >= size]

    def cut(rows: Sequence[Row]) -> tuple[Row, ...]:
        return tuple(
            replace(row, entries=tuple(row.entries[i] for i in tested), facts=tuple(row.facts[i] for i in aside))
            for row in rows
        )

    return replace(
        table,
        columns=tuple(table.columns[i] for i in tested),
        beside=tuple(table.beside[i] for i in aside),
        rows=cut(table.rows),
        baselines=cut(table.baselines),
        published=cut(table.published),
    )
