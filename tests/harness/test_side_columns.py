"""Columns beside a comparison table: facts about what its rows were trained on, which are no test results."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from harness.caption import caption
from harness.caption_statistics import NEAR_ONE
from harness.tables import build_table
from harness.wording import measure, measure_value
from mvmlm.errors import ConfigError
from tests.harness.table_cells import BESIDE, METRIC, grid, lose, no_image, report_arms, spec


def words(table) -> str:
    """All sentences of a caption."""
    return " ".join(caption(table).sentences)


def facts(table) -> dict[str, list[str]]:
    """Side columns as printed, by row."""
    rows = (*table.rows, *table.baselines)
    return {" ".join(filter(None, row.labels)): [fact.text for fact in row.facts] for row in rows}


def test_side_columns_are_the_mean_over_a_rows_cells_or_their_range():
    table = build_table(*report_arms())
    assert facts(table) == {
        "template": ["0.0 %", "0.0 %", "0.0 %"],
        "llm ×4": ["2.1 %", "0.5 %", "12.5–13.1 %"],
        "no text": ["–", "–", "–"],
        "metadata only": ["–", "–", "–"],
        "majority class": ["–", "–", "–"],
        "text only, template": ["0.0 %", "0.0 %", "0.0 %"],
        "text only, llm ×4": ["2.1 %", "0.5 %", "12.5 %"],
    }
    omitted = table.rows[1].facts[2]
    assert (omitted.mean, omitted.low, omitted.high, omitted.cells) == (pytest.approx(0.127), 0.125, 0.131, 9)


def test_a_cell_that_a_row_repeats_counts_once_in_its_side_columns():
    frame, below, asked = report_arms()
    wide = pd.concat([frame.assign(**{"eval.fraction": f, "key": frame["key"] + str(f)}) for f in (0.1, 1.0)])
    asked = spec(rows=["reports"], columns=["task", "eval.fraction"], beside=BESIDE)
    table = build_table(wide, below.drop(columns="eval.fraction", errors="ignore"), asked)
    assert [row.facts[0].cells for row in table.rows] == [18, 18, 0]
    assert [row.facts[0].cells for row in table.baselines] == [0, 0, 9, 9]


def test_a_lost_cell_tells_no_measure_and_the_others_still_do():
    frame, below, asked = report_arms()
    lost = lose(frame, "failed", "boom", reports="llm ×4", seed=2)
    assert facts(build_table(lost, below, asked))["llm ×4"] == ["2.1 %", "0.5 %", "12.5 %"]
    waiting = lose(frame, "missing", protocol="linear_probe").assign(measures=None)
    assert facts(build_table(waiting, None, asked))["llm ×4"] == ["–", "–", "–"]
    assert facts(build_table(frame.drop(columns="measures"), None, asked))["llm ×4"] == ["–", "–", "–"]


def test_a_measure_that_is_no_finite_number_is_unknown():
    frame, _, asked = report_arms()
    frame["measures"] = [{BESIDE[0]: np.nan, BESIDE[1]: True, BESIDE[2]: None}] * len(frame)
    assert facts(build_table(frame, None, asked))["template"] == ["–", "–", "–"]


def test_a_measure_is_no_metric_and_no_coordinate():
    frame, _, asked = report_arms()
    with pytest.raises(ConfigError, match=r"table\.metric: no cell has reports/omitted"):
        build_table(frame, None, spec(rows=["reports"], columns=["task"], metric="reports/omitted"))
    table = build_table(frame, None, asked)
    assert build_table(frame.drop(columns="measures"), None, spec(**{**vars(asked), "beside": ()})).rows == tuple(
        replace(row, facts=(), entries=tuple(map(_bare, row.entries))) for row in table.rows
    )


def _bare(found):
    """An entry without its cells' measures."""
    return replace(found, cells=tuple(replace(cell, measures={}) for cell in found.cells))


def test_side_columns_have_their_stage_above_and_their_short_name_below():
    frame, _, asked = report_arms()
    heads = build_table(frame, None, asked).header()
    assert [(s.text, s.width) for s in heads[0].beside] == [("reports", 3)]
    assert [s.text for s in heads[-1].beside] == ["hallucinated", "contradicted", "omitted"]
    of_two = spec(**{**vars(asked), "beside": ("reports/omitted", "text/truncated"), "columns": []})
    flat = build_table(frame[frame["task"] == "mass"].drop(columns=["n", "prevalence"]), None, of_two).header()
    assert [[(s.text, s.width) for s in line.beside] for line in flat] == [
        [("reports", 1), ("text", 1)],
        [("omitted", 1), ("truncated", 1)],
    ]
    assert [s.text for line in flat for s in line.spans] == ["", METRIC]


def test_the_caption_says_what_the_side_columns_are():
    said = words(build_table(*report_arms()))
    assert "Right of the line: facts about what each row was trained on, not test results; hallucinated: share" in said
    assert "A range there: the row's cells differ. – there: not known" in said
    frame, _, asked = report_arms()
    even = frame[(frame["reports"] != "no text") & (frame["seed"] != 2)]
    said = words(build_table(even, None, asked))
    assert "Right of the line" in said and "A range there" not in said and "– there" not in said
    assert "Right of the line" not in words(build_table(grid(), no_image(), spec()))


def test_the_caption_names_where_the_texts_give_the_label_away():
    told = "another name"
    frame, below, asked = report_arms()
    assert "Text only reaches 0.986 for mass: there, pretraining on these texts is label supervision" in words(
        build_table(frame, below, asked)
    )
    nearly = below.assign(**{METRIC: below[METRIC].where(below["baseline"] != "text", NEAR_ONE - 0.001)})
    assert told not in words(build_table(frame, nearly, asked))
    both = nearly.assign(**{METRIC: nearly[METRIC].where(nearly["task"] == "malignancy", NEAR_ONE)})
    both.loc[both["baseline"] != "text", METRIC] = 0.5
    assert "Text only reaches 0.950 for mass, 0.950 for calcification: there" in words(build_table(frame, both, asked))
    metadata = below[below["baseline"] != "text"].assign(**{METRIC: 0.99})
    assert told not in words(build_table(frame, metadata, asked)), "it is said of texts alone"


@pytest.mark.parametrize(
    ("name", "low", "high", "text"),
    [
        ("reports/omitted", 0.1234, 0.1234, "12.3 %"),
        ("reports/dropped", 0.0, 0.25, "0.0–25.0 %"),
        ("text/truncated", 0.01231, 0.01234, "1.2 %"),
        ("reports/distinct", 312.0, 312.0, "312"),
        ("reports/distinct", 312.0, 31204.0, "312–31,204"),
        ("reports/words", 41.23, 41.23, "41.2"),
        ("reports/words", 141.23, 141.23, "141"),
        ("text/of_its_own", 0.01234, 0.01234, "0.0123"),
        ("text/of_its_own", 2.0, 2.0, "2"),
    ],
)
def test_measures_have_digits_that_suit_them(name, low, high, text):
    assert measure_value(name, low, (low + high) / 2, high) == text


def test_an_unknown_measure_is_called_by_its_bare_name():
    assert (measure("text/of_its_own").title, measure("text/of_its_own").meaning) == ("of its own", "")
