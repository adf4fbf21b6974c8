"""Compare every prepared image with the checksum that was written with it."""

from __future__ import annotations

import argparse

HELP = "compare prepared images with their checksums"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``data verify``."""
    parser.add_argument("folder", nargs="?", metavar="STORE", help="one store's folder (default: all of this home)")


def run(args: argparse.Namespace) -> int:
    """Verify; 0 when every byte is as it was written, 1 when not."""
    from pathlib import Path

    from rich.console import Console

    from harness.home import Home
    from harness.steps import Steps
    from mvmlm.data.image_store import ImageStore
    from mvmlm.errors import DataError

    console = Console(highlight=False)
    home = Home.find(args.home)
    folders = [Path(args.folder)] if args.folder else sorted((home.store / "images").glob("*/"))
    damaged = 0
    for folder in folders:
        try:
            store = ImageStore.open(folder)
        except DataError as error:
            console.print(str(error), soft_wrap=True, markup=False)
            damaged += 1
            continue
        bad = []
        with Steps(console, "verify", "images") as steps:
            for row in range(len(store)):
                bad += store.verify([row])
                steps.report({"items": row + 1, "of_items": len(store)})
        damaged += len(bad)
        names = ", ".join(store.exams["path"].iloc[bad[:5]])
        said = f"{len(bad)} damaged ({names}); remove the folder and prepare again" if bad else "all as written"
        console.print(f"{folder}: {len(store):,} images, {said}", soft_wrap=True, markup=False)
    if not folders:
        console.print(f"{home.store}: no prepared images")
    return 1 if damaged else 0
