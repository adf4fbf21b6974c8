"""Where a training step's time and memory go: loader, augmentation, each part of the forward pass, loss, backward pass,
optimiser. Real steps of a cell's own training are measured, with its settings and its data; no weights are kept.

What the training reads is made first, where the store does not have it yet.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from harness.cli.common import add_ablation_arguments, expand_and_plan

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from harness.home import Home
    from harness.plan import Plan, PlannedCell
    from harness.stages import Node
    from mvmlm.profile import Profile

QUIET = {"KINETO_LOG_LEVEL": "99", "TORCH_CPP_LOG_LEVEL": "ERROR", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
BAR = 20
HELP = "measure where a training step's time and memory go"
EXAMPLES = """examples:
  python -m harness profile token_count
  python -m harness profile main method.name=mvmlm --steps 20
  python -m harness profile main 3f2a --profile paper --set data.root=/data/vindr-mammo --trace step.json

The trace opens in chrome://tracing and in Perfetto. plan --cells lists the keys of the cells."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``profile``."""
    add_ablation_arguments(parser)
    parser.add_argument(
        "cell",
        nargs="*",
        metavar="CELL",
        help="a cell's key or the start of it, or coordinates such as method.name=mvmlm (default: the first cell)",
    )
    parser.add_argument("--steps", type=_count, default=10, metavar="N", help="steps that are timed (default: 10)")
    parser.add_argument("--warmup", type=_count, default=2, metavar="N", help="steps before them (default: 2)")
    parser.add_argument(
        "--trace",
        metavar="FILE",
        help="where the Chrome trace goes (default: results/ABLATION/PROFILE.CELL.trace.json)",
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print the table and write the trace."""
    os.environ.update(QUIET)
    from pathlib import Path

    from rich.console import Console
    from rich.text import Text

    from harness.cell_choice import KEY_DIGITS, choose_cell
    from harness.home import Home
    from mvmlm.errors import DataError
    from mvmlm.trace_reading import make_room

    console = Console(highlight=False)
    home = Home.find(args.home)
    expansion, plan = expand_and_plan(args)
    cell = choose_cell(plan, args.cell)
    name = cell.cell.config.data.name
    if name in plan.missing:
        raise DataError(plan.missing[name])
    home.check_writable()
    key = cell.key[:KEY_DIGITS]
    trace = Path(args.trace or f"results/{expansion.name}/{expansion.profile}.{key}.trace.json")
    make_room(trace)
    node = _prepare(plan, cell, home, console)
    measured = _measure(node, home, trace, args.steps, args.warmup)
    title = Text.assemble((f"{expansion.name} {key}", "bold"), f" ({expansion.profile}): {cell.name}")
    console.print(
        title, Text(_setting(node, measured), style="dim"), _table(measured), _lines(measured, trace), sep="\n"
    )
    return 0


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def _prepare(plan: Plan, cell: PlannedCell, home: Home, console: Console) -> Node:
    """Do the stages below the cell's training that are not done; returns the training's own."""
    from harness.publish import publish_here
    from harness.store import Store
    from mvmlm.errors import DataError

    training = plan.nodes[cell.stages["pretrain"]]
    below, front = set(), list(training.inputs.values())
    while front:
        key = front.pop()
        below.add(key)
        front.extend(plan.nodes[key].inputs.values())
    store = Store(home.store)
    wanted = {key for key in below if not store.has(plan.nodes[key].stage, key)}
    for key, node in plan.nodes.items():  # inputs before those that need them
        if key in wanted:
            publish_here(node, home, console)
    if too_bad := [why for why in plan.over_limit(store) if why]:
        raise DataError("; ".join(too_bad))
    return training


def _measure(node: Node, home: Home, trace: Path, steps: int, warmup: int) -> Profile:
    """Measure with the threads and on the device that the stage would be given."""
    import torch

    from harness.stages.search import apply_best
    from harness.stages.training_run import assemble
    from harness.store import Store
    from mvmlm.profile import profile

    torch.set_num_threads(max(1, int(node.resources.get("cpu", 1))))
    store = Store(home.store)
    inputs = {name: store.path(name, key) for name, key in node.inputs.items()}
    config = apply_best(node.config, inputs["search"]) if "search" in inputs else node.config
    made = assemble(config, inputs, node.runtime)
    return profile(
        made.method,
        made.training,
        made.settings,
        trace=trace,
        steps=steps,
        warmup=warmup,
        seed=node.config["seed"],
        device="auto" if node.resources.get("gpu") else "cpu",
    )


def _setting(node: Node, measured: Profile) -> str:
    method, train = node.config["method"], node.config["train"]
    threads = max(1, int(node.resources.get("cpu", 1)))
    place = f"{measured.device}, {threads} thread{'s' if threads > 1 else ''}"
    said = [method["name"], method.get("encoder"), f"batch {train['batch_size']}", train["precision"], place]
    return ", ".join(str(s) for s in said if s)


def _table(measured: Profile) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("part")
    for name in ("ms", "share"):
        table.add_column(name, justify="right")
    table.add_column("", width=BAR)
    for name in ("peak MiB", "GFLOP"):
        table.add_column(name, justify="right")
    for row in measured.rows:
        outer, _, part = row.part.partition("/")
        style = "dim" if part else ""
        memory = "" if row.memory is None else f"{row.memory / 2**20:,.1f}"
        flops = "" if not row.flops else f"{row.flops / 1e9:,.2f}"
        bar = "" if part else "█" * round(BAR * max(0.0, row.share))
        words = (f"  {part}" if part else outer, f"{row.ms:,.1f}", f"{row.share:.1%}", bar, memory, flops)
        table.add_row(*words, style=style)
    return table


def _lines(measured: Profile, trace: Path) -> Table:
    """What stands below the table: a word and what it says."""
    from rich.table import Table

    step = f"{measured.step_ms:,.1f} ms, median of {measured.steps}; {measured.images_per_s:,.1f} images/s"
    if measured.flops:
        step += f"; {measured.flops / 1e9:,.2f} GFLOP, {measured.flops / measured.step_ms / 1e6:,.1f} GFLOP/s"
    lines = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    lines.add_row("step", step)
    lines.add_row("bound", measured.bound, style="bold")
    lines.add_row("memory", measured.memory)
    if measured.busy is not None:
        lines.add_row("GPU", f"works in {measured.busy:.0%} of a step")
    lines.add_row("trace", f"{trace} (for chrome://tracing or Perfetto)", style="dim")
    return lines
