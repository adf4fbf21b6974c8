"""A comparison table for the terminal: compact numbers, dim intervals, blocks where it is too wide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.text import Text

from harness.caption import caption
from harness.render.blocks import blocks
from harness.table_model import ComparisonTable, Entry, Row, Span, stub_labels
from harness.wording import number

GAP = 2
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
    stubs = _stub_widths(table)
    room = width - sum(stubs) - GAP * (len(stubs) - 1)
    for block in blocks(table, lambda cut: sum(w + GAP for w in _widths(cut)) <= room):
        parts += [Text(), *_block(block, stubs)]
    parts += [Text(), Text(" ".join(said.sentences), "dim")]
    for letter, text in table.footnotes:
        parts.append(Text.assemble((f"{letter.translate(SUPERSCRIPTS)} ", "bold"), text))
    return Group(*parts)


def print_table(table: ComparisonTable, console: Console) -> None:
    """Print a table as wide as the console is."""
    console.print(render(table, console.width))


def short(value: float) -> str:
    """Three decimals without the leading zero: ``.712``."""
    return number(value).replace("0.", ".", 1) if abs(value) < 1 else number(value)


def _entry(entry: Entry) -> list[Line]:
    """The lines of one entry: value, interval, marks."""
    letters = ",".join(entry.footnotes).translate(SUPERSCRIPTS)
    if entry.mean is None:
        return [[(entry.sign, "yellow"), (letters, "")]]
    spread = f"±{short(entry.sd)}" if entry.sd is not None else ""
    lines: list[Line] = [[(short(entry.mean), "bold green" if entry.best else ""), (spread, "")]]
    if entry.low is not None:
        lines.append([(f"{short(entry.low)}–{short(entry.high)}", "dim")])
    if entry.share or letters:
        lines.append([(entry.share + letters, "yellow")])
    return lines


def _block(table: ComparisonTable, stubs: Sequence[int]) -> Iterator[Text]:
    widths = _widths(table)
    total = sum(stubs) + GAP * (len(stubs) - 1) + sum(w + GAP for w in widths)
    header = table.header(apart=True)
    for line in header:
        yield _heads(line.stubs, line.spans, stubs, widths, "dim" if line.sizes else "bold")
        if not line.sizes and any(s.width > 1 for s in line.spans):
            yield _heads(("",) * len(stubs), _rules(line.spans, widths), stubs, widths, "dim")
    yield Text("─" * total, "dim")
    yield from _rows(table.rows, stubs, widths)
    if table.baselines:
        yield Text("─" * total, "dim")
        yield from _rows(table.baselines, stubs, widths)


def _rules(spans: Sequence[Span], widths: Sequence[int]) -> list[Span]:
    rules, start = [], 0
    for span in spans:
        rules.append(Span("─" * _span_width(widths[start : start + span.width]), span.width))
        start += span.width
    return rules


def _heads(
    labels: Sequence[str], spans: Sequence[Span], stubs: Sequence[int], widths: Sequence[int], style: str
) -> Text:
    text = Text((" " * GAP).join(label.ljust(w) for label, w in zip(labels, stubs)), "dim", no_wrap=True)
    start = 0
    for span in spans:
        text.append(" " * GAP + span.text.center(_span_width(widths[start : start + span.width])), style)
        start += span.width
    text.rstrip()
    return text


def _rows(rows: Sequence[Row], stubs: Sequence[int], widths: Sequence[int]) -> Iterator[Text]:
    for row, labels in zip(rows, stub_labels(rows)):
        entries = [_entry(e) for e in row.entries]
        for i in range(max(map(len, entries))):
            said = labels if i == 0 else [""] * len(labels)
            text = Text((" " * GAP).join(label.ljust(w) for label, w in zip(said, stubs)), no_wrap=True)
            for lines, width in zip(entries, widths):
                line = lines[i] if i < len(lines) else []
                room = width - sum(len(t) for t, _ in line)
                text.append(" " * (GAP + room // 2))
                for piece, style in line:
                    text.append(piece, style)
                text.append(" " * (room - room // 2))
            text.rstrip()
            yield text


def _stub_widths(table: ComparisonTable) -> list[int]:
    heads = [line.stubs for line in table.header()]
    shown = zip(*stub_labels(table.rows), *stub_labels(table.baselines), *heads)
    return [max(map(len, column)) for column in shown]


def _widths(table: ComparisonTable) -> list[int]:
    """Characters of each column, widened where a head over several of them is longer than they are."""
    entries = zip(*(row.entries for row in (*table.rows, *table.baselines)))
    widths = [max(sum(len(t) for t, _ in line) for e in column for line in _entry(e)) for column in entries]
    for line in table.header(apart=True):
        start = 0
        for span in line.spans:
            while len(span.text) > _span_width(widths[start : start + span.width]):
                narrowest = min(range(start, start + span.width), key=widths.__getitem__)
                widths[narrowest] += 1
            start += span.width
    return widths


def _span_width(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)
