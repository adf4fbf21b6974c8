"""The image store, opened for reading: one memory-mapped ``.npy`` of 16-bit images beside their exam table.

`docs/image_store.md` has the format, and the measurement that chose it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from mvmlm.data.regions import Region, read_regions
from mvmlm.data.transform import Transform
from mvmlm.errors import DataError

PIXELS, INDEX, SETTINGS, BAD = "pixels.npy", "index.parquet", "store.json", "bad_files.csv"
BREASTS = "breasts.parquet"
DTYPE = np.dtype("<u2")
HEADER = 128  # bytes of a version 1.0 .npy header of three dimensions, padded by NumPy to a multiple of 64


class ImageStore:
    """A store opened for reading; readers on one machine share its pages.

    Attributes
    ----------
    exams : DataFrame
        The exam table of the stored images; row ``i`` is image ``i``. Beside it ``transform_…`` (how it was cropped and
        scaled), ``crc32`` of its bytes, ``source_height, source_width, source_bits``.
    pixels : memmap, shape (n, H, W), uint16
    """

    def __init__(self, exams: pd.DataFrame, pixels: np.ndarray) -> None:
        self.exams = exams
        self.pixels = pixels

    @classmethod
    def open(cls, folder: Path) -> ImageStore:
        """Open what `mvmlm.data.build_store.build_image_store` wrote, on this machine or another.

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
            size, expected = (folder / PIXELS).stat().st_size - HEADER, DTYPE.itemsize * int(np.prod(shape))
            if size != expected:
                raise ValueError(f"{PIXELS} has {size} bytes of pixels where the index says {expected}")
            pixels = np.load(folder / PIXELS, mmap_mode="r", allow_pickle=False)
            if pixels.shape != shape or pixels.dtype != DTYPE:
                raise ValueError(f"{PIXELS} has {pixels.shape} of {pixels.dtype} where the index says {shape}")
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

    def transform(self, row: int) -> Transform:
        """How the image came from its file."""
        return Transform.from_row(self.exams.iloc[row])

    def regions(self, row: int) -> list[Region]:
        """Marked regions of an image, in store pixels."""
        transform = self.transform(row)
        return [region.to_store(transform) for region in read_regions(self.exams["boxes"].iloc[row])]

    def verify(self, rows: Iterable[int] | None = None) -> list[int]:
        """Rows whose bytes are not those that were written, by their CRC-32."""
        written = self.exams["crc32"].to_numpy()
        chosen = range(len(self)) if rows is None else rows
        return [row for row in chosen if zlib.crc32(self.pixels[row]) != int(written[row])]


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
