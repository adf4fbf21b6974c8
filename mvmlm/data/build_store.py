"""Every usable image of a data set decoded once into an image store; a killed build goes on where it was."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from mvmlm.data.exam_table import breast_table
from mvmlm.data.image_store import BAD, BREASTS, DTYPE, INDEX, PIXELS, SETTINGS
from mvmlm.data.intake import BOTH_SIDES
from mvmlm.data.journal import NAME as JOURNAL
from mvmlm.data.journal import Journal
from mvmlm.data.prepare import APART, SHORT_OF_MEMORY, TOO_SLOW, Job
from mvmlm.data.workers import CRASHED, in_order
from mvmlm.errors import DataError

ROUNDING = 1e-9  # 0.29 × 100 is a little less than 29
DIM = 0.25  # of the grey range: an image that stays below it was written with fewer bits than its file has
PASSING = (TOO_SLOW, SHORT_OF_MEMORY, CRASHED)  # reasons that may not hold at another time
AGAIN = ["again"]  # a stamp that no file has
SAID = ("without_window", "brightest", "regions_lost")  # of each image; what else a worker says goes into the index
AS_IS = ("crc32", "source_height", "source_width", "source_bits")


def build_image_store(
    exams: pd.DataFrame,
    root: Path,
    out_dir: Path,
    *,
    height: int,
    width: int,
    intensity: str = "voi",
    crop: bool = True,
    reduced: bool = False,
    follow_links: bool = False,
    set_aside: pd.DataFrame | None = None,
    workers: int = 0,
    max_bad_share: float = 0.02,
    work_dir: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict:
    """Decode, preprocess and store every image of an exam table.

    A file that cannot be used is named in ``bad_files.csv`` with its reason and left out; more than
    ``max_bad_share`` of them stop the work. The bytes do not depend on the number of workers, nor on how often the
    build was interrupted.

    Parameters
    ----------
    exams : DataFrame
        A validated exam table; ``path`` is relative to ``root``.
    height, width : int
        Pixels of a stored image.
    reduced : bool
        Decode JPEG 2000 at a half, a quarter, … of its resolution where the breast stays larger than the target:
        several times faster for large detectors, and not quite the same image (`docs/image_store.md`).
    follow_links : bool
        Whether symbolic links may lead out of ``root``.
    set_aside : DataFrame, optional
        ``image_id, path, reason`` of rows that the reader has set aside already; they count as bad, but for those of
        patients on both sides of a split.
    workers : int
        Processes; 0 stays in this one.
    work_dir : Path, optional
        Where the unfinished pixels and their journal lie; ``out_dir`` by default. Another folder is left as it is, for
        the caller to remove once ``out_dir`` is safe.

    Returns
    -------
    dict
        ``images, set_aside, bad, set_aside_examples, flipped_against_tag, without_window, dim, regions_lost,
        same_pixels, same_pixels_examples, same_across_splits, height, width, bytes``: ``bad`` of those set aside count
        towards ``max_bad_share``, ``without_window`` DICOM files that were read by their extremes for want of a window,
        ``dim`` images that use less than a quarter of the grey range, ``regions_lost`` marked regions whose mask files
        cannot be used, ``same_pixels`` images that are byte for byte another one.

    Raises
    ------
    DataError
        When too many files are bad, or none is usable.
    """
    out_dir, work_dir = Path(out_dir), Path(work_dir or out_dir)
    for folder in (out_dir, work_dir):
        folder.mkdir(parents=True, exist_ok=True)
    settings = dict(height=height, width=width, intensity=intensity, crop=crop, reduced=reduced)
    jobs = image_jobs(exams, root, {**settings, "follow_links": follow_links})
    bad = [] if set_aside is None else list(zip(set_aside["path"].astype(str), set_aside["reason"]))
    limit = _Limit(bad, len(jobs), max_bad_share, root)
    with Journal.open(work_dir, PIXELS, jobs, height * width * DTYPE.itemsize, _stamp) as journal:
        for entry in journal.entries:
            limit.count(jobs[entry.number].path, entry.said)
        for job, pixels, said in in_order(jobs[len(journal.entries) :], workers):
            limit.count(job.path, said)
            stamp = None if pixels is not None else AGAIN if said.startswith(PASSING) else _stamp(job)
            journal.add(job.number, pixels, said, stamp)
            if progress:
                progress(job.number + 1, len(jobs))
        entries = journal.finish(len(jobs), (height, width), DTYPE)
    kept = [(entry.number, entry.said) for entry in entries if entry.stored]
    if not kept:
        raise DataError(f"{root}: none of {len(jobs)} images can be used ({bad[0][0]}: {bad[0][1]})")
    summary = _write_tables(out_dir, exams, kept, bad, settings)
    if work_dir == out_dir:
        (out_dir / JOURNAL).unlink()
    else:
        _link(work_dir / PIXELS, out_dir / PIXELS)
    return summary


def _link(source: Path, target: Path) -> None:
    """The same file under a second name; a copy where the two are on different disks."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _stamp(job: Job) -> list | None:
    """What tells that a file has changed: its size and time; None where there is none."""
    try:
        found = (Path(job.root) / job.path).stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]


