"""Images a second that reach training at the paper's size, and the memory that it takes; then their augmentation.

The plain way to load is PyTorch's `DataLoader` over 16-bit PNG files, `cv2.imread` in ``__getitem__``; both sides give
batches of 18 breasts, as 16-bit numbers. Each runs in a process of its own, page cache warm; memory is the peak of what
it and its workers hold above the start, pages of the store's file among it (PSS: shared pages are counted once). The
plain way to augment is NumPy and OpenCV, an image at a time, on one core; kornia's own modules are a third.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch

from mvmlm.data.augment import Augmentation, chances
from mvmlm.data.breast_batches import BreastData
from mvmlm.data.image_store import ImageStore
from tests.benchmarks.pictures import SIZE, stored_images

IMAGES = 72  # two batches
BREASTS = 18
WORKERS = (0, 1, 2, 4)
BATCHES = ((BREASTS, SIZE), (32, (192, 120)))  # the paper's, the demo's
PASSES = 3  # after one that warms up
MILD = Augmentation()
STRONG = Augmentation(flip=0.5, vertical_flip=0.5, rotate=20, shift=0.1, scale=0.2, shear=20, intensity=0.0)


def main() -> None:
    """Print a line a loader and number of workers, one an augmentation, and one on a GPU's step."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = stored_images(folder, IMAGES)
        _write_png(folder, images)
        for workers in WORKERS:
            said = [_in_process(way, folder, workers) for way in (_ours, _plain)]
            (rate, memory), (plain_rate, plain_memory) = said
            print(
                f"loader, {workers} workers: {rate:,.0f} images/s, {memory:,.0f} MB; DataLoader over PNG "
                f"{plain_rate:,.0f} images/s, {plain_memory:,.0f} MB; ratio {rate / plain_rate:.1f}",
                flush=True,
            )
        torch.set_num_threads(1)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        for which, augmentation in {"mild (default)": MILD, "as Mammo-CLIP": STRONG}.items():
            for breasts, size in BATCHES:
                print(_augmented(which, augmentation, images, breasts, size, device), flush=True)
        print(
            _step(images) if device == "cuda" else "loader, share of a GPU's step: not measured, no GPU here"
        )


def _data(images: np.ndarray) -> BreastData:
    rows = np.arange(len(images))
    breasts = pd.DataFrame({"patient_id": rows[::2].astype(str), "cc": rows[::2], "mlo": rows[1::2]})
    return BreastData(ImageStore(pd.DataFrame({"image_id": rows.astype(str)}), images), breasts)


def _write_png(folder: Path, images: np.ndarray) -> None:
    import cv2

    for row, image in enumerate(images):
        cv2.imwrite(str(folder / f"{row}.png"), image)


def _ours(folder: Path, workers: int) -> Iterator[torch.Tensor]:
    data = _data(stored_images(folder, IMAGES))
    for epoch in range(PASSES + 1):
        for _, batch in data.epoch(BREASTS, seed=0, epoch=epoch, workers=workers):
            yield batch.images


class _Files(torch.utils.data.Dataset):
    """Breasts from PNG files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __len__(self) -> int:
        return IMAGES // 2

    def __getitem__(self, index: int) -> torch.Tensor:
        import cv2

        cv2.setNumThreads(1)
        rows = (2 * index, 2 * index + 1)
        read = [cv2.imread(str(self.folder / f"{row}.png"), cv2.IMREAD_UNCHANGED) for row in rows]
        return torch.from_numpy(np.stack(read))[:, None]


def _plain(folder: Path, workers: int) -> Iterator[torch.Tensor]:
    loader = torch.utils.data.DataLoader(
        _Files(folder), BREASTS, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    for _ in range(PASSES + 1):
        yield from loader


def _in_process(
    way: Callable[[Path, int], Iterator[torch.Tensor]], folder: Path, workers: int
) -> list[float]:
    """Images a second, and peak memory [MB]."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_measure, args=(way, folder, workers, queue))
    process.start()
    said = queue.get(timeout=600)
    process.join()
    return said


