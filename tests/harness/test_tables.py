"""What a comparison table says of its cells."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.caption import SIMULATED, caption
from harness.early_end import WHY
from harness.stale_code import of_another_version
from harness.tables import build_table
from mvmlm.errors import ConfigError, DataError
from tests.harness.table_cells import METRIC, grid, lose, no_image, spec, wounded

UNEVEN = "different numbers of bootstrap draws"


def entry(table, row=0, column=0):
    """An entry by its place."""
    return table.rows[row].entries[column]


def words(table) -> str:
    """All sentences of a caption."""
    return " ".join(caption(table).sentences)


def small(**changes) -> pd.DataFrame:
    """One arm, one task, one fraction, three seeds."""
    frame = grid(tokens=(4,), tasks=("mass",), fractions=(1.0,))
    return frame.assign(**changes)


def test_entry_is_mean_and_sample_sd_over_seeds():
    frame = small(**{METRIC: [0.7, 0.8, 0.9]})
    found = entry(build_table(frame, None, spec()))
    assert found.mean == pytest.approx(0.8)
    assert found.sd == pytest.approx(0.1)
    assert [c.key for c in found.cells] == frame["key"].tolist()
    assert [c.run_id for c in found.cells] == frame["run_id"].tolist()


def test_interval_is_of_the_seed_averaged_draws():
    frame = small()
    found = entry(build_table(frame, None, spec()))
    draws = np.mean(np.stack(frame["draws"]).astype(float), axis=0)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(draws, [2.5, 97.5])))
    assert np.array_equal(found.draws, draws)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.randoms())
def test_order_of_cells_changes_no_number(values, random):
    frame = grid(tokens=(4,), tasks=("mass",), fractions=(1.0,), seeds=range(len(values)))
    frame[METRIC] = values
    order = random.sample(range(len(frame)), len(frame))
    one, other = (entry(build_table(f, None, spec())) for f in (frame, frame.iloc[order]))
    assert one == other
    assert min(values) - 1e-12 <= one.mean <= max(values) + 1e-12
    assert (one.sd is None) == (len(values) == 1)


def test_rows_and_columns_keep_the_order_of_the_grid_and_nest():
    table = build_table(grid(tokens=(32, 4, 8)), None, spec())
    assert [r.labels for r in table.rows] == [("32",), ("4",), ("8",)]
    assert table.columns[0].labels == ("mass", "10 %")
    heads = table.header()
    assert [s.text for s in heads[0].spans] == ["mass", "calcification", "malignancy"]
    assert [s.width for s in heads[0].spans] == [2, 2, 2]
    assert [s.text for s in heads[1].spans] == ["n=118, +13.6 %", "n=118, +8.5 %", "n=118, +5.9 %"]
    assert [s.text for s in heads[2].spans] == ["10 %", "100 %"] * 3
    assert all(sum(s.width for s in line.spans) == len(table.columns) for line in heads)


def test_sizes_stand_under_the_level_that_they_belong_to():
    heads = build_table(grid(), None, spec(columns=["eval.fraction", "task"])).header()
    assert [line.sizes for line in heads] == [False, False, True]
    assert len(heads[2].spans) == 6


def test_conditional_axis_is_a_row_of_its_own():
    frame = grid(tokens=(4, 8), tasks=("mass",))
    plain = frame[frame["method.tokens"] == 4].assign(**{"method.name": "clip", "method.tokens": np.nan})
    both = pd.concat([frame.assign(**{"method.name": "mvmlm"}), plain.assign(key=plain["key"] + "c")])
    table = build_table(both, None, spec(rows=["method.name", "method.tokens"]))
    assert [r.labels for r in table.rows] == [("mvmlm", "4"), ("mvmlm", "8"), ("clip", "–")]
    assert table.row_levels == ("method", "tokens")


def test_averaging_over_more_than_seeds_is_refused_by_name():
    frame = grid(tokens=(4,))
    twice = pd.concat([frame.assign(**{"train.lr": 1e-4}), frame.assign(**{"train.lr": 5e-5})])
    with pytest.raises(ConfigError, match=r"average over train\.lr \(5e-05, 0\.0001\).*--set train\.lr="):
        build_table(twice, None, spec())


def test_a_cell_twice_is_refused():
    frame = small()
    with pytest.raises(DataError, match="more than one cell for seed 0"):
        build_table(pd.concat([frame, frame.head(1)]), None, spec())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rows": ["method.token"]}, r"table\.rows: .*method\.token; did you mean method\.tokens\?"),
        ({"columns": ["tusk"]}, r"table\.columns: .*did you mean task\?"),
        ({"metric": "auc@breasts"}, r"table\.metric: .*did you mean auc@breast\?"),
        ({"columns": ["method.tokens"]}, "both rows and columns"),
        ({"rows": []}, "at least one"),
    ],
)
def test_wrong_spec_is_one_clear_line(changes, said):
    with pytest.raises(ConfigError, match=said) as caught:
        build_table(grid(), None, spec(**changes))
    assert "\n" not in str(caught.value)


def test_no_cells_and_unknown_status_are_refused():
    with pytest.raises(DataError, match="no cells"):
        build_table(grid().head(0), None, spec())
    with pytest.raises(DataError, match="unknown status: exploded"):
        build_table(grid().assign(status="exploded"), None, spec())


def test_lost_seed_is_shown_and_not_averaged_away():
    frame = lose(small(**{METRIC: [0.7, 0.8, 0.9]}), "failed", "out of\nmemory", seed=2)
    table = build_table(frame, None, spec())
    found = entry(table)
    assert (found.mean, found.share, found.status) == (pytest.approx(0.75), "2/3", "partial")
    assert table.footnotes == (("a", "seed 2: failed (out of memory)"),)
    assert "k/m" in words(table)


@pytest.mark.parametrize(
    ("status", "sign"),
    [
        ("failed", "failed"),
        ("stopped", "stopped"),
        ("unplaceable", "no place"),
        ("missing", "not run"),
        ("upstream", "upstream"),
        ("running", "running"),
    ],
)
def test_every_gap_has_its_own_sign_and_the_caption_explains_it(status, sign):
    table = build_table(lose(grid(), status, "why", tokens=8, task="mass"), None, spec())
    found = entry(table, row=1)
    assert (found.mean, found.sign, found.status, found.best) == (None, sign, status, False)
    assert f"{sign}: " in words(table)
    assert table.footnotes[0][1].endswith("(why)")


def test_seeds_that_ended_differently_show_both_signs():
    frame = lose(lose(small(), "failed", "boom", seed=0), "stopped", seed=1)
    frame = lose(frame, "failed", "boom", seed=2)
    assert entry(build_table(frame, None, spec())).sign == "failed/stopped"


def test_metric_that_is_not_a_number_is_undefined_and_not_done():
    frame = small(**{METRIC: [0.7, np.nan, np.inf]})
    found = entry(build_table(frame, None, spec()))
    assert (found.mean, found.share) == (0.7, "1/3")
    assert [c.status for c in found.cells] == ["done", "undefined", "undefined"]


def test_seed_that_one_arm_lacks_counts_as_lost():
    frame = grid(tokens=(4, 8), tasks=("mass",), fractions=(1.0,)).drop(index=5)
    table = build_table(frame, None, spec())
    assert [row.entries[0].share for row in table.rows] == ["", "2/3"]
    assert table.footnotes == (("a", "seed 2: not part of the grid"),)


def test_point_outside_the_grid_is_a_dash():
    frame = grid(tokens=(4, 8), tasks=("mass",))
    frame = frame[~((frame["method.tokens"] == 8) & (frame["eval.fraction"] == 0.1))]
    table = build_table(frame, None, spec())
    assert (entry(table, 1, 0).sign, entry(table, 1, 0).cells) == ("–", ())
    assert "–: not part of the grid" in words(table)


def test_nothing_done_yet_still_makes_a_table():
    frame = lose(grid(), "missing", protocol="linear_probe").drop(columns=[METRIC])
    table = build_table(frame, None, spec())
    assert {e.sign for _, _, e in table.entries()} == {"not run"}
    assert [line.sizes for line in table.header()] == [False, False]


@pytest.mark.parametrize(
    ("draws", "counts", "said"),
    [
        ([None, None, None], {}, "the bootstrap draws are missing or cannot be read"),
        ([np.ones(4), None, np.ones(4)], {}, "the bootstrap draws of seed 1 are missing or cannot be read"),
        ([np.ones(4), np.ones(5), np.ones(4)], {}, f"the seeds have {UNEVEN} (4, 5)"),
        ([np.ones(4), np.full(4, np.nan), np.ones(4)], {}, "0 of 4 bootstrap draws are defined"),
        ([np.ones(4)] * 3, {"n": [118, 118, 120]}, "the seeds have different test sets (n = 118, 120)"),
    ],
)
def test_no_interval_where_it_would_not_be_one(draws, counts, said):
    frame = small(**counts)
    frame["draws"] = pd.Series(draws, dtype=object)
    table = build_table(frame, None, spec())
    assert entry(table).low is None
    assert entry(table).mean is not None
    assert table.footnotes == (("a", f"no interval: {said}"),)


def test_draws_that_are_undefined_are_left_out_of_the_interval_and_counted():
    frame = small()
    draws = [np.linspace(0.6, 0.8, 1000) for _ in range(3)]
    draws[1][[3, 500]] = np.nan
    frame["draws"] = pd.Series(draws, dtype=object)
    table = build_table(frame, None, spec())
    low, high = np.percentile(np.delete(draws[0], [3, 500]), [2.5, 97.5])
    assert (entry(table).low, entry(table).high) == pytest.approx((low, high))
    assert table.footnotes == (("a", "interval: 2 of 1000 draws leave the metric undefined and are left out"),)


def test_rows_without_images_that_an_older_code_made_have_the_sign_too():
    frame, below = grid(tokens=(4, 8), tasks=("mass",), fractions=(1.0,)), no_image(tasks=("mass",), fractions=(1.0,))
    frame["shared"] = [{"code": "new old"}] * len(frame)
    below["shared"] = [{"code": "older" if name == "metadata" else "new"} for name in below["baseline"]]
    table = build_table(frame, below, spec())
    assert table.footnotes == (("a", "made by another version of the code than most cells"),)
    assert [row.baseline for row in table.baselines if row.entries[0].footnotes] == ["metadata"]


def test_cells_of_another_version_of_the_code_have_a_sign_and_keep_their_number():
    frame = grid(tokens=(4, 8, 16), tasks=("mass",), fractions=(1.0,), seeds=(0, 1))
    older = (frame["method.tokens"] == 8) & (frame["seed"] == 1)
    frame["shared"] = [{"code": "old" if is_older else "new"} for is_older in older]
    table = build_table(frame, None, spec())
    (note,) = table.footnotes
    assert note == ("a", "seed 1: made by another version of the code than most cells")
    signed = [row.entries[0] for row in table.rows if row.entries[0].footnotes]
    assert [e.footnotes for e in signed] == [("a",)] and signed[0].mean is not None
    frame["shared"] = [{"code": "old"} if is_older else {} for is_older in older]
    assert build_table(frame, None, spec()).footnotes == ()


def test_trainings_that_ended_early_have_a_sign_and_keep_their_number():
    frame = grid(tokens=(4, 8, 16), tasks=("mass",), fractions=(1.0,), seeds=(0, 1))
    told = {4: (1.0, 1.0), 8: (0.0, 1.0), 16: (0.0, 0.0)}
    frame["measures"] = [
        {"finetune/ended_early": told[t][s]} for t, s in zip(frame["method.tokens"], frame["seed"])
    ]
    table = build_table(frame, None, spec())
    assert dict(table.footnotes) == {"a": WHY, "b": f"seed 1: {WHY}"}
    assert [row.entries[0].footnotes for row in table.rows] == [("a",), ("b",), ()]
    assert all(row.entries[0].mean is not None for row in table.rows)


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (["now", "now", None], []),
        (["old", "now", "old now", None], ["2 of 3 results stand on stages"]),
        (["old", "now"], ["1 of 2 results stands on stages"]),
        (["old", "older"], ["All results stand on stages"]),
        ([None, ""], []),
    ],
)
def test_results_of_another_code_than_the_present_one_are_counted(codes, said):
    found = of_another_version(codes, "now")
    assert [text.partition(" that another version")[0] for text in found] == said


def test_what_every_entry_would_note_is_said_once():
    frame = grid()
    frame["draws"] = None
    table = build_table(frame, None, spec())
    assert table.footnotes == ()
    assert "In every entry: no interval: the bootstrap draws are missing or cannot be read." in words(table)
    assert "% interval" not in words(table)


def test_best_is_the_highest_mean_with_ties_at_the_decimals_shown():
    frame = grid(tokens=(4, 8, 16), tasks=("mass",), fractions=(1.0,), seeds=(0,))
    frame[METRIC] = [0.71204, 0.71196, 0.7114]
    table = build_table(frame, None, spec())
    assert [row.entries[0].best for row in table.rows] == [True, True, False]
    assert "Bold: highest mean of its column, to the decimals shown." in words(table)
    alone = build_table(frame.head(1), None, spec())
    assert not entry(alone).best


def test_reference_row_is_marked_or_said_to_be_absent():
    table = build_table(grid(), None, spec())
    assert [row.reference for row in table.rows] == [False, False, True, False]
    other = build_table(grid(), None, spec(reference={"method.tokens": 64}))
    assert not any(row.reference for row in other.rows)
    assert "The reference (method.tokens=64) is not among the rows." in words(other)


def test_rows_without_images_stand_below_and_never_win():
    blind = no_image()
    blind[METRIC] = 0.99
    table = build_table(grid(), blind, spec())
    assert [row.labels for row in table.baselines] == [("metadata only",), ("majority class",)]
    assert not any(e.best for row in table.baselines for e in row.entries)
    assert "No row does better than the best row without image and text in: mass 10 %" in words(table)


def test_rows_without_images_follow_the_rows_that_they_depend_on():
    fractions = (0.1, 1.0)
    asked = spec(rows=["eval.fraction", "method.tokens"], columns=["task"])
    blind = no_image(fractions=fractions)
    table = build_table(grid(fractions=fractions), blind, asked)
    labels = [row.labels for row in table.baselines]
    assert labels[:2] == [("10 %", "metadata only"), ("100 %", "metadata only")]
    mass = blind.query("baseline == 'metadata' and task == 'mass' and `eval.fraction` == 0.1")
    assert table.baselines[0].entries[0].mean == pytest.approx(mass[METRIC].mean())
    alone = build_table(grid(tokens=(4,)), blind, spec(rows=["eval.fraction"], columns=["task"]))
    assert alone.baselines[0].labels == ("metadata only, 10 %",)


def test_rows_without_images_repeat_along_axes_that_they_do_not_know():
    table = build_table(grid(), no_image(), spec(rows=["eval.fraction"], columns=["task", "method.tokens"]))
    mass = [e.mean for e in table.baselines[0].entries[:4]]
    assert len(set(mass)) == 1
    assert table.columns[0].labels == ("mass", "tokens 4")


def test_test_sets_that_differ_within_a_column_show_as_a_range():
    frame = grid(tokens=(4, 8), tasks=("mass",), fractions=(1.0,))
    frame.loc[frame["method.tokens"] == 8, "n"] = 1120
    table = build_table(frame, None, spec())
    assert table.columns[0].n == "118–1,120"
    assert "do not share one test set" in words(table)


def test_caption_says_what_was_measured():
    table = build_table(grid(), no_image(), spec())
    said = caption(table)
    assert said.warning == SIMULATED
    assert "AUC per breast on the test set of phantom, profile demo" in words(table)
    assert "3 seeds (0, 1, 2)" in words(table)
    assert "200 bootstrap resamples of the test patients" in words(table)
    assert "Malignancy means BI-RADS ≥ 4 (no pathology in this set)." in said.sentences
    assert caption(build_table(grid(), None, spec(simulated=False))).warning == ""


def test_a_task_of_classes_has_no_share_of_positives_and_the_caption_speaks_of_none():
    assert "; +: the share of them that is positive." in words(build_table(grid(), None, spec()))
    graded = grid().drop(columns=["prevalence", "n_positive"])
    assert "n: test breasts. " in words(build_table(graded, None, spec()))


def test_one_seed_has_no_spread_and_the_caption_says_so():
    table = build_table(grid(seeds=(0,)), None, spec())
    assert entry(table).sd is None
    assert "one seed (0), so no spread between seeds is known" in words(table)


def test_footnotes_share_letters_in_reading_order():
    table = build_table(wounded(), no_image(), spec())
    assert [letter for letter, _ in table.footnotes] == ["a", "b", "c", "d"]
    assert entry(table, 0, 0).footnotes == entry(table, 0, 1).footnotes == ("a",)
    assert "q" not in {letter for letter, _ in table.footnotes}


def test_many_footnotes_each_have_their_own_letters():
    frame = grid(tokens=range(1, 40), tasks=("mass",), fractions=(1.0,), seeds=(0,))
    frame = frame.assign(status="failed", error=[f"reason {i}" for i in range(len(frame))])
    letters = [letter for letter, _ in build_table(frame, None, spec()).footnotes]
    assert len(set(letters)) == 39
    assert letters[24:27] == ["z", "aa", "ab"]


def test_cells_that_came_through_parquet_give_the_same_table(tmp_path):
    frame = wounded()
    frame.to_parquet(tmp_path / "cells.parquet")
    back = pd.read_parquet(tmp_path / "cells.parquet")
    assert build_table(back, None, spec()) == build_table(frame, None, spec())


def test_coordinates_can_be_named_where_other_numbers_stand_beside_them():
    frame = grid().assign(seconds=np.arange(len(grid()), dtype=float))
    known = ["method.tokens", "task", "eval.fraction", "protocol", "seed"]
    with pytest.raises(ConfigError, match="average over seconds"):
        build_table(frame, None, spec())
    assert build_table(frame, None, spec(), coordinates=known) == build_table(grid(), None, spec())


def test_tables_need_no_torch_ray_or_mlflow():
    code = (
        "import sys, harness.tables, harness.render, harness.render.terminal, harness.figures.chosen; "
        "print(sorted({'torch', 'ray', 'mlflow'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
