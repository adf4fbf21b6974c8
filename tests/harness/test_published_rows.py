"""Numbers of the literature at the foot of a table: their rows, and what is said of a source."""

from __future__ import annotations

import io

from rich.console import Console

from harness.published import read_published
from harness.published_rows import with_published
from harness.render.terminal import print_table
from harness.tables import build_table
from tests.harness.published_files import GOOD, write
from tests.harness.table_cells import grid, spec

OURS = {"dataset": "vindr", "simulated": False}
PROBE = {"protocol": "linear_probe"}


def shown(folder, *rows: dict):
    """The token count ablation with these published rows below it."""
    table = build_table(grid(tokens=(8, 16), seeds=(0,), draws=20), None, spec(**OURS))
    return with_published(table, read_published(write(folder, *rows)), PROBE)


def test_what_a_source_leaves_open_leaves_no_empty_clause(tmp_path):
    comparable = {"not_comparable": "", "note": "comparable because split, level and rule are ours"}
    ((_, note),) = shown(tmp_path, comparable).footnotes
    assert note.endswith("Seen in: Table 1. Comparable because split, level and rule are ours.")
    ((_, note),) = shown(tmp_path, {"dataset": "", "split": "", "level": ""}).footnotes
    assert note.startswith(
        f"{GOOD['citation']}. Seen in: Table 1. Not comparable because its data set, split and level"
    )


def test_long_names_are_folded_and_leave_room_for_the_numbers(tmp_path):
    table = shown(tmp_path, {"method": "A model with a name that is longer than a line of a terminal has characters"})
    console = Console(file=io.StringIO(), width=60, highlight=False)
    print_table(table, console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 60
    first = next(line for line in lines if line.startswith("A model with"))
    assert ".70" in first and "has characters" not in first


def test_rows_of_one_method_are_told_apart(tmp_path):
    encoders = [{"encoder": name, "pretraining_data": "a"} for name in ("ResNet-50", "EfficientNet-B5")]
    more = {"encoder": "ResNet-50", "pretraining_data": "a + b"}
    titles = [row.labels[0] for row in shown(tmp_path, *encoders, more, {"method": "Other", "encoder": "X"}).published]
    assert titles == [
        "Some Model, ResNet-50, a (Author et al. 2024)",
        "Some Model, EfficientNet-B5 (Author et al. 2024)",
        "Some Model, ResNet-50, a + b (Author et al. 2024)",
        "Other (Author et al. 2024)",
    ]
    assert [row.entries[0].quoted for row in shown(tmp_path, *encoders).published] == ["0.70", "0.70"]
