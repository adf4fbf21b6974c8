r"""A comparison table as a LaTeX fragment for ``\input``: booktabs, nested heads, footnotes below."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.caption import caption
from harness.render.blocks import blocks
from harness.table_model import ComparisonTable, Entry, HeadLine, Row, Span, stub_labels

MARKS = {"": "", "†": "\\dag{}", "‡": "\\ddag{}"}
PACKAGES = ("booktabs", "graphicx")
"""What a document needs beside LaTeX itself; ``graphicx`` shrinks a table that is wider than the line."""

MAX_COLUMNS = 6
"""More than these would be too small to read across a page: they go on in a further float of that number."""
MAX_ROWS = 12
"""More than these, with their intervals and a caption, are higher than a page of LaTeX's ``article``."""

_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho "
    "varsigma sigma tau upsilon phi chi psi omega"
)
_MATH = {
    **{chr(0x3B1 + i): f"\\{name}" for i, name in enumerate(_GREEK.split())},
    "ο": "o",
    "µ": "\\mu",
    "≥": "\\geq",
    "≤": "\\leq",
    "±": "\\pm",
    "×": "\\times",
    "≠": "\\neq",
    "≈": "\\approx",
    "→": "\\rightarrow",
    "·": "\\cdot",
    "∞": "\\infty",
    "−": "-",
    "°": "^{\\circ}",
}
_TEXT = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    '"': "''",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "–": "--",
    "—": "---",
    "…": "\\ldots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "\u00a0": "~",
    "\u200b": "{}",  # keeps two hyphens from becoming a dash
    "\u202f": "\\,",
}


def render(table: ComparisonTable) -> str:
    """A ``table`` environment, and more of them where it is wide; the first line names the packages."""
    return "\n".join(_lines(table)) + "\n"


def escape(text: str) -> str:
    """Text that LaTeX prints as it is, with any engine and font encoding.

    Brackets and asterisks are wrapped, since a row's end would take them for its own options. A letter that
    plain LaTeX fonts lack becomes its base letter, or ``[U+4E2D]`` where it has none.
    """
    plain = " ".join(text.split()).replace("--", "-\u200b-")
    return "".join(map(_char, plain))


def _char(c: str) -> str:
    if c in _TEXT:
        return _TEXT[c]
    if c in _MATH:
        return f"${_MATH[c]}$"
    if c.isascii():
        return c if c.isprintable() else ""
    if "À" <= c <= "ÿ" and c not in "ÐðÞþ÷":
        return c
    base = "".join(b for b in unicodedata.normalize("NFKD", c) if b.isascii() and b.isalnum())
    return base or f"{{[}}U+{ord(c):04X}{{]}}"


def _lines(table: ComparisonTable) -> Iterator[str]:
    yield "% needs " + " and ".join(f"\\usepackage{{{package}}}" for package in PACKAGES)
    across = blocks(table, lambda block: len(block.columns) + len(block.beside) <= MAX_COLUMNS)
    cut = [page for block in across for page in _pages(block)]
    for i, block in enumerate(cut):
        yield "\\begin{table}[tbp]"
        yield "\\centering"
        yield from _caption(table) if i == 0 else ["\\tablename~\\thetable{} (continued)"]
        yield "\\setlength{\\tabcolsep}{4pt}"
        yield from _block(block)
        yield from _below(block, table.spec.footer if block is cut[-1] else "")
        yield "\\end{table}"


def _pages(block: ComparisonTable) -> Iterator[ComparisonTable]:
    """A block cut to the height of a page; grid and rows without images part first."""
    if sum(map(len, block.parts)) <= MAX_ROWS:
        yield block
        return
    empty = {"rows": (), "baselines": (), "published": ()}
    for name in empty:
        rows = getattr(block, name)
        for start in range(0, len(rows), MAX_ROWS):
            yield replace(block, **{**empty, name: rows[start : start + MAX_ROWS]})


def _caption(table: ComparisonTable) -> Iterator[str]:
    said = caption(table)
    words = [escape(said.question), *([f"\\textbf{{{escape(said.warning)}}}"] if said.warning else [])]
    yield f"\\caption[{words[0]}]{{{' '.join([*words, escape(' '.join(said.sentences))])}}}"
    yield f"\\label{{tab:{re.sub('[^A-Za-z0-9]+', '-', table.spec.ablation)}}}"


