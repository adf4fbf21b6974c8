"""Whom two rows call differently at their thresholds, from the judge's own files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from harness.entries import CellRef
from harness.figures.representatives import Representative, representatives
from harness.report.called import called_differently
from harness.report.groups import looked_into
from harness.report.page import render
from harness.tables import build_table
from mvmlm.errors import DataError
from mvmlm.evaluation.judge import Judgement, Terms, judge
from tests.harness.report.made_up import made_up
from tests.harness.table_cells import grid, spec

PAIR = [Representative(name, CellRef(0, name, None, "done")) for name in ("reference", "row")]


def judged(seed: int, scale: str = "probability", patients: int = 60) -> Judgement:
    """A cell's judgement on the same test breasts, whatever the seed of its scores."""
    luck = np.random.default_rng(0)
    people = np.repeat([f"p{i:03d}" for i in range(2 * patients)], 2)
    labels = (luck.random(len(people)) < 0.3).astype(np.int8)
    logits = 2 * labels - 1 + np.random.default_rng(seed).normal(0, 1, len(labels))
    scores = logits if scale == "logit" else 1 / (1 + np.exp(-logits))
    names = [f"{p}_{'LR'[i % 2]}" for i, p in enumerate(people)]
    rows = pd.DataFrame({"unit_id": names, "patient_id": people, "label": labels, "score": scores})
    return judge(rows[: 2 * patients], Terms(draws=20, scale=scale), reference=rows[2 * patients :])


def files(folder, *judgements: Judgement):
    """Files of the two cells as an evaluation leaves them."""
    for one, said in zip(PAIR, judgements):
        (folder / one.cell.key).mkdir()
        said.predictions["breast"].to_parquet(folder / one.cell.key / "predictions.parquet")
    return lambda cell, name: folder / cell.key / name


def operating(*judgements: Judgement) -> list[dict]:
    """As it is read back."""
    return [json.loads(json.dumps(said.details))["operating"] for said in judgements]


@pytest.mark.parametrize("scale", ["probability", "logit"])
def test_patients_are_counted_at_the_thresholds_that_the_judge_chose(tmp_path, scale):
    both = judged(1, scale), judged(2, scale)
    found = called_differently(PAIR, operating(*both), files(tmp_path, *both))
    assert [one.metric for one in found] == ["sens_at_spec90", "spec_at_sens90", "balanced_accuracy"]
    for one in found:
        hits = []
        for said in both:
            rows = said.predictions["breast"]
            threshold = said.details["operating"][f"{one.metric}@breast"]["threshold"]
            rows = rows.assign(called=rows["score"] >= threshold)
            told = said.details["operating"][f"{one.metric}@breast"]["test"]["sensitivity"]
            assert rows[rows["label"] == 1]["called"].mean() == pytest.approx(told), "the judge's own threshold"
            hits.append(rows.groupby("patient_id").agg(positive=("label", "max"), called=("called", "any")))
        theirs, ours = hits
        for side, is_positive in ((one.positive, True), (one.negative, False)):
            mine = ours["positive"].astype(bool) == is_positive
            right = [(part["called"] == is_positive)[mine] for part in (ours, theirs)]
            assert side.n == mine.sum() and side.arm_only == (right[0] & ~right[1]).sum()
            assert side.reference_only == (right[1] & ~right[0]).sum()


def test_a_threshold_that_calls_nobody_calls_nobody(tmp_path):
    both = judged(1), judged(2)
    told = operating(*both)
    for one in told:
        one["sens_at_spec90@breast"]["threshold"] = None
    first = called_differently(PAIR, told, files(tmp_path, *both))[0]
    assert (first.positive.arm_only, first.positive.reference_only, first.positive.p) == (0, 0, 1)


def test_other_rows_cannot_be_held_against_each_other(tmp_path):
    both = judged(1), judged(2, patients=50)
    with pytest.raises(DataError, match="tested on different rows"):
        called_differently(PAIR, operating(*both), files(tmp_path, *both))


