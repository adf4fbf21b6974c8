"""DICOM to store, a file at a time, against what published mammography code does; and over processes. Ratios.

The plain way: pydicom decodes in full (JPEG lossless through gdcm, JPEG 2000 through the decoder that ours has),
pixels become float64 between their extremes, a brightness below 40 of 255 is zeroed, the columns and rows whose
deviation is not zero are kept, OpenCV resizes to 912×1520, and a PNG is written (the steps of Mammo-CLIP's public
script). Ours brings the same file to 16-bit pixels of the same size and appends them to the store. Both have one thread
and the same files, turn about.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from mvmlm.data.phantom import PhantomOptions
from mvmlm.data.phantom.equipment import store
from mvmlm.data.phantom.records import simulate_exam
from mvmlm.data.phantom.render import render_breast
from mvmlm.data.prepare import Job, one_thread, prepare

SIZES = ((3518, 2800), (2812, 2012), (5355, 4915))
SYNTAXES = ("raw", "JPEG lossless", "JPEG 2000")
TARGET = (1520, 912)
REPEATS = 5
PROCESS_FILES = 24


def main() -> None:
    """Print a line a size and syntax, one for processes, one for what reduced decoding changes."""
    one_thread()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in SIZES:
            files = dict(write_files(folder, size))
            for syntax, path in files.items():
                print(compare(syntax, size, path, folder), flush=True)
            print(difference(size, files["JPEG 2000"]), flush=True)
        print(processes(files["JPEG lossless"]), flush=True)


def write_files(folder: Path, size: tuple[int, int]) -> Iterator[tuple[str, Path]]:
    """One simulated 12-bit view in each transfer syntax."""
    import imagecodecs
    from pydicom.encaps import encapsulate
    from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1

    from mvmlm.data.phantom.dicom_file import dataset

    options = PhantomOptions(exams=1, height=size[0], width=size[1])
    exam = simulate_exam(options, 0)
    breast = exam.breasts[0]
    shown = render_breast(breast, options.mass_contrast, options.calcification_contrast)[1].picture
    stored = store(shown, exam.equipment, 12)
    lossless = imagecodecs.jpeg8_encode(stored.pixels, lossless=True, predictor=1, bitspersample=12)
    coded = {
        "raw": (None, b""),
        "JPEG lossless": (JPEGLosslessSV1, lossless),
        "JPEG 2000": (
            JPEG2000Lossless,
            imagecodecs.jpeg2k_encode(stored.pixels, codecformat="j2k", reversible=True, bitspersample=12),
        ),
    }
    for syntax, (uid, frame) in coded.items():
        file = dataset(exam, breast, breast.views[1], stored, 12)
        if uid:
            file.file_meta.TransferSyntaxUID = uid
            file.PixelData = encapsulate([frame])
            file["PixelData"].is_undefined_length = True
        path = folder / f"{size[0]}x{size[1]} {syntax}.dcm"
        file.save_as(path, enforce_file_format=True)
        yield syntax, path


def a_job(path: Path, *, reduced: bool = False) -> Job:
    """The path's job at the paper's size."""
    return Job(0, str(path.parent), path.name, "L", "MLO", "", 0, 0, *TARGET, "voi", True, reduced)


def plain(path: Path, out: Path) -> None:
    """A file to an 8-bit PNG, as published code does it."""
    import pydicom
    from pydicom.pixels import get_decoder
    from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1

    file = pydicom.dcmread(path)
    syntax = file.file_meta.TransferSyntaxUID
    plugin = {JPEG2000Lossless: "pylibjpeg", JPEGLosslessSV1: "gdcm"}.get(syntax, "")
    stored, _ = get_decoder(syntax).as_array(file, index=0, decoding_plugin=plugin)
    pixels = stored.astype(np.float64)[5:-5, 5:-5]
    if file.PhotometricInterpretation == "MONOCHROME1":
        pixels = pixels.max() - pixels
    pixels = (pixels - pixels.min()) / (pixels.max() - pixels.min()) * 255
    pixels[pixels <= 40] = 0
    pixels = pixels[:, longest_run(pixels.std(axis=0) > 0)]
    pixels = pixels[longest_run(pixels.std(axis=1) > 0)]
    small = cv2.resize(pixels.astype(np.uint8), TARGET[::-1], interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(out), small)


def longest_run(flags: np.ndarray) -> slice:
    """The longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    starts, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - starts))
    return slice(starts[longest], ends[longest])


def compare(syntax: str, size: tuple[int, int], path: Path, folder: Path) -> str:
    """Medians of both ways, alternating."""
    kept = (folder / "store.raw").open("wb")
    ways: dict[str, Callable[[], object]] = {
        "plain": lambda: plain(path, folder / "plain.png"),
        "ours": lambda: kept.write(_bytes(a_job(path))),
    }
    if syntax == "JPEG 2000":
        ways["reduced"] = lambda: kept.write(_bytes(a_job(path, reduced=True)))
    seconds = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name, way in ways.items():
            seconds[name].append(_seconds(way))
    kept.close()
    median = {name: statistics.median(values) for name, values in seconds.items()}
    ratios = ", ".join(
        f"{name} {value * 1000:.0f} ms (ratio {median['plain'] / value:.1f})"
        for name, value in median.items()
        if name != "plain"
    )
    return f"decode {size[0]}×{size[1]} {syntax}: plain {median['plain'] * 1000:.0f} ms, {ratios}"


def difference(size: tuple[int, int], path: Path) -> str:
    """What decoding at a part of the resolution changes in the stored image, in grey levels of 255."""
    full, reduced = (
        np.frombuffer(_bytes(a_job(path, reduced=flag)), "<u2").reshape(TARGET).astype(float) / 257
        for flag in (False, True)
    )
    inside = full > 0
    off = np.abs(full - reduced)[inside]
    return (
        f"reduced {size[0]}×{size[1]}: of 255 grey levels, mean difference {off.mean():.2f}, 99th percentile "
        f"{np.percentile(off, 99):.1f}, correlation {np.corrcoef(full[inside], reduced[inside])[0, 1]:.4f}"
    )


def processes(path: Path) -> str:
    """Files a second with one process and with one a core."""
    cores = os.cpu_count() or 1
    rate = {}
    for workers in (1, cores):
        jobs = [replace(a_job(path), number=i) for i in range(PROCESS_FILES * workers)]
        with ProcessPoolExecutor(workers, initializer=one_thread) as pool:
            list(pool.map(prepare, jobs[: 2 * workers]))
            seconds = _seconds(lambda pool=pool, jobs=jobs: list(pool.map(prepare, jobs, chunksize=4)))
            rate[workers] = len(jobs) / seconds
    each = rate[cores] / rate[1] / cores
    return f"processes: {rate[1]:.1f} files/s with 1, {rate[cores]:.1f} with {cores}, {100 * each:.0f} % each"


def _bytes(job: Job) -> bytes:
    pixels, said = prepare(job)
    if pixels is None:
        raise SystemExit(f"decode: {job.path}: {said}")
    return pixels


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
