"""Decode an image file held in memory, or say in one line why that fails."""

from __future__ import annotations

import re
from contextlib import nullcontext

from mien.decoding.containers import open_container
from mien.decoding.formats import empty_size, is_cut_short, not_an_image, sniff
from mien.decoding.pixels import upright_rgb
from mien.decoding.quiet import libtiff_is_quiet, pillow_is_quiet
from mien.errors import MienError, UnreadableMediaError
from mien.interfaces import Image

MAX_PIXELS = 100_000_000
"""Default limit against decompression bombs: width times height."""

NO_PIXELS = "the image has no pixels: {}x{}"
UNHELPFUL = re.compile(r"\W*\d*|decoder error -?\d+|not identified by this driver")
"""Reasons of the libraries below that tell a user nothing."""


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Image:
    """Decode JPEG, PNG, WebP, BMP, TIFF, GIF (first frame), AVIF or HEIC (with the extra).

    EXIF orientation is applied, transparency is shown over white, 16 bits become 8. Floating-point
    TIFF must hold values between 0 (black) and 1 (white). Colour profiles are ignored.

    Args:
        data: The whole file.
        max_pixels: Larger images are refused by their header, before any pixel is decoded.

    Returns:
        RGB ``uint8``, shape ``(height, width, 3)``, upright, contiguous.

    Raises:
        UnreadableMediaError: One line that says why, without the name of the file.
    """
    if not data:
        raise UnreadableMediaError("the file is empty")
    kind = sniff(data)
    if kind is None:
        raise not_an_image(data)
    # Nothing but TIFF passes through libtiff.
    with pillow_is_quiet, libtiff_is_quiet if kind == "TIFF" else nullcontext():
        try:
            container = open_container(kind, data)
            _check_size(*container.size, max_pixels)
            return upright_rgb(container.load())
        except MienError:
            raise
        except MemoryError as error:
            raise UnreadableMediaError(
                f"there is not enough memory to decode the {kind} file"
            ) from error
        except Exception as error:  # on damaged files the parsers below raise whatever comes up
            raise UnreadableMediaError(_reason(kind, data, error)) from error


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise UnreadableMediaError(NO_PIXELS.format(width, height))
    if width * height > max_pixels:
        raise UnreadableMediaError(
            f"{width}x{height} px is more than the limit of {max_pixels / 1e6:g} megapixels; "
            "raise max_pixels (--max-pixels) to read it"
        )


def _reason(kind: str, data: bytes, error: Exception) -> str:
    from PIL.Image import DecompressionBombError

    if isinstance(error, DecompressionBombError):  # a GIF whose frame is larger than its screen
        return f"the {kind} file announces more pixels than can be read"
    if (size := empty_size(kind, data)) is not None:
        return NO_PIXELS.format(*size)
    detail = " ".join(str(error).split())
    cut = isinstance(error, EOFError) or "truncated" in detail.lower() or is_cut_short(kind, data)
    if cut:
        return f"the {kind} file is truncated"
    if UNHELPFUL.fullmatch(detail):
        return f"the {kind} file is damaged"
    return f"the {kind} file cannot be decoded: {detail}"
