"""Open the MLflow UI on this home's runs."""

from __future__ import annotations

import argparse

HELP = "start the MLflow UI on the right store"
RUNS = "#/experiments/{}/runs?workflowType=machine_learning"
"""Where the UI shows the runs of an experiment."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``ui``."""
    parser.add_argument("--port", type=int, default=5000, help="port to serve at (default 5000)")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve at (default: this machine only)")


def run(args: argparse.Namespace) -> int:
    """Replace this process by ``mlflow server``."""
    import os
    import sys
    from pathlib import Path

    from harness.home import Home
    from harness.tracking import Tracker
    from mvmlm.errors import ConfigError

    home = Home.find(args.home)
    if home.tracking_uri.startswith("http"):
        print(f"the runs are on a server already: {home.tracking_uri}")
        return 0
    if home.tracking_uri.startswith("sqlite") and not Path(home.tracking_uri.removeprefix("sqlite:///")).is_file():
        raise ConfigError(f"{home.root}: no runs here yet; run an ablation first, or name the folder with --home")
    address, tracker = f"http://{args.host}:{args.port}", Tracker(home)
    print(f"MLflow UI at {address} on {home.tracking_uri} (Ctrl-C ends it); the runs of", flush=True)
    for name in tracker.experiments():  # by themselves, its pages open on what it has for chats and prompts
        print(f"  {name}: {address}/{RUNS.format(tracker.experiment(name, create=False))}", flush=True)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", home.tracking_uri]
    command += ["--default-artifact-root", home.artifacts.as_uri(), "--workers", "1"]
    os.execv(sys.executable, [*command, "--host", args.host, "--port", str(args.port)])
