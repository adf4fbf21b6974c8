"""What a comparison table is: its specification, and the rows, columns and heads that renderers draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol

from harness.entries import Entry, Fact
from harness.wording import level_name, measure

if TYPE_CHECKING:
    from harness.overall import Overall
    from harness.trends import Trend


class Spec(Protocol):
    """What a table is asked to show. :class:`TableSpec` is one; any object with these attributes will do."""

    rows: Sequence[str]
    columns: Sequence[str]
    metric: str
    reference: dict[str, Any]
    question: str
    ablation: str
    profile: str
    dataset: str
    simulated: bool
    notes: Sequence[str]
    beside: Sequence[str]
    compare: Mapping[str, Any]
    digits: int
    varies: Sequence[str]


@dataclass(frozen=True)
class TableSpec:
    """What a table is asked to show.

    Attributes
    ----------
    rows, columns : sequence of str
        Coordinates, outermost first. Seeds are averaged; nothing else is.
    metric : str
        With its level: ``auc@breast``.
    reference : dict
        Coordinate to value; the rows that have these values are marked.
    releasable : str
        Whether what was trained may be released, as `harness.plan.Plan` says it.
    notes : sequence of str
        Sentences for the caption: what a label means in this data set.
    footer : str
        Where the table comes from (versions), in one line.
    beside : sequence of str
        Measures, ``<stage>/<name>``, that stand right of the test columns: facts about a row's cells, no test results.
    compare : mapping
        Fields of `harness.contrasts.CompareOptions`.
    digits : int
        Decimals of the metric.
    varies : sequence of str
        Settings that the labelled axes among rows and columns set.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    metric: str
    question: str
    ablation: str
    profile: str
    dataset: str
    simulated: bool
    releasable: str = ""
    reference: dict[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    footer: str = ""
    beside: Sequence[str] = ()
    compare: Mapping[str, Any] = field(default_factory=dict)
    digits: int = 3
    varies: Sequence[str] = ()


@dataclass(frozen=True)
class Column:
    """A column: its value and label at each level, and the test set that its entries share.

    Attributes
    ----------
    n, positive : str
        Size of the test set and share of positives as printed: a range where entries differ, '' if unknown.
    """

    values: tuple
    labels: tuple[str, ...]
    n: str = ""
    positive: str = ""

    @property
    def sizes(self) -> tuple[str, str]:
        """``n=120`` and ``+12.5 %``; '' where unknown."""
        return f"n={self.n}" if self.n else "", f"+{self.positive}" if self.positive else ""


@dataclass(frozen=True)
class Row:
    """A row; ``baseline`` names the no-image baseline and ``published`` the source where it is one of those, ``facts``
    are as many as the side columns."""

    values: tuple
    labels: tuple[str, ...]
    entries: tuple[Entry, ...]
    reference: bool = False
    baseline: str | None = None
    published: str | None = None
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True)
class Span:
    """A head over ``width`` columns."""

    text: str
    width: int


@dataclass(frozen=True)
class HeadLine:
    """A line of heads.

    Attributes
    ----------
    stubs : tuple of str
        What stands over the row labels, one text a level of the rows.
    spans : tuple of Span
        Together as wide as the table has columns.
    sizes : bool
        Whether the line tells sizes of test sets rather than values of a coordinate.
    beside : tuple of Span
        Together as wide as the table has side columns.
    """

    stubs: tuple[str, ...]
    spans: tuple[Span, ...]
    sizes: bool = False
    beside: tuple[Span, ...] = ()


