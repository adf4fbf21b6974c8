"""The comparison table of an ablation: on the terminal, and as Markdown, LaTeX, CSV, HTML and JSON in results/."""

from __future__ import annotations

import argparse

HELP = "print and write comparison tables"
EXAMPLES = """examples:
  python -m harness table token_count           the newest run of it, whatever its profile
  python -m harness table --profile paper       every ablation that has been run at that scale
  python -m harness table main --compare published     published numbers below ours, and why they differ
  python -m harness table main --trace          the MLflow runs and store keys behind every number
  python -m harness table --diff RUN_A RUN_B    what changed between two runs of an ablation (ids: harness ui)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``table``."""
    parser.add_argument(
        "ablations", nargs="*", metavar="ABLATION", help="names of ablations (default: all that have run)"
    )
    parser.add_argument("--profile", help="take the newest run of this profile: demo or paper")
    parser.add_argument("--run", metavar="ID", help="take this MLflow parent run instead of the newest")
    parser.add_argument(
        "--compare", metavar="DIR", help="show published numbers below ours: `published`, or a folder of such files"
    )
    parser.add_argument("--trace", action="store_true", help="list the cells, keys and MLflow runs behind every number")
    parser.add_argument(
        "--diff", nargs=2, metavar=("RUN_A", "RUN_B"), help="what changed from one MLflow parent run to another"
    )
    parser.add_argument("--out", metavar="DIR", default="results", help="where to write (default: results)")


def run(args: argparse.Namespace) -> int:
    """Write and print each table."""
    from pathlib import Path

    from rich.console import Console

    from harness.comparison import comparison, write_comparison
    from harness.home import Home
    from harness.render.listings import print_changes, print_trace
    from harness.tracking import Tracker
    from mvmlm.errors import ConfigError

    console = Console(highlight=False)
    published = Path("results", "published") if args.compare == "published" else args.compare and Path(args.compare)
    home = Home.find(args.home)
    tracker = Tracker(home)
    if args.diff:
        print_changes(console, *(comparison(tracker, home, run_id) for run_id in args.diff))
        return 0

    def show(run_id: str) -> None:
        write_comparison(console, tracker, home, run_id, Path(args.out), published)
        if args.trace:
            print_trace(console, comparison(tracker, home, run_id))

    if args.run:
        show(args.run)
        return 0
    known = tracker.experiments()
    asked = [Path(a).stem for a in args.ablations]
    found = {name: tracker.invocations(name, args.profile) for name in asked or known}
    if not asked:
        found = {name: runs for name, runs in found.items() if runs}
    for name, runs in found.items():
        if not runs:
            scale = f" with profile {args.profile}" if args.profile else ""
            raise ConfigError(
                f"no run of {name!r}{scale} in {home.tracking_uri} (it has: {', '.join(known) or 'none'}); "
                f"run it first: python -m harness run {name}"
            )
        show(runs[0].info.run_id)
    if not found:
        scale = f" with profile {args.profile}" if args.profile else ""
        raise ConfigError(
            f"no runs{scale} in {home.tracking_uri} yet: python -m harness run ablations/token_count.yaml"
        )
    return 0
