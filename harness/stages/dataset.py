"""Stage ``dataset``: a simulated data set, written to disk in a real one's published layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stages.base import Context, Stage

if TYPE_CHECKING:
    from pathlib import Path

    from harness.config import CellConfig
    from harness.facts import Facts
    from mvmlm.data.intake import Intake


class DatasetStage(Stage):
    """Only simulated data have this stage; real ones are read where they lie."""

    name = "dataset"

    def config(self, cell: CellConfig, facts: Facts) -> dict:
        return data_slice(cell, facts)

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        return ()

    def run(self, context: Context) -> dict:
        from mvmlm.data.readers import DATASETS

        reader = DATASETS.get(context.config["data"])()
        options = reader.Options(**context.config["options"])
        reader.generate(context.out, options, workers=context.threads, progress=context.progress)
        return {"files": sum(1 for p in context.out.rglob("*") if p.is_file())}


def data_slice(cell: CellConfig, facts: Facts) -> dict:
    """What every stage that reads the data set has in its key; where the data lie is not part of it."""
    return {
        "data": cell.data.name,
        "fingerprint": facts.fingerprint(cell.data),
        "options": facts.data_options(cell.data),
    }


def split_slice(cell: CellConfig) -> dict:
    """The settings that decide which patient is in which split."""
    return {"test_fraction": cell.data.test_fraction, "split_seed": cell.data.split_seed}


def data_runtime(cell: CellConfig) -> dict:
    """Where the data lie, as every machine can find it: a worker does not share the driver's working directory."""
    from pathlib import Path

    root = cell.data.root
    return {"data_root": str(Path(root).expanduser().absolute()) if root else None}


def data_inputs(cell: CellConfig, facts: Facts) -> tuple[str, ...]:
    """The ``dataset`` stage where the data are simulated."""
    return ("dataset",) if facts.simulated(cell) else ()


def take_in(context: Context) -> tuple[Intake, Path]:
    """The stage's data set as it was read, and the folder that its paths start from."""
    from pathlib import Path

    from mvmlm.data.readers import DATASETS

    reader = DATASETS.get(context.config["data"])()
    root = context.inputs.get("dataset") or Path(context.runtime["data_root"])
    return reader.take_in(root, reader.Options(**context.config["options"])), root
