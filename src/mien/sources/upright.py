"""From a decoded video frame to RGB pixels the way a viewer sees them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.errors import UnreadableMediaError
from mien.interfaces import Image

if TYPE_CHECKING:
    import av

SQUARE_ENOUGH = 0.02
"""Pixels whose sides differ by less than this share are taken as square."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """How stored pixels are turned for the viewer; one of the eight that EXIF knows, too.

    Attributes:
        swap: Exchange rows and columns first.
        flip_rows: Then turn the picture upside down.
        flip_columns: Then mirror it.
    """

    swap: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    def apply(self, image: Image) -> Image:
        """Return the pixels upright, contiguous; the given ones when there is nothing to do."""
        if self == Orientation():
            return image
        turned = image.swapaxes(0, 1) if self.swap else image
        rows = slice(None, None, -1 if self.flip_rows else 1)
        columns = slice(None, None, -1 if self.flip_columns else 1)
        return np.ascontiguousarray(turned[rows, columns])


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """Read the display matrix that a phone writes when it is held sideways.

    The first four numbers that matter, a, b, c and d, say where a point goes: x to ax + cy and y
    to bx + dy, with y downwards. Angles between the right ones are rounded to the nearest.
    """
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return Orientation()
    matrix = np.frombuffer(data, np.int32)
    a, b, c, d = (int(matrix[at]) for at in (0, 1, 3, 4))
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(flip_rows=d < 0, flip_columns=a < 0)
    return Orientation(swap=True, flip_rows=b < 0, flip_columns=c < 0)


def stored_size(frame: av.VideoFrame, pixel_shape: Fraction | None) -> tuple[int, int]:
    """Width and height before turning, with pixels made square (DVDs and TV store others).

    Args:
        frame: A decoded frame.
        pixel_shape: Width of a pixel divided by its height.
    """
    width, height = frame.width, frame.height
    if pixel_shape and abs(pixel_shape - 1) > SQUARE_ENOUGH and 0.25 <= pixel_shape <= 4:
        width = max(1, round(width * pixel_shape))
    return width, height


def upright_size(frame: av.VideoFrame, pixel_shape: Fraction | None) -> tuple[int, int]:
    """Width and height of what `Converter` makes of a frame."""
    width, height = stored_size(frame, pixel_shape)
    return (height, width) if orientation_of(frame).swap else (width, height)


class Converter:
    """Turns frames of one stream into RGB pixels, upright; may be used in several threads.

    Args:
        pixel_shape: Width of a stored pixel divided by its height.
    """

    def __init__(self, pixel_shape: Fraction | None) -> None:
        from av.video.reformatter import VideoReformatter

        self._pixel_shape = pixel_shape
        self._reformatter = VideoReformatter()  # keeps its tables for the next frame
        self._lock = threading.Lock()

    def __call__(self, frame: av.VideoFrame) -> Image:
        """Convert by the frame's own colour matrix and range.

        Raises:
            UnreadableMediaError: The pixel format cannot be converted.
        """
        import av

        width, height = stored_size(frame, self._pixel_shape)
        try:
            with self._lock:
                picture = self._reformatter.reformat(frame, width, height, "rgb24")
            image: Image = np.ascontiguousarray(picture.to_ndarray())
        except (av.FFmpegError, ValueError, MemoryError) as error:
            raise UnreadableMediaError(
                f"pixels of the format {frame.format.name} cannot be converted: {error}"
            ) from error
        return orientation_of(frame).apply(image)
