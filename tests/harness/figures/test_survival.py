"""Kaplan–Meier figures, their bands, and AUC by year."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from lifelines import KaplanMeierFitter

from harness.figures.representatives import FEWEST, GROUPS, last_year, risk_curves, survival_band
from harness.figures.style import STROKES, Notes
from harness.figures.survival import BANDS, Group, Yearly, survival_figure, yearly_figure
from mvmlm.errors import DataError
from mvmlm.evaluation.risk.survival import FollowUp
from tests.harness.figures.looking import foot, inside, legend, lines, texts
from tests.harness.figures.stored import follow_up

pytestmark = pytest.mark.filterwarnings("error:constrained_layout not applied")

NAN = math.nan


def groups(count=3):
    years, free = [0.0, 1.5, 3.0], np.array([1.0, 0.9, 0.8])
    made = []
    for i in range(count):
        share = free ** (i + 1)
        at_risk = [100 - i, 90 - i, 70, 40]
        made.append(Group(f"{i}.0–{i + 1}.0 %", years, share, at_risk, share - 0.05, np.minimum(1, share + 0.05), 3.2))
    return made


def test_curves_stand_over_the_numbers_at_risk():
    figure = survival_figure(groups(), by="risk at 3 years", unit="exams", notes=Notes("n = 300.", True))
    (axis,) = figure.axes
    said = texts(figure).splitlines()
    for text in ("free of cancer", "years", "exams at risk", "risk at 3 years", "2.0–3.0 %", "100", "98", "40"):
        assert text in said
    assert len(axis.collections) == 3
    curve = lines(axis)[0]
    np.testing.assert_allclose(curve, [[0, 1], [1.5, 0.9], [3, 0.8], [3.2, 0.8]])
    assert axis.get_lines()[0].get_drawstyle() == "steps-post"
    assert "SIMULATED" in foot(figure)
    assert inside(figure)


@pytest.mark.parametrize("count", [2, 5, 10, len(STROKES) + 2])
def test_groups_darken_with_the_risk_and_neighbours_differ_in_stroke(count):
    (axis,) = survival_figure(groups(count)).axes
    curves = [line for line in axis.get_lines() if line.get_drawstyle() == "steps-post"]
    light = [float(np.dot(line.get_color()[:3], [0.2126, 0.7152, 0.0722])) for line in curves]
    assert light == sorted(light, reverse=True)
    strokes = [str(line._unscaled_dash_pattern) for line in curves]
    assert all(a != b for a, b in pairwise(strokes))


def test_of_many_groups_the_outermost_have_bands():
    figure = survival_figure(groups(BANDS + 2))
    assert len(figure.axes[0].collections) == 2
    assert "the lowest and the highest risk" in foot(figure)


def test_without_numbers_at_risk_there_is_a_legend():
    bare = [Group(g.label, g.years, g.free) for g in groups()]
    assert legend(survival_figure(bare)) == [g.label for g in bare]
    assert legend(survival_figure(groups())) == []


@pytest.mark.filterwarnings("error")
def test_a_group_without_an_event():
    figure = survival_figure([Group("0.0–1.0 %", [0.0], [1.0], [10, 5], [1.0], [1.0], 1.5)])
    assert figure.axes[0].get_ylim()[1] >= 1.0
    assert inside(figure)


def test_nothing_to_draw():
    with pytest.raises(DataError, match="no group has a curve"):
        survival_figure([Group("a", [], [])])
    with pytest.raises(DataError, match="no year has a value"):
        yearly_figure([Yearly("a", [1, 2], [NAN, NAN])])


def test_auc_by_year_with_whiskers():
    one = Yearly("hazard, IPCW", [1, 2, 5], [0.7, NAN, 0.6], [0.6, NAN, 0.5], [0.8, NAN, 0.7])
    figure = yearly_figure([one, Yearly("Cox", [1, 2], [0.6, 0.65])], y_label="AUC(t) per exam")
    (axis,) = figure.axes
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("years", "AUC(t) per exam")
    assert [t.get_text() for t in axis.get_xticklabels()] == ["1", "2", "5"]
    (whiskers,) = axis.collections
    np.testing.assert_allclose([s[:, 1] for s in whiskers.get_segments()], [[0.6, 0.8], [0.5, 0.7]])
    assert legend(figure) == ["hazard, IPCW", "Cox"]
    assert inside(figure)


def test_bands_are_percentiles_of_curves_fitted_by_lifelines():
    frame = follow_up(1, patients=30)
    follow = FollowUp(frame["years"].to_numpy(), frame["label"].to_numpy())
    weights = np.random.default_rng(0).integers(0, 3, (len(frame), 25))
    times = np.array([0.0, 0.5, 1.0, 2.0, 4.0])
    by_hand = []
    for draw in weights.T:
        rows = np.repeat(np.arange(len(frame)), draw)
        fitted = KaplanMeierFitter().fit(follow.years[rows], follow.events[rows])
        by_hand.append(fitted.survival_function_at_times(times).to_numpy())
    np.testing.assert_allclose(
        survival_band(follow, times, weights), np.percentile(by_hand, [2.5, 97.5], axis=0), atol=1e-12
    )


def test_a_band_without_events_or_without_draws():
    follow = FollowUp(np.array([1.0, 2.0]), np.array([0, 0]))
    np.testing.assert_array_equal(survival_band(follow, np.array([0.0, 1.0]), np.ones((2, 3), int)), np.ones((2, 2)))
    assert np.isnan(survival_band(follow, np.array([0.0]), np.zeros((2, 3), int))).all()


def test_exams_are_grouped_by_their_risk():
    frame = follow_up(2)
    found = risk_curves(frame, draws=20)
    assert len(found) == GROUPS
    assert sum(g.at_risk[0] for g in found) == len(frame)
    assert all(len(g.at_risk) == 6 for g in found)
    for g in found:
        assert (np.asarray(g.low) <= np.asarray(g.high) + 1e-12).all()
    assert inside(survival_figure(found))
    assert len(risk_curves(frame.head(3 * FEWEST), draws=5)) == 3
    assert len(risk_curves(frame.assign(score=0.1), draws=5)) == 1


def test_how_far_risks_look_ahead():
    frame = follow_up(3)
    assert last_year(frame) == 5
    assert last_year(frame[["years"]].clip(upper=2.5)) == 2
    with pytest.raises(DataError, match="there are no predictions"):
        risk_curves(frame.head(0), draws=5)
