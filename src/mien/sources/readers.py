"""From a place to pixels: files, standard input, file objects, bytes in memory."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Any, Protocol

from mien.decoding.formats import HEAD_BYTES, not_an_image, sniff
from mien.errors import InputError, UnreadableMediaError
from mien.images import decode
from mien.interfaces import Image

CHUNK_BYTES = 1 << 20

OS_REASONS = {
    errno.ENOENT: "no such file or folder",
    errno.ENOTDIR: "no such file or folder",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EISDIR: "this is a folder, not a file",
    errno.ENAMETOOLONG: "the path is too long",
    errno.ELOOP: "the link leads in a circle",
}


class Readable(Protocol):
    """A binary file object, as far as it is needed here."""

    def read(self, size: int, /) -> Any:
        """Return at most `size` bytes, nothing at the end."""
        ...


def os_reason(error: OSError) -> str:
    """Say in one line, without the path, what the operating system refused."""
    if error.errno in OS_REASONS:
        return OS_REASONS[error.errno]
    return " ".join(str(error.strerror or error).split()) or type(error).__name__


def read_path(path: str, max_pixels: int) -> Image:
    """Decode one file.

    Raises:
        UnreadableMediaError: It is no image, or a damaged or too large one.
        OSError: It cannot be opened or read.
    """
    if "\0" in path:
        raise UnreadableMediaError("the path holds a NUL character")
    with Path(path).open("rb") as stream:
        return decode(read_all(stream, max_pixels), max_pixels=max_pixels)


def read_stdin(max_pixels: int) -> Image:
    """Decode the bytes on standard input.

    Raises:
        UnreadableMediaError: There is no standard input, or no image on it.
    """
    stream = getattr(sys.stdin, "buffer", None)  # None in a program without a console
    if stream is None:
        raise UnreadableMediaError("there is no standard input to read bytes from")
    return decode(read_all(stream, max_pixels), max_pixels=max_pixels)


def read_file_object(stream: Readable, max_pixels: int) -> Image:
    """Decode what a binary file object holds from its current position on.

    Raises:
        UnreadableMediaError: It is closed, opened as text, at its end, or holds no image.
        OSError: It cannot be read.
    """
    try:
        data = read_all(stream, max_pixels)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise UnreadableMediaError(f"the file object cannot be read: {error}") from error
    if not data:
        raise UnreadableMediaError("the file object has nothing left to read; seek(0) first?")
    return decode(data, max_pixels=max_pixels)


def read_bytes(data: bytes | bytearray | memoryview, max_pixels: int) -> Image:
    """Decode an image file held in memory.

    Raises:
        UnreadableMediaError: It is no image, or a damaged or too large one.
    """
    return decode(bytes(data), max_pixels=max_pixels)


def read_all(stream: Readable, max_pixels: int) -> bytes:
    """Read a stream to its end, but not past what an image can need.

    The first bytes are looked at before the rest is read: a film of many gigabytes, named by
    mistake, is refused at once.

    Raises:
        UnreadableMediaError: The first bytes belong to no known format, or there are too many.
    """
    limit = byte_limit(max_pixels)
    chunks: list[bytes] = []
    total, known = 0, False
    while chunk := stream.read(CHUNK_BYTES):
        if isinstance(chunk, str):
            raise UnreadableMediaError("the file object yields text; open it in binary mode ('rb')")
        chunks.append(chunk)
        total += len(chunk)
        if not known and total >= HEAD_BYTES:
            head = b"".join(chunks)
            if sniff(head) is None:
                raise not_an_image(head)
            known = True
        if total > limit:
            raise UnreadableMediaError(
                f"the file is larger than {limit / 1e6:.0f} MB, more than an image of "
                f"{max_pixels / 1e6:g} megapixels needs; raise max_pixels (--max-pixels) to read it"
            )
    return b"".join(chunks)


def byte_limit(max_pixels: int) -> int:
    """Bytes that a file may have: four 16-bit samples a pixel, unpacked, and some metadata."""
    return 8 * max_pixels + 64_000_000