def _block(table: ComparisonTable) -> Iterator[str]:
    left = "l" * len(table.row_levels) + "c" * len(table.columns)
    aside = f"|{'c' * len(table.beside)}" if table.beside else ""
    yield "\\par\\smallskip"
    yield "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%"
    yield f"\\begin{{tabular}}{{@{{}}{left}{aside}@{{}}}}"
    yield "\\toprule"
    header = table.header()
    for line, following in zip(header, [*header[1:], None]):
        yield from _head(line, following)
    for rows in table.parts:
        yield "\\midrule"
        yield from _rows(rows)
    yield "\\bottomrule"
    yield "\\end{tabular}}"


def _head(line: HeadLine, following: HeadLine | None) -> Iterator[str]:
    """One line of heads; rules under heads that span, once their sizes are told."""
    cells = [_spanned(span, small=line.sizes) for span in line.spans]
    if line.beside and cells and line.spans[-1].width > 1:
        cells[-1] = cells[-1].replace("{c}", "{c|}", 1)  # a spanning head would hide the line right of it
    aside = [_spanned(span) for span in line.beside]
    stub = [f"\\emph{{{escape(s)}}}" if s and following else escape(s) for s in line.stubs]
    yield f"{' & '.join([*stub, *cells, *aside])} \\\\"
    if following is None:
        return
    first = len(stub) + 1
    rules = [] if following.sizes else _rules(line.spans, first)
    rules += _rules(line.beside, first + sum(span.width for span in line.spans))
    if rules:
        yield " ".join(rules)


def _spanned(span: Span, *, small: bool = False) -> str:
    text = escape(span.text)
    text = f"{{\\scriptsize {text}}}" if small and text else text
    return f"\\multicolumn{{{span.width}}}{{c}}{{{text}}}" if span.width > 1 else text


def _rules(spans: Sequence[Span], first: int) -> list[str]:
    rules = []
    for span in spans:
        if span.text:
            rules.append(f"\\cmidrule(lr){{{first}-{first + span.width - 1}}}")
        first += span.width
    return rules


def _rows(rows: Sequence[Row]) -> Iterator[str]:
    for row, printed in zip(rows, stub_labels(rows)):
        labels = [escape(label) for label in printed]
        facts = [escape(fact.text) for fact in row.facts]
        yield f"{' & '.join([*labels, *map(_value, row.entries), *facts])} \\\\"
        second = [_second(e) for e in row.entries]
        if any(second):
            yield f"{' & '.join([''] * len(labels) + second + [''] * len(facts))} \\\\[2pt]"


def _value(entry: Entry) -> str:
    above = ",".join(filter(None, (MARKS[entry.mark], *entry.footnotes)))
    letters = f"\\textsuperscript{{{above}}}" if above else ""
    if entry.quoted is not None:
        return f"{escape(entry.quoted)}{letters}"
    if entry.mean is None:
        return f"\\emph{{{escape(entry.sign)}}}{letters}"
    mean = f"\\textbf{{{entry.shown('mean')}}}" if entry.best else entry.shown("mean")
    mean = f"\\underline{{{mean}}}" if entry.tied else mean
    spread = f"{{\\scriptsize $\\pm${entry.shown('sd')}}}" if entry.sd is not None else ""
    return f"{mean}{spread}{letters}"


def _second(entry: Entry) -> str:
    """What stands below a value: its interval, and how many seeds it is over where some are lost."""
    if entry.quoted_interval:
        return f"{{\\scriptsize {escape(entry.quoted_interval)}}}"
    interval = f"{{[}}{entry.shown('low')}, {entry.shown('high')}{{]}}" if entry.low is not None else ""
    said = " ".join(filter(None, (interval, entry.share)))
    return f"{{\\scriptsize {said}}}" if said else ""


def _below(block: ComparisonTable, footer: str) -> Iterator[str]:
    used = {letter for rows in block.parts for row in rows for entry in row.entries for letter in entry.footnotes}
    notes = [f"\\textsuperscript{{{letter}}} {escape(text)}" for letter, text in block.footnotes if letter in used]
    if footer:
        notes.append(escape(footer))
    if notes:
        yield "\\par\\smallskip"
        yield "\\begin{minipage}{\\linewidth}\\footnotesize\\raggedright"
        yield "\\par\n".join(notes)
        yield "\\end{minipage}"
