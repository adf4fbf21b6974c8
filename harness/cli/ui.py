"""Open the MLflow UI on this home's runs."""

from __future__ import annotations

import argparse

HELP = "start the MLflow UI on the right store"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``ui``."""
    parser.add_argument("--port", type=int, default=5000, help="port to serve at (default 5000)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to serve at (default: this machine only)"
    )


def run(args: argparse.Namespace) -> int:
    """Replace this process by ``mlflow server``."""
    import os
    import sys
    from pathlib import Path

    from harness.home import Home
    from mvmlm.errors import ConfigError

    home = Home.find(args.home)
    if home.tracking_uri.startswith("http"):
        print(f"the runs are on a server already: {home.tracking_uri}")
        return 0
    if home.tracking_uri.startswith("sqlite") and not Path(home.tracking_uri.removeprefix("sqlite:///")).is_file():
        raise ConfigError(
            f"{home.root}: no runs here yet; run an ablation first, or name the folder with --home"
        )
    print(f"MLflow UI at http://{args.host}:{args.port} on {home.tracking_uri} (Ctrl-C ends it)", flush=True)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", home.tracking_uri]
    command += ["--default-artifact-root", home.artifacts.as_uri(), "--workers", "1"]
    os.execv(sys.executable, [*command, "--host", args.host, "--port", str(args.port)])
