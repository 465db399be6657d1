"""What do the first bytes of a file announce, and does the file hold all the bytes it announces?"""

from __future__ import annotations

import struct
from collections.abc import Callable

from mien.errors import UnreadableMediaError

HEAD_BYTES = 64
"""So many bytes are enough for `sniff`."""

BMP_HEADER_SIZES = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
AVIF_BRANDS = frozenset({b"avif", b"avis"})
HEIC_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)

FOREIGN = (
    (b"\x1a\x45\xdf\xa3", 0, "a Matroska or WebM video"),
    (b"AVI ", 8, "an AVI video"),
    (b"ftyp", 4, "an MP4 or QuickTime video"),
    (b"%PDF", 0, "a PDF document"),
    (b"PK\x03\x04", 0, "a ZIP archive"),
    (b"\x1f\x8b", 0, "a gzip archive"),
    (b"8BPS", 0, "a Photoshop file"),
    (b"\x00\x00\x00\x0cjP  ", 0, "a JPEG 2000 image"),
    (b"\xff\x0a", 0, "a JPEG XL image"),
    (b"\x00\x00\x00\x0cJXL ", 0, "a JPEG XL image"),
    (b"version https://git-lfs", 0, "a Git LFS pointer; run `git lfs pull`"),
)
"""Common mix-ups: magic bytes, where they stand, what the file is instead."""


def sniff(head: bytes) -> str | None:
    """Name the image format by its magic bytes.

    Args:
        head: The first `HEAD_BYTES` bytes of the file, or the whole file.

    Returns:
        JPEG, PNG, WebP, BMP, TIFF, GIF, HEIC or AVIF; ``None`` for anything else.
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WebP"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    # Two letters alone would claim every text that begins with "BM".
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in BMP_HEADER_SIZES:
        return "BMP"
    return _sniff_boxes(head)


def _sniff_boxes(head: bytes) -> str | None:
    """Tell AVIF and HEIC from the videos that share their container."""
    if head[4:8] != b"ftyp":
        return None
    size = int.from_bytes(head[:4], "big")
    listed = head[16 : min(size, HEAD_BYTES)]
    brands = {head[8:12], *(listed[i : i + 4] for i in range(0, len(listed), 4))}
    if brands & AVIF_BRANDS:
        return "AVIF"
    return "HEIC" if brands & HEIC_BRANDS else None


def not_an_image(head: bytes) -> UnreadableMediaError:
    """The error for bytes that `sniff` does not know; names common mix-ups."""
    head = head[:HEAD_BYTES]
    guess = next((what for magic, at, what in FOREIGN if head[at:].startswith(magic)), None)
    start = head.lstrip()[:14].lower()
    if guess is None and start.startswith((b"<!doctype html", b"<html")):
        guess = "a web page"
    hint = f"; it looks like {guess}" if guess else ""
    return UnreadableMediaError(f"not an image in a known format{hint}")


SIZE_FIELDS = {"PNG": (">II", 16), "GIF": ("<HH", 6), "BMP": ("<ii", 18)}


def empty_size(kind: str, data: bytes) -> tuple[int, int] | None:
    """Width and height when one of them is announced as 0.

    Asked only after decoding has failed: Pillow calls such files unidentified.

    Args:
        kind: What `sniff` said.
        data: The whole file.
    """
    layout, at = SIZE_FIELDS.get(kind, ("", 0))
    if not layout or len(data) < at + struct.calcsize(layout):
        return None
    width, height = struct.unpack_from(layout, data, at)
    return (width, height) if width == 0 or height == 0 else None


def is_cut_short(kind: str, data: bytes) -> bool:
    """Whether a file lacks bytes that it announces itself.

    Asked only after decoding has failed, to tell a broken download from a damaged file.

    Args:
        kind: What `sniff` said.
        data: The whole file.
    """
    check = _LENGTH_CHECKS.get(kind)
    try:
        return check is not None and check(data)
    except (struct.error, OverflowError):  # too short even for the fields that hold the length
        return True


def _webp_is_short(data: bytes) -> bool:
    return len(data) < 8 + int(struct.unpack_from("<I", data, 4)[0])


def _bmp_is_short(data: bytes) -> bool:
    return len(data) < int(struct.unpack_from("<I", data, 2)[0])


def _tiff_is_short(data: bytes) -> bool:
    """Only the first directory is looked at; it often stands at the end of the file."""
    order = "<" if data.startswith(b"II") else ">"
    if 43 in data[2:4]:  # BigTIFF: everything is 64 bits wide
        at = int(struct.unpack_from(order + "Q", data, 8)[0])
        entries, head, width = int(struct.unpack_from(order + "Q", data, at)[0]), 8, 20
    else:
        at = int(struct.unpack_from(order + "I", data, 4)[0])
        entries, head, width = int(struct.unpack_from(order + "H", data, at)[0]), 2, 12
    return len(data) < at + head + entries * width


def _boxes_are_short(data: bytes) -> bool:
    """Walk the outermost boxes of AVIF and HEIC."""
    at = 0
    while at < len(data):
        size = int(struct.unpack_from(">I", data, at)[0])
        if size == 1:  # the length is a 64-bit number that follows the name
            size = int(struct.unpack_from(">Q", data, at + 8)[0])
        if size < 8:  # 0 means "to the end"; 2 to 7 is nonsense, not a short file
            return False
        at += size
    return at > len(data)


_LENGTH_CHECKS: dict[str, Callable[[bytes], bool]] = {
    "JPEG": lambda data: b"\xff\xd9" not in data,
    "PNG": lambda data: b"IEND" not in data,
    "GIF": lambda data: len(data) < 13 or not data.endswith(b";"),
    "WebP": _webp_is_short,
    "BMP": _bmp_is_short,
    "TIFF": _tiff_is_short,
    "HEIC": _boxes_are_short,
    "AVIF": _boxes_are_short,
}
