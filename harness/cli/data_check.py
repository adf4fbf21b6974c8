"""Tell what is in a data set's folder: counts against the publication, files, headers, images, doubles and leaks.

The answer is on the terminal, and in full in results/data/NAME: check.html, sheet.png (up to 24 prepared images) and
the lists behind the findings as CSV. Nothing is changed in the folder.

Exit codes: 0 fine, or only warnings; 1 something is wrong with more of the images than --max-bad; 2 the folder or its
tables cannot be used.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from rich.console import Console, RenderableType

    from mvmlm.data.check import Check, Report
    from mvmlm.data.check.tally import Count
    from mvmlm.data.readers import Reader

HELP = "tell what is in a data set's folder, and what is wrong with it"
DEFAULT_IMAGES = 200
STYLES = {"good": "green", "warn": "yellow", "bad": "bold red"}
#: What is going on, as `mvmlm.data.check.run_checks` names it, to what is counted.
STEPS = {"walk": "files", "headers": "headers", "images": "images", "compare": "files"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``data check``."""
    parser.add_argument(
        "--images",
        type=_number_or_all,
        default=DEFAULT_IMAGES,
        metavar="N",
        help=f"decode N images, spread over the patients, or all (default: {DEFAULT_IMAGES})",
    )
    parser.add_argument(
        "--headers",
        type=_number_or_all,
        default=None,
        metavar="N",
        help="read N DICOM headers, or all (the default)",
    )
    parser.add_argument("--no-hash", action="store_true", help="do not look for files of the same bytes")
    parser.add_argument("--out", metavar="DIR", help="where to write (default: results/data/NAME)")


def _number_or_all(text: str) -> int | None:
    """``200``, or None for ``all``."""
    if text == "all":
        return None
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a whole number nor all")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Check; 0 when nothing is bad."""
    from pathlib import Path

    from rich.console import Console

    from harness.cli.data import data_config
    from harness.facts import Facts
    from harness.render.data_check import write
    from mvmlm.data.check import Settings, run_checks
    from mvmlm.data.readers import DATASETS
    from mvmlm.errors import ConfigError

    console = Console(highlight=False)
    config = data_config(args)
    reader = DATASETS.get(config.data.name)()
    if not config.data.root:
        raise ConfigError(f"say where {reader.title} lies with --root DIR ({reader.where})")
    root = Path(config.data.root).expanduser()
    settings = Settings(
        images=args.images,
        headers=args.headers,
        hashes=not args.no_hash,
        max_bad=config.data.max_bad_share,
        follow_links=config.data.follow_links,
        workers=args.workers or os.cpu_count() or 1,
        **{name: getattr(config.images, name) for name in ("intensity", "crop", "reduced")},
    )
    options = Facts().reader_options(config.data.name, config.data.options)
    with _Steps(console) as steps:
        report = run_checks(reader, root, options, settings, steps.report)
    folder = Path(args.out) if args.out else Path("results", "data", config.data.name)
    paths = write(report, reader, str(root), folder)
    _tell(console, report, reader, root, paths)
    return 1 if report.is_bad else 0


class _Steps:
    """One progress after the other, as the check goes from step to step."""

    def __init__(self, console: Console) -> None:
        self._console, self._what, self._now = console, "", None

    def __enter__(self) -> _Steps:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._now is not None:
            self._now.__exit__(kind, error, trace)

    def report(self, what: str, done: int, total: int) -> None:
        """Take ``done`` of ``total`` of a step."""
        from harness.steps import Steps

        if what != self._what:
            self.__exit__(None, None, None)
            self._what, self._now = what, Steps(self._console, what, STEPS[what]).__enter__()
        self._now.report({"items": done, "of_items": total})


def _tell(console: Console, report: Report, reader: Reader, root: Path, paths: dict[str, Path]) -> None:
    from rich.text import Text

    from harness.render.data_check import headline

    name = f"{reader.title} at {root}"
    console.print(Text.assemble((name, "bold"), f": {headline(report)}"))
    if reader.simulated:
        console.print(Text("SIMULATED DATA: made by this project, no patient's", "bold yellow"))
    console.print()
    console.print(_counts(report))
    if len(report.positives):
        console.print()
        console.print(_labels(report))
    for part in _findings(report):
        console.print(part)
    console.print()
    for what, path in paths.items():
        console.print(Text(f"{what:<6} {path}", "dim"), soft_wrap=True)


def _counts(report: Report) -> RenderableType:
    """Counts beside the published ones; those of grades are summed up, if they are as published."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from harness.render.data_check import SPLIT_TITLES
    from mvmlm.data.check.tally import is_graded

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    for split in report.splits:
        table.add_column(SPLIT_TITLES[split], justify="right")
    equal = 0
    for quantity, row in report.counts.items():
        if is_graded(quantity) and (report.is_part or not any(count.differs for count in row.values())):
            equal += sum(count.equal for count in row.values())
        else:
            cells = (_count(row[split], "dim" if report.is_part else "yellow") for split in report.splits)
            table.add_row(quantity.replace("_", " "), *cells)
    said = []
    if any(count.published is not None for row in report.counts.values() for count in row.values()):
        more = (
            f"; so are {equal} more by BI-RADS, density and the like" if equal and not report.is_part else ""
        )
        said = [Text(f"= as published{more}; of N: the published number", "dim")]
    return Group(table, *said)


def _count(count: Count, odd: str) -> RenderableType:
    from rich.text import Text

    here = "–" if count.here is None else f"{count.here:,}"
    if count.equal:
        return Text.assemble(here, (" =", "green"))
    if count.differs:
        return Text.assemble(here, (f" of {count.published:,}", odd))
    return Text(f"{here}  ")


def _labels(report: Report) -> RenderableType:
    """Positives with their prevalence, in all."""
    from rich.table import Table
    from rich.text import Text

    from harness.render.data_check import UNITS, label_rows
    from mvmlm.data.check import percent

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("positive")
    for unit in (*UNITS, "unknown"):
        table.add_column(unit, justify="right")
    for row in label_rows(report.positives):
        if row["split"] == "":
            cells = [
                Text.assemble(f"{c['positive']:,}", (f" {percent(c['positive'], c['known'])}", "dim"))
                for c in row["cells"].values()
            ]
            breasts = row["cells"]["breasts"]
            unknown = int(breasts["units"] - breasts["known"])
            table.add_row(row["label"], *cells, f"{unknown:,} breasts" if unknown else "–")
    return table


def _findings(report: Report) -> list[RenderableType]:
    """Section by section: how grave, what, examples, what to do."""
    from rich.table import Table
    from rich.text import Text

    from mvmlm.data.check import SECTIONS

    parts: list[RenderableType] = []
    for section, title in SECTIONS.items():
        checks = [check for check in report.checks if check.section == section]
        if checks:
            grid = Table.grid(padding=(0, 2, 0, 0))
            grid.add_column(no_wrap=True)
            grid.add_column(overflow="fold")
            for check in sorted(checks, key=lambda c: list(STYLES).index(c.level), reverse=True):
                grid.add_row(Text(check.level, STYLES[check.level]), _finding(check))
            parts += [Text(f"\n{title}", "bold"), grid]
    return parts


def _finding(check: Check) -> RenderableType:
    from rich.text import Text

    lines = Text(check.what)
    if check.level != "good":
        for example in check.examples:
            lines.append(f"\n{example}", "dim")
    if check.todo:
        lines.append(f"\n→ {check.todo}")
    return lines
