"""The comparison table of an ablation: on the terminal, and as Markdown, LaTeX, CSV and HTML in results/."""

from __future__ import annotations

import argparse

HELP = "print and write comparison tables"
EXAMPLES = """examples:
  python -m harness table token_count           the newest run of it, whatever its profile
  python -m harness table --profile paper       every ablation that has been run at that scale"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``table``."""
    parser.add_argument(
        "ablations", nargs="*", metavar="ABLATION", help="names of ablations (default: all that have run)"
    )
    parser.add_argument("--profile", help="take the newest run of this profile: demo or paper")
    parser.add_argument("--run", metavar="ID", help="take this MLflow parent run instead of the newest")
    parser.add_argument("--out", metavar="DIR", default="results", help="where to write (default: results)")


def run(args: argparse.Namespace) -> int:
    """Write and print each table."""
    from pathlib import Path

    from rich.console import Console

    from harness.comparison import write_comparison
    from harness.home import Home
    from harness.tracking import Tracker
    from mvmlm.errors import ConfigError

    console = Console(highlight=False)
    home = Home.find(args.home)
    tracker = Tracker(home)
    if args.run:
        write_comparison(console, tracker, home, args.run, Path(args.out))
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
        write_comparison(console, tracker, home, runs[0].info.run_id, Path(args.out))
    if not found:
        scale = f" with profile {args.profile}" if args.profile else ""
        raise ConfigError(
            f"no runs{scale} in {home.tracking_uri} yet: python -m harness run ablations/token_count.yaml"
        )
    return 0
