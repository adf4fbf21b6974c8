"""Simulated exams to disk, in a real set's published layout: records, pictures, files, tables.

The tables are written last: a folder without them is unfinished.
"""

from __future__ import annotations

import csv
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import cv2
from pydicom import Dataset

from mvmlm.data.phantom.dicom_file import dataset
from mvmlm.data.phantom.equipment import store
from mvmlm.data.phantom.layout import Layout
from mvmlm.data.phantom.layout_embed import EmbedLayout
from mvmlm.data.phantom.layout_rsna import RsnaLayout
from mvmlm.data.phantom.layout_vindr import VinDrLayout
from mvmlm.data.phantom.options import SimulationOptions
from mvmlm.data.phantom.records import Breast
from mvmlm.data.phantom.render import Rendered, render_breast
from mvmlm.errors import DataError

LAYOUTS: dict[str, Layout] = {"vindr": VinDrLayout(), "rsna": RsnaLayout(), "embed": EmbedLayout()}

#: Table to the rows that it gets.
Rows = dict[str, list[tuple]]


def generate(
    out_dir: Path | str,
    options: SimulationOptions,
    workers: int = 1,
    progress: Callable[[int, int], Any] | None = None,
) -> None:
    """Write the simulated data set. The same options give the same bytes, whatever ``workers`` is.

    Parameters
    ----------
    out_dir : Path
        Made if it is not there.
    options : SimulationOptions
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
        _write_tables(root, LAYOUTS[options.layout], [done[index] for index in range(options.exams)])
    except OSError as error:
        raise DataError(f"cannot write simulated exams to {root}: {error}") from error


def write_exam(root: Path, options: SimulationOptions, index: int) -> Rows:
    """Render and write the images of exam ``index``; returns its rows of the tables."""
    layout = LAYOUTS[options.layout]
    case = layout.simulate(options, index)
    rows: Rows = {name: [] for name in layout.tables}
    for breast in case.exam.breasts:
        for view, rendered in layout.pictures(case, breast, _rendered(breast, options)):
            picture = rendered.picture[:, ::-1] if breast.laterality == "R" else rendered.picture
            stored = store(picture, case.exam.equipment, options.bits)
            file = dataset(case.exam, breast, view, stored, options.bits)
            layout.finish(case, view, file)
            path = root / layout.path(case, breast, view)
            path.parent.mkdir(parents=True, exist_ok=True)
            _save(file, path)
            for table, cells in layout.image_rows(case, breast, view, rendered, file):
                rows[table].append(cells)
    for table, cells in layout.exam_rows(case):
        rows[table].append(cells)
    return rows


def _save(file: Dataset, path: Path) -> None:
    """Write a file; pydicom's own error holds a whole traceback and loses its number between processes."""
    try:
        file.save_as(path, enforce_file_format=True)
    except OSError as error:
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        raise OSError(cause.errno, cause.strerror, str(path)) from error


def _rendered(breast: Breast, options: SimulationOptions) -> tuple[Rendered, ...]:
    return render_breast(
        breast,
        options.mass_contrast,
        options.calcification_contrast,
        contrast=options.contrast,
        noise=options.noise,
    )


def _exams(root: Path, options: SimulationOptions, workers: int) -> Iterator[tuple[int, Rows]]:
    """Every exam's index and rows, in the order in which they are done."""
    if workers <= 1:
        for index in range(options.exams):
            yield index, write_exam(root, options, index)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        workers, mp_context=context, initializer=cv2.setNumThreads, initargs=(1,)
    ) as pool:
        tasks = {pool.submit(write_exam, root, options, index): index for index in range(options.exams)}
        try:
            for task in as_completed(tasks):
                yield tasks[task], task.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _write_tables(root: Path, layout: Layout, exams: list[Rows]) -> None:
    for name, columns in layout.tables.items():
        (root / name).parent.mkdir(exist_ok=True)
        with (root / name).open("w", newline="", encoding="utf-8") as handle:
            table = csv.writer(handle, lineterminator="\n")
            table.writerow(columns)
            for rows in exams:
                table.writerows(rows[name])
