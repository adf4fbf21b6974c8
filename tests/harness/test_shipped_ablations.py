"""Every ablation that ships: readable by people, expandable at both scales without any data."""

from __future__ import annotations

import pytest

from harness.discover import SHIPPED, shipped
from harness.expand import expand_file

NAMES = sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def test_the_ablations_that_were_promised_ship():
    assert set(NAMES) >= {"token_count", "encoder", "report_source", "data_fraction", "main", "risk"}
    assert [one.name for one in shipped()] == NAMES


@pytest.mark.parametrize("profile", ["demo", "paper"])
@pytest.mark.parametrize("name", NAMES)
def test_expands_at_both_scales(name, profile):
    expansion = expand_file(f"ablations/{name}.yaml", profile=profile)
    assert expansion.cells
    assert expansion.question.endswith("?")
    follows = {"risk": ("phantom_embed", "embed")}  # of the others' data sets nobody knows what became of the women
    expected = follows.get(name, ("phantom", "vindr"))[profile == "paper"]
    assert {cell.config.data.name for cell in expansion.cells} == {expected}
    reference = expansion.table.reference
    assert reference
    assert any(reference.items() <= cell.coordinates.items() for cell in expansion.cells)


@pytest.mark.parametrize("name", NAMES)
def test_opens_with_what_it_asks_and_both_commands(name):
    lines = (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8").split("\n")
    head = lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]
    assert any(line.rstrip().endswith("?") for line in head) or "comparison" in head[0]
    commands = [line for line in head if f"python -m harness run ablations/{name}.yaml" in line]
    assert len(commands) == 2
    assert "--profile paper --set data.root=" in commands[1]


def test_the_demo_of_the_main_job_is_as_large_as_promised():
    cells = expand_file("token_count").cells
    counts = {k: {c.coordinates[k] for c in cells} for k in ("method.tokens", "seed", "task", "eval.fraction")}
    assert {k: len(v) for k, v in counts.items()} == {
        "method.tokens": 3, "seed": 2, "task": 3, "eval.fraction": 2,
    }  # fmt: skip
    assert len(cells) == 36


def test_the_paper_scale_is_the_issues():
    cells = expand_file("token_count", profile="paper").cells
    assert {c.coordinates["method.tokens"] for c in cells} == {128, 256, 512, 1024}
    fractions = {c.coordinates["eval.fraction"] for c in expand_file("data_fraction", profile="paper").cells}
    assert fractions == {0.01, 0.1, 0.5, 1.0}
