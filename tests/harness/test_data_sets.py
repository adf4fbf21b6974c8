"""Each data set, in its published layout, through the commands that its page in the docs names."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from mvmlm.data.image_store import ImageStore
from mvmlm.data.readers import DATASETS
from tests.harness.conftest import MICRO, ROOT
from tests.layouts import IMAGES, LAYOUTS

#: Of the simulated sets, which the commands themselves make.
FRESH = {"exams": 40, "height": 160, "width": 128}
SIZE = ("--set", "images.height=64", "--set", "images.width=48", "--profile", "demo")


def ablation(arms: list[dict], task: str) -> dict:
    """The small ablation with one cell a data set."""
    base = {**MICRO["base"], "method": {**MICRO["base"]["method"], "tokens": 2}}
    del base["data"]
    return {
        **MICRO,
        "base": base,
        "axes": {"set": arms},
        "tasks": [task],
        "table": {"rows": ["set"], "columns": ["task"], "metric": "auc@breast"},
    }


def run_on(harness, arms: list[dict], task: str) -> pd.DataFrame:
    """Run the ablation; the rows of its table by data set."""
    harness.write(ablation(arms, task))
    done = harness.run()
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pd.read_csv(harness.folder / "results" / "micro" / "demo.csv")
    return rows[rows["baseline"].isna()].set_index("set")


def licences(harness, stage: str) -> list[dict]:
    """What stands beside each output of a stage."""
    return [json.loads((folder / "licence.json").read_text()) for folder in harness.stages(stage)]


@pytest.mark.slow
def test_published_layouts_are_checked_prepared_and_run_on(harness, tmp_path):
    arms = []
    for name in LAYOUTS:
        root = tmp_path / name
        root.mkdir()
        LAYOUTS[name](root)
        checked = harness("data", "check", name, "--root", str(root), "--max-bad", "0%")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        page = (harness.folder / "results" / "data" / name / "check.html").read_text()
        assert DATASETS.get(name).title in page
        prepared = harness("data", "prepare", name, "--root", str(root), *SIZE, "--max-bad", "0%")
        assert prepared.returncode == 0, prepared.stderr
        arms.append({"label": name, "data.name": name, "data.root": str(root), "data.max_bad_share": 0.0})
    stores = harness.stages("images")
    assert sorted(len(ImageStore.open(store)) for store in stores) == sorted(IMAGES.values())
    rows = run_on(harness, arms, "malignancy")
    assert harness.stages("images") == stores, "what was prepared is what the run has used"
    assert set(rows.index) == {arm["label"] for arm in arms} and rows["mean"].notna().all()
    assert not rows["simulated"].any()
    assert {said["dataset"] for said in licences(harness, "pretrain")} == set(rows.index)


@pytest.mark.slow
def test_what_is_trained_on_a_set_that_forbids_release_says_so_everywhere(harness, tmp_path):
    """EMBED's agreement forbids releasing weights and embeddings."""
    from mvmlm.data.phantom.write import generate
    from mvmlm.data.readers.phantom import PhantomEmbed

    root = tmp_path / "embed"
    generate(root, PhantomEmbed.Options(**FRESH))
    real = {"label": "real", "data.name": "embed", "data.root": str(root)}
    simulated = {"label": "simulated", "data.name": "phantom_embed", "data.options": FRESH}
    free = {"label": "free", "data.name": "phantom_rsna", "data.options": FRESH}
    rows = run_on(harness, [real, simulated, free], "malignancy")
    assert set(rows["releasable"]) == {"no"}, "a table is as free as the least free of its data sets"
    assert rows["mean"]["real"] == rows["mean"]["simulated"], "the same files through the same reader"
    assert "EMBED Open Data may not be released" in (harness.folder / "results" / "micro" / "demo.md").read_text()
    for stage in ("images", "pretrain", "features"):
        told = {said["dataset"]: (said["releasable"], said["simulated"]) for said in licences(harness, stage)}
        assert told == {"embed": ("no", False), "phantom_embed": ("yes", True), "phantom_rsna": ("yes", True)}
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