def _measure(
    way: Callable[[Path, int], Iterator[torch.Tensor]], folder: Path, workers: int, queue: Any
) -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings(
        "ignore", "This DataLoader will create"
    )  # more workers than cores: that is the question
    start, most, done = _memory(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            most[0] = max(most[0], _memory() - start)

    watcher = threading.Thread(target=watch)
    watcher.start()
    times = [time.perf_counter()]
    for images in way(folder, workers):
        assert images.shape[1:] == (2, 1, *SIZE)
        times.append(time.perf_counter())
    done.set()
    watcher.join()
    batches = (len(times) - 1) // (PASSES + 1)
    passes = np.diff(times[::batches])[1:]
    queue.put([IMAGES / float(np.median(passes)), most[0]])


def _memory() -> float:
    """Of this process and those that it started [MB]."""
    import psutil

    total = 0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / 1e6


def _augmented(
    name: str,
    augmentation: Augmentation,
    stored: np.ndarray,
    breasts: int,
    size: tuple[int, int],
    device: str,
) -> str:
    count = 2 * breasts
    read = torch.from_numpy(np.array(stored[:count])).float().div_(65535)[:, None]
    images = torch.nn.functional.interpolate(read, size, mode="area").to(device)
    drawn, module, plain = (
        chances(breasts, seed=0, epoch=1),
        _kornia(augmentation),
        images[:, 0].cpu().numpy(),
    )
    ways = {
        "ours": lambda: augmentation(images.unflatten(0, (breasts, 2)), drawn),
        "NumPy and OpenCV": lambda: _plainly(plain, augmentation),
        "kornia's modules": lambda: module(images),
    }
    rates = {way: count / _seconds(work, device) for way, work in ways.items()}
    said = ", ".join(f"{way} {rate:,.0f}" for way, rate in rates.items())
    return (
        f"augmentation {name}, {size[0]}×{size[1]}, images/s on {device}: {said}; "
        f"ratio {rates['ours'] / rates['NumPy and OpenCV']:.1f}"
    )


def _plainly(images: np.ndarray, augmentation: Augmentation) -> np.ndarray:
    """An image at a time, on one core."""
    import cv2

    cv2.setNumThreads(1)
    rng, (height, width) = np.random.default_rng(0), images.shape[1:]
    changed = np.empty_like(images)
    for place, image in enumerate(images):
        turn, scale, shear, down, right, gain = rng.uniform(-1, 1, 6)
        matrix = cv2.getRotationMatrix2D(
            (width / 2, height / 2), augmentation.rotate * turn, 1 + augmentation.scale * scale
        )
        matrix[0, 1] += np.tan(np.radians(augmentation.shear * shear))
        matrix[:, 2] += np.rint(augmentation.shift * np.array([width * right, height * down]))
        across = -1 if rng.random() < augmentation.flip else 1
        along = -1 if rng.random() < augmentation.vertical_flip else 1
        turned = np.ascontiguousarray(image[::along, ::across])
        moved = cv2.warpAffine(turned, matrix, (width, height)) * np.float32(
            1 + augmentation.intensity * gain
        )
        np.clip(moved, 0, 1, out=changed[place])
    return changed


def _kornia(augmentation: Augmentation) -> torch.nn.Module:
    import kornia.augmentation as K

    shift, scale, gain = (getattr(augmentation, name) for name in ("shift", "scale", "intensity"))
    steps = [
        K.RandomHorizontalFlip(p=augmentation.flip),
        K.RandomVerticalFlip(p=augmentation.vertical_flip),
        K.RandomAffine(
            augmentation.rotate, (shift, shift), (1 - scale, 1 + scale), augmentation.shear, p=1.0
        ),
        K.RandomBrightness((1 - gain, 1 + gain), p=1.0),
    ]
    return torch.nn.Sequential(*steps)


def _seconds(work: Callable[[], Any], device: str, repeats: int = 5) -> float:
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return median(times[1:])


def _step(stored: np.ndarray) -> str:
    """A training step on what loader and augmentation give, against one on images that never leave the GPU."""
    import timm

    device = "cuda"
    net = timm.create_model("resnet34", in_chans=1, num_classes=1).to(
        device, memory_format=torch.channels_last
    )
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-5)

    def step(images: torch.Tensor) -> None:
        with torch.autocast(device, torch.bfloat16):
            loss = net(images.flatten(0, 1).contiguous(memory_format=torch.channels_last)).square().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    data, passes = _data(stored), 10
    fixed = torch.rand(BREASTS, 2, 1, *SIZE, device=device)

    def synthetic() -> None:
        for _ in range(passes * len(data.order(BREASTS, None))):
            step(fixed)

    def fed() -> None:
        for epoch in range(passes):
            drawn = chances(len(data), seed=0, epoch=epoch)
            for rows, given in data.epoch(BREASTS, seed=0, epoch=epoch, workers=4, pin=True):
                step(MILD(given.to(device).images, drawn[:, rows]))

    bare, whole = (_seconds(work, device, repeats=2) for work in (synthetic, fed))
    images = passes * len(stored)
    return (
        f"loader, ResNet-34 step in bf16 on {torch.cuda.get_device_name()}: {images / whole:,.0f} images/s fed, "
        f"{images / bare:,.0f} on images that never leave the GPU: {100 * bare / whole:.0f} %"
    )


if __name__ == "__main__":
    main()
