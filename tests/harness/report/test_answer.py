"""The answer in a sentence: what it says, and what it never says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.entries import Contrast
from harness.report.answer import answer
from harness.stats.difference import Difference
from harness.stats.family import Refusal
from harness.tables import build_table
from harness.wording import p_words, signed
from tests.harness.table_cells import METRIC, grid, lose, no_image, spec

ONE = {"tokens": (16, 32), "tasks": ("mass",), "fractions": (1.0,)}


def table_of(frame, below=None, **asked):
    return build_table(frame, below, spec(**asked))


def said(table) -> str:
    """All sentences of the answer, without the warning that the made-up data are simulated."""
    sentences = answer(table).sentences
    assert sentences[0].startswith("SIMULATED DATA: ") == table.spec.simulated
    return " ".join(sentences).removeprefix("SIMULATED DATA: ")


def contrast(delta: float, p: float | None, mark: str = "", verdict: str | None = None, why: str = "") -> Contrast:
    if why:
        return Contrast("16", None, None, "", (Refusal(why, f"32 and 16 differ in {why}"),))
    found = Difference(delta=delta, se=0.01, low=delta - 0.02, high=delta + 0.02, level=0.95, p=p, test="t")
    return Contrast("16", found, p, mark, verdict=verdict)


def judged(*contrasts: Contrast, **asked):
    """A table of tokens 16 (the reference) and 32, with one column for each contrast."""
    tasks = ("mass", "calcification", "malignancy")[: len(contrasts)]
    table = table_of(grid(**{**ONE, "tasks": tasks}), columns=["task"], **asked)
    other = next(row for row in table.rows if not row.reference)
    entries = tuple(replace(entry, contrast=found) for entry, found in zip(other.entries, contrasts))
    rows = tuple(replace(row, entries=entries) if row is other else row for row in table.rows)
    return replace(table, rows=rows)


BETTER = contrast(0.12, 0.003, "‡")
NONE = contrast(0.01, 0.4)
WORSE = contrast(-0.031, 0.04, "†")


@pytest.mark.parametrize(
    ("contrasts", "expected"),
    [
        (
            [BETTER],
            "tokens 32 is better than tokens 16 in mass "
            "(+0.120 AUC per breast, 95 % interval +0.100 to +0.140, adjusted p .003).",
        ),
        (
            [BETTER, BETTER],
            "tokens 32 is better than tokens 16 in mass (+0.120 AUC per breast, 95 % interval +0.100 to +0.140, "
            "adjusted p .003) and in calcification (+0.120, 95 % interval +0.100 to +0.140, adjusted p .003).",
        ),
        (
            [NONE, WORSE, NONE],
            "tokens 32 is worse than tokens 16 in calcification (−0.031 AUC per breast, 95 % interval −0.051 to "
            "−0.011, adjusted p .04). In the other 2 of 3 comparisons no difference is shown.",
        ),
        (
            [WORSE, BETTER],
            "tokens 32 is better than tokens 16 in calcification (+0.120 AUC per breast, 95 % interval +0.100 to "
            "+0.140, adjusted p .003); tokens 32 is worse than tokens 16 in mass (−0.031, 95 % interval −0.051 to "
            "−0.011, adjusted p .04).",
        ),
        (
            [NONE],
            "No row is shown to differ from tokens 16 (1 comparison, adjusted p .4); that does not show that they are "
            "equal.",
        ),
        (
            [NONE, contrast(0.02, 0.0512)],
            "No row is shown to differ from tokens 16 in any column (2 comparisons, smallest adjusted p .051); that "
            "does not show that they are equal.",
        ),
        (
            [contrast(0, None, why="patients")],
            "No row could be compared with tokens 16: different test patients (1 of 1).",
        ),
    ],
)
def test_what_the_tests_say(contrasts, expected):
    found = said(judged(*contrasts))
    assert found == expected or found.startswith(f"{expected} Highest mean AUC per breast: tokens ")


def test_of_many_differences_the_clearest_are_named_and_the_others_counted():
    table = table_of(grid(tokens=(4, 8, 16, 32), seeds=(0,)), columns=["task", "eval.fraction"])
    strong = tuple(
        replace(
            row,
            entries=tuple(
                replace(e, contrast=None if row.reference else contrast(0.1, 0.001 * (1 + 6 * r + i), "‡"))
                for i, e in enumerate(row.entries)
            ),
        )
        for r, row in enumerate(table.rows)
    )
    found = said(replace(table, rows=strong))
    assert found.count("adjusted p") == 3 and "adjusted p .001)" in found
    assert "; 15 more differences are marked in the table." in found


def test_a_lower_error_is_better():
    frame = grid(**ONE).rename(columns={METRIC: "brier@breast"})
    table = table_of(frame, columns=["task"], metric="brier@breast")
    rows = [r if r.reference else replace(r, entries=(replace(r.entries[0], contrast=WORSE),)) for r in table.rows]
    found = said(replace(table, rows=tuple(rows)))
    assert found.startswith("tokens 32 is better than tokens 16 in mass (−0.031 Brier score per breast")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("non-inferior", "not shown"), "1 of 2 comparisons (tokens 32), each by its own interval, not corrected."),
        (("superior", "inferior"), "1 of 2 comparisons (tokens 32), each by its own interval, not corrected."),
        (("not shown", "inferior"), "0 of 2 comparisons, each by its own interval, not corrected."),
    ],
)
def test_a_margin_is_answered_apart(verdicts, expected):
    for margin, text in ((0.02, "0.020"), (0.0005, "0.0005")):
        table = judged(*(contrast(0.001, 0.5, verdict=v) for v in verdicts), compare={"margin": margin})
        assert said(table).endswith(f"Shown to be worse than tokens 16 by less than {text}, if at all: {expected}")


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_one_seed_speaks_of_its_checkpoints_only(seeds):
    table = table_of(grid(**ONE, seeds=seeds))
    told = "One seed: this speaks of these checkpoints only."
    assert (told in answer(table).caveats) == (len(seeds) == 1)


def test_seeds_that_the_test_takes_as_they_are_are_said():
    table = table_of(grid(**ONE), compare={"test": "bootstrap"})
    assert any("takes the seeds as they are" in caveat for caveat in answer(table).caveats)
    assert not any("seeds" in caveat for caveat in answer(table_of(grid(**ONE))).caveats)
    apart = table_of(grid(**ONE), columns=["seed"])
    assert any("takes the seeds as they are" in caveat for caveat in answer(apart).caveats)


def test_real_data_are_not_called_simulated():
    assert "SIMULATED" not in " ".join(answer(table_of(grid(**ONE), simulated=False)).sentences)


def test_no_result_is_no_answer():
    frame = lose(lose(grid(**ONE), "failed", "it broke"), "missing", tokens=32, seed=0)
    found = said(table_of(frame))
    assert found == "No answer yet: none of 6 cells has a result (5 failed, 1 not run)."
    assert said(table_of(frame[:5])) == "No answer yet: none of 5 cells has a result (4 failed, 1 not run)."


def test_a_reference_without_a_result_leaves_an_order_and_says_so():
    found = said(table_of(lose(grid(**{**ONE, "tokens": (8, 16, 32)}), "failed", "it broke", tokens=16)))
    assert found.startswith("No row could be compared with tokens 16: it has no result. Highest mean AUC per breast: ")
    assert found.endswith(". This is an order, not a test.")


def test_without_a_reference_nothing_was_tested():
    found = said(table_of(grid(), reference={}))
    assert found.startswith("No row was compared with a reference: the table names none. Highest mean AUC per breast: ")
    assert "; 3 more columns in the table. This is an order, not a test." in found
    absent = said(table_of(grid(), reference={"method.tokens": 64}))
    assert absent.startswith("No row was compared with a reference: the reference (tokens 64) is not among the rows.")


def test_of_rows_that_share_the_best_mean_some_are_named_and_the_others_counted():
    frame = grid(tokens=(2, 4, 8, 16, 32), tasks=("mass",), fractions=(1.0,)).assign(**{METRIC: 0.5})
    found = said(table_of(frame, columns=[], reference={}))
    assert "Highest mean AUC per breast: tokens 2 and tokens 4 and tokens 8 and 2 more (0.500)." in found


def test_several_references_that_share_nothing_with_a_row_are_the_reason_given():
    frame = grid(tokens=(8, 16, 32), tasks=("mass",), fractions=(1.0,), seeds=(0,))
    frame["method"] = ["ours", "ours", "other"]
    table = table_of(frame, rows=["method", "method.tokens"], reference={"method": "ours"})
    assert said(table).startswith("No row could be compared with ours: there are several reference rows and none")


def test_why_nothing_was_compared_is_told_in_one_order():
    frame = grid(**ONE)
    frame["shared"] = [{} for _ in range(len(frame))]
    every = ["test patients", "splits", "code version", "training budget"]
    assert "; ".join(f"{what} not known (1 of 1)" for what in every) in said(table_of(frame))


def test_one_row_is_no_comparison():
    assert said(table_of(grid(**{**ONE, "tokens": (16,)}))) == "There is one row alone, and so nothing to compare."


def test_lost_cells_and_comparisons_that_could_not_be_made_are_counted():
    frame = lose(grid(**{**ONE, "tokens": (8, 16, 32)}), "failed", "it broke", tokens=32, seed=2)
    caveats = answer(table_of(frame)).caveats
    assert "1 of 9 cells has no result (1 failed)." in caveats
    assert "1 of 2 comparisons could not be made: their results are of different seeds (1 of 1)." in caveats


def test_rows_without_images_that_are_as_good_are_told():
    frame, below = grid(**ONE), no_image(tasks=("mass",), fractions=(1.0,))
    below.loc[below["baseline"] == "metadata", METRIC] = 0.99
    assert any("without image and text in: mass 100 %" in c for c in answer(table_of(frame, below)).caveats)


def test_a_slope_that_was_asked_for_comes_first():
    frame = grid(tasks=("mass",), fractions=(1.0,))
    noise = [0.1 * (draws - value) for draws, value in zip(frame["draws"], frame[METRIC])]
    frame[METRIC] = 0.5 + 0.05 * np.log2(frame["method.tokens"]) + 0.001 * frame["seed"]
    frame["draws"] = [value + one for value, one in zip(frame[METRIC], noise)]
    found = said(table_of(frame, compare={"trend": "method.tokens"}))
    assert found.startswith("AUC per breast along tokens rises in mass 100 % (+0.050 a doubling, 95 % interval")
    assert "not shown to differ from none" not in found


def test_a_slope_of_the_only_column_has_no_column_to_name():
    frame = grid(tasks=("mass",), fractions=(1.0,))
    found = answer(table_of(frame, columns=[], compare={"trend": "method.tokens"}))
    assert "auc@" not in " ".join((*found.sentences, *found.caveats))
    alone = answer(table_of(frame[:3], compare={"trend": "method.tokens"}))
    assert "The slope along tokens was not tested: one point alone has no slope." in alone.caveats


def test_slopes_that_are_not_shown_are_counted():
    found = said(table_of(grid(), compare={"trend": "method.tokens"}))
    assert found.startswith(("AUC per breast along tokens rises in", "AUC per breast shows no slope along tokens (6"))


@given(st.floats(1e-12, 1.0))
def test_a_p_is_never_rounded_across_a_line(p):
    text = p_words(p)
    assert not text.startswith("0")
    shown = 0.0005 if text == "< .001" else float(text)
    assert all((shown < line) == (p < line) for line in (0.001, 0.01, 0.05))


@pytest.mark.parametrize(("value", "text"), [(0.12, "+0.120"), (-0.0312, "−0.031"), (4e-5, "+4e−05"), (0.0, "+0.000")])
def test_a_difference_has_its_sign(value, text):
    assert signed(value) == text
