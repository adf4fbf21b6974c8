"""What ``harness report`` takes on 2,000 cells, against ``harness table`` on the same. One ratio line.

The store holds 2,000 evaluated cells with 1,000 bootstrap draws each, their trainings and their features, and MLflow
the invocation that they belong to. Both are the command as a user types it, and both draw the same figures.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from harness.home import Home
from harness.keys import canonical
from harness.stats.delong import components, write_components
from harness.store import Card, Store, write_json
from harness.tracking import Tracker
from mvmlm.evaluation.protocols import write_draws
from tests.benchmarks.table import AXES, TABLE, seconds

ROOT = Path(__file__).resolve().parents[2]


def prepare(folder: Path) -> Home:
    """A home with 2,000 finished cells, the stages below them, and one invocation."""
    home = Home(folder / "home")
    store, rng, rows = Store(home.store), np.random.default_rng(0), []
    for number, values in enumerate(itertools.product(*AXES.values())):
        place, key = dict(zip(AXES, values)), f"cell{number:05d}"
        arm = f"{place['method.encoder']}{place['method.tokens']}-{place['seed']}"
        value = float(rng.uniform(0.6, 0.9))
        metrics = {"auc@breast": value, "n": 400, "n_patients": 200, "n_positive": 80, "prevalence": 0.2}
        _publish(store, "pretrain", f"train{arm}", {}, {"gpu": 1.0, "cpu": 4.0})
        _publish(store, "features", f"feat{arm}", {"pretrain": f"train{arm}"}, {"cpu": 1.0})
        path = _publish(store, "evaluate", key, {"features": f"feat{arm}"}, {"cpu": 1.0})
        write_json(path / "metrics.json", metrics)
        write_draws(path / "draws.npy", {"auc@breast": rng.normal(value, 0.03, 1000)})
        parts = components(np.arange(400) % 5 == 0, rng.normal(size=400), np.arange(400) // 2)
        write_components(path / "components.npy", "breast", parts)
        row = {"id": key, "key": key, "baseline": None, "status": "done", "error": "", "run_id": f"run{number:05d}"}
        shared = {"patients": place["task"], "splits": "one", "code": "c0de", "budget": {}}
        said = {"coordinates": place, "metrics": metrics, "measures": {}, "shared": shared, "notes": []}
        stages = canonical([key, f"feat{arm}", f"train{arm}"])
        rows.append({**row, **{name: canonical(value) for name, value in said.items()}, "stages": stages})
    spec = {"ablation": "large", "profile": "demo", "question": "How long?", "dataset": "toy", "simulated": True}
    tracker, cells = Tracker(home), pd.DataFrame(rows)
    tracker.start("large", {}, {**spec, "table": TABLE, "coordinates": list(AXES)}, cells)
    tracker.end("FINISHED", cells)
    return home


def _publish(store: Store, stage: str, key: str, inputs: dict[str, str], resources: dict[str, float]) -> Path:
    folder = store.path(stage, key)
    if not folder.exists():
        folder.mkdir(parents=True)
        facts = {"version": 1, "config": {}, "kind": stage, "finished": "", "host": "", "git_commit": "", "bytes": 0}
        card = Card(stage=stage, key=key, inputs=inputs, seconds=60.0, resources=resources, **facts)
        (folder / "card.json").write_text(json.dumps(vars(card)))
    return folder


def main() -> None:
    """Print the line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = prepare(folder)

        def command(what: str) -> list[str]:
            words = [what, "large", "--home", str(home.root)]
            code = (
                f"import sys; sys.path.insert(0, {str(ROOT)!r}); from harness.cli import main; sys.exit(main({words}))"
            )
            return [sys.executable, "-c", code]

        page, table = seconds(command("report"), folder), seconds(command("table"), folder)
        size = (folder / "results" / "large" / "demo.report.html").stat().st_size
    whole = f"2,000 cells in {page:.1f} s, {size / 1e6:.1f} MB"
    print(f"report: {whole}; their table in {table:.1f} s, ratio {page / table:.1f}")


if __name__ == "__main__":
    main()
