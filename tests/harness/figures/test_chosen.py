"""From a comparison table to its figures: which there are, what they hold, and why the others are not there."""

from __future__ import annotations

import math
import shutil

import numpy as np
import pytest

from harness.figures import chosen
from harness.figures.chosen import write_figures
from harness.figures.forest import MAX_ROWS
from harness.figures.from_table import along, axis_panels, differences, heat_maps, shown_columns, ticks
from harness.figures.representatives import representatives
from harness.figures.style import MAX_LINES
from harness.figures.trainings import time_panels
from harness.figures.words import notes
from harness.tables import build_table
from mvmlm.errors import DataError
from tests.harness.figures.looking import apart, foot, inside, is_whole, legend, lines
from tests.harness.figures.stored import follow_up, publish, stored
from tests.harness.table_cells import METRIC, grid, lose, no_image, spec, wounded

pytestmark = pytest.mark.filterwarnings("error:constrained_layout not applied")

FRACTIONS = (0.01, 0.1, 0.5, 1.0)
ARMS = {4: "mvmlm", 8: "mvmlm without answers", 16: "supervised"}
RISK = "c_uno@exam"


def arms(**how):
    """Arms that no number orders, over shares of the labels."""
    frame = grid(tokens=tuple(ARMS), **{"fractions": FRACTIONS, **how}).rename(columns={"method.tokens": "arm"})
    return frame.assign(arm=frame["arm"].map(ARMS))


def by_arm(**changes):
    said = {"rows": ["arm"], "columns": ["task", "eval.fraction"], "reference": {"arm": "mvmlm"}}
    return spec(**{**said, "ablation": "data_fraction", **changes})


def two_axes(**changes):
    said = {"rows": ["method.tokens", "eval.fraction"], "columns": ["task"], "reference": {"method.tokens": 16}}
    return spec(**{**said, **changes})


@pytest.fixture
def figures(monkeypatch):
    """Figures by name; they are drawn and not written."""
    kept = {}

    def keep(figure, folder, stem):
        kept[stem.partition("-")[2]] = figure
        return [folder / f"{stem}.{suffix}" for suffix in ("pdf", "png")]

    monkeypatch.setattr(chosen, "write", keep)
    return kept


def names(drawn):
    return list(dict.fromkeys(path.stem.partition("-")[2] for path in drawn.paths))


def test_a_table_along_tokens(tmp_path, figures):
    store = stored(grid(), tmp_path / "store", "method.tokens", memory_gib=3.0)
    drawn = write_figures(build_table(grid(), no_image(), spec()), tmp_path / "figures", stem="demo", store=store)
    curves = ["curves-mass", "curves-calcification", "curves-malignancy"]
    assert names(drawn) == ["axis", "forest", "cost", "memory", "learning", *curves]
    assert drawn.skipped == {"heatmap": "the rows vary along method.tokens, not along two axes"}
    for name, figure in figures.items():
        assert "SIMULATED DATA" in foot(figure), name
        assert "Data: phantom, profile demo" in foot(figure), name
        assert inside(figure), name
        assert apart(figure), name
    for name in ("axis", "cost", "memory"):
        assert figures[name].axes[0].get_ylabel() == "AUC per breast"
        assert "n = 118 breasts of 59 patients; mean over 3 seeds" in foot(figures[name])
        assert len(figures[name].axes) == 3
    assert figures["cost"].axes[0].get_xlabel() == "pretraining [GPU-seconds]"
    assert figures["memory"].axes[0].get_xlabel() == "memory that training took [GiB]"
    assert "Seed 0 alone." in foot(figures["curves-mass"])


def test_files_are_whole_and_the_same_each_time(tmp_path):
    frame = grid(tasks=("mass",))
    store = stored(frame, tmp_path / "store", "method.tokens")
    table = build_table(frame, no_image(tasks=("mass",)), spec())
    first, again = (write_figures(table, tmp_path / name, stem="demo", store=store).paths for name in "ab")
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == sorted(p.name for p in first)
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in again]
    assert all(is_whole(path) for path in first if path.suffix == ".png")


