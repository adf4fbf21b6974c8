"""From an invocation in MLflow to its report in ``results/``, and back among the run's artifacts."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.comparison import comparison, file_of_cell
from harness.figures.chosen import write_figures
from harness.report.page import write_report
from harness.report.sources import gather
from harness.store import Store

if TYPE_CHECKING:
    from rich.console import Console

    from harness.home import Home
    from harness.table_model import ComparisonTable
    from harness.tracking import Tracker


def report_invocation(
    console: Console, tracker: Tracker, home: Home, run_id: str, out: Path, published: Path | None = None
) -> Path:
    """Draw an invocation's figures, write ``<out>/<ablation>/<profile>.report.html``, and keep both with its run.

    Raises
    ------
    MvmlmError
        When the run is not known, its table cannot be made, the folder cannot be written, or MLflow does not take the
        files, which are written then.
    """
    table = comparison(tracker, home, run_id, published)
    paths = write_pictures(console, tracker, home, run_id, table, out)
    tracker.show_table(run_id, paths)
    return paths[-1]


def write_pictures(
    console: Console, tracker: Tracker, home: Home, run_id: str, table: ComparisonTable, out: Path = Path("results")
) -> list[Path]:
    """Draw a table's figures and write its report.

    Returns
    -------
    list of Path
        Figures as PDF and PNG, and the page last.

    Raises
    ------
    MvmlmError
        When a file cannot be written.
    """
    folder, stem, store = out / table.spec.ablation, table.spec.profile, Store(home.store)
    files = partial(file_of_cell, store, tracker)
    drawn = write_figures(table, folder / "figures", stem=stem, store=store, files=files)
    for line in drawn.lines():
        console.print(line, style="dim")
    page = write_report(gather(tracker, home, run_id, table, drawn), folder / f"{stem}.report.html")
    console.print(f"report  {page}", style="dim", soft_wrap=True)
    return [*drawn.paths, page]
