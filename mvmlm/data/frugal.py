"""Reading that ends: a file of which only so much is read, and a deflated one of which only so much is unpacked."""

from __future__ import annotations

import io
import zlib
from typing import BinaryIO

CHUNK = 2**16


class RefusedError(Exception):
    """A claim of a file that is not believed, in words."""


class Frugal:
    """A file for pydicom to read: it gives what is there, whatever is asked for, and stops giving at a limit.

    Parameters
    ----------
    file : BinaryIO
    size : int
        [bytes] of it. A length that a damaged file claims reserves no more memory than is left of these.
    most_bytes, most_reads : int
        What may be read, and how often: each element takes a read or more, however short it is.
    refusal : str
        What is said beyond these limits.

    Attributes
    ----------
    short : bool
        Whether the last read got a part of what it asked for.
    refused : bool
        Whether a limit was met; pydicom makes an error of its own of what is raised within a sequence.
    """

    def __init__(self, file: BinaryIO, size: int, *, most_bytes: int, most_reads: int, refusal: str) -> None:
        self.file, self.size, self.refusal = file, size, refusal
        self.bytes_left, self.reads_left = most_bytes, most_reads
        self.tell, self.seek = file.tell, file.seek
        self.short = self.refused = False

    def read(self, count: int = -1) -> bytes:
        """At most `count` bytes."""
        there = max(0, self.size - self.tell())
        taken = there if count < 0 else min(count, there)
        self.short = 0 < taken < count
        self.bytes_left -= taken
        self.reads_left -= 1
        if self.bytes_left < 0 or self.reads_left < 0:
            self.refused = True
            raise RefusedError(self.refusal)
        return self.file.read(taken)


def inflated(file: BinaryIO, most: int) -> tuple[io.BytesIO, bool]:
    """Unpack a raw deflate stream (RFC 1951) from where a file stands.

    Returns
    -------
    plain : BytesIO
        At most `most` bytes.
    whole : bool
        Whether that is all.

    Raises
    ------
    RefusedError
        When the stream is cut off.
    zlib.error
        When it is none.
    """
    unpacker, plain = zlib.decompressobj(-zlib.MAX_WBITS), io.BytesIO()
    while not unpacker.eof and plain.tell() < most:
        packed = unpacker.unconsumed_tail or file.read(CHUNK)
        if not packed:
            raise RefusedError("its deflated part is truncated")
        plain.write(unpacker.decompress(packed, most - plain.tell()))
    plain.seek(0)
    return plain, unpacker.eof
