"""A small real ablation, and the command line run as a user runs it: in a process of its own."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.harness.warm import WarmProcess

ROOT = Path(__file__).resolve().parents[2]

MICRO = {
    "question": "Does the smallest ablation that is one run from end to end?",
    "base": {
        "data": {"name": "phantom", "options": {"exams": 24, "height": 160, "width": 128, "test_share": 0.4}},
        "images": {"height": 64, "width": 48},
        "method": {
            "name": "mvmlm",
            "encoder": "test_resnet",
            "width": 16,
            "depth": 1,
            "heads": 2,
            "projection": 16,
        },
        "train": {"epochs": 2, "min_steps": 0, "batch_size": 8, "lr": 0.001, "precision": "fp32"},
        "eval": {"draws": 100, "folds": 2},
        "resources": {stage: {"cpu": 1.0} for stage in ("dataset", "images", "evaluate")},  # equal: actors are reused
    },
    "axes": {"method.tokens": [2, 4], "eval.fraction": [0.5, 1.0]},
    "seeds": [0],
    "tasks": ["mass"],
    "protocols": ["linear_probe"],
    "table": {
        "rows": ["method.tokens"],
        "columns": ["task", "eval.fraction"],
        "metric": "auc@breast",
        "reference": {"method.tokens": 2},
    },
}


@cache
def warm_process() -> WarmProcess:
    """The one of this test process; it ends with it."""
    warm = WarmProcess(Harness.environment())
    atexit.register(warm.close)
    return warm


class Harness:
    """The command line, with a home and a working directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.ablation = folder / "micro.yaml"
        self.write(MICRO)

    def write(self, spec: dict) -> None:
        """Write the ablation file."""
        self.ablation.write_text(yaml.safe_dump(spec, sort_keys=False))

    @staticmethod
    def environment(**more: str) -> dict[str, str]:
        """Nothing of the caller's that could change what is run."""
        kept = {k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "RAY_ADDRESS", "MVMLM_HOME")}
        return {**kept, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT), "COLUMNS": "100", **more}

    def command(self, *args: str) -> list[str]:
        """``python -m harness`` with this home."""
        return [sys.executable, "-m", "harness", args[0], "--home", str(self.home), *args[1:]]

    def __call__(self, *args: str, timeout: float = 300, **env: str) -> subprocess.CompletedProcess:
        """Run to the end."""
        command, environment = self.command(*args), self.environment(**env)
        warm = warm_process()
        if warm.serves(environment):
            return warm.run(command[3:], cwd=self.folder, env=environment, timeout=timeout)
        return subprocess.run(
            command, capture_output=True, text=True, cwd=self.folder, env=environment, timeout=timeout
        )

    def run(self, *args: str, at_once: int = 1, **env: str) -> subprocess.CompletedProcess:
        """``harness run`` on the ablation file, as far as the table.

        Each stage at once has a worker process, which spends some ten seconds of a core on imports: one, where a
        test does not ask for more.
        """
        return self(*self._words(at_once), *args, **env)

    def start(self, *args: str, at_once: int = 1, **env: str) -> subprocess.Popen:
        """``harness run`` in the background."""
        return subprocess.Popen(
            self.command(*self._words(at_once), *args),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env=self.environment(**env),
        )

    def _words(self, at_once: int) -> list[str]:
        return ["run", str(self.ablation), "--no-report", "--max-concurrent", str(at_once)]

    def stages(self, stage: str) -> list[Path]:
        """Published outputs of a stage."""
        return sorted(p.parent for p in (self.home / "store").glob(f"{stage}/*/card.json"))


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    """An empty home and the small ablation."""
    return Harness(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Harness, subprocess.CompletedProcess]:
    """The small ablation after one whole run; tests that use it do not change it."""
    harness = Harness(tmp_path_factory.mktemp("finished"))
    return harness, harness("run", str(harness.ablation))


@pytest.fixture
def plan(tmp_path):
    """Plans an ablation with these axes."""
    from harness.plan import build_plan
    from tests.harness.ablation_files import BASE, expander

    def make(axes: dict, *overrides: str, tasks=("mass",), seeds=(0,), base=None, facts=None):
        spec = {
            "question": "q",
            "base": BASE if base is None else base,
            "axes": axes,
            "seeds": list(seeds),
            "tasks": list(tasks),
            "table": {"rows": list(axes) or ["seed"], "columns": ["task"]},
        }
        cells = expander(tmp_path)(yaml.safe_dump(spec, sort_keys=False), overrides=list(overrides)).cells
        return build_plan(cells, facts)

    return make
