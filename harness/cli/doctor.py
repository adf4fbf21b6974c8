"""Check this machine: Python, torch and GPU, Ray, /dev/shm, disk, the MLflow store, the hub, data roots."""

from __future__ import annotations

import argparse

HELP = "check this machine, and say what to do"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``doctor``."""
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="check a data set's folder too (repeatable)",
    )


def run(args: argparse.Namespace) -> int:
    """Print every check; 1 when one is bad."""
    from rich.console import Console
    from rich.text import Text

    from harness.doctor import BAD, GOOD, checks
    from harness.home import Home

    console = Console(highlight=False)
    marks = {GOOD: ("✓", "green"), BAD: ("✗", "bold red")}
    worst = 0
    for check in checks(Home.find(args.home), args.data):
        mark, style = marks.get(check.level, ("!", "yellow"))
        console.print(Text.assemble((mark, style), f" {check.name:<12} {check.found}"), soft_wrap=True)
        if check.do:
            console.print(Text(f"  {'':<12} → {check.do}", style="dim"), soft_wrap=True)
        worst |= check.level == BAD
    return int(worst)
