"""Stage ``reports``: one text a breast of the patients that pretraining may see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stages.base import Context, Stage
from harness.stages.dataset import data_inputs, data_runtime, data_slice, split_slice, take_in

if TYPE_CHECKING:
    import pandas as pd

    from harness.config import CellConfig
    from harness.facts import Facts


class ReportsStage(Stage):
    """Reads the data set, the split and the ``reports`` section. Test patients get no report."""

    name = "reports"

    def config(self, cell: CellConfig, facts: Facts) -> dict:
        from mvmlm.reports.guard import allowed_fields

        fields = allowed_fields(facts.datasets.get(cell.data.name), cell.reports.fields)
        return {
            **data_slice(cell, facts),
            "split": split_slice(cell),
            "reports": {**cell.reports.model_dump(mode="json"), "fields": list(fields)},
        }

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        return data_inputs(cell, facts)

    def kind(self, cell: CellConfig, facts: Facts) -> str:
        return f"{super().kind(cell, facts)} {cell.reports.source}"

    def runtime(self, cell: CellConfig) -> dict:
        return data_runtime(cell)

    def run(self, context: Context) -> dict:
        from mvmlm.data.exam_table import breast_table
        from mvmlm.data.readers import DATASETS
        from mvmlm.data.splits import with_split
        from mvmlm.reports import write_reports

        exams = take_in(context)[0].exams
        breasts = with_split(breast_table(exams), **context.config["split"])
        breasts = breasts[breasts["split"] == "train"]
        said = context.config["reports"]
        reports = write_reports(breasts, DATASETS.get(context.config["data"]), said["source"], said["fields"])
        reports.to_parquet(context.out / "reports.parquet", index=False)
        return {
            "reports": len(reports),
            "distinct": int(reports["text"].nunique()),
            "fields": said["fields"],
            "notes": _notes(said["fields"], breasts),
        }


def _notes(fields: list[str], breasts: pd.DataFrame) -> list[str]:
    """Which tasks' answers the reports give: a method that reads them has been told."""
    from mvmlm.evaluation.tasks import TASKS
    from mvmlm.reports.guard import circular_tasks

    tasks = {TASKS.get(name).column: name for name in TASKS}
    sources = breasts["malignancy_source"].dropna().unique()
    told = circular_tasks(fields, tasks, sources)
    if not told:
        return []
    listed = ", ".join(
        tasks[column] if column in by else f"{tasks[column]} (by {', '.join(by)})" for column, by in told.items()
    )
    return [f"The training reports, which methods with text learn from, state the answers to: {listed}"]
