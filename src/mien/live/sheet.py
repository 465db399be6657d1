"""The picture of the window: text, rectangles and areas on an array, without any window."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from mien.interfaces import Image
from mien.sinks.colours import Colour
from mien.sinks.labels import drawable, font, oversampling, text_width
from mien.sinks.layout import Rect

GROUND: Colour = (255, 255, 255)
SOFT: Colour = (241, 244, 247)
LINE: Colour = (216, 222, 229)
MUTED: Colour = (95, 108, 123)
INK: Colour = (31, 41, 51)
DARK: Colour = (20, 22, 27)
RED: Colour = (190, 30, 45)
"""The colours of our pages. `MUTED` on `GROUND` has a contrast of 5.4, `INK` of 14.7."""

KEPT_TEXTS = 1024
"""Pieces of text that stay in memory, a few kB each."""

FINER = 2
"""Edges of bands are drawn so many times finer and then averaged."""


class Sheet:
    """A canvas that is drawn anew for every frame.

    Attributes:
        canvas: RGB ``uint8``, shape ``(height, width, 3)``.
    """

    def __init__(self) -> None:
        self.canvas: Image = np.zeros((1, 1, 3), np.uint8)
        self._ink = lru_cache(maxsize=KEPT_TEXTS)(_ink)
        self._rounded = lru_cache(maxsize=64)(_rounded)

    def clear(self, size: tuple[int, int]) -> None:
        """Begin anew with a white canvas of this width and height."""
        if self.canvas.shape[1::-1] != size:
            self.canvas = np.empty((size[1], size[0], 3), np.uint8)
        self.canvas.fill(255)

    def fill(self, rect: Rect, colour: Colour) -> None:
        """Fill a rectangle."""
        if not rect.is_empty:
            cv2.rectangle(self.canvas, rect[:2], (rect.right - 1, rect.bottom - 1), colour, -1)

    def frame(self, rect: Rect, colour: Colour) -> None:
        """Draw the border of a rectangle, one pixel wide, inside it."""
        if not rect.is_empty:
            cv2.rectangle(self.canvas, rect[:2], (rect.right - 1, rect.bottom - 1), colour)

    def pill(self, rect: Rect, colour: Colour, radius: int) -> None:
        """Fill a rectangle with round corners."""
        width, height = rect.right - rect.left, rect.bottom - rect.top
        cover = self._rounded(width, height, min(radius, width // 2, height // 2))
        self._blend((rect.left, rect.top), cover, colour)

    def dim(self, rect: Rect, share: float) -> None:
        """Let a part fade towards the ground."""
        part = self.canvas[rect.top : rect.bottom, rect.left : rect.right]
        part[:] = cv2.addWeighted(part, 1 - share, np.full_like(part, 255), share, 0)

    def text(
        self,
        at: tuple[float, float],
        text: str,
        size_px: int,
        colour: Colour = INK,
        *,
        anchor: str = "l",
    ) -> None:
        """Set one line.

        Args:
            at: Where; vertically the middle of capitals and figures.
            text: ASCII and the middle dot; other letters lose their accents.
            size_px: Size of the type.
            colour: Of the letters.
            anchor: Whether `at` is at the left (``"l"``), the middle or the right of the line.
        """
        ink = self._ink(text, size_px)
        height, width = ink.shape
        left = round(at[0] - {"l": 0.0, "m": 0.5, "r": 1.0}[anchor] * width)
        self._blend((left, round(at[1] - height / 2)), ink, colour)

    def bands(
        self,
        rect: Rect,
        left: int,
        shares: npt.NDArray[np.float64],
        colours: npt.NDArray[np.uint8],
    ) -> None:
        """Stack shares as heights, column by column, the first one at the bottom.

        Args:
            rect: Its height is all of them together.
            left: First column.
            shares: One row a column, shape ``(columns, n)``; rows sum to one.
            colours: Shape ``(n, 3)``.
        """
        height = rect.bottom - rect.top
        levels = np.arange(FINER * height, dtype=np.int32)[::-1, None]
        tops = np.rint(FINER * height * np.cumsum(shares[:, :-1], axis=1)).astype(np.int32)
        numbers = np.zeros((FINER * height, len(shares)), np.uint8)
        for top in tops.T:
            numbers += levels >= top
        fine = np.take(colours, numbers, axis=0)
        size = (len(shares), height)
        part = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)
        self.canvas[rect.top : rect.bottom, left : left + len(shares)] = part

    def _blend(self, corner: tuple[int, int], cover: npt.NDArray[np.uint8], colour: Colour) -> None:
        """Put a colour where `cover` says how much of it, 0 to 255; outside is cut off."""
        left, top = corner
        height, width = cover.shape
        rows = slice(max(0, top), max(0, min(self.canvas.shape[0], top + height)))
        columns = slice(max(0, left), max(0, min(self.canvas.shape[1], left + width)))
        part = self.canvas[rows, columns]
        if not part.size:
            return
        cover = cover[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
        share = cover[..., None].astype(np.float32) / 255
        part[:] = np.rint(part + share * (np.array(colour, np.float32) - part))


@lru_cache(maxsize=KEPT_TEXTS)
def wide(text: str, size_px: int) -> int:
    """Width of a line in pixels."""
    return text_width(_plain(text), size_px)


def first_fitting(options: Sequence[str], size_px: int, width: float) -> str:
    """The first that is narrow enough; the last one, shortened, when none is."""
    for text in options:
        if wide(text, size_px) <= width:
            return text
    text = options[-1]
    while text and wide(f"{text}...", size_px) > width:
        text = text[:-1]
    return f"{text.rstrip()}..." if text else ""


def _plain(text: str) -> str:
    return "·".join(drawable(part) for part in text.replace("\N{NO-BREAK SPACE}", " ").split("·"))


def _ink(text: str, size_px: int) -> npt.NDArray[np.uint8]:
    """How much of every pixel the letters cover, 0 to 255; capitals are in the middle."""
    from PIL import Image as PillowImage
    from PIL import ImageDraw

    text = _plain(text)
    times = oversampling(size_px)
    width, height = text_width(text, size_px) + 1, round(1.5 * size_px)
    mask = PillowImage.new("L", (times * max(1, width), times * height))
    ImageDraw.Draw(mask).text(
        (0, round(times * (height / 2 + 0.35 * size_px))),
        text,
        fill=255,
        font=font(times * size_px),
        anchor="ls",
    )
    return np.asarray(mask.reduce(times), np.uint8)


def _rounded(width: int, height: int, radius: int) -> npt.NDArray[np.uint8]:
    """How much of every pixel a rectangle with round corners covers, 0 to 255."""
    x = np.maximum(0, np.abs(np.arange(width) + 0.5 - width / 2) - (width / 2 - radius))
    y = np.maximum(0, np.abs(np.arange(height) + 0.5 - height / 2) - (height / 2 - radius))
    inside = np.clip(radius + 0.5 - np.hypot(x[None], y[:, None]), 0, 1)
    return np.asarray(np.rint(255 * inside), np.uint8)
