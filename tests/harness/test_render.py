"""The same table on paper, in a browser, in a spreadsheet and in a terminal."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from harness.render import WRITERS, RenderError, write_all
from harness.render.latex import PACKAGES, escape
from harness.render.terminal import print_table
from harness.tables import build_table
from tests.harness.table_cells import BESIDE, METRIC, SHARES, grid, lose, no_image, report_arms, spec, wounded

GOLDEN = Path(__file__).parent / "golden"
NASTY = r"""50 % & $x_1 #{a}~^\ <b>"q"</b> [1] * | `c` --set ≥±–…é λ 中 ÷ œ"""


@pytest.fixture(scope="module")
def table():
    """Every kind of gap, and rows without images."""
    return build_table(wounded(), no_image(), spec(footer="harness 0.1.0"))


def printed(table, width: int = 80) -> str:
    """A table as a terminal shows it."""
    console = Console(width=width, file=io.StringIO(), color_system=None)
    print_table(table, console)
    return console.file.getvalue()


def check_golden(name: str, text: str) -> None:
    """Compare with a kept file; ``GOLDEN_UPDATE=1`` keeps the text instead."""
    path = GOLDEN / name
    if os.environ.get("GOLDEN_UPDATE"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("name", list(WRITERS))
def test_files_are_as_kept(table, name):
    check_golden(f"token_count.{name}", WRITERS[name](table))


def test_terminal_is_as_kept(table):
    check_golden("token_count.txt", printed(table))


@pytest.fixture(scope="module")
def described():
    """A table with side columns."""
    return build_table(*report_arms())


@pytest.mark.parametrize("name", list(WRITERS))
def test_files_with_side_columns_are_as_kept(described, name):
    check_golden(f"report_source.{name}", WRITERS[name](described))


@pytest.mark.parametrize("width", [80, 120])
def test_terminal_with_side_columns_is_as_kept(described, width):
    check_golden(f"report_source.{width}.txt", printed(described, width))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_side_columns_never_wrap_and_are_printed_once_right_of_the_line(described, width):
    lines = printed(described, width).splitlines()
    assert max(map(len, lines)) <= width
    aside = [line.partition("│")[2].split() for line in lines if line.startswith("llm ×4") and "│" in line]
    assert [word for words in aside for word in words] == ["2.1", "%", "0.5", "%", "12.5–13.1", "%"]
    assert len(aside) == (2 if width == 60 else 1)


def test_more_side_columns_than_a_line_holds_go_on_below():
    frame, below, asked = report_arms()
    names = [f"{stage}/{name}" for stage in ("reports", "text") for name in ("omitted", *"abcdefghijklmno")]
    text = printed(build_table(frame, below, spec(**{**vars(asked), "beside": names})), 60)
    assert max(map(len, text.splitlines())) <= 60
    assert len(re.findall(r"12\.5–13\.1 %", text)) == 1
    assert all(len(re.findall(rf"(?<=\s){letter}(?=\s)", text.split("Rows:")[0])) == 2 for letter in "bcdefgh")


def test_side_columns_in_csv_are_named_as_facts_of_the_row(described):
    rows = list(csv.DictReader(io.StringIO(WRITERS["csv"](described))))
    assert len(rows) == sum(1 for _ in described.entries())
    for row in rows:
        values = [row[f"{name}:row_mean"] for name in BESIDE]
        if row["reports"] == "llm ×4" and not row["baseline"]:
            assert values[:2] == ["0.0213", "0.0049"] and float(values[2]) == pytest.approx(0.127)
            assert [row[f"reports/omitted:row_{end}"] for end in ("low", "high")] == ["0.125", "0.131"]
        elif row["reports"] not in SHARES:
            assert values == ["", "", ""]
    assert not any("row_" in name for name in csv.DictReader(io.StringIO(WRITERS["csv"](_plain()))).fieldnames)


def _plain():
    return build_table(grid(), no_image(), spec())


def test_markdown_keeps_side_columns_apart_from_test_results(described):
    lines = [line for line in WRITERS["md"](described).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {1 + 1 + 3 + 1 + 3}
    assert all("| │ |" in line for line in lines if not line.startswith(("| ---", "| *no image")))


def test_html_side_cells_say_that_they_are_no_test_results(described):
    page = _Page()
    page.feed(WRITERS["html"](described))
    aside = [title for title in page.titles if "no test result" in title]
    assert page.open == [] and len(aside) == 7 * 3
    assert page.cells - len(aside) == sum(1 for _ in described.entries())
    assert "reports/omitted, no test result" in aside[5] and "9 cells 0.127, from 0.125 to 0.131" in aside[5]


def test_side_columns_are_never_best_and_have_no_interval(described):
    text = WRITERS["md"](described)
    assert all("**" not in cell and "[" not in cell for line in text.splitlines() for cell in line.split("│")[1:])


def test_all_files_are_written_whole_and_the_same_each_time(table, tmp_path):
    folder = tmp_path / "results" / "token_count"
    paths = write_all(table, folder, stem="demo")
    assert [p.name for p in paths] == ["demo.md", "demo.tex", "demo.csv", "demo.html", "demo.json"]
    before = [p.read_bytes() for p in paths]
    write_all(table, folder, stem="demo")
    assert [p.read_bytes() for p in paths] == before
    assert sorted(folder.iterdir()) == sorted(paths)


def test_folder_that_is_a_file_is_one_clear_line(table, tmp_path):
    (tmp_path / "results").write_text("in the way")
    with pytest.raises(RenderError, match=r"table\.md: cannot be written") as caught:
        write_all(table, tmp_path / "results")
    assert "\n" not in str(caught.value)


def test_failed_rename_leaves_the_old_file_and_no_litter(table, tmp_path, monkeypatch):
    paths = write_all(table, tmp_path)

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("harness.render.os.replace", full)
    with pytest.raises(RenderError, match="No space left on device"):
        write_all(build_table(grid(), None, spec()), tmp_path)
    monkeypatch.undo()
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert "no place" in (tmp_path / "table.md").read_text()


def test_csv_holds_every_entry_in_full_precision_with_keys_and_runs():
    frame = grid()
    frame.loc[0, METRIC] = 1 / 3
    table = build_table(lose(frame, "failed", 'said "no", twice', tokens=8, seed=1), no_image(), spec())
    rows = list(csv.DictReader(io.StringIO(WRITERS["csv"](table))))
    assert len(rows) == sum(1 for _ in table.entries())
    first = rows[0]
    assert float(first["values"].split(";")[0]) == 1 / 3
    assert float(first["mean"]) == frame[METRIC][:3].mean()
    assert first["keys"] == "k00000;k00001;k00002"
    assert first["run_ids"] == "run00000;run00001;run00002"
    assert [first[c] for c in ("method.tokens", "task", "eval.fraction", "n")] == ["4", "mass", "0.1", "118"]
    lost = next(r for r in rows if r["method.tokens"] == "8")
    assert (lost["status"], lost["seeds_done"], lost["statuses"]) == ("partial", "2", "done;failed;done")
    assert 'said "no", twice' in lost["reasons"]
    assert {r["baseline"] for r in rows} == {"", "metadata", "majority"}


class _Page(HTMLParser):
    """Cells of the comparison, and everything that would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.cells, self.fetched, self.titles, self.open = 0, [], [], []

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        self.fetched += [v for k, v in attrs if k in ("src", "srcset", "data", "action")]
        self.fetched += [v for k, v in attrs if k == "href" and not v.startswith("#")]
        if tag == "td" and "title" in said:
            self.cells += 1
            self.titles.append(said["title"])
        if tag not in ("meta", "br", "link", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_is_well_formed_self_contained_and_traces_every_number(table):
    text = WRITERS["html"](table)
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert page.fetched == []
    assert "url(" not in text and "@import" not in text and "<script" not in text
    assert page.cells == sum(1 for _ in table.entries())
    assert re.search(r"seed 0: 0\.705, key k00000, run run00000", page.titles[0])
    assert "<b>differ</b>" not in text
    assert all(f'id="note-{letter}"' in text for letter, _ in table.footnotes)


def test_html_says_what_was_not_judged_and_shows_as_many_decimals_as_are_asked_for():
    frame = grid(tokens=(4, 16), tasks=("mass",), fractions=(1.0,))
    frame[METRIC] = [0.7] * 3 + [0.75] * 3
    frame["draws"] = [np.full(20, value) for value in frame[METRIC]]
    text = WRITERS["html"](build_table(frame, None, spec(digits=4)))
    assert "−0.0500 against tokens 16 (not judged: nothing varies between" in text
    assert "seed 0: 0.7000" in text and "+nan" not in text


def test_markdown_rows_all_have_as_many_cells_whatever_the_texts():
    frame = grid(tokens=(4, 8)).replace({"method.tokens": {4: "a|b", 8: NASTY}})
    table = build_table(lose(frame, "failed", NASTY, task="mass"), no_image(), spec(question=NASTY))
    lines = [line for line in WRITERS["md"](table).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {8}


@pytest.mark.parametrize("width", [60, 80, 120])
def test_terminal_never_wraps_a_row(width):
    fractions = (0.01, 0.1, 0.5, 1.0)
    table = build_table(grid(fractions=fractions), no_image(fractions=fractions), spec())
    lines = printed(table, width).splitlines()
    assert max(map(len, lines)) <= width
    rows = [line for line in lines if line.startswith(("4 ", "8 ", "16 (ref)", "32 "))]
    assert sum(len(re.findall(r"\.\d{3}±\.\d{3}", line)) for line in rows) == 4 * 12


def test_three_tasks_by_two_fractions_fit_80_columns_in_one_block(table):
    text = printed(table)
    assert text.count("metadata only") == 1
    assert max(map(len, text.splitlines())) <= 80


def test_numbers_have_three_decimals_everywhere(table):
    for name in ("md", "tex"):
        text = WRITERS[name](table)
        assert len(re.findall(r"\d\.\d{3}\b", text)) > 100
        assert not re.search(r"\d\.\d{4,}", text)


@pytest.mark.parametrize("name", ["md", "tex", "html", "terminal"])
def test_no_entry_is_lost_in_tables_of_any_shape(name):
    fractions = (0.01, 0.1, 0.5, 1.0)
    frame, blind = grid(tokens=range(1, 31), fractions=fractions), no_image(fractions=fractions)
    across = ["task", "eval.fraction"]
    tall, wide = (["eval.fraction", "method.tokens"], ["task"]), (["method.tokens"], across)
    for rows, columns in (tall, wide):
        table = build_table(frame, blind, spec(rows=rows, columns=columns))
        text = printed(table, 80) if name == "terminal" else WRITERS[name](table)
        tags = re.sub(r"<[^>]*>|\\\w+|[{}$*]", "", text)
        shown = re.findall(r"(0?\.\d{3})\s*±?\s*0?\.\d{3}(?!\d*[\]–])", tags)
        wanted = sorted(f"{e.mean:.3f}".lstrip("0") for _, _, e in table.entries())
        assert sorted(s.lstrip("0") for s in shown) == wanted


def test_latex_text_survives_its_special_characters():
    assert escape("50 % of x_1 & y") == r"50 \% of x\_1 \& y"
    assert escape("--set [a]") == r"-{}-set {[}a{]}"
    assert escape("中") == "{[}U+4E2D{]}"
    assert escape("ő ≥ λ") == r"o $\geq$ $\lambda$"


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex (Debian: texlive-latex-recommended)")
def test_latex_compiles_with_booktabs(table, tmp_path):
    frame = grid(tokens=(4, 8)).replace({"method.tokens": {4: "[4] * of", 8: NASTY}})
    lost = lose(frame, "failed", NASTY, task="mass")
    nasty = build_table(lost, no_image(), spec(question=NASTY, notes=[NASTY]))
    fractions = (0.01, 0.1, 0.5, 1.0)
    wide = build_table(grid(fractions=fractions), no_image(fractions=fractions), spec())
    by_row = spec(rows=["eval.fraction", "method.tokens"], columns=["task"])
    nested = build_table(grid(fractions=fractions), no_image(fractions=fractions), by_row)
    flat = build_table(grid(tasks=("mass",), fractions=(1.0,)), None, spec(columns=[]))
    tall = build_table(grid(tokens=range(1, 31), seeds=(0,)), no_image(seeds=(0,)), spec())
    described = build_table(*report_arms())
    frame, below, asked = report_arms()
    aside = [f"reports/{name}" for name in ("omitted", "contradicted", "words", "x_1", "b", "c", "d", "e")]
    many = build_table(frame, below, spec(**{**vars(asked), "beside": aside}))
    tables = [table, nasty, wide, nested, flat, tall, described, many]
    for i, each in enumerate(tables):
        (tmp_path / f"t{i}.tex").write_text(WRITERS["tex"](each))
    packages = "".join(f"\\usepackage{{{p}}}" for p in PACKAGES)
    inputs = "\n".join(f"\\input{{t{i}.tex}}\\clearpage" for i in range(len(tables)))
    (tmp_path / "paper.tex").write_text(
        f"\\documentclass{{article}}{packages}\\begin{{document}}\\listoftables\n{inputs}\n\\end{{document}}\n"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, encoding="latin-1")
        assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000
    assert "Overfull \\hbox" not in done.stdout
    assert "Float too large" not in done.stdout
    assert WRITERS["tex"](wide).count("\\begin{table}") == 3
