"""What the harness costs a cheap cell, against plain Tune running the same probe. One ratio line.

Both sides run in one process, on one local Ray cluster, over the same features: ours as the trials of
`harness.schedule.run_stages`, with store, card and MLflow; the plain way as a Tune function in a grid search, with
Tune's defaults. The first trial of each, which starts the worker process, is left out.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from harness import schedule
from harness.home import Home
from harness.keys import content_key
from harness.stages import Node
from harness.stages.evaluate import EvaluateStage
from harness.store import Store
from harness.tracking import Tracker
from mvmlm.data.exam_table import breast_table
from mvmlm.data.image_store import BREASTS, stored_breasts

CELLS = 24
EVAL = {"task": "mass", "protocol": "linear_probe", "fraction": 1.0}
SPLIT = {"test_fraction": 0.2, "split_seed": 0}


def breasts() -> pd.DataFrame:
    """An exam table of 200 patients with one view a breast."""
    from mvmlm.data.exam_table import validate

    rng = np.random.default_rng(0)
    rows = [
        {
            "dataset": "toy",
            "patient_id": f"p{i:03d}",
            "exam_id": f"p{i:03d}",
            "breast_id": f"p{i:03d}_L",
            "image_id": f"i{i:03d}",
            "laterality": "L",
            "view": "CC",
            "path": f"{i}.png",
            "split": "test" if i % 4 == 0 else "train",
            "mass": bool(rng.random() < 0.4),
        }
        for i in range(200)
    ]
    return validate(pd.DataFrame(rows))


def prepare(home: Home) -> dict[str, str]:
    """Publish an image index and features; returns their keys."""
    store, exams = Store(home.store), breasts()
    features = np.random.default_rng(1).normal(size=(len(exams), 64)).astype(np.float32)

    def index(out: Path) -> dict:
        breast_table(exams).to_parquet(out / BREASTS)
        return {}

    def numbers(out: Path) -> dict:
        np.save(out / "features.npy", features)
        return {}

    common = {"version": 1, "config": {}, "inputs": {}, "kind": "toy", "resources": {}}
    store.publish({"stage": "images", "key": "toy-images", **common}, index)
    store.publish({"stage": "features", "key": "toy-features", **common}, numbers)
    return {"images": "toy-images", "features": "toy-features"}


def nodes(inputs: dict[str, str]) -> list[Node]:
    """One probe a seed."""
    made = []
    for seed in range(CELLS):
        config = {"eval": EVAL, "seed": seed, "split": SPLIT}
        key = content_key(stage="evaluate", version=1, config=config, inputs=inputs)
        made.append(Node("evaluate", key, EvaluateStage.version, config, inputs, "probe", {"cpu": 1.0}, {}))
    return made


def ours(home: Home, inputs: dict[str, str], capacity: dict[str, float]) -> list[float]:
    """When each cell had ended and was logged [s]."""
    ends: list[float] = []
    store, tracker = Store(home.store), Tracker(home)
    tracker.start("overhead", {}, {}, pd.DataFrame([{"id": "x"}]))

    def end(node: Node, status: str, result: dict) -> None:
        assert status == "done", result
        folder = store.path("evaluate", node.key)
        tracker.log_cell(
            node.name,
            status="FINISHED",
            config=node.config,
            tags={"harness.key": node.key},
            metrics=store.card("evaluate", node.key).summary["metrics"],
            histories={},
            files=list(folder.glob("*.parquet")),
        )
        ends.append(time.perf_counter())

    schedule.run_stages(
        nodes(inputs),
        set(inputs.values()),
        home,
        capacity,
        git_commit="",
        on_start=lambda node: None,
        on_report=lambda node, said: None,
        on_end=end,
        should_stop=lambda: False,
        max_concurrent=1,
    )
    return ends


def plain(home: Home, inputs: dict[str, str], scratch: Path) -> list[float]:
    """When each trial of plain Tune had ended [s]."""
    from ray import tune

    store = Store(home.store)
    images, features = (str(store.path(name, inputs[name])) for name in ("images", "features"))

    def probe(config: dict) -> None:
        evaluate_plainly(images, features, config["seed"])
        tune.report({"ended": time.perf_counter()})

    results = tune.Tuner(
        probe,
        param_space={"seed": tune.grid_search(list(range(CELLS)))},
        tune_config=tune.TuneConfig(max_concurrent_trials=1),
        run_config=tune.RunConfig(storage_path=str(scratch), verbose=0),
    ).fit()
    return sorted(r.metrics["ended"] for r in results)


def evaluate_plainly(images: str, features: str, seed: int) -> float:
    """The same probe as a plain function."""
    from mvmlm.evaluation.linear_probe import run
    from mvmlm.evaluation.tasks import TASKS

    table = stored_breasts(Path(images))
    rows = np.load(Path(features) / "features.npy")[table["cc"]]
    return run(rows, table, TASKS.get("mass"), fraction=1.0, seed=seed, options=None).metrics["auc@breast"]


def main() -> None:
    """Print the line."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        home.check_writable()
        inputs = prepare(home)
        images, features = (str(Store(home.store).path(n, inputs[n])) for n in ("images", "features"))
        evaluate_plainly(images, features, 0)
        started = time.perf_counter()
        for seed in range(5):
            evaluate_plainly(images, features, seed)
        work = (time.perf_counter() - started) / 5
        with schedule.cluster() as machines:
            mine = ours(home, inputs, schedule.total(machines))
            theirs = plain(home, inputs, Path(folder) / "plain")
    a, b = (median(np.diff(ends)) for ends in (mine, theirs))
    print(
        f"overhead: a probe takes {work:.3f} s in a loop, {a:.3f} s a cell with the harness (store and MLflow "
        f"included), {b:.3f} s with plain Tune; overhead {a - work:.3f} s against {b - work:.3f} s, "
        f"ratio {(b - work) / max(a - work, 1e-3):.1f}"
    )


if __name__ == "__main__":
    main()
