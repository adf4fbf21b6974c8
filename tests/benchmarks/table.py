"""What ``harness table`` takes on 5,000 cells, against reading the same files plainly. One ratio line.

The store holds 5,000 evaluated cells with 1,000 bootstrap draws of 16 metrics and DeLong's components of 200 patients
each, and MLflow the invocation that they belong to. Ours is the command as a user types it: process, imports,
intervals, tests against the reference, five formats and the terminal. The plain way is a process that reads the same
metrics and draws with json and NumPy, and pivots them with pandas: no interval, no test, no file.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from harness.home import Home
from harness.keys import canonical
from harness.stats.delong import components, write_components
from harness.store import Store, write_json
from harness.tracking import Tracker
from mvmlm.evaluation.protocols import write_draws

AXES = {
    "method.tokens": [8, 16, 32, 64, 128],
    "method.encoder": list("abcdefghij"),
    "eval.fraction": [0.01, 0.1, 0.5, 1.0],
    "task": ["mass", "calcification", "malignancy", "density", "birads"],
    "protocol": ["linear_probe"],
    "seed": [0, 1, 2, 3, 4],
}
TABLE = {
    "rows": ["method.encoder", "method.tokens"],
    "columns": ["task", "eval.fraction"],
    "metric": "auc@breast",
    "reference": {"method.tokens": 16},
}
METRICS = [f"{name}@{level}" for level in ("breast", "patient") for name in (
    "auc", "ap", "sens_at_spec90", "spec_at_sens90", "balanced_accuracy", "brier", "ece", "pf1")]  # fmt: skip
PATIENTS, DRAWS = 200, 1000
SHARED = {"patients": "p", "splits": "s", "code": "c", "budget": {"pretrain": "b"}, "finished": "2026"}
SPENT = {"pretrain/seconds": 30.0}
REPEATS = 3
PLAIN = """
import json, sys
from pathlib import Path
import numpy as np, pandas as pd
cells = pd.read_json(sys.argv[1])
folders = [Path(sys.argv[2]) / key for key in cells["key"]]
cells["auc"] = [json.loads((f / "metrics.json").read_text())["auc@breast"] for f in folders]
cells["draws"] = [np.load(f / "draws.npy")["auc@breast"] for f in folders]
print(cells.pivot_table(index=["method.encoder", "method.tokens"], columns=["task", "eval.fraction"], values="auc"))
"""


def prepare(folder: Path) -> Home:
    """A home with 5,000 finished cells and one invocation of them."""
    home = Home(folder / "home")
    store, rng, rows, plain = Store(home.store), np.random.default_rng(0), [], []
    patients, labels = np.repeat([f"p{i:03d}" for i in range(PATIENTS)], 2), rng.random(2 * PATIENTS) < 0.2
    for number, values in enumerate(itertools.product(*AXES.values())):
        place, key = dict(zip(AXES, values)), f"cell{number:05d}"
        scores = 0.6 * labels + rng.normal(size=len(labels))
        found = components(labels, scores, patients)
        sizes = {
            "n": 2 * PATIENTS,
            "n_patients": PATIENTS,
            "n_positive": int(labels.sum()),
            "prevalence": labels.mean(),
        }
        metrics = {**dict.fromkeys(METRICS, found.auc), **sizes}
        path = store.path("evaluate", key)
        path.mkdir(parents=True)
        write_json(path / "metrics.json", metrics)
        drawn = rng.normal(found.auc, 0.03, (len(METRICS), DRAWS)).astype(np.float32)
        write_draws(path / "draws.npy", dict(zip(METRICS, drawn)))
        write_components(path / "components.npy", "breast", found)
        row = {"id": key, "key": key, "baseline": None, "status": "done", "error": "", "run_id": None, "notes": "[]"}
        said = {"coordinates": place, "metrics": metrics, "shared": SHARED, "stages": [key], "measures": SPENT}
        rows.append({**row, **{name: canonical(value) for name, value in said.items()}})
        plain.append({"key": key, **place})
    spec = {"ablation": "large", "profile": "demo", "question": "How long?", "dataset": "toy", "simulated": True}
    tracker, cells = Tracker(home), pd.DataFrame(rows)
    tracker.start("large", {}, {**spec, "table": TABLE, "coordinates": list(AXES)}, cells)
    tracker.end("FINISHED", cells)
    pd.DataFrame(plain).to_json(folder / "plain.json")
    return home


def seconds(command: list[str], folder: Path) -> float:
    """Median wall time of a command [s]."""
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
        times.append(time.perf_counter() - started)
    return median(times)


def main() -> None:
    """Print the line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = prepare(folder)
        root = Path(__file__).resolve().parents[2]
        ours = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r}); from harness.cli import main; "
                f"sys.exit(main(['table', 'large', '--home', {str(home.root)!r}]))"]  # fmt: skip
        plain = [sys.executable, "-c", PLAIN, str(folder / "plain.json"), str(home.store / "evaluate")]
        a, b = seconds(ours, folder), seconds(plain, folder)
    print(f"table: 5,000 cells in {a:.1f} s; their files read and pivoted plainly in {b:.1f} s, ratio {a / b:.1f}")


if __name__ == "__main__":
    main()
