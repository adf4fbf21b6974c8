"""The ways to keep images that are compared, each a function that writes a folder and one that opens it."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

LEVEL = 3  # of zstd
OURS, PNG = "npy (ours)", "png files"

#: Copies image ``row`` into an array (H, W).
Read = Callable[[int, np.ndarray], None]


@dataclass(frozen=True)
class Format:
    """One way to keep images.

    Attributes
    ----------
    write : function of a new folder and images (n, H, W)
    open : function of a folder
        Returns a function that copies image ``row`` into an array (H, W).
    needs : str
        A package that only this benchmark uses.
    scan : function of a folder, optional
        All images in their order, where that is not reading row after row.
    resume : str
        What is there after a kill in the middle of writing.
    checksum : str
    """

    name: str
    write: Callable[[Path, np.ndarray], None]
    open: Callable[[Path], Read]
    resume: str
    checksum: str
    needs: str = ""
    scan: Callable[[Path], Iterator[np.ndarray]] | None = None


def write_npy(folder: Path, images: np.ndarray) -> None:
    """As `mvmlm.data.build_store` does: in order, checksummed, journalled."""
    from mvmlm.data.image_store import DTYPE, PIXELS
    from mvmlm.data.journal import NAME, Journal
    from mvmlm.data.prepare import Job

    size = images.shape[1:]
    jobs = [Job(i, "", f"{i}.dcm", "L", "CC", "", 0, 0, *size, "voi", True) for i in range(len(images))]
    with Journal.open(folder, PIXELS, jobs, images[0].nbytes, stamp=lambda job: None) as journal:
        for number, image in enumerate(images):
            journal.add(number, image.tobytes(), {"crc32": zlib.crc32(image)}, None)
        journal.finish(len(images), size, DTYPE)
    (folder / NAME).unlink()


def open_npy(folder: Path) -> Read:
    """As `mvmlm.data.image_store` does."""
    from mvmlm.data.image_store import PIXELS

    pixels = np.load(folder / PIXELS, mmap_mode="r")
    return lambda row, out: np.copyto(out, pixels[row])


def write_zarr(folder: Path, images: np.ndarray, codec: str) -> None:
    """Zarr version 3, an image a chunk."""
    import zarr
    from zarr.codecs import BloscCodec, ZstdCodec

    codecs = {
        "raw": None,
        "zstd": ZstdCodec(level=LEVEL),
        "blosc": BloscCodec(cname="zstd", clevel=LEVEL, shuffle="bitshuffle"),
    }
    _one_zarr_thread()
    array = zarr.create_array(
        folder / "pixels.zarr",
        shape=images.shape,
        chunks=(1, *images.shape[1:]),
        dtype=images.dtype,
        compressors=codecs[codec],
    )
    for row, image in enumerate(images):
        array[row] = image


def open_zarr(folder: Path) -> Read:
    """Chunk by chunk."""
    import zarr

    _one_zarr_thread()
    array = zarr.open_array(folder / "pixels.zarr", mode="r")
    return lambda row, out: np.copyto(out, array[row])


def _one_zarr_thread() -> None:
    import zarr
    from numcodecs import blosc

    zarr.config.set({"threading.max_workers": 1, "async.concurrency": 1})
    blosc.set_nthreads(1)


def write_lmdb(folder: Path, images: np.ndarray, encode: Callable[[np.ndarray], bytes]) -> None:
    """A value an image, a transaction for as many images as our journal groups."""
    import lmdb

    from mvmlm.data.journal import EVERY_IMAGES

    with lmdb.open(str(folder), map_size=2 * images.nbytes + 2**24) as store:
        for start in range(0, len(images), EVERY_IMAGES):
            with store.begin(write=True) as transaction:
                for row in range(start, min(start + EVERY_IMAGES, len(images))):
                    transaction.put(row.to_bytes(8, "big"), encode(images[row]), append=True)


def open_lmdb(folder: Path, decode: Callable[[memoryview], Any]) -> Read:
    """One read transaction; values are not copied before they are decoded."""
    import lmdb

    store = lmdb.open(str(folder), readonly=True, lock=False)
    transaction = store.begin(buffers=True)

    def read(row: int, out: np.ndarray) -> None:
        value = decode(transaction.get(row.to_bytes(8, "big")))
        np.copyto(out, np.frombuffer(value, out.dtype).reshape(out.shape))

    return read


def zstd_encode(image: np.ndarray) -> bytes:
    """Zstandard."""
    import imagecodecs

    return imagecodecs.zstd_encode(image.tobytes(), level=LEVEL)


def zstd_decode(value: memoryview) -> bytes:
    """The reverse."""
    import imagecodecs

    return imagecodecs.zstd_decode(value)


def write_arrow(folder: Path, images: np.ndarray) -> None:
    """An Arrow IPC file, a record batch an image."""
    import pyarrow as pa

    schema = pa.schema([("pixels", pa.binary(images[0].nbytes))])
    with pa.OSFile(str(folder / "pixels.arrow"), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for image in images:
            writer.write(pa.record_batch([_binary(image)], schema=schema))


def open_arrow(folder: Path) -> Read:
    """Memory-mapped, nothing copied before the batch."""
    import pyarrow as pa

    reader = pa.ipc.open_file(pa.memory_map(str(folder / "pixels.arrow")))
    values = [reader.get_batch(i).column(0)[0] for i in range(reader.num_record_batches)]
    return lambda row, out: np.copyto(
        out, np.frombuffer(values[row].as_buffer(), out.dtype).reshape(out.shape)
    )


def write_parquet(folder: Path, images: np.ndarray) -> None:
    """A row group an image: what reading one at a time needs."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("pixels", pa.binary(images[0].nbytes))])
    how = dict(compression="zstd", compression_level=LEVEL, use_dictionary=False, write_statistics=False)
    with pq.ParquetWriter(folder / "pixels.parquet", schema, **how) as writer:
        for image in images:
            writer.write_table(pa.table([_binary(image)], schema=schema))