def image_jobs(exams: pd.DataFrame, root: Path, settings: dict) -> list[Job]:
    """A job for each row of an exam table, numbered from 0; ``settings`` are the rest of what a job needs."""
    columns = ("path", "laterality", "view", "boxes", "image_height", "image_width")
    told = exams[list(columns)].astype(object).where(exams[list(columns)].notna(), None)
    return [
        Job(i, str(root), path, side, view, boxes or "", rows or 0, columns or 0, **settings)
        for i, (path, side, view, boxes, rows, columns) in enumerate(told.itertuples(index=False))
    ]


def _is_excused(entry: tuple[str, str]) -> bool:
    """Whether a set-aside image is no sign of a bad folder: its split is at fault, or it is no standard view."""
    return entry[1] == BOTH_SIDES or entry[1].endswith(APART)


class _Limit:
    """Counts what cannot be used, and stops the work when it is too much."""

    def __init__(self, bad: list[tuple[str, str]], images: int, share: float, root: Path) -> None:
        self.bad, self.share, self.root = bad, share, root
        self.excused = sum(map(_is_excused, bad))
        self.before, self.seen = len(bad) - self.excused, 0
        self.total = self.before + images
        self._check()

    def count(self, path: str, said: dict | str) -> None:
        """One more image; ``said`` is why it is bad, or not a string."""
        self.seen += 1
        if isinstance(said, str):
            self.bad.append((path, said))
            self.excused += _is_excused(self.bad[-1])
            self._check()

    def _check(self) -> None:
        count = len(self.bad) - self.excused
        if count <= self.share * self.total + ROUNDING:
            return
        examples = "; ".join(f"{path}: {why}" for path, why in self.bad if not _is_excused((path, why)))
        raise DataError(
            f"{self.root}: {count} of the first {self.seen + self.before} images (of {self.total}) cannot be "
            f"used, more than data.max_bad_share={self.share:g} allows: {examples[:400]}"
        )


def _write_tables(
    out_dir: Path, exams: pd.DataFrame, kept: list[tuple[int, dict]], bad: list, settings: dict
) -> dict:
    numbers = [number for number, _ in kept]
    said = pd.DataFrame([entry for _, entry in kept])
    index = exams.iloc[numbers].reset_index(drop=True)
    index["boxes"] = said.pop("boxes").replace("", pd.NA).astype("string")
    as_is = said[list(AS_IS)]
    transform = said.drop(columns=[*AS_IS, *SAID]).add_prefix("transform_")
    index = index.join(transform).join(as_is)
    index.to_parquet(out_dir / INDEX, index=False)
    breast_table(exams, numbers).to_parquet(out_dir / BREASTS)
    pd.DataFrame(bad, columns=["path", "reason"]).to_csv(out_dir / BAD, index=False)
    height, width = settings["height"], settings["width"]
    summary = {
        "images": len(kept),
        "set_aside": len(bad),
        "bad": sum(not _is_excused(entry) for entry in bad),
        "set_aside_examples": [f"{p}: {r}" for p, r in bad[:3]],
        "flipped_against_tag": int(((index["laterality"] == "R") != index["transform_flipped"]).sum()),
        "without_window": int(said["without_window"].sum()),
        "dim": int((said["brightest"] < DIM).sum()),
        "regions_lost": int(said["regions_lost"].sum()),
        **_same(index),
        "height": height,
        "width": width,
        "bytes": len(kept) * height * width * DTYPE.itemsize,
    }
    (out_dir / SETTINGS).write_text(json.dumps({**summary, **settings, "dtype": "uint16"}, indent=1))
    return summary


def _same(index: pd.DataFrame) -> dict:
    """Images that are another one's double: of the same checksum, transform and size of file."""
    by = ["crc32", "source_height", "source_width", "transform_x0", "transform_y0"]
    groups = index[index.duplicated(by, keep=False)].groupby(by, sort=False)
    doubles = [members for _, members in groups]
    return {
        "same_pixels": int(sum(len(members) - 1 for members in doubles)),
        "same_pixels_examples": [" = ".join(members["path"].iloc[:3]) for members in doubles[:3]],
        "same_across_splits": int(sum(members["split"].nunique() > 1 for members in doubles)),
    }
