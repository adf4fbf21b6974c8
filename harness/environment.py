"""What a result stands on beside its settings: the code's commit, the packages, the machine."""

from __future__ import annotations

import functools
import hashlib
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


CODE = ("mvmlm", "baselines", "harness/stages")
"""Where code stands that numbers depend on."""


@functools.cache
def code_digest() -> str:
    """Digest of the code that numbers depend on (12 hexadecimal digits), whatever a commit says of it."""
    root, digest = Path(__file__).parent.parent, hashlib.sha256()
    for path in sorted(path for folder in CODE for path in (root / folder).rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


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
