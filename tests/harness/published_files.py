"""Files of published numbers for tests: rows that differ from one that is as it must be."""

from __future__ import annotations

import csv
from pathlib import Path

from harness.published import read_published
from harness.published_checks import COLUMNS

SHIPPED = Path(__file__).parents[2] / "results" / "published"
GOOD = {
    "source": "Some Model",
    "citation": "Author et al. 2024, Some Model, arXiv:2401.00001",
    "method": "Some Model",
    "dataset": "vindr",
    "split": "official test split",
    "task": "mass",
    "protocol": "linear_probe",
    "fraction": "0.1",
    "metric": "auc",
    "level": "breast",
    "value": "0.70",
    "low": "0.65",
    "high": "0.75",
    "n": "2000",
    "where": "Table 1",
    "not_comparable": "the epoch was chosen on the test split",
}


def write(folder: Path, *rows: dict, name: str = "some_model", columns=COLUMNS) -> Path:
    """A file of rows that differ from the good one."""
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows({**GOOD, **row} for row in rows)
    return folder


def row(folder: Path, **changes) -> dict:
    """One row, written and read again."""
    return read_published(write(folder, changes)).to_dict("records")[0]
