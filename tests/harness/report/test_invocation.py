"""``harness report``: from MLflow to a page in results/ and among the run's artifacts."""

from __future__ import annotations

import pytest

from harness.cli import main
from tests.harness.report.made_up import recorded


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield recorded(tmp_path_factory.mktemp("recorded"))


def test_the_page_is_written_and_kept_with_its_run(home, tmp_path, capsys):
    where, tracker, run_id = home
    assert main(["report", "a", "--home", str(where.root), "--out", str(tmp_path)]) == 0
    page = tmp_path / "a" / "demo.report.html"
    assert str(page) in capsys.readouterr().out.replace("\n", "")
    text = page.read_text()
    assert run_id in text and "supervised" in text and "By age, the worst group is" in text
    kept = {artifact.path for artifact in tracker.client.list_artifacts(run_id, "table")}
    assert "table/demo.report.html" in kept
    assert tracker.file_of(run_id, "table/demo.report.html").read_text() == text


@pytest.mark.parametrize("asked", [["report", "b"], ["table", "b"], ["report", "--profile", "paper"]])
def test_what_has_not_been_run_is_one_clear_line(home, asked, tmp_path, capsys):
    assert main([*asked, "--home", str(home[0].root), "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: no run") and "python -m harness run" in said and "\n" not in said
    assert list(tmp_path.iterdir()) == []
