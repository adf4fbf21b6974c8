"""What a report's sections hold: costs, failures, data, settings, groups."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from harness.cli import parser
from harness.cli.common import run_command
from harness.report.costs import costs, duration, spent
from harness.report.data import data_cards
from harness.report.failures import failures
from harness.report.groups import NOT_KEPT, looked_into
from harness.report.provenance import provenance
from tests.harness.report.made_up import ARM, IMAGES, SAID, image_store, made_up
from tests.harness.table_cells import grid, lose


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Four token counts, each with its training a seed; two of the cells have no result."""
    frame = lose(grid(), "failed", "ValueError: <b>", tokens=4, task="mass", seed=2)
    return made_up(tmp_path_factory.mktemp("report"), lose(frame, "missing", tokens=8, task="mass", fraction=0.1))


def test_what_cells_share_is_counted_once_and_what_that_saves_is_told(sources):
    cards = sources.cards()
    found = costs(sources, cards)
    by_name = {stage.name: stage for stage in found.stages}
    assert [stage.name for stage in found.stages] == ["images", "pretrain", "features", "evaluate"]
    trainings = by_name["pretrain"]
    assert (trainings.count, trainings.cells) == (12, 72)
    assert trainings.spent.gpu == sum(2 * (100 * 3**arm + seed) for arm in range(4) for seed in range(3))
    assert trainings.unshared.gpu == 6 * trainings.spent.gpu, "six cells stand on each"
    assert by_name["images"].count == 1 and by_name["images"].cells == 72
    assert found.spent.cpu == pytest.approx(sum(spent(card).cpu for card in cards.values()))
    lost, no_image = 5, 36
    assert found.unknown == lost + no_image


def test_a_rows_own_stages_are_those_that_no_other_row_stands_on(sources):
    found = {row.name: row for row in costs(sources, sources.cards()).rows}
    one = found["tokens 8"]
    trainings = sum(4 * (300 + seed) for seed in range(3))
    assert one.own.cpu == trainings + 3 + (18 - 3)
    assert one.spent.cpu == one.own.cpu + 1, "the images, which all rows stand on"
    assert "metadata only" in found


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (1.26, "1.3 s"),
        (45, "45 s"),
        (119, "119 s"),
        (300, "5.0 min"),
        (7200, "2.0 h"),
        (200_000, "2.3 days"),
    ],
)
def test_a_duration_has_the_unit_that_people_would_use(seconds, text):
    assert duration(seconds) == text


def test_every_lost_cell_stands_under_its_error_with_its_log(sources):
    sources.logs.mkdir(exist_ok=True)
    training = sources.logs / "pretrain-t0-2.txt"
    keys = {**sources.stages}
    frame = grid()
    failed = frame[(frame[ARM] == 4) & (frame["task"] == "mass") & (frame["seed"] == 2)]["key"]
    for key in failed:
        keys[key] = [key, "t02"]
    (sources.logs / "pretrain-t02.txt").write_text("Traceback")
    found = failures(replace(sources, stages=keys))
    assert [(reason.sign, len(reason.cells)) for reason in found] == [("failed", 2), ("not run", 3)]
    assert found[0].error == "ValueError: <b>"
    assert found[0].cells[0].name == "tokens 4 · mass, 10 % of labels · seed 2"
    assert all(cell.log.endswith("pretrain-t02.txt") for cell in found[0].cells)
    assert not any(cell.log for cell in found[1].cells) and not training.exists()


def test_the_data_card_counts_patients_and_names_what_was_set_aside(sources):
    (card,) = data_cards(sources, sources.cards())
    assert (card.name, card.key, card.fingerprint) == ("phantom", IMAGES, "f00d")
    counts = {one.split: (one.patients, one.exams, one.breasts, one.images) for one in card.counts}
    assert counts == {"train": (4, 4, 8, 16), "test": (2, 2, 4, 7), "all": (6, 6, 12, 23)}
    assert card.split == "the data set's own"
    assert card.facts == {"stored as": "64 × 48 pixels", "images set aside": "1", "kept apart: spot views": "3"}
    assert card.examples == ("a.dicom: <cut short>",) and card.licence["licence"] == "none needed"


