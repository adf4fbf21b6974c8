"""Many small NumPy files, read fast: thousands have the same header, which need not be understood each time."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np

from mvmlm.errors import DataError

MAGIC = b"\x93NUMPY"
LENGTH = {1: 2, 2: 4}
"""Version of the format to the bytes of the number that says how long a header is (NumPy enhancement proposal 1).
The third, for names beyond Latin-1, is not read."""


def read_array(path: Path) -> np.ndarray:
    """The array of a ``.npy`` file, as `numpy.load` gives it, but read-only, and never of objects.

    Raises
    ------
    DataError
        When the file is no such file, or is not whole.
    """
    try:
        with open(path, "rb") as file:
            return _array(file.read())
    except (OSError, ValueError) as error:
        say = f"{path} cannot be read ({error}): evaluate this cell again, in a home without its folder"
        raise DataError(say) from error


def _array(content: bytes) -> np.ndarray:
    if not content.startswith(MAGIC) or len(content) < 12 or content[6] not in LENGTH:
        raise ValueError("no NumPy file of version 1 or 2")
    size = LENGTH[content[6]]
    end = 8 + size + int.from_bytes(content[8 : 8 + size], "little")
    shape, order, dtype = _understood(content[:end])
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    count = int(np.prod(shape))
    if len(content) != end + count * dtype.itemsize:
        raise ValueError(f"{len(content)} bytes, not {end + count * dtype.itemsize}")
    return np.frombuffer(content, dtype, count, end).reshape(shape, order=order)


@lru_cache(maxsize=256)
def _understood(header: bytes) -> tuple[tuple[int, ...], str, np.dtype]:
    """Shape, order and type that a header, from the file's first byte on, tells of."""
    file = BytesIO(header)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    return shape, "F" if fortran else "C", dtype
