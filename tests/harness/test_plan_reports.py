"""What moves the keys of texts: settings of language models, and a text encoder that is trained."""

from __future__ import annotations

import pytest

from harness.spec import all_paths
from tests.harness.ablation_files import BASE, BELOW_REPORTS, STAGES_IN_ORDER


def test_a_text_encoder_that_is_trained_has_no_stage_of_its_own(plan):
    (frozen,) = plan({}).cells
    (trained,) = plan({}, "text.trainable=true").cells
    (slower,) = plan({}, "text.trainable=true", "text.lr_scale=0.5").cells
    (shorter,) = plan({}, "text.trainable=true", "text.max_length=64").cells
    assert set(frozen.stages) - set(trained.stages) == {"text"}
    assert frozen.stages["reports"] == trained.stages["reports"]
    assert len({cell.stages["pretrain"] for cell in (frozen, trained, slower, shorter)}) == 4
    (ignored,) = plan({}, "text.lr_scale=0.5").cells
    assert ignored.stages == frozen.stages


LLM_MOVES = {
    "reports.samples=3": True,
    "reports.unfaithful=drop": True,
    "reports.attempts=2": False,
    "reports.seed=1": True,
    "reports.llm.backend=openai": True,
    "reports.llm.model=some/model": True,
    "reports.llm.prompt=radiologist": True,
    "reports.llm.temperature=0.1": True,
    "reports.llm.top_p=0.5": True,
    "reports.llm.max_tokens=64": True,
    "reports.llm.precision=bf16": True,
    "reports.llm.batch_size=3": False,
    "reports.llm.device=cpu": False,
    "reports.llm.url=http://localhost:1": False,
    "reports.llm.key_variable=KEY": False,
    "reports.llm.concurrency=2": False,
    "reports.llm.timeout_s=5": False,
    "reports.llm.retries=0": False,
    "reports.llm.budget_tokens=9": False,
}


@pytest.mark.parametrize("change", LLM_MOVES)
def test_a_setting_of_a_language_model_moves_the_reports_if_it_moves_their_text(plan, change):
    base = {**BASE, "reports": {"source": "llm"}}
    (before,) = plan({}, base=base).cells
    (after,) = plan({}, change, base=base).cells
    assert {name for name in STAGES_IN_ORDER if before.stages[name] != after.stages[name]} == set(
        BELOW_REPORTS if LLM_MOVES[change] else ()
    )


def test_attempts_count_where_texts_are_asked_for_again(plan):
    base = {**BASE, "reports": {"source": "llm", "unfaithful": "regenerate"}}
    (before,) = plan({}, base=base).cells
    (after,) = plan({}, "reports.attempts=7", base=base).cells
    assert before.stages["reports"] != after.stages["reports"]


def test_a_model_that_is_not_here_is_named_with_its_setting(plan):
    found = plan({}, "reports.source=llm", "reports.llm.model=some/model")
    assert found.fetched["some/model"] == "reports.llm.model"


def test_the_table_above_knows_every_setting_of_a_language_model():
    said = {change.partition("=")[0] for change in LLM_MOVES}
    assert {path for path in all_paths() if path.startswith("reports.llm.")} <= said