def test_all_methods_over_the_share_of_labels_in_one_figure():
    table = build_table(arms(), no_image(fractions=FRACTIONS), by_arm())
    way = along(table)
    assert (way.path, way.in_rows) == ("eval.fraction", False)
    assert ticks(table, way) == {0.01: "1 %", 0.1: "10 %", 0.5: "50 %", 1.0: "100 %"}
    panels = axis_panels(table, way)
    assert [p.title for p in panels] == ["mass", "calcification", "malignancy"]
    assert [x.label for x in panels[0].lines] == [*ARMS.values(), "metadata only, no image"]
    means = [entry.mean for entry in table.rows[0].entries[:4]]
    assert (list(panels[0].lines[0].x), list(panels[0].lines[0].y)) == (list(FRACTIONS), means)
    assert len(panels[0].lines[-1].x) == 4


def test_rows_along_a_number_one_line_a_share():
    table = build_table(wounded(), no_image(), spec())
    way = along(table)
    assert (way.path, way.in_rows) == ("method.tokens", True)
    mass, calcification, _ = axis_panels(table, way)
    assert [(x.label, x.under) for x in mass.lines][:2] == [("10 % of labels", None), ("100 % of labels", None)]
    assert [x.under for x in mass.lines[2:]] == ["10 % of labels", "100 % of labels"]
    assert mass.lines[0].partial == [4]
    assert mass.lines[0].lost == [32]
    assert calcification.lines[0].lost == [8, 32]
    assert math.isnan(calcification.lines[0].y[1])


@pytest.mark.parametrize(
    ("frame", "rows", "why"),
    [
        (grid().replace({"method.tokens": {4: "four"}}), ["method.tokens"], "neither the rows nor"),
        (grid(tokens=(4,)), ["method.tokens"], "neither the rows nor"),
        (grid(), ["method.tokens", "eval.fraction"], r"several numbers \(method.tokens, eval.fraction\)"),
    ],
    ids=["words", "one value", "two numbers"],
)
def test_no_axis_figure_without_exactly_one_axis(frame, rows, why):
    columns = [c for c in ("task", "eval.fraction") if c not in rows]
    with pytest.raises(DataError, match=why):
        along(build_table(frame, None, spec(rows=rows, columns=columns, reference={})))


def test_with_too_many_lines_the_reference_and_the_best_stay():
    frame = grid(tokens=tuple(range(1, MAX_LINES + 4)), tasks=("mass",), fractions=FRACTIONS, seeds=(0,), draws=10)
    frame["arm"] = [f"m{t}" for t in frame.pop("method.tokens")]
    table = build_table(frame, None, by_arm(reference={"arm": "m1"}))
    labels = [line.label for line in axis_panels(table, along(table))[0].lines]
    assert labels[0] == "m1"
    means = {row.labels[0]: np.mean([e.mean for e in row.entries]) for row in table.rows}
    assert labels[1:] == sorted(set(means) - {"m1"}, key=lambda name: -means[name])


def test_differences_are_those_of_the_tables_statistics():
    table = build_table(grid(), None, spec())
    found = {(e.group, e.label): e for e in differences(table)}
    contrast = table.rows[0].entries[1].contrast
    effect = found["mass, 100 % of labels", "tokens 4"]
    assert (effect.delta, effect.low, effect.high) == (contrast.difference.delta, *contrast.difference.interval)
    assert effect.p == contrast.p
    assert len(found) == 3 * 6


def test_a_reference_stands_for_the_rows_that_share_its_other_levels():
    table = build_table(grid(), None, two_axes())
    found = [e for e in differences(table) if e.group == "mass"]
    assert len(found) == 6
    effect = next(e for e in found if e.label == "tokens 4, 10 % of labels")
    means = {row.values: row.entries[0].mean for row in table.rows}
    assert effect.delta == pytest.approx(means[4, 0.1] - means[16, 0.1])


