"""Simulated exams to disk, in VinDr-Mammo's published layout.

``images/<study_id>/<image_id>.dicom``, ``breast-level_annotations.csv``, ``finding_annotations.csv``,
``metadata.csv``. The tables are written last: a folder without them is unfinished.
"""

from __future__ import annotations

import csv
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pydicom import Dataset

from mvmlm.data.phantom.dicom_file import METADATA_COLUMNS, dataset, metadata_row
from mvmlm.data.phantom.equipment import store
from mvmlm.data.phantom.findings import Finding
from mvmlm.data.phantom.options import PhantomOptions
from mvmlm.data.phantom.records import Breast, Exam, View, simulate_exam
from mvmlm.data.phantom.render import Rendered, render_breast
from mvmlm.errors import DataError

BREAST_COLUMNS = (
    "study_id", "series_id", "image_id", "laterality", "view_position", "height", "width",
    "breast_birads", "breast_density", "split",
)  # fmt: skip
FINDING_COLUMNS = (
    "study_id", "series_id", "image_id", "laterality", "view_position", "height", "width",
    "breast_birads", "breast_density", "finding_categories", "finding_birads",
    "xmin", "ymin", "xmax", "ymax", "split",
)  # fmt: skip
TABLES = {
    "breast-level_annotations.csv": BREAST_COLUMNS,
    "finding_annotations.csv": FINDING_COLUMNS,
    "metadata.csv": METADATA_COLUMNS,
}

#: Table to the rows that it gets.
Rows = dict[str, list[tuple]]


def generate(
    out_dir: Path | str,
    options: PhantomOptions,
    workers: int = 1,
    progress: Callable[[int, int], Any] | None = None,
) -> None:
    """Write the simulated data set. The same options give the same bytes, whatever ``workers`` is.

    Parameters
    ----------
    out_dir : Path
        Made if it is not there.
    options : PhantomOptions
    workers : int
        Processes; 1 stays in this one. Processes are spawned: a script that calls this with more than one keeps
        its own work under ``if __name__ == "__main__":``.
    progress : callable, optional
        Called as ``progress(exams done, exams in all)``.

    Raises
    ------
    DataError
        If the folder holds something already, or cannot be written.
    """
    root = Path(out_dir)
    try:
        root.mkdir(parents=True, exist_ok=True)
        if any(root.iterdir()):
            raise DataError(f"{root} is not empty: simulated exams are written into a folder of their own")
        done: dict[int, Rows] = {}
        for index, rows in _exams(root, options, workers):
            done[index] = rows
            if progress is not None:
                progress(len(done), options.exams)
        _write_tables(root, [done[index] for index in range(options.exams)])
    except OSError as error:
        raise DataError(f"cannot write simulated exams to {root}: {error}") from error


def write_exam(root: Path, options: PhantomOptions, index: int) -> Rows:
    """Render and write the images of exam ``index``; returns its rows of the tables."""
    exam = simulate_exam(options, index)
    folder = root / "images" / exam.study_id
    folder.mkdir(parents=True, exist_ok=True)
    rows: Rows = {name: [] for name in TABLES}
    for breast in exam.breasts:
        for view, rendered in zip(breast.views, _rendered(breast, options)):
            picture = rendered.picture[:, ::-1] if breast.laterality == "R" else rendered.picture
            file = dataset(exam, breast, view, store(picture, exam.equipment, options.bits), options.bits)
            _save(file, folder / f"{view.image_id}.dicom")
            head, tail = _image_cells(options, exam, breast, view)
            rows["breast-level_annotations.csv"].append((*head, *tail))
            rows["finding_annotations.csv"].extend(
                (*head, *tail[:-1], *cells, tail[-1])
                for cells in _finding_cells(breast, rendered, options.width)
            )
            rows["metadata.csv"].append(metadata_row(file, view.image_id, exam.series_id))
    return rows


def _save(file: Dataset, path: Path) -> None:
    """Write a file; pydicom's own error holds a whole traceback and loses its number between processes."""
    try:
        file.save_as(path, enforce_file_format=True)
    except OSError as error:
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        raise OSError(cause.errno, cause.strerror, str(path)) from error


def _rendered(breast: Breast, options: PhantomOptions) -> tuple[Rendered, ...]:
    return render_breast(breast, options.mass_contrast, options.calcification_contrast)


def _exams(root: Path, options: PhantomOptions, workers: int) -> Iterator[tuple[int, Rows]]:
    """Every exam's index and rows, in the order in which they are done."""
    if workers <= 1:
        for index in range(options.exams):
            yield index, write_exam(root, options, index)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        tasks = {pool.submit(write_exam, root, options, index): index for index in range(options.exams)}
        try:
            for task in as_completed(tasks):
                yield tasks[task], task.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _image_cells(options: PhantomOptions, exam: Exam, breast: Breast, view: View) -> tuple[tuple, tuple]:
    head = (exam.study_id, exam.series_id, view.image_id, breast.laterality, view.projection.view)
    size = (options.height, options.width)
    split = "test" if exam.test else "training"
    return (*head, *size), (f"BI-RADS {breast.birads}", f"DENSITY {exam.density}", split)


def _finding_cells(breast: Breast, rendered: Rendered, width: int) -> list[tuple]:
    """Categories, BI-RADS and box of each finding marked in a view, or one row that says there is none."""
    cells = [_box_cells(finding, marked, breast.laterality, width) for finding, marked in rendered.boxes]
    return cells or [("['No Finding']", "", "", "", "", "")]


def _box_cells(finding: Finding, marked: tuple[float, ...], laterality: str, width: int) -> tuple:
    x0, y0, x1, y1 = np.round(marked, 2).tolist()
    if laterality == "R":
        x0, x1 = round(width - x1, 2), round(width - x0, 2)
    known = f"BI-RADS {finding.birads}" if finding.birads_known else ""
    return str(list(finding.categories)), known, x0, y0, x1, y1


def _write_tables(root: Path, exams: list[Rows]) -> None:
    for name, columns in TABLES.items():
        with (root / name).open("w", newline="", encoding="utf-8") as handle:
            table = csv.writer(handle, lineterminator="\n")
            table.writerow(columns)
            for rows in exams:
                table.writerows(rows[name])