def test_a_protocol_without_thresholds_calls_nobody_differently():
    assert called_differently(PAIR, [{}, {}], lambda cell, name: None) == []


@pytest.fixture
def sources(tmp_path):
    """A report whose cells have the predictions of a judge."""
    found = made_up(tmp_path, grid(tokens=(8, 16), seeds=(0,)))
    said = judged(1)
    (tmp_path / "details.json").write_text(json.dumps(said.details))
    said.predictions["breast"].to_parquet(tmp_path / "predictions.parquet")
    return replace(found, files=lambda cell, name: tmp_path / name)


def test_the_report_tells_it_of_the_reference_and_the_best_other_row(sources):
    (section, *_) = looked_into(sources)
    assert {one.chosen_for for one in section.differently} >= {"specificity ≥ 90 %", "sensitivity ≥ 90 %"}
    assert {(one.ours, one.theirs, one.p) for one in section.differently} == {(0, 0, "1")}, "equal files"
    page = render(sources)
    assert "Patients called differently" in page and "flatters it" in page


def test_the_report_says_why_it_cannot(sources):
    files = sources.files
    found = replace(sources, files=lambda cell, name: None if name == "predictions.parquet" else files(cell, name))
    assert {section.why for section in looked_into(found)} == {"predictions are not at hand"}
    assert "Patients called differently are not known: predictions are not at hand." in render(found)


def test_what_refuses_a_mark_refuses_this_too(tmp_path):
    frame = grid(tokens=(8, 16), seeds=(0,))
    frame["shared"] = [{**s, "code": str(t)} for s, t in zip(frame["shared"], frame["method.tokens"])]
    sources = made_up(tmp_path, frame)
    found = looked_into(sources)
    assert {section.why for section in found} == {"tokens 8 and tokens 16 differ in code version"}
    (tmp_path / "details.json").write_text("{}")
    assert {section.why for section in looked_into(sources)} == {""}, "without thresholds there is nothing to ask"


def test_a_row_is_held_against_the_reference_of_its_own_encoder(tmp_path):
    """The best row is of the one encoder, the best reference of the other."""
    frame = pd.concat([grid(tokens=(8, 16), seeds=(0,)).assign(encoder=name) for name in ("a", "b")])
    frame["key"] += frame["encoder"]
    best = {("a", 8): 0.9, ("a", 16): 0.6, ("b", 8): 0.5, ("b", 16): 0.8}
    frame["auc@breast"] = [best[place] for place in zip(frame["encoder"], frame["method.tokens"])]
    asked = spec(rows=["encoder", "method.tokens"], reference={"method.tokens": 16})
    pair = representatives(build_table(frame, None, asked), 0)
    assert [one.label for one in pair] == ["a, tokens 16 (reference)", "a, tokens 8 (best other)"]


def test_rows_that_no_mark_holds_against_each_other_are_not_held_here(tmp_path):
    """Of either encoder only one row is done: the one's reference, the other's other row."""
    frame = pd.concat([grid(tokens=(8, 16), seeds=(0,)).assign(encoder=name) for name in ("a", "b")])
    frame["key"] += frame["encoder"]
    for name, tokens in (("a", 16), ("b", 8)):
        lost = (frame["encoder"] == name) & (frame["method.tokens"] == tokens)
        frame.loc[lost, "status"] = "failed"
    asked = {"rows": ["encoder", "method.tokens"], "reference": {"method.tokens": 16}}
    table = build_table(frame, None, spec(**asked))
    assert [one.contrast for one in representatives(table, 0)] == [None, None]
    found = looked_into(replace(made_up(tmp_path, grid(tokens=(8, 16), seeds=(0,))), table=table))
    assert {(len(section.cells), section.why, len(section.differently)) for section in found} == {(2, "", 0)}
