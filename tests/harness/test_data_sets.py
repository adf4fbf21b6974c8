"""Each data set, in its published layout, through the commands that its page in the docs names."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from mvmlm.data.image_store import ImageStore
from mvmlm.data.readers import DATASETS
from tests.harness.conftest import MICRO, ROOT
from tests.layouts import LAYOUTS

FRESH = {  # simulated sets, which the commands themselves make
    "phantom": "mass",
    "phantom_rsna": "malignancy",
    "phantom_embed": "mass",
}


def one_cell(data: dict, task: str) -> dict:
    """The small ablation, cut down to two cells of a data set."""
    return {
        **MICRO,
        "base": {**MICRO["base"], "data": data},
        "axes": {"method.tokens": [2, 4]},
        "tasks": [task],
        "table": {**MICRO["table"], "columns": ["task"]},
    }


def run_whole_way(harness, data: dict, task: str) -> tuple[pd.DataFrame, dict]:
    """Run the ablation on a data set; the rows of its table, and the licence beside the weights."""
    harness.write(one_cell(data, task))
    done = harness.run()
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pd.read_csv(harness.folder / "results" / "micro" / "demo.csv")
    licences = [json.loads((stage / "licence.json").read_text()) for stage in harness.stages("pretrain")]
    assert len({str(licence) for licence in licences}) == 1
    return rows, licences[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_published_layout_is_checked_prepared_and_run_on(harness, tmp_path, name):
    root = tmp_path / "data"
    root.mkdir()
    told = LAYOUTS[name](root)
    checked = harness("data", "check", name, "--root", str(root), "--max-bad", told["max_bad"])
    assert checked.returncode == 0, checked.stdout + checked.stderr
    page = (harness.folder / "results" / "data" / name / "check.html").read_text()
    assert DATASETS.get(name).title in page
    size = ("--set", "images.height=64", "--set", "images.width=48", "--profile", "demo")
    prepared = harness("data", "prepare", name, "--root", str(root), *size, "--max-bad", told["max_bad"])
    assert prepared.returncode == 0, prepared.stderr
    (store,) = harness.stages("images")
    assert len(ImageStore.open(store)) == told["images"]
    data = {"name": name, "root": str(root), "max_bad_share": 0.0}
    rows, licence = run_whole_way(harness, data, told["task"])
    assert harness.stages("images") == [store], "what was prepared is what the run has used"
    assert set(rows["simulated"]) == {False} and rows["n"].notna().any()
    assert licence["dataset"] == name


@pytest.mark.slow
@pytest.mark.parametrize(("name", "task"), FRESH.items())
def test_a_simulated_data_set_is_run_on_through_the_real_reader(harness, name, task):
    options = {"exams": 40, "height": 160, "width": 128}
    rows, licence = run_whole_way(harness, {"name": name, "options": options}, task)
    assert set(rows["simulated"]) == {True} and set(rows["releasable"]) == {"yes"}
    assert licence["simulated"]


def test_what_is_trained_on_a_set_that_forbids_release_says_so_everywhere(harness, tmp_path):
    """EMBED's agreement forbids releasing weights and embeddings."""
    from mvmlm.data.phantom.write import generate
    from mvmlm.data.readers.phantom import PhantomEmbed

    root = tmp_path / "embed"
    generate(root, PhantomEmbed.Options(exams=40, height=160, width=128))
    rows, licence = run_whole_way(harness, {"name": "embed", "root": str(root)}, "mass")
    assert set(rows["releasable"]) == {"no"} and licence["releasable"] == "no"
    assert "EMBED Open Data may not be released" in (harness.folder / "results" / "micro" / "demo.md").read_text()
    for stage in harness.stages("features"):
        assert json.loads((stage / "licence.json").read_text())["releasable"] == "no"
    from harness.home import Home
    from harness.tracking import Tracker

    tracker = Tracker(Home(harness.home))
    (run,) = tracker.invocations("micro")
    assert run.data.tags["harness.releasable"] == "no"


def test_every_data_set_has_a_page_that_names_its_commands():
    for name in DATASETS:
        if DATASETS.get(name).simulated:
            continue
        page = (ROOT / "docs" / "datasets" / f"{name}.md").read_text()
        for command in (f"harness data check {name}", f"harness data prepare {name}", "python -m harness run"):
            assert command in page, f"{name}: {command}"


def test_ls_tells_of_each_data_set_what_a_user_must_know(harness):
    said = harness("ls", "datasets").stdout
    for name in DATASETS:
        reader = DATASETS.get(name)
        assert reader.title in said and " ".join(reader.licence.split()[:3]) in " ".join(said.split())
    assert "may be released: no" in " ".join(said.split())
