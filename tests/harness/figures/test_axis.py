"""A metric against an ordered axis: what is drawn, where, and what is said of the rest."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.figures.axis import BANDS, Line, Panel, axis_figure, room, scale_axis
from harness.figures.style import MAX_LINES, MAX_PANELS
from mvmlm.errors import DataError
from tests.harness.figures.looking import foot, inside, legend, lines

pytestmark = pytest.mark.filterwarnings("error:constrained_layout not applied")

NAN = math.nan
X = [8, 16, 32, 256]


def drawn(panels, x=X, **words):
    said = {"x_label": "visual tokens", "y_label": "AUC per breast", "ticks": {v: f"{v:g}" for v in x}, **words}
    return axis_figure(panels, **said)


def line(name="a", x=X, **changes):
    y = np.linspace(0.6, 0.7, len(x))
    return Line(**{"label": name, "x": x, "y": y, "low": y - 0.05, "high": y + 0.05, **changes})


def test_axes_are_named_and_hold_the_data():
    figure = drawn([Panel("mass", [line()])])
    (axis,) = figure.axes
    assert (axis.get_xlabel(), axis.get_ylabel(), axis.get_title()) == ("visual tokens", "AUC per breast", "mass")
    (points,) = lines(axis)
    np.testing.assert_allclose(points, np.column_stack([X, np.linspace(0.6, 0.7, 4)]))
    low, high = axis.get_xlim()
    assert low < 8
    assert high > 256
    low, high = axis.get_ylim()
    assert low < 0.55
    assert high > 0.75


def test_points_are_joined_by_rising_value():
    order = [2, 0, 3, 1]
    y = np.array([0.6, 0.7, 0.8, 0.9])
    figure = drawn([Panel("", [Line("a", np.array(X)[order], y[order], partial=[8])])])
    np.testing.assert_allclose(lines(figure.axes[0])[0], np.column_stack([X, y]))
    hollow = [m for m in figure.axes[0].get_lines() if m.get_markerfacecolor() == "white"]
    assert [list(m.get_xdata()) for m in hollow] == [[8]]


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([4, 8, 16], "linear"),
        ([4, 8, 32], "log"),
        ([0.01, 1.0], "log"),
        ([0, 1, 100], "symlog"),
        ([0, 1, 2], "linear"),
        ([-40, 1, 100], "linear"),
        ([5], "linear"),
        ([0], "linear"),
    ],
)
def test_a_log_scale_where_values_span_a_factor_of_eight(values, scale):
    figure = drawn([Panel("", [line(x=values)])], x=values)
    (axis,) = figure.axes
    assert axis.get_xscale() == scale
    assert [tick.get_text() for tick in axis.get_xticklabels()] == [f"{v:g}" for v in sorted(values)]
    assert axis.get_xlim()[0] < min(values) <= max(values) < axis.get_xlim()[1]


@pytest.mark.parametrize(("count", "bands"), [(BANDS, BANDS), (BANDS + 1, 0)])
def test_bands_for_few_lines_and_whiskers_for_many(count, bands):
    from matplotlib.collections import LineCollection, PolyCollection

    (axis,) = drawn([Panel("", [line(str(i)) for i in range(count)])]).axes
    assert sum(isinstance(c, PolyCollection) for c in axis.collections) == bands
    whiskers = [c for c in axis.collections if isinstance(c, LineCollection)]
    assert len(whiskers) == (0 if bands else count)
    for each in whiskers:
        ends = [segment[:, 1] for segment in each.get_segments()]
        np.testing.assert_allclose(ends, [(y - 0.05, y + 0.05) for y in np.linspace(0.6, 0.7, 4)])


def test_an_interval_without_neighbours_is_a_whisker():
    from matplotlib.collections import LineCollection

    low, high = [0.5, NAN, 0.5, 0.5], [0.8, NAN, 0.8, 0.8]
    (axis,) = drawn([Panel("", [line(y=[0.6, NAN, 0.6, 0.6], low=low, high=high)])]).axes
    whiskers = [s for c in axis.collections if isinstance(c, LineCollection) for s in c.get_segments()]
    assert [list(s[:, 0]) for s in whiskers] == [[8, 8]]


def test_a_missing_value_breaks_the_line_and_is_marked():
    figure = drawn([Panel("", [line(y=[0.6, NAN, 0.7, None], lost=[16, 256])])])
    (points,) = lines(figure.axes[0])
    assert np.isnan(points[[1, 3], 1]).all()
    crosses = [m for m in figure.axes[0].get_lines() if m.get_marker() == "x"]
    assert [list(m.get_xdata()) for m in crosses] == [[16, 256]]
    assert "no result" in legend(figure)


def test_lost_points_of_two_lines_stand_side_by_side():
    figure = drawn([Panel("", [line("a", lost=[8]), line("b", lost=[8])])])
    crosses = [m for m in figure.axes[0].get_lines() if m.get_marker() == "x"]
    places = [m.get_transform().transform((8, 0.03))[0] for m in crosses]
    assert abs(places[0] - places[1]) > 4


@pytest.mark.parametrize("line_", [line(y=[NAN] * 4, low=(), high=()), Line("a", [], [])])
def test_nothing_to_draw_is_refused(line_):
    with pytest.raises(DataError, match="axis figure: no line has a value"):
        drawn([Panel("", [line_])])


@pytest.mark.parametrize(
    "one",
    [
        line(x=[8]),
        line(x=[8], y=[0.5], low=[0.5], high=[0.5]),
        line(y=[0.5] * 4, low=[0.5] * 4, high=[0.5] * 4),
        line(y=[0.0] * 4, low=(), high=()),
        line(y=[0.5, NAN, math.inf, None], low=[NAN] * 4, high=[NAN] * 4),
    ],
    ids=["one point", "no width", "all equal", "all zero", "not finite"],
)
@pytest.mark.filterwarnings("error")
def test_degenerate_lines_are_drawn_without_a_warning(one):
    figure = drawn([Panel("", [one])], x=sorted(one.x))
    assert inside(figure)
    assert np.isfinite([*figure.axes[0].get_xlim(), *figure.axes[0].get_ylim()]).all()


def test_more_lines_and_panels_than_one_can_read_are_left_out_by_name():
    many = [line(f"m{i}") for i in range(MAX_LINES + 2)]
    figure = drawn([Panel(f"t{i}", many) for i in range(MAX_PANELS + 1)])
    assert len(figure.axes) == MAX_PANELS
    assert all(len(lines(axis)) == MAX_LINES for axis in figure.axes)
    assert f"Left out (room for {MAX_PANELS} panels): t{MAX_PANELS}." in foot(figure)
    assert f"Left out (room for {MAX_LINES} lines): m{MAX_LINES}, m{MAX_LINES + 1}." in foot(figure)


def test_a_row_without_images_is_thin_and_looks_like_the_line_that_it_belongs_to():
    blind = [Line("metadata only", X, [0.5] * 4, under=name) for name in "ab"]
    figure = drawn([Panel("", [line("a"), line("b"), *blind])])
    shown = [x for x in figure.axes[0].get_lines() if len(x.get_xdata()) == 4 and x.get_linestyle() != "None"]
    thin = [x for x in shown if x.get_linewidth() < 1]
    assert [x.get_color() for x in thin] == [x.get_color() for x in shown if x not in thin]
    assert legend(figure) == ["a", "b", "metadata only (thin lines)"]


def test_labels_of_close_ticks_are_aslant_and_do_not_touch():
    values = list(range(1000, 13000, 1000))
    figure = drawn([Panel("", [line(x=values)])], x=values)
    renderer = figure.canvas.get_renderer()
    labels = [t for t in figure.axes[0].get_xticklabels() if t.get_text()]
    assert len(labels) >= 5
    assert labels[-1].get_text() == "12000"
    assert all(label.get_rotation() == 45 for label in labels)
    ends = [label.get_window_extent(renderer).x1 for label in labels]
    assert min(np.diff(ends)) > 8  # about a line of text


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=8))
def test_room_holds_all_values(values):
    low, high = room([*values, None, NAN, math.inf])
    assert low < min(values) <= max(values) < high


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1e4, allow_subnormal=False).filter(lambda v: v == 0 or v > 1e-6), min_size=1, max_size=6))
def test_any_values_have_a_place_within_the_limits(values):
    from matplotlib.figure import Figure

    axis = Figure().subplots()
    scale_axis(axis, values)
    places = axis.transAxes.inverted().transform(axis.transData.transform([(v, 0) for v in values]))[:, 0]
    assert ((places > 0) & (places < 1)).all()
