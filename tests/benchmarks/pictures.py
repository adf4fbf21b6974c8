"""Simulated mammograms as the store holds them, for benchmarks that need many; and what sets their compressed size."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mvmlm.data.phantom import PhantomOptions
from mvmlm.data.phantom.equipment import store
from mvmlm.data.phantom.records import simulate_exam
from mvmlm.data.phantom.render import render_breast
from mvmlm.data.pixels import WHITE
from mvmlm.data.preprocess import to_store

SIZE = (1520, 912)
SOURCE = PhantomOptions(exams=6, height=2812, width=2012)  # a size of VinDr-Mammo's detectors
BITS = 12
FRESH_NOISE = (
    64  # of 65535, a standard deviation: no repeat is byte for byte another, and none is harder to compress
)


def main() -> None:
    """Print a line."""
    with tempfile.TemporaryDirectory() as name:
        images = stored_images(Path(name), 4 * SOURCE.exams)
        air, noise = np.mean([image == 0 for image in images]), np.median([grain(image) for image in images])
        png, smooth = (
            np.mean([packed(change(image)) for image in images]) for change in (np.asarray, smoothed)
        )
    print(
        f"pictures: {len(images)} of {SIZE[0]}×{SIZE[1]}, {100 * air:.0f} % air, grain inside the breast "
        f"{100 * noise / WHITE:.1f} % of the grey range; a 16-bit PNG is {100 * png:.0f} % of the pixels' bytes, "
        f"{100 * smooth:.0f} % when the grain is smoothed away"
    )


def stored_images(folder: Path, count: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Images as `mvmlm.data.build_store` would store them, made once a folder.

    Two dozen are distinct; the rest are those, upside down every other time, each with fresh noise in the breast.

    Parameters
    ----------
    folder : Path
        Where they are kept, in a file named after count and size.

    Returns
    -------
    memmap, shape (count, height, width), uint16
    """
    path = folder / f"pictures-{count}-{size[0]}x{size[1]}.npy"
    if not path.is_file():
        distinct = list(_rendered(size))
        rng = np.random.default_rng(0)
        images = np.lib.format.open_memmap(path, "w+", "<u2", (count, *size))
        for row in range(count):
            turn, which = divmod(row, len(distinct))
            images[row] = _again(distinct[which], turn, rng)
        images.flush()
    return np.load(path, mmap_mode="r")


def smoothed(image: np.ndarray) -> np.ndarray:
    """The same breast with most of its grain taken out, as noise suppression does."""
    import cv2

    return np.where(image > 0, cv2.GaussianBlur(image, (0, 0), 1.5), 0).astype(np.uint16)


def packed(image: np.ndarray) -> float:
    """Bytes of a 16-bit PNG as a share of the pixels' own."""
    import cv2

    return len(cv2.imencode(".png", image)[1]) / image.nbytes


def grain(image: np.ndarray) -> float:
    """Standard deviation of the finest structure inside the breast, in grey values of 65535."""
    import cv2

    inside = cv2.erode((image > 0).astype(np.uint8), np.ones((41, 41), np.uint8)) > 0
    fine = image.astype(np.float32) - cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.5)
    return float(fine[inside].std())


def _rendered(size: tuple[int, int]) -> Iterator[np.ndarray]:
    for index in range(SOURCE.exams):
        exam = simulate_exam(SOURCE, index)
        for breast in exam.breasts:
            for view in render_breast(breast, SOURCE.mass_contrast, SOURCE.calcification_contrast):
                stored = store(view.picture, exam.equipment, BITS).pixels
                grey = stored / np.float32(2**BITS - 1)
                yield to_store(1 - grey if exam.equipment.inverted else grey, *size)[0]


def _again(image: np.ndarray, turn: int, rng: np.random.Generator) -> np.ndarray:
    if turn == 0:
        return image
    noise = rng.standard_normal(image.shape, dtype=np.float32) * FRESH_NOISE
    noisy = np.where(image > 0, np.clip(image + noise, 1, WHITE), 0).astype(np.uint16)
    return noisy[::-1] if turn % 2 else noisy
