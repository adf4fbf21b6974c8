"""List what no finished ablation needs, and remove it after asking."""

from __future__ import annotations

import argparse

HELP = "list and remove stages that no finished ablation needs"
EXAMPLES = """What is kept: every stage that a cell of a finished run stands on, and what an ablation's newest run left
unfinished, so that its next run goes on from there (--unfinished gives that up, too), image stores that `data prepare`
made (--prepared), and what language models answered (--answers). What goes: stages of runs that were given up,
checkpoints that nobody goes on from, logs, half-written folders of dead processes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``clean``."""
    parser.add_argument("--yes", action="store_true", help="remove without asking")
    parser.add_argument(
        "--unfinished", action="store_true", help="also what unfinished runs made, and their checkpoints"
    )
    parser.add_argument("--prepared", action="store_true", help="also stores of `data prepare` that no cell stands on")
    parser.add_argument("--answers", action="store_true", help="also what language models answered")
    parser.add_argument(
        "--force", action="store_true", help="although a run seems to be going on, on a machine that is gone"
    )


def run(args: argparse.Namespace) -> int:
    """List, ask, remove."""
    from rich.console import Console
    from rich.table import Table

    from harness.cleaning import remove, unneeded
    from harness.home import Home
    from harness.tracking import Tracker

    console = Console(highlight=False)
    home = Home.find(args.home)
    tracker = Tracker(home)
    asked = {"unfinished": args.unfinished, "prepared": args.prepared, "answers": args.answers}
    asked["force"] = args.force
    found = unneeded(home, tracker, **asked)
    if not found:
        console.print(f"{home.root}: nothing to remove")
        return 0
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("what", "size", "finished", "why"):
        table.add_column(name, justify="right" if name == "size" else "left")
    for item in found:
        table.add_row(item.name, f"{item.bytes / 2**20:.1f} MiB", item.finished, item.why)
    console.print(table)
    console.print(f"{len(found)} items, {sum(i.bytes for i in found) / 2**20:.1f} MiB")
    if not args.yes and not _agreed(console):
        console.print("nothing was removed")
        return 0
    found = [item for item in unneeded(home, tracker, **asked) if item in found]
    freed = remove(home, found)
    console.print(f"removed; {freed / 2**20:.1f} MiB free again")
    return 0


def _agreed(console) -> bool:
    try:
        return console.input("remove them? \\[y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
