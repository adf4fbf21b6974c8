"""A phantom folder to break, and rows of an exam table, for the tests of `mvmlm.data.check`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pydicom

from mvmlm.data.check import Check, Report, Settings, run_checks
from mvmlm.data.phantom import PhantomOptions
from mvmlm.data.readers import DATASETS

EXAMS = 10
TABLE = "breast-level_annotations.csv"


def write_phantom(root: Path) -> Path:
    """Ten whole exams, four of them in the test set."""
    DATASETS.get("phantom")().generate(
        root, PhantomOptions(exams=EXAMS, height=160, width=128, test_share=0.4)
    )
    return root


def check(root: Path, reader: str = "phantom", **settings) -> Report:
    reader = DATASETS.get(reader)()
    return run_checks(reader, root, reader.Options(), Settings(**{"images": None, **settings}))


def finding(report: Report, *words: str) -> Check:
    """The only finding with all these words."""
    found = [c for c in report.checks if all(word in c.what for word in words)]
    assert len(found) == 1, [c.what for c in report.checks]
    return found[0]


def images(root: Path) -> list[Path]:
    return sorted(root.glob("images/*/*.dicom"))


def table(root: Path) -> pd.DataFrame:
    return pd.read_csv(root / TABLE, dtype=str)


def files_of(root: Path, rows: pd.DataFrame) -> list[Path]:
    return [
        root / "images" / study / f"{image}.dicom" for study, image in zip(rows["study_id"], rows["image_id"])
    ]


def edit(path: Path, **tags) -> None:
    dataset = pydicom.dcmread(path)
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.save_as(path)


def of_split(root: Path, split: str) -> list[Path]:
    rows = table(root)
    return files_of(root, rows[rows["split"] == split])


def exam_rows(n: int, **columns) -> pd.DataFrame:
    """Rows of an exam table: a patient has four views."""
    number = np.arange(n)
    frame = {
        "dataset": "made",
        "patient_id": [f"p{i // 4}" for i in number],
        "exam_id": [f"e{i // 4}" for i in number],
        "laterality": [("L", "L", "R", "R")[i % 4] for i in number],
        "view": [("CC", "MLO")[i % 2] for i in number],
        "image_id": [f"i{i}" for i in number],
        "path": [f"i{i}.png" for i in number],
        **columns,
    }
    frame = pd.DataFrame(frame)
    return frame.assign(breast_id=frame["exam_id"] + "_" + frame["laterality"])
