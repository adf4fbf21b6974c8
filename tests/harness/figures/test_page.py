"""A figure from its panels to its files: foot, legend, room, bytes, fonts."""

from __future__ import annotations

import re
import subprocess
import sys
import zlib
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest

from harness.figures.axis import Line, Panel, axis_figure
from harness.figures.page import short, wrapped, write
from harness.figures.style import COLUMN, MAX_LINES, PAGE, Notes, limited, mark
from harness.render import RenderError
from tests.harness.figures.looking import apart, foot, inside, is_whole, looks

pytestmark = pytest.mark.filterwarnings("error:constrained_layout not applied")

NASTY = r"50 % & $x_1 #{a}~^\ <b>q</b> [1] é ≥±–…"
NOTES = Notes("Data: phantom, profile demo; n = 118 breasts of 59 patients; mean over 3 seeds.", True, "How many?")


def figure(lines: int = 2, panels: int = 1, notes: Notes = NOTES, name: str = "method {}"):
    """Lines that rise, over four shares."""
    x = [0.01, 0.1, 0.5, 1.0]
    drawn = [Line(name.format(i), x, [0.5 + 0.01 * i + 0.1 * v for v in x]) for i in range(lines)]
    words = {"x_label": "labelled training patients", "y_label": "AUC per breast"}
    return axis_figure(
        [Panel(f"task {i}", drawn) for i in range(panels)],
        **words,
        ticks={v: f"{100 * v:g} %" for v in x},
        notes=notes,
    )


def test_the_foot_says_what_the_data_are():
    said = foot(figure())
    assert "SIMULATED DATA" in said
    assert "n = 118 breasts of 59 patients" in said
    assert "SIMULATED" not in foot(figure(notes=Notes("real")))
    assert foot(figure(notes=Notes())) == ""


@pytest.mark.parametrize(("panels", "width"), [(1, COLUMN), (2, PAGE), (3, PAGE), (4, PAGE)])
def test_a_figure_is_as_wide_as_a_column_or_a_page(panels, width):
    assert figure(panels=panels).get_figwidth() == width


@pytest.mark.parametrize("panels", [1, 2, 4, 6])
@pytest.mark.parametrize(
    "name", ["m{}", f"{NASTY} {{}}".replace("{a}", "{{a}}"), "a long name of a method " * 6 + "{}"]
)
def test_nothing_is_cut_off_or_lies_over_something_else(panels, name, tmp_path):
    drawn = figure(lines=MAX_LINES, panels=panels, name=name)
    assert inside(drawn)
    assert apart(drawn)
    assert is_whole(write(drawn, tmp_path, "f")[1])


def test_a_longer_foot_leaves_the_panels_their_size():
    few, many = figure(), figure(notes=Notes("word " * 300, True))
    sizes = [f.axes[0].get_position().height * f.get_figheight() for f in (few, many)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.02)


def test_files_are_the_same_bytes_however_often_and_whatever_the_settings(tmp_path):
    drawn = figure()
    first = [path.read_bytes() for path in write(drawn, tmp_path, "a")]
    assert [path.read_bytes() for path in write(drawn, tmp_path, "b")] == first
    with mpl.rc_context({"font.size": 20, "pdf.fonttype": 3, "axes.facecolor": "red", "savefig.dpi": 30}):
        assert [path.read_bytes() for path in write(figure(), tmp_path, "c")] == first


def test_files_do_not_depend_on_the_process(tmp_path):
    code = (
        "import sys; from pathlib import Path; from tests.harness.figures.test_page import figure;"
        "from harness.figures.page import write; write(figure(), Path(sys.argv[1]), 'f')"
    )
    for seed in ("1", "2"):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / seed)], check=True, env={"PYTHONHASHSEED": seed})
    for suffix in ("pdf", "png"):
        one, two = ((tmp_path / seed / f"f.{suffix}").read_bytes() for seed in "12")
        assert one == two


def test_a_pdf_has_its_fonts_and_a_title_and_no_date(tmp_path):
    pdf, png = (path.read_bytes() for path in write(figure(), tmp_path, "f"))
    assert b"/FontFile2" in pdf  # TrueType outlines: type 42
    assert b"/Type3" not in pdf
    assert not re.search(rb"/CreationDate|/Producer|/Creator", pdf)
    assert b"(How many?)" in pdf
    assert png.startswith(b"\x89PNG")
    assert b"How many?" in png


def test_a_pdf_is_drawn_in_vectors(tmp_path):
    pdf = write(figure(), tmp_path, "f")[0].read_bytes()
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.S)
    page = b"".join(zlib.decompress(s) for s in streams if s[:1] == b"x")
    assert b"/Subtype /Image" not in pdf
    assert page.count(b" l\n") > 10  # lineto


def test_nothing_is_written_where_nothing_can_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RenderError, match="cannot be written"):
        write(figure(), tmp_path / "file", "f")


def test_lines_differ_in_grey():
    seen = looks(figure(lines=MAX_LINES))
    assert len({stroke for stroke, _, _ in seen}) == len({marker for _, marker, _ in seen}) == MAX_LINES


def test_marks_never_repeat_in_stroke_and_marker():
    marks = [mark(i) for i in range(MAX_LINES**2)]
    assert len({(str(m.stroke), m.marker) for m in marks}) == len(marks)


def test_colours_are_apart_for_colour_blind_readers():
    """Viénot, Brettel and Mollon (1999), for protanopia and deuteranopia."""
    to_lms = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
    blind = (
        np.array([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]]),
        np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]]),
    )
    colours = np.array([mpl.colors.to_rgb(mark(i).colour) for i in range(MAX_LINES)])
    for kind in blind:
        seen = colours**2.2 @ (np.linalg.inv(to_lms) @ kind @ to_lms).T
        seen = np.clip(seen, 0, 1) ** (1 / 2.2)
        assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 0.12


def test_what_is_left_out_is_said():
    assert limited(["a", "b"], 2, "lines") == (["a", "b"], "")
    kept, said = limited(list("abcdefgh"), 2, "lines")
    assert kept == ["a", "b"]
    assert said == "Left out (room for 2 lines): c, d, e, f and 2 more."


def test_words_are_wrapped_and_never_lost():
    text = "one two " + "w" * 200 + " three"
    parts = wrapped(figure(), text, 7, 2.0)
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")
    assert len(parts) > 3
    assert wrapped(figure(), "", 7, 2.0) == []
    assert short("abc", 3) == "abc"
    assert short("abcd", 3) == "ab…"


def test_drawing_changes_nobody_elses_settings():
    before = dict(mpl.rcParams)
    figure()
    assert dict(mpl.rcParams) == before
