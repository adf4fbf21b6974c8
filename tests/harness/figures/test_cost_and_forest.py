"""The Pareto front of costs, and forest plots of differences."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.figures.cost import Panel, Point, cost_figure, pareto_front
from harness.figures.forest import MAX_ROWS, Effect, forest_figure
from harness.figures.style import MAX_LINES, Notes
from mvmlm.errors import DataError
from tests.harness.figures.looking import apart, foot, inside, legend, looks, texts

pytestmark = pytest.mark.filterwarnings("error:constrained_layout not applied")

NAN = math.nan
WORDS = {"x_label": "pretraining [GPU-seconds]", "y_label": "AUC per breast"}


def points(count, **changes):
    made = [Point(f"m{i}", 100 * 2.0**i, 0.6 + 0.01 * (i % 3), 0.55, 0.7, reference=i == 1) for i in range(count)]
    return [Point(**{**vars(p), **changes}) for p in made]


values = st.integers(1, 6).map(float)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(values, values), max_size=9), st.booleans())
def test_the_front_is_what_no_other_point_beats(pairs, higher):
    found = pareto_front([Point(str(i), *pair) for i, pair in enumerate(pairs)], higher_is_better=higher)
    sign = 1 if higher else -1

    def beaten(c, v):
        return any(oc <= c and sign * ov >= sign * v and (oc, ov) != (c, v) for oc, ov in pairs)

    assert sorted((p.cost, p.value) for p in found) == sorted(pair for pair in pairs if not beaten(*pair))


def test_a_point_a_row_with_its_interval_and_the_reference_ringed():
    figure = cost_figure([Panel("mass", points(4))], **WORDS)
    (axis,) = figure.axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("pretraining [GPU-seconds]", "AUC per breast")
    dots = [x for x in axis.get_lines() if x.get_linestyle() == "None" and x.get_markerfacecolor() != "none"]
    assert [(float(d.get_xdata()[0]), float(d.get_ydata()[0])) for d in dots] == [(p.cost, p.value) for p in points(4)]
    assert sum(x.get_markerfacecolor() == "none" for x in axis.get_lines()) == 1
    assert axis.get_xscale() == "log"
    assert legend(figure) == ["m0", "m1", "m2", "m3", "reference", "front: none cheaper is as good"]
    assert inside(figure)
    assert apart(figure)


def test_ticks_of_costs_are_plain_numbers():
    figure = cost_figure([Panel("", points(8))], **WORDS)
    shown = texts(figure)
    assert "1,000" in shown
    assert "mathdefault" not in shown


def test_of_many_rows_those_on_the_front_and_the_reference_are_marked():
    many = points(MAX_LINES + 6)
    figure = cost_figure([Panel("", many)], **WORDS)
    front = {p.label for p in pareto_front(many)}
    said = legend(figure)
    assert front | {"m1"} <= set(said)
    assert any(entry.startswith("other rows (") for entry in said)
    assert len({(stroke, marker) for stroke, marker, _ in looks(figure)}) > len(front)


def test_rows_without_a_cost_or_a_value_are_not_drawn():
    broken = [Point("a", 0, 0.5), Point("b", NAN, 0.5), Point("c", 10, NAN), Point("d", 20, 0.6)]
    figure = cost_figure([Panel("", broken)], **WORDS)
    assert legend(figure)[0] == "d"
    with pytest.raises(DataError, match="no row has both"):
        cost_figure([Panel("", broken[:3])], **WORDS)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("made", [points(1), points(3, cost=5.0), points(3, value=0.5, low=0.5, high=0.5)])
def test_degenerate_points(made):
    assert inside(cost_figure([Panel("", made)], **WORDS))


def effects(count=3, **changes):
    made = [Effect(f"m{i}", 0.02 * i - 0.02, 0.02 * i - 0.05, 0.02 * i + 0.01, 0.2 * i, "mass") for i in range(count)]
    return [Effect(**{**vars(e), **changes}) for e in made]


def squares(figure):
    return [x for x in figure.axes[0].get_lines() if x.get_marker() == "s"]


def test_a_row_a_difference_with_its_numbers():
    figure = forest_figure(effects(), x_label="AUC per breast", reference="mvmlm", notes=Notes("n = 118", True))
    said = texts(figure)
    assert figure.axes[0].get_xlabel() == "AUC per breast: row − mvmlm   (better →)"
    assert "−0.020 [−0.050, +0.010]" in said
    assert "Δ [95 % interval]" in said
    assert ".2" in said.splitlines()
    assert "SIMULATED" in foot(figure)
    assert [float(s.get_xdata()[0]) for s in squares(figure)] == pytest.approx([-0.02, 0.0, 0.02])
    assert inside(figure)
    assert apart(figure)


def test_filled_by_adjusted_p_and_by_the_interval_where_there_is_none():
    far = Effect("far", 0.5, 0.4, 0.6)

    def shown(*made):
        figure = forest_figure(made, x_label="AUC")
        return [s.get_markerfacecolor() != "white" for s in squares(figure)], foot(figure)

    assert shown(far, *effects(1, p=None)) == (
        [True, False],
        "Filled: the interval, which is not adjusted, leaves out zero.",
    )
    judged = [replace(far, p=0.3), *effects(1, p=0.04)]
    assert shown(*judged) == ([False, True], "Filled: adjusted p < 0.05.")
    filled, said = shown(*judged, far)
    assert filled == [False, True, True]
    assert said == "Filled: adjusted p < 0.05; without p: the interval, which is not adjusted, leaves out zero."
    assert shown(*effects(1, p=0.5)) == ([False], "")


def test_small_and_missing_p():
    made = [*effects(1, p=1e-9), *effects(1, p=0.0497), *effects(1, p=NAN), *effects(1, p=None)]
    said = texts(forest_figure(made, x_label="AUC", level=97.5)).splitlines()
    assert {"< .001", ".0497"} <= set(said), "a p that is filled is not rounded to one that is not"
    assert "Δ [97.5 % interval]" in said
    assert said.count("–") == 2
    assert "adjusted p" not in texts(forest_figure(effects(p=None), x_label="AUC"))


def test_lower_may_be_better():
    figure = forest_figure(effects(), x_label="Brier score", higher_is_better=False)
    assert figure.axes[0].get_xlabel().endswith("(← better)")


def test_rows_without_a_difference_are_counted():
    figure = forest_figure([*effects(), *effects(2, delta=NAN)], x_label="AUC")
    assert len(squares(figure)) == 3
    assert "Left out: 2 comparisons that could not be made." in foot(figure)
    with pytest.raises(DataError, match="no row has a difference"):
        forest_figure(effects(delta=NAN), x_label="AUC")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("made", [effects(1, delta=0.0, low=0.0, high=0.0), effects(1, low=NAN, high=NAN)])
def test_degenerate_differences(made):
    figure = forest_figure(made, x_label="AUC")
    assert inside(figure)
    low, high = figure.axes[0].get_xlim()
    assert low < 0 < high


def test_a_long_list_is_cut_and_says_so():
    figure = forest_figure(effects(MAX_ROWS + 5), x_label="AUC")
    assert len(squares(figure)) == MAX_ROWS
    assert f"The first {MAX_ROWS} of {MAX_ROWS + 5} differences." in foot(figure)
    places = [float(np.asarray(s.get_ydata())[0]) for s in squares(figure)]
    assert places == sorted(places)