def test_no_difference_where_seeds_or_patients_differ(tmp_path, figures):
    frame = lose(grid(tasks=("mass",)), "failed", "x", tokens=4, seed=1)
    others = [{**s, "patients": "others"} if t == 8 else s for t, s in zip(frame["method.tokens"], frame["shared"])]
    table = build_table(frame.assign(shared=others), None, spec())
    assert {e.label: math.isnan(e.delta) for e in differences(table)} == {
        "tokens 4": True,
        "tokens 8": True,
        "tokens 32": False,
    }
    write_figures(table, tmp_path, stem="demo")
    said = foot(figures["forest"])
    assert "Left out: 4 comparisons that could not be made." in said
    assert "Differences: " in said
    assert "p by Holm over the comparisons of each column." in said


def test_of_many_differences_those_of_the_shown_columns_are_drawn(tmp_path, figures):
    asked = spec(reference={"method.tokens": 1}, compare={"test": "bootstrap"})
    for count, drawn, said in ((11, MAX_ROWS, False), (12, 22, True)):
        tokens = tuple(range(1, count + 1))
        frame = grid(tokens=tokens, tasks=("mass", "malignancy"), seeds=(0,), draws=20)
        write_figures(build_table(frame, None, asked), tmp_path, stem="demo")
        assert sum(x.get_marker() == "s" for x in figures["forest"].axes[0].get_lines()) == drawn
        assert ("Of several columns the last is shown (100 % of labels)." in foot(figures["forest"])) == said


def test_where_no_comparison_could_be_made_the_reason_is_the_tables(tmp_path, figures):
    table = build_table(grid(tasks=("mass",), seeds=(0,)), None, spec(compare={"test": "delong"}))
    drawn = write_figures(table, tmp_path, stem="demo")
    assert drawn.skipped["forest"].startswith("no row could be compared with the reference: ")
    assert "DeLong" in drawn.skipped["forest"]


def test_two_axes_as_rows_make_a_heat_map(tmp_path, figures):
    frame = lose(grid(fractions=FRACTIONS[1:]), "failed", "x", tokens=8, fraction=0.5)
    drawn = write_figures(build_table(frame, None, two_axes()), tmp_path, stem="demo")
    assert names(drawn) == ["forest", "heatmap"]
    (axis, *others) = figures["heatmap"].axes
    assert len(others) == 2
    assert (axis.get_ylabel(), axis.get_xlabel()) == ("visual tokens", "labelled training patients")
    assert sum(not p.get_fill() for p in axis.patches) == 3
    assert inside(figures["heatmap"])


def test_values_of_a_heat_map_lie_where_their_rows_are():
    table = build_table(grid(tasks=("mass",), fractions=FRACTIONS), None, two_axes())
    (each,), words = heat_maps(table, shown_columns(table))
    assert words["rows"] == ["4", "8", "16", "32"]
    assert words["columns"] == ["1 %", "10 %", "50 %", "100 %"]
    for row in table.rows:
        at = (4, 8, 16, 32).index(row.values[0]), FRACTIONS.index(row.values[1])
        assert each.values[at] == row.entries[0].mean
        assert each.low[at] == row.entries[0].low
    assert set(each.references) == {(2, i) for i in range(4)}


def test_costs_are_device_seconds_averaged_over_seeds(tmp_path):
    table = build_table(grid(), None, spec())
    store = stored(grid(), tmp_path, "method.tokens")
    panels, label = time_panels(table, shown_columns(table), store.card)
    assert label == "pretraining [GPU-seconds]"
    assert [p.cost for p in panels[0].points] == pytest.approx([2 * (100 * 3**i + 1) for i in range(4)])
    assert [p.reference for p in panels[0].points] == [False, False, True, False]
    assert panels[0].points[0].value == table.rows[0].entries[1].mean


