"""Look at the texts that pretraining would read.

  python -m harness reports preview                          simulated records, every source side by side
  python -m harness reports preview --record '{mass: true, mass_margin: spiculated, birads: 5}'
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from harness.config import CellConfig
    from harness.home import Home
    from harness.preview import Said, Shown
    from mvmlm.reports.source import Case

HELP = "preview the reports of some records from every source"
EXAMPLES = """examples:
  python -m harness reports preview --sources template,llm --set reports.samples=3
  python -m harness reports preview --data vindr --root /data/vindr-mammo --profile paper -n 6 --html reports.html
  python -m harness reports preview --sources llm --set reports.llm.backend=openai \\
      --set reports.llm.url=http://localhost:8000/v1 --set reports.llm.model=NAME"""
SECTIONS = ("data", "reports", "text", "resources", "images")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``reports``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    sub = actions.add_parser(
        "preview",
        help="a record, its texts from every source, what is unfaithful in them, and their length in tokens",
        description=PREVIEW,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    sub.add_argument("--data", metavar="NAME", help="a data set (default: the profile's)")
    sub.add_argument("--root", metavar="DIR", help="its folder, as it was published")
    sub.add_argument("--profile", default="demo", help="whose settings hold: demo (default) or paper")
    sub.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting (repeatable)")
    sub.add_argument("--sources", metavar="A,B", help="which sources (default: all that the data allow)")
    sub.add_argument("--record", metavar="YAML", help="this record instead of a data set's")
    sub.add_argument("--breast", metavar="ID", help="this training breast")
    sub.add_argument("-n", type=int, default=2, dest="count", metavar="N", help="so many records (default: 2)")
    sub.add_argument("--seed", type=int, default=0, help="which records (default: 0)")
    sub.add_argument("--html", metavar="FILE", help="write a page as well")
    sub.add_argument("--home", metavar="DIR", default=argparse.SUPPRESS, help="folder of the store")


PREVIEW = """A record, its texts from every source side by side, and what a rule-based reader finds in each:

  hallucinated   it says what the record does not hold
  contradicted   it says another value than the record's
  omitted        it leaves out what the record knows

Only training patients are shown. Tokens are those of text.encoder; what is beyond text.max_length is cut."""


def run(args: argparse.Namespace) -> int:
    """Print, and write the page."""
    from pathlib import Path

    from rich.console import Console

    from harness.home import Home
    from harness.preview import preview, typed_case
    from harness.steps import Steps
    from mvmlm.errors import ConfigError

    console = Console(highlight=False)
    home = Home.find(args.home)
    config = _settings(args)
    if args.count < 1:
        raise ConfigError(f"-n {args.count}: at least one record")
    cases = [typed_case(args.record)] if args.record else _from_data(args, config, home, console)
    home.check_writable()
    with Steps(console, "texts", "texts") as steps:
        shown = preview(
            cases,
            config,
            _sources(args.sources, cases),
            cache=home.answers,
            progress=lambda done, total: steps.report({"items": done, "of_items": total}),
        )
    for one in shown:
        _print(console, one, config.text.max_length)
    simulated = not args.record and _simulated(config)
    if simulated:
        console.print("simulated records", style="dim")
    if args.html:
        _write_page(Path(args.html), shown, config, simulated)
        console.print(f"page    {args.html}", style="dim")
    return 0


def _settings(args: argparse.Namespace) -> CellConfig:
    from pathlib import Path

    from harness.cli.settings import cell_settings

    given = {"data.name": args.data, "data.root": args.root and str(Path(args.root))}
    return cell_settings(args.profile, args.set, given, sections=SECTIONS, asked=("data", "reports", "text"))


def _sources(asked: str | None, cases: list[tuple[str, Case]]) -> list[str]:
    """The sources asked for; else all, but those that need words where no case has any."""
    from mvmlm.reports.source import SOURCES

    if asked:
        return [name.strip() for name in asked.split(",") if name.strip()]
    worded = any(case.words for _, case in cases)
    usual = ["tabular", "template", "paraphrase", "llm", "clinical"]
    names = [*usual, *(name for name in SOURCES if name not in usual)]
    return [name for name in names if worded or not SOURCES.get(name).reads_words]


def _simulated(config: CellConfig) -> bool:
    from mvmlm.data.readers import DATASETS

    return bool(DATASETS.get(config.data.name).simulated)


def _from_data(
    args: argparse.Namespace, config: CellConfig, home: Home, console: Console
) -> list[tuple[str, Case]]:
    """Cases of the data set; one that is simulated is made first, where it is not in the store yet."""
    from pathlib import Path

    from harness.facts import Facts
    from harness.plan import plan_stage
    from harness.preview import chosen_cases
    from harness.publish import publish_here
    from harness.store import Store
    from mvmlm.data.exam_table import breast_table
    from mvmlm.data.readers import DATASETS
    from mvmlm.errors import DataError

    facts = Facts()
    reader = DATASETS.get(config.data.name)
    root = Path(config.data.root).expanduser() if config.data.root else None
    if reader.simulated:
        home.check_writable()
        (node,) = plan_stage(config, "dataset", facts)
        publish_here(node, home, console)
        root = Store(home.store).path("dataset", node.key)
    elif facts.fingerprint(config.data) and facts.missing:
        raise DataError("; ".join(facts.missing.values()))
    exams = reader().take_in(root, facts.reader_options(config.data.name, config.data.options)).exams
    asked = {"breast": args.breast, "count": args.count, "seed": args.seed}
    return chosen_cases(breast_table(exams), reader, config, **asked)


def _print(console: Console, shown: Shown, limit: int) -> None:
    from rich.table import Table
    from rich.text import Text

    known = ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in shown.fields.items())
    console.print(Text.assemble((shown.title, "bold"), f": {known or 'nothing is known'}"))
    table = Table(box=None, show_header=False, padding=(0, 2, 1, 0), expand=True)
    table.add_column(width=20)
    table.add_column(ratio=1)
    for said in shown.texts:
        table.add_row(_beside(said, limit), Text(said.text or "(nothing)"))
    console.print(table)


def _beside(said: Said, limit: int):
    from rich.text import Text

    from harness.preview import marks_line, tokens_line

    grave = {"hallucinated", "contradicted"} & set(said.marks)
    style = "red" if grave else "yellow" if said.marks else "green"
    cut = said.tokens is not None and said.tokens > limit
    length = (tokens_line(said, limit), "red" if cut else "dim")
    lines = Text.assemble((said.source, "bold"), "\n", length, "\n", (marks_line(said), style))
    if said.outcome != "kept":
        lines.append(f"\n{said.outcome}", "yellow")
    if said.removed:
        lines.append(f"\nremoved: {', '.join(said.removed)}", "dim")
    return lines


def _value(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _write_page(path: Path, shown: list[Shown], config: CellConfig, simulated: bool) -> None:
    from harness.render.reports import render
    from mvmlm.errors import ConfigError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(shown, limit=config.text.max_length, simulated=simulated), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--html: {path} cannot be written ({error.strerror})") from error
