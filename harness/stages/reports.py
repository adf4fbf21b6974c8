"""Stage ``reports``: texts of every breast, once a distinct record; those of test patients lie apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.stages.base import Context, Stage
from harness.stages.dataset import data_inputs, data_runtime, data_slice, split_slice

if TYPE_CHECKING:
    from harness.config import CellConfig, ReportsConfig
    from harness.facts import Facts


class ReportsStage(Stage):
    """Reads the data set, the split and the ``reports`` section.

    Pretraining reads ``reports.parquet``, which holds training patients alone. ``test_reports.parquet`` is for what is
    asked of test patients when all training is done: the row «text only» and protocol ``retrieval``. Nothing else opens
    it.
    """

    name = "reports"
    version = 2

    def config(self, cell: CellConfig, facts: Facts) -> dict:
        from mvmlm.reports.guard import allowed_fields

        fields = allowed_fields(facts.datasets.get(cell.data.name), cell.reports.fields)
        return {
            **data_slice(cell, facts),
            "split": split_slice(cell),
            "reports": {**source_slice(cell.reports, facts), "fields": list(fields)},
        }

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        return data_inputs(cell, facts)

    def kind(self, cell: CellConfig, facts: Facts) -> str:
        said = source_slice(cell.reports, facts)
        model = f" {cell.reports.llm.model}" if "llm" in said else ""
        return f"{super().kind(cell, facts)} {cell.reports.source}{model} ×{said['samples']}"

    def runtime(self, cell: CellConfig) -> dict:
        return {**data_runtime(cell), "options": source_runtime(cell.reports)}

    def run(self, context: Context) -> dict:
        from harness.stages.reports_run import write

        return write(context)


def source_slice(reports: ReportsConfig, facts: Facts) -> dict[str, Any]:
    """What the texts depend on; what a source does not read is left out, so that such arms share their texts."""
    from mvmlm.reports.source import SOURCES

    kind = SOURCES.get(reports.source)
    said: dict[str, Any] = {"source": reports.source, "version": kind.version, "samples": 1}
    if kind.varies:
        said.update(samples=reports.samples, seed=reports.seed)
    if kind.invents:
        said["unfaithful"] = reports.unfaithful
    if said.get("unfaithful") == "regenerate":
        said["attempts"] = reports.attempts
    if reports.source == "llm":
        said["llm"] = facts.llm(reports.llm)
    elif reports.options:
        said["options"] = reports.options
    return said


def source_runtime(reports: ReportsConfig) -> dict[str, Any]:
    """The source's options that change no text, and the model as this machine finds it."""
    if reports.source != "llm":
        return {}
    from mvmlm.reports.llm import RUNTIME

    return {name: value for name, value in reports.llm.model_dump(mode="json").items() if name in RUNTIME}
