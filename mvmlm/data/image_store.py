"""The image store: every usable image decoded once into one memory-mapped file of 16-bit rows."""

from __future__ import annotations

import json
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from mvmlm.data.exam_table import breast_table
from mvmlm.data.prepare import Job, one_thread, prepare, prepare_all
from mvmlm.errors import DataError

PIXELS, INDEX, SETTINGS, BAD = "pixels.raw", "index.parquet", "store.json", "bad_files.csv"
BREASTS = "breasts.parquet"
DIM = 0.25  # of the grey range: an image that stays below it was written with fewer bits than its file has
CHUNK = 8  # images a worker takes at once
PRELOAD = ["mvmlm.data.prepare", "mvmlm.data.dicom", "pydicom.pixels"]  # imported once, not once a worker
AHEAD = 2  # chunks a worker that are under way


def build_image_store(
    exams: pd.DataFrame,
    root: Path,
    out_dir: Path,
    *,
    height: int,
    width: int,
    intensity: str = "voi",
    crop: bool = True,
    workers: int = 1,
    max_bad_share: float = 0.02,
    progress: Callable[[int, int], None] | None = None,
) -> dict:
    """Decode, preprocess and store every image of an exam table.

    A file that cannot be used is named in ``bad_files.csv`` with its reason and left out; more than
    ``max_bad_share`` of them stop the work. The bytes do not depend on the number of workers.

    Parameters
    ----------
    exams : DataFrame
        A validated exam table; ``path`` is relative to ``root``.
    height, width : int
        Pixels of a stored image.

    Returns
    -------
    dict
        ``images, set_aside, set_aside_examples, flipped_against_tag, without_window, dim, height, width, bytes``:
        ``without_window`` counts DICOM files that were read by their extremes for want of a window, ``dim`` images
        that use less than a quarter of the grey range.

    Raises
    ------
    DataError
        When too many files are bad, or none is usable.
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    jobs = [
        Job(i, str(Path(root) / path), side, view, height, width, intensity, crop)
        for i, (path, side, view) in enumerate(zip(exams["path"], exams["laterality"], exams["view"]))
    ]
    kept: list[int] = []
    bad: list[tuple[str, str]] = []
    transforms: list[dict] = []
    allowed = max_bad_share * len(jobs)
    with (out_dir / PIXELS).open("wb") as file:
        for job, pixels, said in _in_order(jobs, workers):
            if pixels is None:
                bad.append((exams["path"].iloc[job.number], said))
                if len(bad) > allowed:
                    _too_many(bad, job.number + 1, len(jobs), max_bad_share, root)
            else:
                file.write(pixels)
                kept.append(job.number)
                transforms.append(said)
            if progress:
                progress(job.number + 1, len(jobs))
    if not kept:
        raise DataError(f"{root}: none of {len(jobs)} images can be used")
    index = exams.iloc[kept].reset_index(drop=True)
    breast_table(exams, kept).to_parquet(out_dir / BREASTS)
    boxes = pd.DataFrame(transforms)
    against = int(((index["laterality"] == "R") != boxes["flipped"]).sum())
    index.join(boxes.add_prefix("transform_")).to_parquet(out_dir / INDEX, index=False)
    pd.DataFrame(bad, columns=["path", "reason"]).to_csv(out_dir / BAD, index=False)
    summary = {
        "images": len(kept),
        "set_aside": len(bad),
        "set_aside_examples": [f"{p}: {r}" for p, r in bad[:3]],
        "flipped_against_tag": against,
        "without_window": int(boxes.pop("without_window").sum()),
        "dim": int((boxes.pop("brightest") < DIM).sum()),
        "height": height,
        "width": width,
        "bytes": len(kept) * height * width * 2,
    }
    settings = {"intensity": intensity, "crop": crop, "dtype": "uint16", "byteorder": "little"}
    (out_dir / SETTINGS).write_text(json.dumps({**summary, **settings}, indent=1))
    return summary


def _too_many(bad: list, seen: int, total: int, share: float, root: Path) -> None:
    examples = "; ".join(f"{path}: {reason}" for path, reason in bad[:3])
    raise DataError(
        f"{root}: {len(bad)} of the first {seen} images (of {total}) cannot be used, more than "
        f"data.max_bad_share={share:g} allows: {examples}"
    )


def _in_order(jobs: Sequence[Job], workers: int) -> Iterator[tuple[Job, bytes | None, dict | str]]:
    """Results in the order of the jobs; a reason in place of pixels where an image is bad.

    A few chunks are under way at a time: what is decoded and not yet written stays small, and stopping early leaves
    little to wait for.
    """
    if workers <= 1:
        for job in jobs:
            yield job, *prepare(job)
        return
    chunks = iter([jobs[i : i + CHUNK] for i in range(0, len(jobs), CHUNK)])
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=one_thread) as pool:
        under_way = deque((c, pool.submit(prepare_all, c)) for c in islice(chunks, workers * AHEAD))
        try:
            while under_way:
                chunk, done = under_way.popleft()
                for job, result in zip(chunk, done.result()):
                    yield job, *result
                under_way.extend((c, pool.submit(prepare_all, c)) for c in islice(chunks, 1))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def stored_breasts(folder: Path) -> pd.DataFrame:
    """The breast table of all exams, whether or not their images could be used; ``cc``, ``mlo`` are rows of the store.

    Raises
    ------
    DataError
        When it is missing or damaged.
    """
    try:
        return pd.read_parquet(Path(folder) / BREASTS)
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: no whole image store ({' '.join(str(error).split())[:120]})") from error


class ImageStore:
    """A store opened for reading; readers on one machine share its pages.

    Attributes
    ----------
    exams : DataFrame
        The exam table of the stored images; row ``i`` is image ``i``.
    pixels : memmap, shape (n, H, W), uint16
    """

    def __init__(self, exams: pd.DataFrame, pixels: np.ndarray) -> None:
        self.exams = exams
        self.pixels = pixels

    @classmethod
    def open(cls, folder: Path) -> ImageStore:
        """Open what `build_image_store` wrote.

        Raises
        ------
        DataError
            When a file is missing, or the pixels are not as many as the index says.
        """
        folder = Path(folder)
        try:
            said = json.loads((folder / SETTINGS).read_text())
            exams = pd.read_parquet(folder / INDEX)
            shape = (len(exams), said["height"], said["width"])
            size, expected = (folder / PIXELS).stat().st_size, 2 * int(np.prod(shape))
            if size != expected:
                raise ValueError(f"{PIXELS} has {size} bytes where the index says {expected}")
            pixels = np.memmap(folder / PIXELS, dtype="<u2", mode="r", shape=shape)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                f"{folder}: no whole image store ({' '.join(str(error).split())[:120]})"
            ) from error
        return cls(exams, pixels)

    def __len__(self) -> int:
        return len(self.exams)

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width [pixels]."""
        return self.pixels.shape[1], self.pixels.shape[2]

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Images as float32 (k, 1, H, W) in [0, 1]."""
        picked = self.pixels[np.asarray(rows, dtype=np.int64)].astype(np.float32)
        picked *= np.float32(1 / 65535)
        return picked[:, None]
