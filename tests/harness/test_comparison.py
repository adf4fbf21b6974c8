"""What stages say of themselves: recorded with every cell, and found again beside the table."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import yaml

from harness.comparison import check_table, comparison
from harness.home import Home
from harness.measures import measures_of
from harness.plan import Plan, build_plan
from harness.recorder import Recorder
from harness.state import RunState
from harness.store import Store
from harness.tracking import Tracker
from mvmlm.errors import ConfigError
from mvmlm.evaluation.protocols import write_draws
from tests.harness.ablation_files import expander

BESIDE = ["reports/hallucinated", "text/truncated"]
SPEC = {
    "question": "q",
    "base": {
        "data": {"name": "phantom", "options": {"exams": 24}},
        "method": {"name": "mvmlm", "encoder": "test_resnet", "width": 16, "depth": 1, "heads": 2},
    },
    "axes": {"method.name": ["mvmlm", "supervised"]},
    "seeds": [0],
    "tasks": ["mass"],
    "table": {"rows": ["method.name"], "beside": BESIDE},
}
MEASURES = {
    "reports": {"hallucinated": 0.02, "distinct": 312, "broken": None, "worse": True},
    "text": {"truncated": 0.5},
}


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Home(tmp_path / "home")


@pytest.fixture
def planned(tmp_path) -> tuple[Plan, dict]:
    """A method with texts, one without, and what an invocation of them is recorded with."""
    expansion = expander(tmp_path)(yaml.safe_dump(SPEC, sort_keys=False))
    return build_plan(expansion.cells), expansion.header()


def publish(plan: Plan, home: Home, measures: dict = MEASURES) -> None:
    """Put stages into the store as if they had been done."""
    for node in plan.nodes.values():

        def produce(folder, node=node) -> dict:
            if node.stage != "evaluate":
                return {"measures": measures[node.stage]} if node.stage in measures else {}
            numbers = {"auc@breast": 0.75, "n": 20}
            (folder / "metrics.json").write_text(json.dumps(numbers))
            write_draws(folder / "draws.npy", {"auc@breast": np.linspace(0.7, 0.8, 50)})
            return {"metrics": numbers}

        Store(home.store).publish({**vars(node)}, produce)


def record(plan: Plan, header: dict, home: Home, *, seen: bool = True) -> tuple[Tracker, str]:
    """An invocation over what is published; one that is not ``seen`` was killed before its first stage ended."""
    tracker = Tracker(home)
    store = Store(home.store)
    cached = set(plan.nodes) if seen else set()
    state = RunState(plan, cached, [] if seen else list(plan.nodes.values()), {})
    recorder = Recorder(plan, state, store, tracker, header)
    recorder.open()
    recorder.log_cached()
    return tracker, recorder.finish(stopped=not seen, failed=False)


def facts(table) -> dict[str, list[str]]:
    rows = (*table.rows, *table.baselines)
    return {row.baseline or row.labels[0]: [fact.text for fact in row.facts] for row in rows}


EXPECTED = {"mvmlm": ["2.0 %", "50.0 %"], "supervised": ["–", "–"], "metadata": ["–", "–"], "majority": ["–", "–"]}


def shown(tracker: Tracker, home: Home, run_id: str) -> dict[str, list[str]]:
    """Side columns of all rows but «text only», whose own stages are not asked of here."""
    return {name: texts for name, texts in facts(comparison(tracker, home, run_id)).items() if name != "text"}


def test_every_row_shows_what_it_stands_on_and_no_other(planned, home):
    plan, header = planned
    publish(plan, home)
    tracker, run_id = record(plan, header, home)
    assert shown(tracker, home, run_id) == EXPECTED
    table = comparison(tracker, home, run_id)
    assert table.rows[0].entries[0].mean == 0.75
    texts = [row for row in table.baselines if row.baseline == "text"]
    assert [row.facts[0].text for row in texts] == ["2.0 %"] * len(texts)


def test_measures_are_metrics_of_the_cells_mlflow_run_beside_the_test_metrics(planned, home):
    plan, header = planned
    publish(plan, home)
    tracker, _ = record(plan, header, home)
    runs = tracker.client.search_runs([tracker.experiment(header["ablation"])], "tags.`harness.role` = 'cell'")
    logged = {
        run.data.params["method.name"]: run.data.metrics for run in runs if "harness.baseline" not in run.data.tags
    }
    assert logged["mvmlm"] == {
        "auc.breast": 0.75,
        "n": 20,
        "reports.hallucinated": 0.02,
        "reports.distinct": 312,
        "text.truncated": 0.5,
    }
    assert set(logged["supervised"]) == {"auc.breast", "n"}


def test_measures_lie_in_a_column_of_their_own_apart_from_the_metrics(planned, home):
    plan, header = planned
    publish(plan, home)
    tracker, run_id = record(plan, header, home)
    first = tracker.cells_of(run_id).iloc[0]
    assert json.loads(first["measures"]) == {
        "reports/distinct": 312,
        "reports/hallucinated": 0.02,
        "text/truncated": 0.5,
    }
    assert json.loads(first["metrics"]) == {"auc@breast": 0.75, "n": 20}


def test_measures_of_runs_that_another_driver_logged_come_from_the_store_or_from_mlflow(planned, home):
    plan, header = planned
    publish(plan, home)
    record(plan, header, home)
    tracker, run_id = record(plan, header, home, seen=False)
    assert shown(tracker, home, run_id) == EXPECTED
    shutil.rmtree(home.store / "reports")
    assert shown(tracker, home, run_id) == EXPECTED, "one stage was cleaned away here"
    shutil.rmtree(home.store)
    assert shown(tracker, home, run_id) == EXPECTED, "the store of that driver is not here"


def test_an_invocation_recorded_before_there_were_measures_still_opens(planned, home, monkeypatch):
    plan, header = planned
    publish(plan, home)
    frame = Recorder.frame
    monkeypatch.setattr(Recorder, "frame", lambda self: frame(self).drop(columns="measures"))
    old = {**header, "spec": {**header["spec"], "table": {**header["spec"]["table"]}}}
    del old["spec"]["table"]["beside"]
    tracker, run_id = record(plan, old, home)
    assert comparison(tracker, home, run_id).beside == ()
    tracker, run_id = record(plan, header, home)
    assert shown(tracker, home, run_id) == EXPECTED


def test_a_measure_that_no_stage_handed_over_is_a_dash(planned, home):
    plan, header = planned
    publish(plan, home, measures={"reports": {}})
    tracker, run_id = record(plan, header, home)
    assert shown(tracker, home, run_id) == {name: ["–", "–"] for name in EXPECTED}


def test_a_stage_that_no_cell_stands_on_is_refused_before_the_run(tmp_path):
    spec = {**SPEC, "axes": {"method.name": ["supervised"]}}
    expansion = expander(tmp_path)(yaml.safe_dump(spec, sort_keys=False))
    with pytest.raises(ConfigError, match=r"table\.beside: no cell stands on a stage 'reports'.*dataset") as caught:
        check_table(build_plan(expansion.cells), expansion.header()["spec"])
    assert "\n" not in str(caught.value)


def test_measures_that_are_there_after_the_run_alone_are_no_reason_to_refuse_it(planned):
    plan, header = planned
    asked = {**header["spec"]["table"], "beside": ["reports/of_any_name"]}
    check_table(plan, {**header["spec"], "table": asked})


def test_a_stage_without_a_card_hides_only_what_lies_below_it(planned, home):
    plan, _ = planned
    publish(plan, home)
    key = plan.cells[0].key
    store = Store(home.store)
    assert measures_of(store.card, key)["reports/hallucinated"] == 0.02
    shutil.rmtree(home.store / "text")
    assert set(measures_of(store.card, key)) == {"reports/hallucinated", "reports/distinct"}
    assert measures_of(store.card, "unknown") == {}