def test_without_the_image_store_the_card_says_less(tmp_path):
    found = made_up(tmp_path, grid(tokens=(4, 16), seeds=(0,)))
    for path in found.store.path("images", IMAGES).glob("*"):
        if path.name != "card.json":
            path.unlink()
    (card,) = data_cards(found, found.cards())
    assert card.counts == () and card.split == "" and card.licence == {} and card.fingerprint == "f00d"


def test_settings_and_command_are_those_that_were_recorded(sources):
    found = provenance(sources, sources.cards())
    assert found.command == SAID["command"] and found.is_whole
    assert found.grid["method.tokens"] == "4, 8, 16, 32" and found.grid["seeds"] == "0, 1, 2"
    assert found.base == {"data.name": "phantom", "data.options.exams": "400", "method.name": "mvmlm"}


def test_a_command_that_was_not_recorded_is_the_nearest_that_is_known(sources):
    said = {name: value for name, value in SAID.items() if name != "command"}
    said["axes"] = {"method.tokens": {"values": [4, 8], "when": {"method.name": "mvmlm"}}}
    found = provenance(replace(sources, said=said), {})
    assert found.command == "python -m harness run token_count --profile demo --seeds 0,1,2" and not found.is_whole
    assert found.grid["method.tokens"] == "4, 8 (where method.name = mvmlm)"


def test_the_command_of_a_run_can_be_typed_again():
    words = ["run", "token_count", "--set", "tasks=[mass, malignancy]", "--seeds", "0,1", "--max-bad", "1%"]
    command = run_command(parser().parse_args(words))
    assert command == (
        "python -m harness run token_count --profile demo --set 'tasks=[mass, malignancy]' --seeds 0,1 --max-bad 0.01"
    )


def test_the_worst_group_is_named_with_what_chance_would_show(sources):
    sections = looked_into(sources)
    assert [section.title for section in sections] == [
        f"{task}, 100 % of labels" for task in ("mass", "calcification", "malignancy")
    ]
    labels = [cell.label for cell in sections[0].cells]
    assert labels[0].startswith("tokens 16 (reference), seed") and "(best other)" in labels[1]
    one = sections[0].cells[0]
    (by_age,) = [sentence for sentence in one.worst if sentence.startswith("By age")]
    worst = next(group for group in one.groups if group.is_worst and group.attribute == "age")
    assert f"the worst group is {worst.name} ({worst.value}, " in by_age and "uncorrected" in by_age
    assert {point.chosen_for for point in one.points} >= {"specificity ≥ 90 %", "sensitivity ≥ 90 %"}
    assert one.curves[0].title == "per breast" and sum(b["n"] for b in one.curves[0].bins) == 240


@pytest.mark.parametrize("content", [None, "{half", "{}"])
def test_details_that_are_not_there_are_said_not_to_be(sources, tmp_path, content):
    path = tmp_path / "details.json"
    if content is not None:
        path.write_text(content)
    found = looked_into(replace(sources, files=lambda cell, name: path if content is not None else None))
    assert {cell.why for section in found for cell in section.cells} == {NOT_KEPT}


def test_risk_is_calibrated_by_year(sources, tmp_path):
    group = {"n": 9, "events": 1, "at_risk": 5, "predicted": 0.2, "observed": 0.1, "low": None, "high": None}
    whole = {**group, "expected_over_observed": 2.0, "groups": [group, {**group, "observed": None}]}
    path = tmp_path / "details.json"
    none, short = ({**whole, "observed": observed, "expected_over_observed": None} for observed in (0.0, None))
    years = [{**each, "year": year} for year, each in enumerate((whole, none, short), 1)]
    path.write_text(json.dumps({"calibration": years, "left_out": {}}))
    found = looked_into(replace(sources, files=lambda cell, name: path))[0].cells[0]
    assert [curve.title for curve in found.curves] == ["within 1 year", "within 2 years", "within 3 years"]
    assert "2.00" in found.curves[0].said and len(found.curves[0].bins) == 1
    assert [curve.said for curve in found.curves[1:]] == ["No event was observed.", "The follow-up ends before."]


def test_an_image_store_helper_writes_what_stages_write(tmp_path):
    from harness.store import Store
    from mvmlm.data.image_store import stored_breasts

    image_store(Store(tmp_path))
    assert len(stored_breasts(tmp_path / "images" / IMAGES)) == 12
