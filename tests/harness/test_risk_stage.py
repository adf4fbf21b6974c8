"""Protocol ``risk`` as cells of a plan: what moves its key, and which rows stand below it."""

from __future__ import annotations

import pytest

from tests.harness.ablation_files import BASE

RISKY = {**BASE, "data": {"name": "phantom_embed", "options": {"exams": 24}}}
SETTINGS = ["model=cox", "fuse=max", "exclude_months=3.0", "years=3", "mask=mirai"]


def stages(plan, *changes: str) -> dict[str, str]:
    """Stages and keys of the one cell."""
    return plan({}, "protocols=[risk]", *changes, tasks=("risk",), base=RISKY).cells[0].stages


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_of_risk_moves_what_is_evaluated_and_nothing_before_it(plan, setting):
    before, after = stages(plan), stages(plan, f"eval.risk.{setting}")
    assert {name for name in before if before[name] != after[name]} == {"evaluate"}


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_other_protocol_reads_it(plan, setting):
    assert plan({}).cells[0].stages == plan({}, f"eval.risk.{setting}").cells[0].stages


def test_rows_without_image_are_shared_by_the_models_that_they_do_not_read(plan):
    found = plan({"eval.risk.model": ["hazard", "cox"]}, "protocols=[risk]", tasks=("risk",), base=RISKY)
    assert len(found.cells) == 2
    assert [row.baseline for row in found.baselines] == ["metadata", "text", "majority"]
