"""Show what a run would do: its cells, the stages they share, what is cached, how long it may take."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from harness.cli.common import add_ablation_arguments, expand_and_plan
from harness.wording import plural

if TYPE_CHECKING:
    from rich.console import Console

    from harness.expand import Expansion
    from harness.home import Home
    from harness.plan import Plan

HELP = "show the cells, the stages they share, and an estimate of time"
EXAMPLES = """examples:
  python -m harness plan token_count
  python -m harness plan main --profile paper        (works without the data and without a GPU)"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``plan``."""
    add_ablation_arguments(parser)
    parser.add_argument("--cells", action="store_true", help="list every cell")
    parser.add_argument("--address", help="plan for this Ray cluster instead of this machine")


def run(args: argparse.Namespace) -> int:
    """Print the plan."""
    from rich.console import Console

    from harness.home import Home

    expansion, plan = expand_and_plan(args)
    return show_plan(
        Console(highlight=False),
        expansion,
        plan,
        Home.find(args.home),
        address=args.address,
        cells=args.cells,
    )


def show_plan(
    console: Console,
    expansion: Expansion,
    plan: Plan,
    home: Home,
    *,
    address: str | None = None,
    cells: bool = False,
) -> int:
    """Print a plan; 1 when part of it cannot be placed on the cluster, 0 otherwise.

    Raises
    ------
    MvmlmError
        When its cells make no table.
    """
    from rich.table import Table

    from harness.comparison import check_table
    from harness.plan import estimates, summary, total_time, unplaceable, wall_clock
    from harness.progress import clock
    from harness.schedule import cluster, this_machine, total
    from harness.store import Store

    check_table(plan, expansion.header()["spec"])
    store = Store(home.store)
    needed = plan.needed(store)
    cached = plan.cached(store)
    seconds = estimates(store, list(plan.nodes.values()))
    console.print(f"[bold]{expansion.name}[/bold] ({expansion.profile}): {expansion.question}")
    done = sum(c.key in cached for c in plan.cells)
    console.print(
        f"{len(plan.cells)} cells, {done} of them done; {len(plan.baselines)} rows that need no image\n"
    )
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name, side in (
        ("stage", "left"),
        ("nodes", "right"),
        ("cached", "right"),
        ("each", "right"),
        ("needs", "left"),
    ):
        table.add_column(name, justify=side)
    for row in summary(plan, store):
        needs = ", ".join(f"{v:g} {k}" for k, v in row["resources"].items())
        each = _each([seconds.get(n.kind) for n in row["nodes"]], clock)
        table.add_row(row["stage"], str(len(row["nodes"])), str(row["cached"]), each, needs)
    console.print(table)
    if cells:
        for cell in plan.cells:
            console.print(
                f"  {cell.key}  {'done' if cell.key in cached else '    '}  {cell.name}", soft_wrap=True
            )
    if address:
        with cluster(address) as machines:
            found = machines
    else:
        found = [this_machine()]
    where = f"the cluster at {address}" if address else "this machine"
    capacity = total(found)
    left = wall_clock(needed, seconds, capacity)
    work = total_time(needed, seconds)
    console.print(f"\nto do   {len(needed)} stages" + (f", {clock(work)} of work" if work else ""))
    if needed:
        said = (
            "unknown (no past run of each kind of stage in this store)"
            if left is None
            else f"at least {clock(left)}"
        )
        console.print(f"time    {said} on {where} ({_capacity(capacity)})")
    if searches := [node for node in plan.nodes.values() if node.stage == "search"]:
        trials = sum(node.config["search"]["trials"] for node in searches)
        word = "search" if len(searches) == 1 else "searches"
        spent = total_time([node for node in searches if node.key not in cached], seconds)
        console.print(
            f"search  {len(searches)} {word} with {plural(trials, 'trial')} in all, trainings beside the "
            f"{sum(node.stage == 'pretrain' for node in plan.nodes.values())} that the table stands on"
            + (f", about {clock(spent)} of the work" if spent else ""),
            soft_wrap=True,
        )
    if trained := sum(node.stage == "pretrain" and "text" in node.config for node in plan.nodes.values()):
        console.print(
            f"text    {trained} of the trainings run the text encoder in every step (text.trainable) instead of once a "
            "distinct report, so that nothing of it is cached; docs/reports.md says what that costs",
            soft_wrap=True,
        )
    for line in plan.missing.values():
        console.print(f"[yellow]missing[/yellow] {line}", soft_wrap=True)
    for model, setting in plan.fetched.items():
        console.print(
            f"[yellow]fetch[/yellow]   {setting}: {model} is not in this machine's Hugging Face cache; the run needs "
            "the hub for it, or HF_HOME at a cache that has it",
            soft_wrap=True,
        )
    reasons = unplaceable(needed, found)
    for reason in sorted(set(reasons.values())):
        count = sum(r == reason for r in reasons.values())
        console.print(f"[red]unplaceable[/red] {count} × {reason}", soft_wrap=True)
    return 1 if reasons else 0


def _each(known: list[float | None], clock) -> str:
    times = [t for t in known if t is not None]
    if not times:
        return "unknown"
    low, high = clock(min(times)), clock(max(times))
    return (low if low == high else f"{low} to {high}") + ("" if len(times) == len(known) else " +?")


def _capacity(capacity: dict[str, float]) -> str:
    return f"{capacity['cpu']:g} CPUs, {capacity['gpu']:g} GPUs, {capacity['memory_gib']:.0f} GiB"
