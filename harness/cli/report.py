"""The report of an ablation: one HTML page with answer, table, figures, cost, failures, data and settings."""

from __future__ import annotations

import argparse

from harness.cli.common import add_run_arguments, chosen_runs, on_each, published_folder

HELP = "write an ablation's report: one HTML page that needs nothing beside itself"
EXAMPLES = """examples:
  python -m harness report token_count                    the newest run of it, whatever its profile
  python -m harness report main --profile paper --compare published"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``report``."""
    add_run_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Write each page, and keep it with its MLflow run."""
    from pathlib import Path

    from rich.console import Console

    from harness.home import Home
    from harness.report.invocation import report_invocation
    from harness.tracking import Tracker

    console = Console(highlight=False)
    home = Home.find(args.home)
    tracker = Tracker(home)
    published = published_folder(args)
    return on_each(
        chosen_runs(args, home, tracker),
        lambda run_id: report_invocation(console, tracker, home, run_id, Path(args.out), published),
    )
