"""The comparison table of an ablation: on the terminal, and as Markdown, LaTeX, CSV, HTML and JSON in results/."""

from __future__ import annotations

import argparse
import gc

from harness.cli.common import add_run_arguments, chosen_runs, on_each, published_folder

HELP = "print and write comparison tables"
EXAMPLES = """examples:
  python -m harness table token_count           the newest run of it, whatever its profile
  python -m harness table --profile paper       every ablation that has been run at that scale
  python -m harness table main --compare published     published numbers below ours, and why they differ
  python -m harness table main --trace          the MLflow runs and store keys behind every number
  python -m harness table --diff RUN_A RUN_B    what changed between two runs of an ablation (ids: harness ui)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``table``."""
    add_run_arguments(parser)
    parser.add_argument("--trace", action="store_true", help="list the cells, keys and MLflow runs behind every number")
    parser.add_argument(
        "--diff", nargs=2, metavar=("RUN_A", "RUN_B"), help="what changed from one MLflow parent run to another"
    )


def run(args: argparse.Namespace) -> int:
    """Write and print each table."""
    gc.freeze()  # of the parser and what it has imported
    gc.set_threshold(200_000, 50, 50)  # thousands of cells hold no cycle, and looking for one takes a tenth of the time
    from pathlib import Path

    from rich.console import Console

    from harness.comparison import comparison, write_comparison
    from harness.home import Home
    from harness.render.listings import print_changes, print_trace
    from harness.tracking import Tracker

    console = Console(highlight=False)
    home = Home.find(args.home)
    tracker = Tracker(home)
    if args.diff:
        print_changes(console, *(comparison(tracker, home, run_id) for run_id in args.diff))
        return 0

    published = published_folder(args)

    def show(run_id: str) -> None:
        table, _ = write_comparison(console, tracker, home, run_id, Path(args.out), published)
        if args.trace:
            print_trace(console, table)

    return on_each(chosen_runs(args, home, tracker), show)
