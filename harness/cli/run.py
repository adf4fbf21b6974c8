"""Run an ablation: train and evaluate every cell that is not in the store, log them, write the table."""

from __future__ import annotations

import argparse

from harness.cli.common import add_ablation_arguments, expand_and_plan, run_command

HELP = "run an ablation and print its table"
EXAMPLES = """examples:
  python -m harness run ablations/token_count.yaml
  python -m harness run token_count --profile paper --set data.root=/data/vindr-mammo --address auto
  python -m harness run token_count --set train.epochs=3 --seeds 0 --dry-run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``run``."""
    add_ablation_arguments(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the plan and do nothing")
    parser.add_argument(
        "--no-report", action="store_true", help="the table alone; `harness report` draws figures and page later"
    )
    parser.add_argument("--max-concurrent", type=_count, metavar="N", help="at most N stages at once")
    parser.add_argument(
        "--address", help="an existing Ray cluster, HOST:PORT or auto (default: start one here)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the ablation; 0 when every cell has its result."""
    from rich.console import Console

    from harness.cli.plan import show_plan
    from harness.home import Home
    from harness.store import Store
    from mvmlm.errors import DataError

    console = Console(highlight=False)
    home = Home.find(args.home)
    expansion, plan = expand_and_plan(args)
    if args.dry_run:
        return show_plan(console, expansion, plan, home, address=args.address)
    if plan.missing:
        raise DataError("; ".join(plan.missing.values()))
    home.check_writable()
    if too_bad := plan.over_limit(Store(home.store)):
        raise DataError("; ".join(too_bad))

    from harness.comparison import check_table, write_comparison
    from harness.report.invocation import write_pictures
    from harness.runner import run as execute
    from harness.tracking import Tracker

    header = expansion.header()
    header["spec"]["command"] = run_command(args)
    check_table(plan, header["spec"])
    tracker = Tracker(home)
    outcome = execute(
        plan,
        home=home,
        tracker=tracker,
        header=header,
        console=console,
        address=args.address,
        max_concurrent=args.max_concurrent,
    )
    table, paths = write_comparison(console, tracker, home, outcome.run_id)
    if not args.no_report:
        paths += write_pictures(console, tracker, home, outcome.run_id, table)
    outcome.recorder.show_table(paths)
    console.print(f"runs    python -m harness ui{f' --home {args.home}' if args.home else ''}", style="dim")
    return outcome.code


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)
