"""Decode, crop and resize every image of a data set once, into the store where every run finds it.

What is done is done: a second call finds the store, and a killed one goes on where it was. Files that cannot be used
are set aside with their reason, in bad_files.csv; more of them than --max-bad stop the work.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

HELP = "decode every image once into the store"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``data prepare``."""
    parser.add_argument("--out", metavar="DIR", help="link the finished store here as well, under a name of your own")


def run(args: argparse.Namespace) -> int:
    """Prepare; 0 when the store is there."""
    from rich.console import Console

    from harness.cli.data import data_config
    from harness.facts import Facts
    from harness.home import Home
    from harness.plan import plan_stage
    from harness.publish import publish_here
    from harness.stages.images import over_limit
    from harness.store import Store
    from mvmlm.errors import DataError

    console = Console(highlight=False)
    home = Home.find(args.home)
    facts = Facts()
    config = data_config(args)
    nodes = plan_stage(config, "images", facts)
    if facts.missing:
        raise DataError("; ".join(facts.missing.values()))
    home.check_writable()
    cores = float(args.workers or os.cpu_count() or 1)
    home.prepared.mkdir(exist_ok=True)
    for node in nodes:
        (home.prepared / node.key).write_text(config.data.name)
        publish_here(replace(node, resources={**node.resources, "cpu": cores}), home, console)
    images = nodes[-1]
    store = Store(home.store)
    card = store.card("images", images.key)
    if why := over_limit(images, card.summary):
        raise DataError(why)
    folder = store.path("images", images.key)
    _tell(console, card.summary, card.seconds, folder)
    if args.out:
        _link(folder, args.out)
        console.print(f"linked  {args.out}", style="dim")
    return 0


def _tell(console: Console, summary: dict, seconds: float, folder: Path) -> None:
    from rich.text import Text

    size = f"{summary['height']}×{summary['width']}, {summary['bytes'] / 2**30:.2f} GiB"
    rate = f", {summary['images'] / seconds:.1f} images/s" if seconds > 1 else ""
    console.print(f"{summary['images']:,} images at {size}, in {seconds:.0f} s{rate}")
    if summary["set_aside"]:
        console.print(f"{summary['set_aside']:,} set aside: {folder / 'bad_files.csv'}", soft_wrap=True)
    for note in summary["notes"]:
        console.print(Text.assemble(("note ", "yellow"), note), soft_wrap=True)
    console.print(f"store   {folder}", style="dim", soft_wrap=True)


def _link(folder: Path, out: str) -> None:
    from pathlib import Path

    from mvmlm.errors import ConfigError

    place = Path(out)
    try:
        if place.is_symlink():
            place.unlink()
        place.symlink_to(folder.resolve())
    except OSError as error:
        raise ConfigError(f"{place}: cannot be made a link ({error.strerror})") from error
