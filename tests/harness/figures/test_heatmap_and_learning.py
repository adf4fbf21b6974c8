"""Heat maps of two axes, and learning curves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.figures.heatmap import MAX_ROWS, Map, heatmap_figure
from harness.figures.learning import Training, learning_figure
from harness.figures.style import COLUMN, MAX_LINES, Notes
from mvmlm.errors import DataError
from tests.harness.figures.looking import apart, foot, inside, legend, lines, texts
from tests.harness.figures.stored import history

pytestmark = pytest.mark.filterwarnings("error:constrained_layout not applied")

NAN = math.nan


def heat(values, title="mass", columns=None, **how):
    values = np.asarray(values, float)
    names = {
        "rows": [f"r{i}" for i in range(len(values))],
        "columns": columns or [f"c{i}" for i in range(values.shape[1])],
    }
    signs = [["failed" if math.isnan(v) else "" for v in row] for row in values]
    each = Map(title, values, values - 0.05, values + 0.05, signs, how.pop("references", ()))
    words = {"row_label": "encoder", "column_label": "method", "value_label": "AUC per breast"}
    return heatmap_figure([each] * how.pop("maps", 1), **names, **words, **how)


def shades(figure):
    """Lightness of each cell that has a value, in reading order."""
    return [sum(p.get_facecolor()[:3]) for p in figure.axes[0].patches if p.get_fill() and not p.get_hatch()]


def test_numbers_intervals_signs_and_the_reference_are_in_the_cells():
    figure = heat([[0.6, 0.7], [NAN, 0.8]], references=[(1, 1)], notes=Notes("n = 118.", True))
    said = texts(figure)
    for text in ("0.600", "0.55–0.65", "0.75–0.85", "failed", "encoder", "method", "r1", "c1", "mass"):
        assert text in said
    outlines = [p for p in figure.axes[0].patches if not p.get_fill()]
    assert [p.get_xy() for p in outlines] == [(1, 1)]
    assert "AUC per breast; the higher, the darker." in foot(figure)
    assert "Outlined: reference." in foot(figure)
    assert figure.get_figwidth() == COLUMN
    assert inside(figure)
    assert apart(figure)


@pytest.mark.parametrize("higher", [True, False])
def test_the_better_the_darker(higher):
    light = shades(heat([[0.5, 0.6, 0.7]], higher_is_better=higher))
    assert light == sorted(light, reverse=higher)
    assert len(set(light)) == 3


def test_ink_stands_out_from_its_cell():
    """By the contrast of web pages: 4.5 for text."""
    from matplotlib.colors import to_rgb

    def luminance(colour):
        parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
        return np.dot(parts, [0.2126, 0.7152, 0.0722])

    figure = heat([np.linspace(0.5, 0.9, 8)] * 2)
    (axis,) = figure.axes
    cells = {tuple(np.add(p.get_xy(), 0)): p.get_facecolor()[:3] for p in axis.patches}
    for text in axis.texts:
        x, y = text.get_position()
        dark, light = sorted([luminance(text.get_color()), luminance(cells[int(x), int(y)])])
        assert (light + 0.05) / (dark + 0.05) > 4.5


def test_many_narrow_columns_leave_the_intervals_out():
    figure = heat(np.full((2, 14), 0.5))
    assert "0.45–0.55" not in texts(figure)
    assert "0.50" in texts(figure)
    assert inside(figure)


def test_long_labels_are_aslant():
    figure = heat([[0.5, 0.6]], columns=["a column with a long name", "tf_efficientnet_b5.ns_jft_in1k"], maps=3)
    assert all(label.get_rotation() == 35 for label in figure.axes[0].get_xticklabels())
    assert inside(figure)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([[NAN]], "no cell has a value"),
        (np.full((2, 60), 0.5), "60 columns cannot be read"),
        (np.full((MAX_ROWS + 1, 2), 0.5), "rows cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused(values, why):
    with pytest.raises(DataError, match=why):
        heat(values)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", [[[0.5]], [[0.5, 0.5]], [[0.5, NAN], [NAN, NAN]]])
def test_degenerate_maps(values):
    assert inside(heat(values))


def test_losses_of_seeds_are_averaged_within_their_range():
    runs = [history(5, seed) for seed in range(3)]
    figure = learning_figure([Training("mvmlm", runs)], notes=Notes("Data: phantom.", True))
    train, val = figure.axes
    assert (train.get_ylabel(), val.get_ylabel(), val.get_xlabel()) == ("training loss", "validation loss", "epoch")
    expected = np.mean([[r["loss"] for r in run] for run in runs], axis=0)
    np.testing.assert_allclose(lines(train)[0], np.column_stack([range(1, 6), expected]))
    assert len(train.collections) == 1
    assert "from the lowest to the highest seed" in foot(figure)
    assert "SIMULATED" in foot(figure)
    assert legend(figure) == ["mvmlm"]
    assert inside(figure)


def test_no_panel_without_a_validation_loss():
    run = [{"epoch": e, "loss": 1.0 / e, "val_loss": None} for e in (1, 2)]
    assert [a.get_ylabel() for a in learning_figure([Training("a", [run])]).axes] == ["training loss"]


@pytest.mark.filterwarnings("error")
def test_seeds_of_different_lengths_and_losses_that_are_not_finite():
    runs = [history(3, 0), history(6, 1), [{"epoch": 1, "loss": math.inf}], []]
    figure = learning_figure([Training("a", runs), Training("b", [[]])])
    (line,) = lines(figure.axes[0])
    assert line[:, 0].tolist() == [1, 2, 3], "where a seed ends the mean does: it would fall or rise by that alone"
    np.testing.assert_allclose(line[:, 1], np.mean([[r["loss"] for r in run[:3]] for run in runs[:2]], axis=0))


def test_nothing_but_broken_histories_is_refused():
    with pytest.raises(DataError, match="no history has a finite loss"):
        learning_figure([Training("a", [[{"epoch": 1, "loss": NAN}]])])


def test_more_arms_than_one_can_read_are_named():
    figure = learning_figure([Training(f"m{i}", [history(3, i)]) for i in range(MAX_LINES + 1)])
    assert len(lines(figure.axes[0])) == MAX_LINES
    assert f"m{MAX_LINES}." in foot(figure)
