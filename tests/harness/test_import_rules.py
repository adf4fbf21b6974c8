"""Who may import whom: harness → baselines → mvmlm, Ray and MLflow in their own files only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RAY_FILES = {"harness/schedule.py", "harness/trainable.py", "harness/searcher.py", "harness/across_nodes.py"}
MLFLOW_FILES = {"harness/tracking.py"}


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").split(".")[0])
    return names


def files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize(
    ("package", "banned"),
    [
        ("mvmlm", {"ray", "mlflow", "harness", "baselines", "pydantic", "optuna"}),
        ("baselines", {"ray", "mlflow", "harness", "pydantic", "optuna"}),
    ],
)
def test_lower_packages_know_nothing_of_upper_ones(package, banned):
    found = {str(p.relative_to(ROOT)): imports(p) & banned for p in files(package)}
    assert {name: names for name, names in found.items() if names} == {}
    assert len(found) > 1


@pytest.mark.parametrize(("library", "allowed"), [("ray", RAY_FILES), ("mlflow", MLFLOW_FILES)])
def test_one_place_for_each_big_library(library, allowed):
    found = {str(p.relative_to(ROOT)) for p in files("harness") if library in imports(p)}
    assert found == allowed


def test_mvmlm_imports_without_ray_and_mlflow():
    code = (
        "import sys; sys.modules.update({m: None for m in ('ray', 'mlflow', 'pydantic', 'harness', 'pydicom')})\n"
        "import mvmlm.methods, mvmlm.training, mvmlm.data.image_store, mvmlm.evaluation.linear_probe, mvmlm.reports\n"
        "print(sorted(mvmlm.methods.METHODS.names()))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "mvmlm" in said.stdout


@pytest.mark.parametrize(
    "command", [[], *[[c] for c in ("run", "plan", "table", "ui", "ls", "doctor", "clean")]]
)
def test_help_imports_nothing_heavy(command):
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['harness', *{command!r}, '--help']\n"
        "try: runpy.run_module('harness', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'ray', 'mlflow', 'pandas', 'numpy', 'transformers', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert said.returncode == 0, said.stderr
    assert "usage: python -m harness" in said.stdout


def test_no_file_has_grown_over_400_lines():
    long = {
        str(p.relative_to(ROOT)): n
        for top in ("mvmlm", "baselines", "harness", "tests")
        for p in files(top)
        if (n := len(p.read_text().splitlines())) > 400
    }
    assert long == {}
