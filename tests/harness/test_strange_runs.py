"""MLflow stores with runs of other programs, and runs whose records were cut short."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from harness.cli import main
from harness.comparison import comparison
from harness.home import Home
from harness.plan import Plan, build_plan
from harness.tracking import Tracker, TrackingError
from tests.harness.ablation_files import expander
from tests.harness.test_comparison import SPEC, publish, record


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return Home(tmp_path / "home")


@pytest.fixture
def planned(tmp_path, home) -> tuple[Plan, dict]:
    """An ablation whose stages are in the store, and what an invocation of it is recorded with."""
    expansion = expander(tmp_path)(yaml.safe_dump(SPEC, sort_keys=False))
    plan = build_plan(expansion.cells)
    publish(plan, home)
    shutil.rmtree(home.store / "reports")  # whose texts nobody wrote
    return plan, expansion.header()


def artifact(home: Home, run_id: str, name: str) -> Path:
    """Where a run's artifact lies."""
    (path,) = home.artifacts.glob(f"*/{run_id}/artifacts/{name}")
    return path


def half(path: Path) -> None:
    """Leave the first half of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def command(capsys, home: Home, *words: str) -> tuple[int, str, str]:
    """Exit code and output of a command in this process."""
    code = main([words[0], "--home", str(home.root), *words[1:]])
    said = capsys.readouterr()
    return code, said.out, said.err


CUTS = {
    "half": lambda content: content[: len(content) // 2],
    "at the end of a line": lambda content: b"".join(content.splitlines(keepends=True)[:2]),
    "no YAML": lambda content: b"table: [unclosed",
    "empty": lambda content: b"",
}


@pytest.mark.parametrize(("name", "cut"), [("cells.parquet", "half"), *(("spec.yaml", cut) for cut in CUTS)])
def test_a_run_whose_record_was_cut_short_is_named_in_one_line(planned, home, capsys, name, cut):
    _, run_id = record(*planned, home)
    path = artifact(home, run_id, name)
    path.write_bytes(CUTS[cut](path.read_bytes()))
    for asked in ("table", "report"):
        code, _, told = command(capsys, home, asked, planned[1]["ablation"])
        assert code == 2 and told.count("\n") == 1 and "Traceback" not in told
        assert f"{name} of the MLflow run {run_id} is damaged" in told and "run its ablation again" in told


def test_a_damaged_run_costs_the_other_ablations_nothing(planned, home, capsys):
    plan, header = planned
    _, broken = record(plan, header, home)
    record(plan, {**header, "ablation": "other", "spec": {**header["spec"], "ablation": "other"}}, home)
    half(artifact(home, broken, "cells.parquet"))
    code, shown, told = command(capsys, home, "table")
    assert code == 2 and "results/other/demo" in shown and broken in told


@pytest.mark.parametrize("content", ['{"auc@breast": 0.7', "[1]", None])
def test_a_cell_whose_numbers_were_cut_short_is_shown_as_such(planned, home, content):
    plan, header = planned
    record(plan, header, home)
    tracker, run_id = record(plan, header, home, seen=False)
    folder = home.store / "evaluate" / plan.cells[0].key
    if content is None:
        (folder / "metrics.json").unlink()
        table = comparison(tracker, home, run_id)
        assert all(entry.mean is not None for _, _, entry in table.entries()), "MLflow keeps a copy"
        for copy in home.artifacts.rglob("metrics.json"):
            copy.unlink()
    else:
        (folder / "metrics.json").write_text(content)
    table = comparison(tracker, home, run_id)
    states = {cell.key: cell.status for _, _, entry in table.entries() for cell in entry.cells}
    assert states.pop(plan.cells[0].key) == "undefined"
    assert any("its numbers are damaged or gone: run it again" in text for _, text in table.footnotes)
    assert set(states.values()) == {"done"}, "its neighbours have theirs"


def foreign(tracker: Tracker, ablation: str) -> list[str]:
    """Runs of another program: in an experiment of its own, and two in an ablation's, one of them at work."""
    own = tracker.client.create_experiment("somebody's sweep")
    mine = tracker.experiment(ablation)
    runs = [tracker.client.create_run(e, tags={"mlflow.source.name": "train.py"}) for e in (own, mine, mine)]
    for run in runs:
        tracker.client.log_metric(run.info.run_id, "auc.breast", 0.999)
    tracker.client.set_terminated(runs[1].info.run_id, "FINISHED")
    return [run.info.run_id for run in runs]


def test_runs_of_other_programs_are_neither_shown_nor_touched(planned, home, capsys):
    plan, header = planned
    tracker, run_id = record(plan, header, home)
    before = comparison(tracker, home, run_id)
    strangers = foreign(tracker, header["ablation"])
    code, shown, told = command(capsys, home, "table")
    assert code == 0 and not told and "0.999" not in shown
    assert list(comparison(tracker, home, run_id).entries()) == list(before.entries())
    assert tracker.invocations(header["ablation"])[0].info.run_id == run_id
    record(plan, header, home)
    states = [tracker.client.get_run(run).info.status for run in strangers]
    assert states == ["RUNNING", "FINISHED", "RUNNING"], "a run without our lease is not ours to close"
    code, _, told = command(capsys, home, "table", "token_cuont")
    assert code == 2 and header["ablation"] in told and "somebody's sweep" not in told


def test_a_strangers_run_that_is_asked_for_by_its_id_is_refused(planned, home):
    tracker, _ = record(*planned, home)
    (stranger, *_) = foreign(tracker, planned[1]["ablation"])
    with pytest.raises(TrackingError):
        comparison(tracker, home, stranger)
