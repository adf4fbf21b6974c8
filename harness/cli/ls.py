"""List what there is to choose from: ablations, methods, encoders, datasets, reports, tasks, protocols."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

HELP = "list ablations, methods, encoders, datasets, reports, tasks or protocols"
KINDS = ("ablations", "methods", "encoders", "datasets", "reports", "tasks", "protocols")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``ls``."""
    parser.add_argument(
        "kind", nargs="?", choices=KINDS, help="what to list (default: everything but encoders)"
    )
    parser.add_argument("pattern", nargs="?", help="for encoders: a timm name pattern such as 'resnet*'")


def run(args: argparse.Namespace) -> int:
    """Print the lists."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for kind in [args.kind] if args.kind else [k for k in KINDS if k != "encoders"]:
        if not args.kind:
            console.print(f"[bold]{kind}[/bold]")
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column()
        for name, said in _rows(kind, args.pattern):
            table.add_row(name, said)
        console.print(table)
    return 0


def _rows(kind: str, pattern: str | None) -> Iterable[tuple[str, str]]:
    return globals()[f"_{kind}"]() if kind != "encoders" else _encoders(pattern)


def _ablations() -> Iterable[tuple[str, str]]:
    from harness.discover import shipped

    return [(a.name, a.question) for a in shipped()]


def _methods() -> Iterable[tuple[str, str]]:
    from mvmlm.methods import METHODS

    for name in METHODS:
        method = METHODS.get(name)
        yield name, f"{_first(method)} (reads {', '.join(sorted({'images', *method.uses}))})"
        if method.differs:
            yield "", f"= {method.differs}"


def _encoders(pattern: str | None) -> Iterable[tuple[str, str]]:
    import timm

    return [(name, "") for name in timm.list_models(pattern or "", pretrained=False)]


def _datasets() -> Iterable[tuple[str, str]]:
    from harness.stages.licence import WORDS
    from mvmlm.data.readers import DATASETS

    for name in DATASETS:
        reader = DATASETS.get(name)
        yield name, f"[bold]{reader.title}[/bold]{' (simulated)' if reader.simulated else ''}"
        yield "", f"tasks: {', '.join(reader.tasks) or 'what its table holds'}"
        yield "", f"get it: {reader.where}"
        yield "", f"licence: {reader.licence}; weights and embeddings may be released: {WORDS[reader.releasable]}"


def _reports() -> Iterable[tuple[str, str]]:
    from mvmlm.reports import SOURCES

    return [(name, _first(SOURCES.get(name))) for name in SOURCES]


def _tasks() -> Iterable[tuple[str, str]]:
    from mvmlm.evaluation.tasks import TASKS

    return [(name, TASKS.get(name).description) for name in TASKS]


def _protocols() -> Iterable[tuple[str, str]]:
    from mvmlm.evaluation.protocols import PROTOCOLS

    return [(name, _first(PROTOCOLS.get(name))) for name in PROTOCOLS]


def _first(thing: object) -> str:
    return (thing.__doc__ or "").strip().split("\n")[0].rstrip(".")
