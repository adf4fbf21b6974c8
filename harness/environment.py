"""What a result stands on beside its settings: the code's commit, the packages, the machine."""

from __future__ import annotations

import functools
import os
import platform
import socket
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    *("mvmlm-harness", "torch", "timm", "transformers", "ray", "mlflow", "optuna", "pydicom"),
    *("numpy", "scipy", "pandas", "scikit-learn", "lifelines"),
)


@functools.cache
def git_commit() -> str:
    """Commit of the harness's own checkout, with ``+changes`` when files differ from it; empty outside git."""
    folder = Path(__file__).parent
    try:
        said = functools.partial(
            subprocess.run, cwd=folder, capture_output=True, text=True, timeout=20, check=True
        )
        commit = said(["git", "rev-parse", "HEAD"]).stdout.strip()
        changed = said(["git", "status", "--porcelain", "--untracked-files=no"]).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return commit + ("+changes" if changed else "")


def environment() -> dict:
    """Python, packages, machine and commit, as plain JSON."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "git_commit": git_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "cpus": os.cpu_count(),
        "packages": versions,
    }
