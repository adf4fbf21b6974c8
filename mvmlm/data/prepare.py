"""One image from its file to the bytes of the store: what a worker process does, and all that it imports."""

from __future__ import annotations

import json
import signal
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2

from mvmlm.data.exam_table import STANDARD_VIEWS
from mvmlm.data.intake import inside
from mvmlm.data.pixels import read_image
from mvmlm.data.preprocess import to_store
from mvmlm.data.regions import list_regions, read_region
from mvmlm.errors import DataError

SLOWEST = 120  # seconds that one file may take; the largest mammograms take 3
NO_STANDARD = ("tomosynthesis", "magnification", "spot", "specimen")
APART = "which is kept apart"  # end of a reason that finds no fault with the file: it is something else
TOO_SLOW, SHORT_OF_MEMORY = "takes longer than", "needs more memory than there is"


@dataclass(frozen=True)
class Job:
    """What a worker needs for one image.

    Attributes
    ----------
    number : int
        Row of the exam table.
    path : str
        Relative to ``root``.
    laterality, view : str
        As the exam table says; a file whose header says otherwise is refused.
    boxes : str
        Regions as the exam table has them; those that are known by a mask file alone get their box here.
    table_height, table_width : int
        Pixels of the image as the exam table says, 0 where it is silent: what its boxes refer to.
    height, width : int
        Pixels of the stored image.
    reduced : bool
        Whether JPEG 2000 may be decoded at a part of its resolution.
    """

    number: int
    root: str
    path: str
    laterality: str
    view: str
    boxes: str
    table_height: int
    table_width: int
    height: int
    width: int
    intensity: str
    crop: bool
    reduced: bool = False
    follow_links: bool = False


def one_thread() -> None:
    """Keep OpenCV to one thread: the pool has a process a core already."""
    cv2.setNumThreads(1)


def prepare(job: Job) -> tuple[bytes, dict] | tuple[None, str]:
    """The stored bytes (uint16, little-endian) and what there is to say; or None and why the image cannot be used.

    What there is to say: the transform, ``without_window``, the ``brightest`` stored value as a share of the range,
    ``crc32`` of the bytes, ``source_height, source_width, source_bits``, ``boxes`` [source pixels] as text, empty where
    unknown, and ``regions_lost``.
    """
    path = Path(job.root) / job.path
    try:
        with _at_most(SLOWEST):
            return _prepare(job, inside(Path(job.root), job.path, follow_links=job.follow_links))
    except DataError as error:
        return None, str(error).removeprefix(f"{path}: ")
    except _TooSlowError:
        return None, f"{TOO_SLOW} {SLOWEST} s"
    except MemoryError:
        return None, SHORT_OF_MEMORY
    except Exception as error:  # one image must not stop the others
        return None, f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"


def _prepare(job: Job, path: Path) -> tuple[bytes, dict] | tuple[None, str]:
    target = (job.height, job.width) if job.reduced else None
    image = read_image(path, job.intensity, target=target)
    meta = image.meta
    if meta.kind in NO_STANDARD:
        return None, f"is a {meta.kind} view, {APART}"
    if meta.laterality is not None and meta.laterality != job.laterality:
        return None, f"laterality tag {meta.laterality}, table says {job.laterality}"
    if meta.view != job.view and {meta.view, job.view} <= set(STANDARD_VIEWS):
        return None, f"view tag {meta.view}, table says {job.view}"
    pixels, transform = to_store(image, job.height, job.width, intensity=job.intensity, crop=job.crop)
    stored = pixels.astype("<u2", copy=False).tobytes()
    boxes, lost = _boxes(job, image.source_shape)
    return stored, {
        **transform.as_dict(),
        "without_window": meta.without_window,
        "brightest": int(pixels.max()) / 65535,
        "crc32": zlib.crc32(stored),
        "source_height": image.source_shape[0],
        "source_width": image.source_shape[1],
        "source_bits": 8 * image.stored.dtype.itemsize,
        "boxes": boxes,
        "regions_lost": lost,
    }


def _boxes(job: Job, shape: tuple[int, int]) -> tuple[str, int]:
    """The regions of an image in the pixels of its file, and how many are lost.

    Mask files are read, and what was drawn on another size (that which the table states; exports are often smaller) is
    scaled.
    """
    told = (job.table_height or shape[0], job.table_width or shape[1])
    if told == shape and '"mask"' not in job.boxes:
        return job.boxes, 0
    across, down = shape[1] / told[1], shape[0] / told[0]
    listed = list_regions(job.boxes)
    found = []
    for entry in listed:
        region = read_region(entry, Path(job.root), shape, follow_links=job.follow_links)
        if region is not None:
            found.append(region if "mask" in entry else region.scaled(across, down))
    unknown = bool(listed) and not found
    return "" if unknown else json.dumps([region.as_dict() for region in found]), len(listed) - len(found)


class _TooSlowError(BaseException):
    """A file has had its time; no exception that a decoder's caller takes for a damaged file."""


@contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    """Give up on a file after so long, where this thread may set an alarm."""

    def give_up(number: int, frame: object) -> None:
        raise _TooSlowError

    try:
        before = signal.signal(signal.SIGALRM, give_up)
    except ValueError:  # not the main thread: no alarm there
        yield
        return
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def prepare_all(jobs: Sequence[Job]) -> list[tuple]:
    """`prepare` for a chunk of images."""
    return [prepare(job) for job in jobs]
