"""Which differences a table marks, what it refuses to mark, and what it says of an ordered axis."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from rich.console import Console

from harness.caption import caption
from harness.render import WRITERS
from harness.render.listings import print_changes
from harness.run_difference import changes
from harness.stats import delong
from harness.stats.paired import paired
from harness.stats.trend import trend
from harness.stats.two_way import two_way
from harness.tables import build_table
from mvmlm.errors import ConfigError
from tests.harness.table_cells import METRIC, grid, lose, no_image, spec

ONE = {"tasks": ("mass",), "fractions": (1.0,)}


def frame(values: dict[int, float], seeds=(0,), noise: float = 0.0, draws: int = 500):
    """One column: tokens to a mean, with draws that share the luck of the patients."""
    rng = np.random.default_rng(0)
    luck = rng.normal(0, 0.03, draws)
    found = grid(tokens=tuple(values), seeds=seeds, draws=draws, **ONE)
    means = [values[t] + noise * rng.standard_normal() for t in found["method.tokens"]]
    found[METRIC] = means
    found["draws"] = [(m + luck + rng.normal(0, 0.002, draws)).astype(np.float32) for m in means]
    return found


def only(table) -> dict:
    """Tokens to the entry of the one column."""
    return {row.values[0]: row.entries[0] for row in table.rows}


def words(table) -> str:
    return " ".join(caption(table).sentences)


BOOTSTRAP = spec(compare={"test": "bootstrap"})


def test_rows_are_held_against_the_reference_and_the_best():
    cells = frame({8: 0.70, 16: 0.74, 32: 0.7405})
    entries = only(build_table(cells, None, BOOTSTRAP))
    assert entries[16].contrast is None, "the reference itself"
    assert entries[8].contrast.difference.delta == pytest.approx(-0.04, abs=1e-6)
    assert entries[8].contrast.difference.high < 0 and entries[8].mark == "‡"
    assert entries[32].best and entries[16].tied and not entries[8].tied and not entries[32].tied
    assert entries[32].mark == "" and entries[32].contrast.reference == "tokens 16"


def test_the_luck_that_arms_share_is_no_luck_of_their_difference():
    """Intervals of both arms overlap widely, and yet they are told apart: they met the same patients."""
    entries = only(build_table(frame({8: 0.70, 16: 0.72}), None, BOOTSTRAP))
    assert entries[8].high > entries[16].low and entries[8].mark == "‡"


def test_one_seed_of_any_metric_is_the_paired_bootstrap_and_several_are_seeds_and_patients():
    one = frame({8: 0.70, 16: 0.72})
    sides = [one.loc[one["method.tokens"] == t].iloc[0] for t in (8, 16)]
    expected = paired(sides[0][METRIC], sides[1][METRIC], sides[0]["draws"], sides[1]["draws"])
    assert only(build_table(one, None, BOOTSTRAP))[8].contrast.difference == expected
    three = frame({8: 0.70, 16: 0.72}, seeds=(0, 1, 2), noise=0.01)
    arms = [three[three["method.tokens"] == t] for t in (8, 16)]
    values = arms[0][METRIC].to_numpy() - arms[1][METRIC].to_numpy()
    draws = np.stack(arms[0]["draws"]).astype(float) - np.stack(arms[1]["draws"])
    assert only(build_table(three, None, spec()))[8].contrast.difference == two_way(values, draws)


def test_one_seed_of_an_auc_is_delongs_test_on_the_components_of_the_cells():
    rng = np.random.default_rng(1)
    labels, patients = rng.random(300) < 0.3, np.repeat([f"p{i:03d}" for i in range(150)], 2)
    scores = {t: labels * gain + rng.standard_normal(300) for t, gain in ((8, 0.5), (16, 1.5))}
    cells = frame({8: 0.6, 16: 0.85})
    kept = {t: delong.components(labels, s, patients) for t, s in scores.items()}
    cells["components"] = [partial(kept.get, t) for t in cells["method.tokens"]]
    found = only(build_table(cells, None, spec()))[8].contrast.difference
    assert found == delong.compare(kept[8], kept[16]) and "DeLong" in found.test
    without = cells.drop(columns="components")
    assert "bootstrap" in only(build_table(without, None, spec()))[8].contrast.difference.test
    missing = only(build_table(without, None, spec(compare={"test": "delong"})))[8].contrast
    assert missing.difference is None and "components" in missing.refusals[0].words


@pytest.mark.parametrize(
    ("what", "value", "said"),
    [
        ("patients", "others", "differ in test patients"),
        ("splits", "another", "differ in splits"),
        ("code", "n3w", "differ in code version"),
        ("budget", {"pretrain": "80 epochs"}, "differ in training budget"),
        ("patients", None, "test patients of tokens 8 or tokens 16 are not known"),
    ],
)
def test_marks_are_refused_where_more_than_the_method_differs(what, value, said):
    cells = frame({8: 0.70, 16: 0.74})
    cells["shared"] = [
        {**shared, what: value} if t == 8 else shared for shared, t in zip(cells["shared"], cells["method.tokens"])
    ]
    table = build_table(cells, None, BOOTSTRAP)
    entry = only(table)[8]
    assert entry.mark == "" and entry.contrast.difference is None and entry.tied is None
    assert said in words(table) and "No mark in 1 entry" in words(table)
    assert "No underline in 1 entry that could not be compared with the bold one." in words(table)


@pytest.mark.parametrize(
    ("axis", "varies", "is_refused"),
    [
        ("method.tokens", (), True),
        ("train.epochs", (), False),
        ("eval.finetune.epochs", (), False),
        ("method.tokens", ("images.height", "train.epochs"), False),
        ("method.tokens", ("images.height",), True),
    ],
)
def test_where_the_budget_is_the_question_it_is_no_reason_to_refuse(axis, varies, is_refused):
    cells = frame({8: 0.7, 16: 0.74}).rename(columns={"method.tokens": axis})
    cells["shared"] = [{**s, "budget": {"pretrain": str(t)}} for s, t in zip(cells["shared"], (8, 16))]
    asked = spec(rows=[axis], reference={axis: 16}, compare={"test": "bootstrap"}, varies=varies)
    assert bool(only(build_table(cells, None, asked))[8].contrast.refusals) == is_refused


def test_a_row_without_pretraining_has_no_budget_to_differ_in():
    cells = frame({8: 0.70, 16: 0.74})
    cells["shared"] = [{**s, "budget": {} if t == 8 else s["budget"]} for s, t in zip(cells["shared"], (8, 16))]
    assert only(build_table(cells, None, BOOTSTRAP))[8].mark == "‡"


def test_seeds_that_one_arm_lacks_are_a_reason_to_refuse():
    cells = frame({8: 0.70, 16: 0.74}, seeds=(0, 1, 2), noise=0.01)
    table = build_table(cells[(cells["method.tokens"] != 8) | (cells["seed"] != 2)], None, spec())
    assert "of different seeds" in words(table)


def test_holm_corrects_over_a_column_or_over_the_table():
    values = {t: 0.72 + 0.001 * i for i, t in enumerate((4, 8, 16, 32))}
    two = [frame(values).assign(task=task) for task in ("mass", "calcification")]
    for cells in two:
        cells["shared"] = [{**s, "patients": "p"} for s in cells["shared"]]
    import pandas as pd

    both = pd.concat(two, ignore_index=True)
    sizes = {}
    for family in ("column", "table"):
        table = build_table(both, None, spec(columns=["task"], compare={"test": "bootstrap", "family": family}))
        found = [e.contrast for _, _, e in table.entries() if e.contrast]
        sizes[family] = {c.family for c in found}
        assert f"Holm over the {found[0].family} comparisons" in words(table)
        assert all(c.p >= c.difference.p for c in found)
    assert sizes == {"column": {3}, "table": {6}}


def test_a_row_that_has_failed_does_not_make_its_neighbours_more_significant():
    cells = frame({8: 0.70, 16: 0.74, 32: 0.71})
    whole = only(build_table(cells, None, BOOTSTRAP))[8].contrast
    table = build_table(lose(cells, "failed", "it broke", tokens=32), None, BOOTSTRAP)
    assert only(table)[8].contrast == whole and whole.family == 2
    assert only(table)[32].contrast is None


def test_cells_that_tell_nothing_of_themselves_are_not_said_to_differ():
    cells = frame({8: 0.70, 16: 0.74, 32: 0.71})
    cells["shared"] = [{} for _ in range(len(cells))]
    table = build_table(cells, None, spec(compare={"test": "bootstrap", "trend": "method.tokens"}))
    assert "No mark in 2 entries: code version not known." in words(table)
    assert "No slope in mass 100 %: the test patients of tokens 16 or tokens 8 are not known." in words(table)
    assert "differ" not in words(table)


def test_rows_that_share_no_reference_are_named():
    cells = frame({8: 0.70, 16: 0.74, 32: 0.71}).assign(method=["ours", "ours", "other"])
    asked = spec(rows=["method", "method.tokens"], reference={"method": "ours"}, compare={"test": "bootstrap"})
    table = build_table(cells, None, asked)
    assert all(e.contrast is None for _, _, e in table.entries())
    assert "none shares their other levels: other tokens 32." in words(table)


def test_a_margin_gives_a_verdict_for_every_row():
    cells = frame({8: 0.70, 16: 0.74, 32: 0.739})
    table = build_table(cells, None, spec(compare={"test": "bootstrap", "margin": 0.0101}))
    assert {t: e.contrast.verdict for t, e in only(table).items() if e.contrast} == {8: "inferior", 32: "non-inferior"}
    assert "Against a margin of 0.0101 below" in words(table) and "1 non-inferior, 1 inferior" in words(table)


def test_of_errors_the_lowest_is_the_best():
    cells = frame({8: 0.10, 16: 0.14}).rename(columns={METRIC: "brier@breast"})
    table = build_table(cells, None, spec(metric="brier@breast", compare={"test": "bootstrap", "margin": 0.01}))
    assert only(table)[8].best and only(table)[8].contrast.verdict == "superior"
    assert "lowest mean" in words(table) and "Brier score per breast" in words(table)
    assert "Against a margin of 0.010 above" in words(table)


@pytest.mark.parametrize(("blind", "is_beaten"), [(0.09, True), (0.10, True), (0.12, False)])
def test_of_errors_the_row_without_images_is_beaten_by_a_lower_one(blind, is_beaten):
    cells, below = (f.rename(columns={METRIC: "brier@breast"}) for f in (frame({8: 0.10, 16: 0.14}), no_image(**ONE)))
    below["brier@breast"] = blind
    told = words(build_table(cells, below, spec(metric="brier@breast", compare={"test": "bootstrap"})))
    assert ("No row does better" in told) == is_beaten


def test_an_error_or_an_accuracy_that_any_answer_reaches_is_not_told_by_the_texts():
    below = no_image(**ONE, seeds=(0,)).replace({"baseline": {"metadata": "text"}})
    for metric, text, majority, is_told in (("auc", 0.97, 0.5, True), ("accuracy", 0.97, 0.97, False)):
        below[METRIC] = [text, majority]
        cells, rows = (f.rename(columns={METRIC: f"{metric}@breast"}) for f in (frame({8: 0.7, 16: 0.74}), below))
        told = words(build_table(cells, rows, spec(metric=f"{metric}@breast", compare={"test": "bootstrap"})))
        assert ("Text only reaches 0.970" in told) == is_told
    rows = below.rename(columns={METRIC: "median_rank@breast"}).assign(**{"median_rank@breast": 3.0})
    cells = frame({8: 2.0, 16: 2.5}).rename(columns={METRIC: "median_rank@breast"})
    assert "Text only" not in words(build_table(cells, rows, spec(metric="median_rank@breast")))


def test_an_ordered_axis_has_one_slope_a_column():
    cells = frame({4: 0.70, 8: 0.71, 16: 0.72, 32: 0.73})
    table = build_table(cells, None, spec(compare={"test": "bootstrap", "trend": "method.tokens"}))
    (found,) = table.trends
    assert found.found == trend([4, 8, 16, 32], cells[METRIC].to_numpy(), np.stack(cells["draws"]))
    assert found.found.delta == pytest.approx(0.01) and found.p < 0.05
    assert "Slope, a doubling of tokens, Holm over 1 slope: mass 100 % +0.010" in words(table)
    asked = {"test": "bootstrap", "trend": "method.tokens", "level": 0.8}
    wide = build_table(cells, None, spec(digits=4, compare=asked))
    assert wide.trends[0].found.level == 0.8 and "mass 100 % +0.0100 (80 % interval" in words(wide)
    alone = build_table(frame({8: 0.7}), None, spec(columns=[], compare={"trend": "method.tokens"}))
    assert "No slope: one point alone has no slope." in words(alone)
    with pytest.raises(ConfigError, match=r"table\.compare\.trend: the values of task are no numbers"):
        build_table(cells, None, spec(compare={"trend": "task"}))


def test_an_axis_of_the_columns_has_one_slope_a_row():
    cells = grid(tokens=(8, 16), seeds=(0,), fractions=(0.1, 0.5, 1.0), tasks=("mass", "malignancy"))
    asked = {"test": "bootstrap", "trend": "eval.fraction"}
    table = build_table(cells, None, spec(compare=asked))
    places = [f"{task} tokens {t}" for task in ("mass", "malignancy") for t in (8, 16)]
    assert [one.where for one in table.trends] == places
    mine = cells[(cells["task"] == "malignancy") & (cells["method.tokens"] == 8)]
    assert table.trends[2].found == trend([0.1, 0.5, 1.0], mine[METRIC].to_numpy(), np.stack(mine["draws"]))
    assert "Slope, a doubling of fraction, Holm over 4 slopes: mass tokens 8 +0.0" in words(table)
    turned = spec(rows=["method.tokens", "eval.fraction"], columns=["task"], compare=asked)
    as_rows = {t.where: t.found for t in build_table(cells, None, turned).trends}
    assert as_rows == {one.where: one.found for one in table.trends}, "wherever the axis stands"
    lost = lose(cells, "failed", "it broke", tokens=8, task="mass", fraction=0.5)
    told = words(build_table(lost, None, spec(compare=asked)))
    assert "No slope in mass tokens 8: not every point of the axis has results of the same seeds." in told


def test_of_many_slopes_the_caption_tells_those_that_differ_from_none():
    cells = grid(tokens=tuple(range(4, 14)), seeds=(0,), tasks=("mass",), draws=1000)
    rng = np.random.default_rng(0)
    rises = cells["method.tokens"] == 5
    cells[METRIC] = 0.7 + 0.2 * (rises & (cells["eval.fraction"] == 1.0))
    cells["draws"] = [(value + rng.normal(0, 0.01, 1000)).astype(np.float32) for value in cells[METRIC]]
    told = words(build_table(cells, None, spec(compare={"test": "bootstrap", "trend": "eval.fraction"})))
    assert "Holm over 10 slopes: mass tokens 5 +0.06" in told and "tokens 6 +" not in told
    assert "the other 9 not shown to differ from none (report and JSON have them)." in told
    cells["draws"] = None
    told = words(build_table(cells, None, spec(compare={"test": "bootstrap", "trend": "eval.fraction"})))
    assert "No slope in 10 places: bootstrap draws are missing or cannot be read." in told


def test_decimals_are_those_that_are_asked_for():
    table = build_table(frame({8: 0.70314, 16: 0.70349}), None, spec(digits=4))
    assert "0.7031" in WRITERS["md"](table) and [e.best for e in only(table).values()] == [False, True]


def test_json_holds_what_the_table_shows_and_every_cell():
    table = build_table(frame({8: 0.70, 16: 0.74}), None, BOOTSTRAP)
    said = json.loads(WRITERS["json"](table))
    entry = said["rows"][0]["entries"][0]
    assert entry["against_reference"]["mark"] == "‡" and entry["cells"][0]["run_id"] == "run00000"
    assert entry["against_reference"]["difference"]["delta"] == pytest.approx(-0.04, abs=1e-6)


def test_two_runs_of_one_ablation_are_held_against_each_other():
    old = build_table(frame({8: 0.70, 16: 0.74}), None, BOOTSTRAP)
    newer = frame({8: 0.73, 16: 0.74})
    newer.loc[newer["method.tokens"] == 8, "key"] = "new"
    newer["shared"] = [{**s, "code": "n3w"} for s in newer["shared"]]
    new = build_table(newer, None, BOOTSTRAP)
    found = {c.row: c for c in changes(old, new)}
    assert found["tokens 8"].judged.comparison.difference.delta == pytest.approx(0.03, abs=1e-6)
    assert found["tokens 8"].judged.p == found["tokens 8"].judged.comparison.difference.p, "the other is no comparison"
    assert not found["tokens 8"].same and found["tokens 16"].same
    console = Console(file=io.StringIO(), width=120)
    print_changes(console, old, new)
    said = console.file.getvalue()
    assert "new minus old; Holm over 1 entry" in said and "+0.030 (95 % interval +0.0" in said
    assert "1 of 2 entries stand on the very same cells" in said
    with pytest.raises(ConfigError, match="two metrics have no difference"):
        changes(replace(old, spec=spec(metric="ap@breast")), old)
