"""Panels of text: white type on a dark ground."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mien.interfaces import Image
from mien.sinks.labels import font, oversampling, text_width
from mien.sinks.layout import Rect

Colour = tuple[int, int, int]
Ink = npt.NDArray[np.uint8]
SetLine = Callable[[str, int], Ink]
"""Turns a line of text and the size of its type into ink, see `line_ink`."""

PANEL: Colour = (20, 22, 27)
TEXT: Colour = (255, 255, 255)

_INK = np.linspace(0, 1, 256)[:, None]
SHADES = np.rint((1 - _INK) * np.array(PANEL) + _INK * np.array(TEXT)).astype(np.uint8)
"""Colour of a pixel of a panel by its ink, 0 to 255."""


@dataclass(frozen=True, slots=True)
class Label:
    """A panel of text in its place."""

    rect: Rect
    lines: list[str]
    size_px: int
    clear: bool


def padding(type_px: int) -> tuple[int, int, int]:
    """Pixels left of the text (with the colour bar), right of it, and above and below."""
    bar = max(2, round(0.22 * type_px))
    return bar + round(0.45 * type_px), round(0.5 * type_px), round(0.3 * type_px)


def _pitch(type_px: int) -> int:
    return round(1.25 * type_px)


def panel_size(lines: Sequence[str], type_px: int) -> tuple[int, int]:
    """Width and height in pixels."""
    left, right, above = padding(type_px)
    width = max(text_width(line, type_px) for line in lines)
    return left + width + right, 2 * above + _pitch(type_px) * len(lines)


def draw_panel(canvas: Image, label: Label, colour: Colour, set_line: SetLine) -> None:
    """White type on a dark ground, with the colour of the face at its left end."""
    rect, size = label.rect, label.size_px
    ink = np.zeros((rect.bottom - rect.top, rect.right - rect.left), np.uint8)
    for number, line in enumerate(label.lines):
        letters = set_line(line, size)
        part = ink[number * _pitch(size) :][: letters.shape[0], : letters.shape[1]]
        np.maximum(part, letters, out=part)
    panel = np.take(SHADES, ink, axis=0)
    panel[:, : max(2, round(0.22 * size))] = colour
    target = canvas[rect.top : rect.bottom, rect.left : rect.right]
    _round_corners(panel, target, round(0.25 * size))
    target[:] = panel


def line_ink(text: str, size_px: int) -> Ink:
    """A panel of one line: how much of every pixel the letters cover, 0 to 255."""
    from PIL import Image as PillowImage
    from PIL import ImageDraw

    times = oversampling(size_px)
    left, _, above = padding(size_px)
    width, height = panel_size([text], size_px)
    mask = PillowImage.new("L", (times * width, times * height))
    # 0.97: the baseline that centres capitals and figures in a line of 1.25.
    ImageDraw.Draw(mask).text(
        (times * left, round(times * (above + 0.97 * size_px))),
        text.replace("\N{NO-BREAK SPACE}", " "),
        fill=255,
        font=font(times * size_px),
        anchor="ls",
    )
    return np.asarray(mask.reduce(times))


def _round_corners(panel: Image, ground: Image, radius: int) -> None:
    """Let the ground show through at the four corners of the panel."""
    steps = radius - 0.5 - np.arange(radius, dtype=np.float32)
    cover = np.clip(radius + 0.5 - np.hypot(steps[:, None], steps[None]), 0, 1)[..., None]
    for rows, rows_back in ((slice(None, radius), 1), (slice(-radius, None), -1)):
        for columns, columns_back in ((slice(None, radius), 1), (slice(-radius, None), -1)):
            part = cover[::rows_back, ::columns_back]
            mixed = part * panel[rows, columns] + (1 - part) * ground[rows, columns]
            panel[rows, columns] = np.rint(mixed)
