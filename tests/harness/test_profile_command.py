"""``harness profile``: which cell is meant, and the table and the trace of a real training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cell_choice import choose_cell
from harness.cli import main
from harness.cli.profile import _table
from mvmlm.errors import ConfigError
from mvmlm.profile import Profile, Row

AXES = {"method.tokens": [2, 4], "eval.fraction": [0.5, 1.0]}


@pytest.mark.slow
def test_a_cell_is_measured_with_its_own_settings_and_data(harness):
    done = harness("profile", str(harness.ablation), "tokens=4", "--steps", "2", "--warmup", "1", COLUMNS="80")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "micro" in done.stdout and "tokens=4" in done.stdout and "test_resnet, batch 8, fp32, CPU" in done.stdout
    first = [line.split()[0] for line in done.stdout.splitlines() if line.strip()]
    for part in ("loader", "augment", "forward", "encoder", "tokens", "text", "loss", "backward", "optimiser", "rest"):
        assert part in first
    for word in ("images/s", "GFLOP", "-bound:", "peak MiB"):
        assert word in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    (trace,) = (harness.folder / "results" / "micro").glob("demo.*.trace.json")
    names = {str(event.get("name")) for event in json.loads(trace.read_text())["traceEvents"]}
    named = {name for name in names if name.startswith("mvmlm/")}
    assert {"mvmlm/forward", "mvmlm/forward/encoder", "mvmlm/optimiser"} <= named
    assert harness.stages("text") and not harness.stages("pretrain"), "what it reads is kept, what it trains is not"


def test_a_trace_that_cannot_be_written_is_said_before_anything_is_done(harness, monkeypatch, capsys):
    monkeypatch.chdir(harness.folder)
    Path("file").write_text("")
    command = ["profile", "--home", str(harness.home), str(harness.ablation), "--trace", "file/step.json"]
    assert main(command) == 2
    assert capsys.readouterr().err.strip() == "error: file/step.json: the trace cannot be written (File exists)"
    assert not harness.stages("*")


def test_the_first_cell_is_taken_where_none_is_named(plan):
    made = plan(AXES)
    assert choose_cell(made, []) is made.cells[0]


def test_a_cell_is_found_by_its_key_or_the_start_of_it(plan):
    made = plan(AXES)
    for said in (made.cells[2].key, made.cells[2].key[:8]):
        assert choose_cell(made, [said]) is made.cells[2]


@pytest.mark.parametrize(
    ("said", "tokens"),
    [
        (["method.tokens=4"], 4),
        (["tokens=4", "fraction=1.0"], 4),
        (["method.width=16", "tokens=2"], 2),
        (["method.tokens=2", "eval.fraction=0.50"], 2),
    ],
)
def test_a_cell_is_found_by_coordinates_and_by_any_setting(plan, said, tokens):
    assert choose_cell(plan(AXES), said).cell.config.method.tokens == tokens


def test_cells_of_one_training_and_seeds_of_it_count_as_one(plan):
    made = plan(AXES, tasks=("mass", "malignancy"), seeds=(3, 4))
    found = choose_cell(made, ["tokens=2"])
    assert found is made.cells[0] and found.cell.config.seed == 3
    assert choose_cell(made, ["tokens=2", "seed=4"]).cell.config.seed == 4


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (["zz"], r"CELL zz: no cell has such a key; there are, one for each training: \w{8} method\.tokens=2, \w{8} "),
        (["tokens=3"], r"CELL tokens=3: no cell has this value; there are 2, 4"),
        (["token=3"], r"no cell has such a coordinate; did you mean 'tokens'\? \(known: method\.tokens, "),
        (["task=mass"], r"CELL task=mass: 2 trainings fit: \w{8} method\.tokens=2, \w{8} method\.tokens=4$"),
        ([""], r"2 trainings fit"),
    ],
)
def test_a_cell_that_is_none_or_several_is_one_line_with_the_candidates(plan, said, why):
    with pytest.raises(ConfigError, match=why) as caught:
        choose_cell(plan(AXES), said)
    assert "\n" not in str(caught.value)


def test_what_is_not_known_is_left_empty_in_the_table():
    from rich.console import Console

    row = Row("rest", 1.0, 0.1, None, None)
    console = Console(width=80, record=True)
    console.print(_table(Profile("CPU", (row,), 1, 10.0, 1.0, 0, None, "", "")))
    assert console.export_text().splitlines()[1].split() == ["rest", "1.0", "10.0%", "██"]
