"""Checks of this machine, each with what was found and what to do about it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from harness.home import Home

GOOD, WARN, BAD = "good", "warn", "bad"
SHM_GIB = 1.0  # below this, data loader processes that share tensors die with bus errors
DISK_GIB = 10.0


@dataclass(frozen=True)
class Check:
    """One finding: ``level`` is good, warn or bad; ``do`` says what to do where it is not good."""

    name: str
    level: str
    found: str
    do: str = ""


def checks(home: Home, roots: list[str]) -> Iterator[Check]:
    """Run every check; a check that breaks is itself a finding."""
    named: list[tuple[str, Callable[[], Check]]] = [
        ("Python", _python),
        ("packages", _packages),
        ("torch", _torch),
        ("Ray", _ray),
        ("/dev/shm", _shm),
        ("disk", lambda: _disk(home)),
        ("MLflow", lambda: _mlflow(home)),
        ("hub", _hub),
    ]
    for name, check in named:
        try:
            yield check()
        except Exception as error:
            line = " ".join(str(error).split())[:300]
            yield Check(name, BAD, f"{type(error).__name__}: {line}", "see the message")
    yield from _roots(roots)


def _python() -> Check:
    said = f"{sys.version.split()[0]} at {sys.executable}"
    good = sys.version_info >= (3, 11)
    return Check("Python", GOOD if good else BAD, said, "" if good else "install Python 3.11 or newer")


def _packages() -> Check:
    missing = []
    for name in ("torch", "timm", "transformers", "ray", "mlflow", "pydicom", "scikit-learn", "lifelines"):
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Check("packages", BAD, f"missing: {', '.join(missing)}", "run: make setup")
    return Check("packages", GOOD, "all there")


def _torch() -> Check:
    import torch

    said = f"torch {torch.__version__}, {os.cpu_count()} CPU cores"
    if not torch.cuda.is_available():
        return Check("torch", WARN, f"{said}, no GPU", "the demo profile needs none; the paper profile does")
    cards = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    names = ", ".join(f"{c.name} {c.total_memory / 2**30:.0f} GiB" for c in cards)
    return Check("torch", GOOD, f"{said}, {names}")


def _ray() -> Check:
    from harness.schedule import answers

    said = f"ray {version('ray')}"
    address = os.environ.get("RAY_ADDRESS")
    if address:
        if not answers(address):
            return Check(
                "Ray",
                BAD,
                f"{said}; nothing answers at RAY_ADDRESS={address}",
                "start it, or unset the variable",
            )
        return Check("Ray", GOOD, f"{said}; a cluster answers at {address}")
    return Check("Ray", GOOD, f"{said}; a run starts one on this machine, or give --address")


def _shm() -> Check:
    if not Path("/dev/shm").is_dir():
        return Check("/dev/shm", WARN, "not there", "expected on Linux; Ray will use the temporary folder")
    free = shutil.disk_usage("/dev/shm").free / 2**30
    if free < SHM_GIB:
        return Check(
            "/dev/shm", WARN, f"{free:.2f} GiB free", "in Docker, start the container with --shm-size=4g"
        )
    return Check("/dev/shm", GOOD, f"{free:.1f} GiB free")


def _disk(home: Home) -> Check:
    folder = home.root
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    if free < DISK_GIB:
        return Check(
            "disk", WARN, f"{free:.1f} GiB free at {home.root}", "python -m harness clean, or another --home"
        )
    return Check("disk", GOOD, f"{free:.0f} GiB free at {home.root}")


def _mlflow(home: Home) -> Check:
    from harness.tracking import Tracker

    if home.tracking_uri.startswith("sqlite") and not (home.root / "mlflow.db").is_file():
        return Check("MLflow", GOOD, f"mlflow {version('mlflow')}; the first run makes {home.tracking_uri}")
    names = Tracker(home).experiments()
    return Check(
        "MLflow", GOOD, f"{home.tracking_uri}: {len(names)} ablations ({', '.join(names) or 'none yet'})"
    )


def _hub() -> Check:
    from urllib.error import URLError
    from urllib.request import Request, urlopen

    hint = "only --profile paper needs it: fill HF_HOME on a machine with access, or give local paths"
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        return Check("hub", WARN, "HF_HUB_OFFLINE=1: only models on this machine", hint)
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    try:
        with urlopen(Request(endpoint, method="HEAD"), timeout=5):
            return Check("hub", GOOD, f"{endpoint} answers")
    except (URLError, OSError) as error:
        return Check("hub", WARN, f"{endpoint} does not answer ({getattr(error, 'reason', error)})", hint)


def _roots(roots: list[str]) -> Iterator[Check]:
    from mvmlm.data.readers import DATASETS
    from mvmlm.errors import MvmlmError

    for said in roots:
        name, _, root = said.partition("=")
        try:
            reader = DATASETS.get(name)
            reader.fingerprint(Path(root).expanduser(), reader.Options())
            yield Check(f"data {name}", GOOD, f"{root}: readable")
        except MvmlmError as error:
            yield Check(f"data {name}", BAD, str(error), "where to get it: python -m harness ls datasets")
    if not roots:
        yield Check("data", GOOD, "the phantom needs none; check real ones with --data NAME=FOLDER")
