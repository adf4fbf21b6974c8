"""A comparison table for the terminal: compact numbers, dim intervals, blocks where it is too wide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from textwrap import wrap

from rich.console import Console, Group, RenderableType
from rich.text import Text

from harness.caption import caption
from harness.render.blocks import blocks
from harness.table_model import ComparisonTable, Entry, HeadLine, Row, Span, stub_labels

GAP = 2
NARROWEST = 16
"""Characters that a row label keeps at least, however narrow the terminal is."""
EDGE = " │"
"""Between test results and what stands beside them."""
SUPERSCRIPTS = str.maketrans("abcdefghijklmnoprstuvwxyz,", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ·")

Line = list[tuple[str, str]]
"""Texts and their styles."""


def render(table: ComparisonTable, width: int = 80) -> RenderableType:
    """What ``Console.print`` takes.

    Parameters
    ----------
    width : int
        Characters a line; columns that do not fit go to a further block, whole groups of them if possible.
    """
    said = caption(table)
    parts: list[RenderableType] = [Text(said.question, "bold")]
    if said.warning:
        parts.append(Text(said.warning, "bold yellow"))
    stubs = _stub_widths(table, width)
    for block in blocks(table, lambda cut: _layout(cut, stubs).total <= width):
        parts += [Text(), *_block(block, _layout(block, stubs))]
    parts += [Text(), Text(" ".join(said.sentences), "dim")]
    for letter, text in table.footnotes:
        parts.append(Text.assemble((f"{letter.translate(SUPERSCRIPTS)} ", "bold"), text))
    return Group(*parts)


def print_table(table: ComparisonTable, console: Console) -> None:
    """Print a table as wide as the console is."""
    console.print(render(table, console.width))


def short(text: str) -> str:
    """A number without its leading zero: ``.712``."""
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def _entry(entry: Entry) -> list[Line]:
    """The lines of one entry: value and mark, interval, footnotes."""
    letters = ",".join(entry.footnotes).translate(SUPERSCRIPTS)
    if entry.quoted is not None:
        lines = [[(short(entry.quoted), ""), (letters, "yellow")]]
        return lines + ([[(entry.quoted_interval, "dim")]] if entry.quoted_interval else [])
    if entry.mean is None:
        return [[(entry.sign, "yellow"), (letters, "")]]
    spread = f"±{short(entry.shown('sd'))}" if entry.sd is not None else ""
    style = "bold green" if entry.best else "underline" if entry.tied else ""
    before = " " * len(entry.mark)  # the number stays over the middle of its column
    lines: list[Line] = [[(before, ""), (short(entry.shown("mean")), style), (spread, ""), (entry.mark, "bold")]]
    if entry.low is not None:
        lines.append([(f"{short(entry.shown('low'))}–{short(entry.shown('high'))}", "dim")])
    if entry.share or letters:
        lines.append([(entry.share + letters, "yellow")])
    return lines


@dataclass(frozen=True)
class _Layout:
    """Characters of every column: of the row labels, of the entries, and of the side columns."""

    stubs: list[int]
    entries: list[int]
    aside: list[int]

    @property
    def left(self) -> int:
        """Characters left of the edge."""
        return sum(self.stubs) + GAP * (len(self.stubs) - 1) + sum(w + GAP for w in self.entries)

    @property
    def right(self) -> int:
        """Characters right of it."""
        return sum(w + GAP for w in self.aside)

    @property
    def total(self) -> int:
        return self.left + (len(EDGE) + self.right if self.aside else 0)

    def rule(self) -> Text:
        """Across the whole block."""
        crossed = "─" * (len(EDGE) - 1) + "┼" + "─" * self.right if self.aside else ""
        return Text("─" * self.left + crossed, "dim")


def _block(table: ComparisonTable, layout: _Layout) -> Iterator[Text]:
    for line in table.header(apart=True):
        yield _heads(line, layout)
        if not line.sizes and any(s.width > 1 for s in (*line.spans, *line.beside)):
            yield _under(line, layout)
    for rows in table.parts:
        yield layout.rule()
        yield from _rows(rows, layout)


def _heads(line: HeadLine, layout: _Layout) -> Text:
    """A line of heads, each over the middle of its columns."""
    text = _labels(line.stubs, layout.stubs, "dim")
    for span, width in _spread(line.spans, layout.entries):
        text.append(" " * GAP + span.text.center(width), "dim" if line.sizes else "bold")
    if layout.aside:
        text.append(EDGE, "dim")
        for span, width in _spread(line.beside, layout.aside):
            text.append(" " * GAP + span.text.center(width), "bold")
    text.rstrip()
    return text


def _under(line: HeadLine, layout: _Layout) -> Text:
    """Rules under the heads of a line, on either side of the edge where a head spans."""
    text = Text(" " * (layout.left - sum(w + GAP for w in layout.entries)), "dim", no_wrap=True)
    for spans, widths in ((line.spans, layout.entries), (line.beside, layout.aside)):
        if spans is line.beside and layout.aside:
            text.append(EDGE)
        spanning = any(s.width > 1 for s in spans)
        for span, width in _spread(spans, widths):
            text.append(" " * GAP + ("─" if spanning and span.text else " ") * width)
    text.rstrip()
    return text


def _rows(rows: Sequence[Row], layout: _Layout) -> Iterator[Text]:
    for row, labels in zip(rows, stub_labels(rows)):
        entries = [_entry(e) for e in row.entries]
        folded = list(zip_longest(*(wrap(label, w) for label, w in zip(labels, layout.stubs)), fillvalue=""))
        for i in range(max(len(folded), *map(len, entries), 1)):
            text = _labels(folded[i] if i < len(folded) else [""] * len(labels), layout.stubs)
            for lines, width in zip(entries, layout.entries):
                line = lines[i] if i < len(lines) else []
                room = width - sum(len(t) for t, _ in line)
                text.append(" " * (GAP + room // 2))
                for piece, style in line:
                    text.append(piece, style)
                text.append(" " * (room - room // 2))
            if layout.aside:
                text.append(EDGE, "dim")
                for fact, width in zip(row.facts if i == 0 else (), layout.aside):
                    text.append(" " * GAP + fact.text.center(width))
            text.rstrip()
            yield text


def _labels(texts: Sequence[str], widths: Sequence[int], style: str = "") -> Text:
    return Text((" " * GAP).join(text.ljust(w) for text, w in zip(texts, widths)), style, no_wrap=True)


def _stub_widths(table: ComparisonTable, width: int) -> list[int]:
    """Of the row labels: those longer than a third of the line are folded, and more where an entry has no room yet."""
    heads = [line.stubs for line in table.header()]
    shown = zip(*(labels for rows in table.parts for labels in stub_labels(rows)), *heads)
    widths = [min(max(map(len, column)), max(width // 3, NARROWEST)) for column in shown]
    over = max(_layout(single, widths).total for single in blocks(table, lambda _: False)) - width
    if over > 0:
        longest = max(range(len(widths)), key=widths.__getitem__)
        widths[longest] = max(widths[longest] - over, NARROWEST)
    return widths


def _layout(table: ComparisonTable, stubs: list[int]) -> _Layout:
    """Widths that hold all values, widened where a head over several columns is longer than they are."""
    rows = [row for part in table.parts for row in part]
    entries = zip(*(row.entries for row in rows))
    widths = [max(sum(len(t) for t, _ in line) for e in column for line in _entry(e)) for column in entries]
    aside = [max(len(fact.text) for fact in column) for column in zip(*(row.facts for row in rows))]
    for line in table.header(apart=True):
        _widen(widths, line.spans)
        _widen(aside, line.beside)
    return _Layout(stubs, widths, aside)


def _widen(widths: list[int], spans: Sequence[Span]) -> None:
    start = 0
    for span in spans:
        while len(span.text) > _span_width(widths[start : start + span.width]):
            narrowest = min(range(start, start + span.width), key=widths.__getitem__)
            widths[narrowest] += 1
        start += span.width


def _spread(spans: Sequence[Span], widths: Sequence[int]) -> Iterator[tuple[Span, int]]:
    """Each head and the characters that it has."""
    start = 0
    for span in spans:
        yield span, _span_width(widths[start : start + span.width])
        start += span.width


def _span_width(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)
