"""One image from its file to the bytes of the store: what a worker process does, and all that it imports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from mvmlm.data.exam_table import STANDARD_VIEWS
from mvmlm.data.pixels import read_image
from mvmlm.data.preprocess import to_store
from mvmlm.errors import DataError


@dataclass(frozen=True)
class Job:
    """What a worker needs for one image.

    Attributes
    ----------
    number : int
        Row of the exam table.
    path : str
    laterality, view : str
        As the exam table says; a file whose header says otherwise is refused.
    height, width : int
        Pixels of the stored image.
    """

    number: int
    path: str
    laterality: str
    view: str
    height: int
    width: int
    intensity: str
    crop: bool


def one_thread() -> None:
    """Keep OpenCV to one thread: the pool has a process a core already."""
    cv2.setNumThreads(1)


def prepare(job: Job) -> tuple[bytes, dict] | tuple[None, str]:
    """The stored bytes (uint16, little-endian) and what there is to say; or None and why the image cannot be used.

    What there is to say: the transform, ``without_window``, and the ``brightest`` stored value as a share of the
    range.
    """
    path = Path(job.path)
    try:
        image = read_image(path, job.intensity)
        meta = image.meta
        if meta.laterality is not None and meta.laterality != job.laterality:
            return None, f"laterality tag {meta.laterality}, table says {job.laterality}"
        if meta.view != job.view and {meta.view, job.view} <= set(STANDARD_VIEWS):
            return None, f"view tag {meta.view}, table says {job.view}"
        pixels, transform = to_store(
            image.values, job.height, job.width, intensity=job.intensity, crop=job.crop
        )
    except DataError as error:
        return None, str(error).removeprefix(f"{path}: ")
    said = {"without_window": meta.without_window, "brightest": int(pixels.max()) / 65535}
    return pixels.astype("<u2", copy=False).tobytes(), {**transform.as_dict(), **said}


def prepare_all(jobs: Sequence[Job]) -> list[tuple]:
    """`prepare` for a chunk of images."""
    return [prepare(job) for job in jobs]