def test_seconds_of_gpus_and_cpus_are_not_compared(tmp_path, figures):
    frame = grid(tasks=("mass",), fractions=(1.0,))
    store = stored(frame, tmp_path / "store", "method.tokens")
    path = store.path("pretrain", "t0-0") / "card.json"
    path.write_text(path.read_text().replace('"gpu"', '"tpu"'))
    drawn = write_figures(build_table(frame, None, spec()), tmp_path / "out", stem="demo", store=store)
    assert "not comparable" in drawn.skipped["cost"]


def test_rows_on_one_pretraining_are_one_learning_curve(tmp_path, figures):
    frame = grid(tokens=(4,), tasks=("mass",), fractions=FRACTIONS)
    table = build_table(frame, None, spec(rows=["eval.fraction"], columns=["task"], reference={}))
    store = stored(frame, tmp_path / "store", "method.tokens")
    (store.path("pretrain", "t0-1") / "history.json").write_text('[{"epoch": 1, "lo')
    write_figures(table, tmp_path / "out", stem="demo", store=store)
    assert legend(figures["learning"]) == ["all rows"]
    assert len(lines(figures["learning"].axes[0])) == 1


def test_fine_tunings_have_curves_of_their_own_of_the_learning_rate_that_is_scored(tmp_path, figures):
    """Of the first column that stands on one: frozen embeddings come before tuned ones in ``risk``."""
    frame = grid(tokens=(4,), tasks=("mass", "calcification"), fractions=(1.0,), seeds=(0,))
    table = build_table(frame, None, spec(rows=["method.tokens"], columns=["task"], reference={}))
    store = stored(frame, tmp_path / "store", "method.tokens")
    key = frame["key"].iloc[1]
    shutil.rmtree(store.path("evaluate", key))
    epochs = [{"epoch": e, "loss": 1 / e, "val_loss": 2 / e, "lr_peak": lr} for lr in (0.1, 0.2) for e in (1, 2, 3)]
    history = [{**epoch, "chosen": epoch["lr_peak"] == 0.2 and epoch["epoch"] < 3} for epoch in epochs]
    publish(store, "finetune", "tune", {"pretrain": "t0-0"}, {"history.json": history})
    publish(store, "evaluate", key, {"finetune": "tune"}, {})
    drawn = write_figures(table, tmp_path / "out", stem="demo", store=store)
    assert {"learning", "tuning"} <= set(names(drawn))
    (line,) = lines(figures["tuning"].axes[1])
    assert line.tolist() == [[1, 2], [2, 1]]


def test_risk_gets_survival_curves(tmp_path, figures):
    names_ = {f"{METRIC}{end}": f"{RISK}{end}" for end in ("", "/low", "/high")}
    frame = arms(fractions=(1.0,), tasks=("mass",)).rename(columns=names_).assign(task="risk")
    yearly = {f"{kind}{y}@exam": 0.6 + y / 100 for kind in ("auc_year", "auc_ipcw_year") for y in range(1, 6)}

    def of_cell(cell, i):
        return {"predictions.parquet": follow_up(i), "metrics.json": yearly}

    store = stored(frame, tmp_path / "store", "arm", device="cpu", of_cell=of_cell)
    table = build_table(frame, None, by_arm(columns=["task"], metric=RISK))
    drawn = write_figures(table, tmp_path / "figures", stem="demo", store=store)
    assert {"survival-risk", "years-risk", "cost"} <= set(names(drawn))
    assert figures["cost"].axes[0].get_ylabel() == "C-index (Uno) per exam"
    assert figures["cost"].axes[0].get_xlabel() == "pretraining [CPU-seconds]"
    assert figures["years-risk"].axes[0].get_ylabel() == "AUC(t) per exam"
    assert legend(figures["years-risk"])[:2] == ["mvmlm (reference), IPCW", "mvmlm (reference)"]
    assert "mvmlm (reference): exams in groups" in foot(figures["survival-risk"])