@dataclass(frozen=True)
class ComparisonTable:
    """A comparison, ready to be rendered.

    Attributes
    ----------
    rows, baselines : tuple of Row
        Above and below the rule.
    seeds : tuple
        Seeds that the grid is planned with.
    footnotes : tuple of (letter, text)
    common : tuple of str
        What would be a footnote of every entry.
    beside : tuple of str
        Measures in the side columns.
    published : tuple of Row
        Numbers of the literature, below a second rule; their entries have no cells.
    unplaced : tuple of str
        Numbers of the literature that may belong in a column, but whose source does not say so.
    compared : bool
        Whether the literature was asked for.
    trends : tuple of Trend
        Slopes along the axis that ``spec.compare`` names.
    overall : tuple of Overall
        Each row over all columns, where ``spec.compare`` asks for it.
    """

    spec: Spec
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    baselines: tuple[Row, ...]
    seeds: tuple
    footnotes: tuple[tuple[str, str], ...] = ()
    common: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    published: tuple[Row, ...] = ()
    unplaced: tuple[str, ...] = ()
    compared: bool = False
    trends: tuple[Trend, ...] = ()
    overall: tuple[Overall, ...] = ()

    @property
    def parts(self) -> list[tuple[Row, ...]]:
        """What rules part: the grid, the rows without images, the literature; without those that are empty."""
        return [rows for rows in (self.rows, self.baselines, self.published) if rows]

    @property
    def row_levels(self) -> tuple[str, ...]:
        """Names over the row labels."""
        return tuple(level_name(path, self.spec.rows) for path in self.spec.rows)

    @property
    def column_levels(self) -> tuple[str, ...]:
        """Names of the levels of the column heads."""
        return tuple(level_name(path, self.spec.columns) for path in self.spec.columns)

    def entries(self) -> Iterator[tuple[Row, Column, Entry]]:
        """Every entry of ours, in reading order."""
        for row in (*self.rows, *self.baselines):
            for column, entry in zip(self.columns, row.entries):
                yield row, column, entry

    def quotes(self) -> Iterator[tuple[Row, Column, Entry]]:
        """Every number of the literature, in reading order."""
        for row in self.published:
            for column, entry in zip(self.columns, row.entries):
                if entry.quoted:
                    yield row, column, entry

    def header(self, *, apart: bool = False) -> list[HeadLine]:
        """The lines of heads, outermost first; equal neighbours under one parent are joined.

        Sizes of the test sets stand under the outermost level that they do not vary below. Over side columns, the first
        line names the stage and the last line the measure.

        Parameters
        ----------
        apart : bool
            ``n=120`` and ``+12.5 %`` on two lines rather than one.
        """
        lines = self._column_heads(apart)
        if self.beside:
            empty = [Span("", len(self.columns))] if self.columns else []
            lines = [("", empty, False)] * (2 - len(lines)) + lines
        blank = ("",) * (len(self.row_levels) - 1)
        stubs = [(*blank, name) for name, _, _ in lines[:-1]] + [self.row_levels]
        parts = zip(stubs, lines, self._side_heads(len(lines)))
        return [HeadLine(stub, tuple(spans), sizes, beside) for stub, (_, spans, sizes), beside in parts]

    def _side_heads(self, lines: int) -> list[tuple[Span, ...]]:
        """Heads of the side columns, from the first of so many lines to the last."""
        stages = [Span(stage, len(list(g))) for stage, g in groupby(self.beside, key=stage_of)]
        between = [Span("", span.width) for span in stages]
        names = [Span(measure(name).title, 1) for name in self.beside]
        return [tuple(spans) for spans in (stages, *[between] * (lines - 2), names)[:lines]]

    def _column_heads(self, apart: bool) -> list[tuple[str, list[Span], bool]]:
        """Name, heads, and whether they are sizes, of each line over the test columns; a cut may have none."""
        lines: list[tuple[str, list[Span], bool]] = []
        sizes_under = self._sizes_level()
        for level in range(len(self.columns[0].labels)) if self.columns else ():
            groups = self._groups(level)
            name = self.column_levels[level] if self.column_levels else ""
            lines.append((name, [Span(g[0].labels[level], len(g)) for g in groups], False))
            if level == sizes_under:
                sizes = [g[0].sizes for g in groups]
                for texts in zip(*sizes) if apart else [[", ".join(filter(None, s)) for s in sizes]]:
                    lines.append(("", [Span(t, len(g)) for t, g in zip(texts, groups)], True))
        return lines

    def _sizes_level(self) -> int | None:
        """The outermost level below which no test set differs; None where no size is known."""
        if not any(c.n for c in self.columns):
            return None
        levels = range(len(self.columns[0].labels))
        even = (i for i in levels if all(len({(c.n, c.positive) for c in g}) == 1 for g in self._groups(i)))
        return next(even, levels[-1])

    def _groups(self, level: int) -> list[list[Column]]:
        return [list(g) for _, g in groupby(self.columns, key=lambda c: c.labels[: level + 1])]


def stage_of(measure: str) -> str:
    """``reports/omitted`` → ``reports``."""
    return measure.partition("/")[0]


def stub_labels(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Row labels as printed: outer ones that repeat the row above are blank, references are marked."""
    printed = []
    above: tuple[str, ...] = ()
    for row in rows:
        new = next((i for i, (a, b) in enumerate(zip(row.labels, above)) if a != b), 0)
        labels = [""] * new + list(row.labels[new:])
        above = row.labels
        printed.append((*labels[:-1], f"{labels[-1]} (ref)".strip() if row.reference else labels[-1]))
    return printed
