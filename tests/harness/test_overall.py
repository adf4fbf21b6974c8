"""All columns of a table at once: interquartile mean, chance to beat the reference, and when there is neither."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from harness.caption import caption
from harness.render import WRITERS
from harness.stats.iqm import interquartile_mean, probability_of_improvement
from harness.tables import build_table
from tests.harness.table_cells import METRIC, grid, lose, no_image, spec

ASKED = spec(compare={"overall": True})


def over(cells, asked=ASKED) -> dict:
    """Row to what is said of it."""
    return {one.row: one for one in build_table(cells, no_image(), asked).overall}


def scores(cells, tokens: int) -> np.ndarray:
    """Seeds by columns."""
    mine = cells[cells["method.tokens"] == tokens]
    return mine.pivot_table(index="seed", columns=["task", "eval.fraction"], values=METRIC).to_numpy()


def words(cells, asked=ASKED) -> str:
    return " ".join(caption(build_table(cells, None, asked)).sentences)


def test_every_row_has_its_mean_and_its_chance_to_beat_the_reference():
    cells = grid()
    found = over(cells)
    assert list(found) == ["tokens 4", "tokens 8", "tokens 16", "tokens 32"], "no row without images"
    for tokens in (4, 8, 16, 32):
        assert found[f"tokens {tokens}"].mean.value == pytest.approx(interquartile_mean(scores(cells, tokens)).value)
    theirs = scores(cells, 16)
    assert found["tokens 4"].better.value == pytest.approx(
        probability_of_improvement(scores(cells, 4), theirs).value
    )
    assert found["tokens 16"].better is None and found["tokens 16"].reference == ""
    assert found["tokens 4"].better.low <= found["tokens 4"].better.value <= found["tokens 4"].better.high


def test_where_lower_is_better_the_lower_run_beats_the_other():
    cells = grid().rename(columns={METRIC: "brier@breast"})
    up, down = (over(c, replace(ASKED, metric=m)) for c, m in ((grid(), METRIC), (cells, "brier@breast")))
    for row in ("tokens 4", "tokens 32"):
        assert down[row].better.value == pytest.approx(1 - up[row].better.value)
        assert down[row].mean == up[row].mean


def test_the_level_is_that_of_the_other_intervals():
    wide, narrow = (over(grid(), spec(compare={"overall": True, "level": level})) for level in (0.99, 0.5))
    a, b = wide["tokens 8"].mean, narrow["tokens 8"].mean
    assert a.level == 0.99 and a.low < b.low <= b.high < a.high


def test_a_row_that_lacks_a_result_has_none_and_the_others_keep_theirs():
    found = over(lose(grid(), "failed", "ValueError", tokens=8, task="mass", fraction=0.1, seed=1))
    assert found["tokens 8"].mean is None and found["tokens 8"].better is None
    assert found["tokens 8"].refused == "1 of 6 columns without a result of every seed"
    assert found["tokens 4"].mean and found["tokens 4"].better
    lost = over(lose(grid(), "failed", "ValueError", tokens=16, task="mass", fraction=0.1, seed=1))
    assert lost["tokens 4"].mean and lost["tokens 4"].better is None
    assert lost["tokens 4"].refused == "the reference has 1 of 6 columns without a result of every seed"


def test_what_refuses_a_mark_in_one_column_refuses_the_comparison_and_not_the_mean():
    cells = grid()
    here = (cells["method.tokens"] == 4) & (cells["task"] == "mass") & (cells["eval.fraction"] == 0.1)
    cells.loc[here, "shared"] = [{**said, "patients": "others"} for said in cells.loc[here, "shared"]]
    found = over(cells)
    assert found["tokens 4"].mean and found["tokens 4"].better is None
    assert "not comparable in 1 column" in found["tokens 4"].refused and found["tokens 8"].better


@pytest.mark.parametrize("small", [{"seeds": (0, 1)}, {"tasks": ("mass",)}])
def test_few_seeds_or_columns_are_too_few(small):
    cells = grid(**small)
    assert {one.refused for one in over(cells).values()} == {"that needs 5 columns and 3 seeds or more"}
    assert "No number over all columns: that needs 5 columns and 3 seeds or more." in words(cells)


def test_caption_and_json_tell_it_where_it_was_asked_for():
    cells = lose(grid(), "failed", "ValueError", tokens=8, task="mass", fraction=0.1, seed=1)
    told = words(cells)
    assert "Interquartile mean over 6 columns (95 % interval over other seeds on these columns): tokens 4 0." in told
    assert "Chance that a run beats the reference's of the same seed on one of the 6 columns, drawn at" in told
    assert "No number over all columns for tokens 8: 1 of 6 columns without a result of every seed." in told
    assert "Interquartile" not in words(cells, spec())
    table = build_table(cells, None, ASKED)
    written = json.loads(WRITERS["json"](table))["overall"]
    assert [one["row"] for one in written] == [one.row for one in table.overall]
    assert written[0]["mean"]["value"] == table.overall[0].mean.value


def test_where_the_comparison_alone_is_refused_the_caption_says_that():
    told = words(lose(grid(), "failed", "ValueError", tokens=16, task="mass", fraction=0.1, seed=1))
    why = "the reference has 1 of 6 columns without a result of every seed"
    assert f"No chance to beat the reference over all columns for tokens 4, tokens 8, tokens 32: {why}." in told
    assert "No number over all columns for tokens 16: 1 of 6 columns" in told and "tokens 8 0." in told


def test_of_many_rows_the_caption_points_to_the_report():
    told = words(grid(tokens=tuple(range(4, 30))))
    assert "Each of 26 rows over all 6 columns: report and JSON." in told and "Interquartile" not in told