def test_the_reference_the_best_other_row_and_metadata():
    table = build_table(grid(), no_image(), spec())
    found = representatives(table, 1)
    assert [one.label for one in found] == [
        "tokens 16 (reference)",
        "tokens 32 (best other)",
        "metadata only, no image",
    ]
    assert found[0].cell.seed == 0
    without = build_table(grid(), None, spec(reference={}))
    assert [one.label for one in representatives(without, 0)] == ["tokens 32 (best)"]


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"PAR1 half a file", "cannot be read"), (None, "predictions are not at hand")],
)
def test_predictions_that_are_not_whole_are_named(content, why, tmp_path, figures):
    frame = grid(tasks=("mass",), fractions=(1.0,))
    store = stored(frame, tmp_path / "store", "method.tokens")
    for path in store.root.glob("evaluate/*/predictions.parquet"):
        path.unlink() if content is None else path.write_bytes(content)
    drawn = write_figures(build_table(frame, None, spec()), tmp_path / "out", stem="demo", store=store)
    assert why in drawn.skipped["curves-mass"]
    assert "cost" in names(drawn)


def test_predictions_of_another_schema_are_named(tmp_path, figures):
    frame = grid(tasks=("mass",), fractions=(1.0,))
    store = stored(frame, tmp_path / "store", "method.tokens", of_cell=lambda cell, i: {})
    drawn = write_figures(
        build_table(frame, None, spec()),
        tmp_path / "out",
        stem="demo",
        store=store,
        files=lambda cell, name: store.path("evaluate", cell.key) / "card.json",
    )
    assert drawn.skipped["curves-mass"].startswith("predictions of cell")


def test_where_nothing_is_done_nothing_is_drawn_and_every_reason_is_said(tmp_path):
    frame = lose(grid(), "missing", protocol="linear_probe")
    frame["draws"] = np.array([None] * len(frame), object)
    drawn = write_figures(build_table(frame, None, spec()), tmp_path / "none", stem="demo")
    assert drawn.paths == []
    assert len(drawn.skipped) == 9
    assert not (tmp_path / "none").exists()
    assert all("\n" not in reason for reason in drawn.skipped.values())
    assert "        no curves-mass, curves-calcification, curves-malignancy: no row has a result" in drawn.lines()


def test_pictures_of_an_earlier_table_do_not_stay(tmp_path):
    whole = build_table(grid(tasks=("mass",)), None, spec())
    bare = build_table(grid(tasks=("mass",)), None, spec(reference={}))
    write_figures(whole, tmp_path, stem="demo")
    others = [
        tmp_path / name for name in ("demo-notes.txt", "demo-large-axis.pdf", "paper-axis.pdf", "demo-forest.svg")
    ]
    for path in others:
        path.write_text("")
    write_figures(bare, tmp_path, stem="demo")
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "demo-axis.pdf", tmp_path / "demo-axis.png"])


def test_lines_for_a_terminal(tmp_path, figures):
    drawn = write_figures(build_table(grid(tasks=("mass",)), None, spec()), tmp_path, stem="demo")
    first, *rest = drawn.lines()
    assert first == f"figures {tmp_path}/  (demo-axis, demo-forest; PDF and PNG)"
    assert "        no cost, memory, learning: no store of stages is at hand" in rest


def test_n_is_said_by_task_where_it_differs():
    frame = grid(fractions=(1.0,))
    frame.loc[frame["task"] == "malignancy", "n"] = 90
    table = build_table(frame, None, spec())
    said = notes(table, range(3)).caption
    assert "n = 118 (mass), 118 (calcification), 90 (malignancy) breasts of 59 patients" in said
    assert notes(table, range(3)).title == "How many pseudo-tokens does an image need?"