def open_parquet(folder: Path) -> Read:
    """Row group by row group."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(folder / "pixels.parquet", memory_map=True)

    def read(row: int, out: np.ndarray) -> None:
        value = file.read_row_group(row, use_threads=False)["pixels"][0].as_buffer()
        np.copyto(out, np.frombuffer(value, out.dtype).reshape(out.shape))

    return read


def _binary(image: np.ndarray) -> Any:
    import pyarrow as pa

    return pa.array([image.tobytes()], pa.binary(image.nbytes))


def write_tar(folder: Path, images: np.ndarray) -> None:
    """A WebDataset shard of 16-bit PNG."""
    import webdataset

    with webdataset.TarWriter(str(folder / "pixels.tar"), encoder=False) as tar:
        for row, image in enumerate(images):
            tar.write({"__key__": f"{row:06d}", "png": png_encode(image)})


def open_tar(folder: Path) -> Read:
    """By an index of the members' places, which has to be made by reading all headers."""
    import tarfile

    path = folder / "pixels.tar"
    with tarfile.open(path) as tar:
        places = [(member.offset_data, member.size) for member in tar]
    file = path.open("rb", buffering=0)
    return lambda row, out: np.copyto(out, png_decode(os.pread(file.fileno(), *places[row][::-1])))


def scan_tar(folder: Path) -> Iterator[np.ndarray]:
    """As WebDataset is meant to be read."""
    import webdataset

    for sample in webdataset.WebDataset(str(folder / "pixels.tar"), shardshuffle=False):
        yield png_decode(sample["png"])


def write_png(folder: Path, images: np.ndarray) -> None:
    """A file an image, with OpenCV's defaults."""
    for row, image in enumerate(images):
        (folder / f"{row:06d}.png").write_bytes(png_encode(image))


def open_png(folder: Path) -> Read:
    """As published mammography code does it, at 16 bits."""
    import cv2

    paths = [str(path) for path in sorted(folder.glob("*.png"))]
    return lambda row, out: np.copyto(out, cv2.imread(paths[row], cv2.IMREAD_UNCHANGED))


def png_encode(image: np.ndarray) -> bytes:
    """16-bit PNG."""
    import cv2

    return cv2.imencode(".png", image)[1].tobytes()


def png_decode(value: bytes) -> np.ndarray:
    """The reverse."""
    import cv2

    return cv2.imdecode(np.frombuffer(value, np.uint8), cv2.IMREAD_UNCHANGED)


CHUNKS = "opens; images not yet written read as black"
COMMIT = "goes on after the last commit"
FOOTER = "not readable, its footer comes last"
FORMATS = (
    Format(OURS, write_npy, open_npy, "goes on, at most 64 images lost", "CRC-32 an image, in the index"),
    Format("zarr raw", partial(write_zarr, codec="raw"), open_zarr, CHUNKS, "crc32c codec, if asked", "zarr"),
    Format("zarr zstd", partial(write_zarr, codec="zstd"), open_zarr, CHUNKS, "zstd's own, if asked", "zarr"),
    Format(
        "zarr blosc", partial(write_zarr, codec="blosc"), open_zarr, CHUNKS, "crc32c codec, if asked", "zarr"
    ),
    Format(
        "lmdb raw",
        partial(write_lmdb, encode=bytes),
        partial(open_lmdb, decode=lambda v: v),
        COMMIT,
        "none",
        "lmdb",
    ),
    Format(
        "lmdb zstd",
        partial(write_lmdb, encode=zstd_encode),
        partial(open_lmdb, decode=zstd_decode),
        COMMIT,
        "zstd's own, if asked",
        "lmdb",
    ),
    Format("arrow file", write_arrow, open_arrow, FOOTER, "none"),
    Format("parquet zstd", write_parquet, open_parquet, FOOTER, "CRC-32 a page, if asked"),
    Format(
        "webdataset tar",
        write_tar,
        open_tar,
        "its end is cut off; a scan tells what is whole",
        "CRC-32 in each PNG",
        "webdataset",
        scan_tar,
    ),
    Format(PNG, write_png, open_png, "opens; the last file may be half an image", "CRC-32 in each PNG"),
)
