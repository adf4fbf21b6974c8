"""The page: whole, escaped, self-contained, and as small with 2,000 cells as it must be."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from harness.figures.chosen import Drawn
from harness.render import RenderError
from harness.report.page import render, write_report
from tests.harness.report.made_up import SAID, made_up
from tests.harness.table_cells import grid, lose

NASTY = '<script>alert("x")</script> & {{ 7 * 7 }} </details>'
VOID = ("meta", "br", "img", "link", "input")


class Page(HTMLParser):
    """Whether tags are closed, what would be fetched, and where links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.unnamed: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        self.tags.add(tag)
        self.fetched += [
            v for k, v in attrs if k in ("src", "srcset", "action", "poster") and not v.startswith("data:")
        ]
        self.fetched += [v for k, v in attrs if k == "href" and not v.startswith("#")]
        self.links += [v[1:] for k, v in attrs if k == "href" and v.startswith("#")]
        self.ids += [said["id"]] if "id" in said else []
        if (tag == "img" and not said.get("alt")) or (said.get("tabindex") and not said.get("aria-label")):
            self.unnamed.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    frame = lose(grid(), "failed", NASTY, tokens=4, task="mass", seed=2)
    return made_up(tmp_path_factory.mktemp("report"), frame, asked={"question": NASTY, "notes": [NASTY]})


@pytest.fixture(scope="module")
def text(sources):
    return render(sources)


def test_the_page_is_well_formed_and_needs_nothing_beside_itself(text):
    page = Page(text)
    assert page.open == [] and page.fetched == [] and page.unnamed == []
    assert len(page.ids) == len(set(page.ids)) and set(page.links) <= set(page.ids)
    assert "script" not in page.tags and "url(" not in text and "@import" not in text


def test_texts_of_others_are_texts_and_no_markup(text):
    assert NASTY not in text and "{{ 7 * 7 }}" in text
    assert text.count("&lt;script&gt;") >= 4
    assert "&lt;cut short&gt;" in text and "<exams>" not in text


def test_every_section_is_there(text):
    for name in ("table", "figures", "groups", "cost", "failures", "data", "settings", "again", "runs"):
        assert f'<section id="{name}"' in text and f'href="#{name}"' in text
    assert SAID["command"] in text and "parent0" in text and "run00000" in text
    assert text.count('<table class="comparison">') == 1


def test_figures_are_in_the_page_and_those_that_are_not_say_why(text):
    assert len(re.findall(r'<img src="data:image/png;base64,[A-Za-z0-9+/=]+"', text)) == 2
    assert "Along the axis" in text and "ROC, precision–recall and calibration: mass" in text
    assert "Not drawn: One axis against another (heat map: the rows vary along" in text


def test_no_figures_at_all_are_said_to_be_none(sources):
    assert "No figure was drawn." in render(replace(sources, drawn=Drawn()))
    lost = render(replace(sources, drawn=Drawn(skipped={"curves-any-finding": "why not"})))
    assert "ROC, precision–recall and calibration: any finding (why not)" in lost


def test_simulated_is_said_at_the_top_and_in_the_answer(text):
    top = text[: text.index("<nav")]
    assert top.count("SIMULATED DATA") == 2


def test_the_same_sources_make_the_same_page(sources, text):
    assert render(sources) == text


def test_wide_tables_are_cut_and_no_entry_is_lost(tmp_path):
    frame = grid(fractions=(0.01, 0.1, 0.5, 1.0), seeds=(0,))
    text = render(made_up(tmp_path, frame))
    assert text.count('<table class="comparison">') == 3
    shown = re.findall(r'<td class="[^"]*" title="[^"]*seed 0: [^"]*key k\d+', text)
    assert len(shown) == len(frame)


def test_a_page_without_any_store_or_record_still_opens(sources, tmp_path):
    from harness.store import Store

    empty = replace(
        sources,
        store=Store(tmp_path / "nowhere"),
        logs=tmp_path / "no logs",
        files=lambda cell, name: None,
        environment={},
        stages={},
        drawn=Drawn(),
    )
    page = render(empty)
    assert Page(page).open == []
    assert "what it cost is not known here" in page and "its data are not known here" in page


def test_two_thousand_cells_make_a_page_under_ten_megabytes(tmp_path):
    tasks, fractions = ("mass", "calcification", "malignancy"), (0.1, 1.0)
    frame = grid(tokens=range(1, 113), tasks=tasks, fractions=fractions, seeds=(0, 1, 2), draws=50)
    assert len(frame) > 2000
    frame = lose(frame, "failed", NASTY, tokens=7)
    sources = made_up(tmp_path, frame)
    text = render(sources)
    assert len(text.encode()) < 3e6, "the figures may take the rest"
    assert text.count("run0") > 1900 and Page(text).open == []


def test_a_folder_that_is_a_file_is_one_clear_line(sources, tmp_path):
    (tmp_path / "results").write_text("in the way")
    with pytest.raises(RenderError, match=r"demo\.report\.html: cannot be written"):
        write_report(sources, tmp_path / "results" / "demo.report.html")


def test_every_slope_stands_below_the_table(tmp_path, text):
    frame = lose(grid(), "failed", "ValueError", tokens=8, task="mass", fraction=0.1, seed=1)
    page = render(made_up(tmp_path, frame, asked={"compare": {"trend": "eval.fraction", "level": 0.9}}))
    assert Page(page).open == []
    (rows,) = re.findall(r"<h3>Slopes</h3>.*?</table>", page, re.S)
    assert "along fraction" in rows and "90 % interval" in rows and rows.count("<tr>") == 1 + 3 * 4
    assert rows.count("not every point of the axis") == 1
    assert "<h3>Slopes" not in text


def test_each_row_over_all_columns_stands_below_the_table_where_it_was_asked_for(tmp_path, text):
    frame = lose(grid(), "failed", "ValueError", tokens=8, task="mass", fraction=0.1, seed=1)
    page = render(made_up(tmp_path, frame, asked={"compare": {"overall": True}}))
    assert Page(page).open == []
    (rows,) = re.findall(r"<h3>Over all columns</h3>.*?</table>", page, re.S)
    assert [row.count("<td") for row in rows.split("<tr>")[2:]] == [4, 1, 3, 4], "a reason, the reference itself"
    assert "1 of 6 columns without a result of every seed" in rows
    assert "Over all columns" not in text
