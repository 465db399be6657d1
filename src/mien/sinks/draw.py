"""Boxes and labels on a picture: legible at any size, and never by colour alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mien.interfaces import Image
from mien.results import Face, FrameResult
from mien.sinks.labels import (
    SMALLEST_PX,
    STEP,
    face_lines,
    font,
    layouts,
    oversampling,
    text_width,
)
from mien.sinks.layout import Place, Rect, Scene, place_labels

Colour = tuple[int, int, int]

PALETTE: tuple[Colour, ...] = (
    (86, 180, 233),
    (230, 159, 0),
    (0, 158, 115),
    (240, 228, 66),
    (204, 121, 167),
    (213, 94, 0),
    (0, 114, 178),
)
"""RGB; tells neighbours apart for colour-blind eyes, too.

Okabe and Ito, "Color Universal Design", 2008.
"""

GREY: Colour = (170, 170, 170)
PANEL: Colour = (20, 22, 27)
TEXT: Colour = (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Label:
    """A panel of text in its place."""

    rect: Rect
    lines: list[str]
    size_px: int
    clear: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything that is drawn for one face; lengths in pixels."""

    face: Face
    box: Rect
    colour: Colour
    line_px: int
    type_px: int


def draw_faces(image: Image, result: FrameResult) -> Image:
    """Draw a box around every face, and beside it what is known about the face.

    Every face has its own colour, which its label repeats. Faces without attributes have a thin
    grey box and the reason; where there is no room for the reason it is left out.

    Args:
        image: RGB ``uint8``, shape ``(height, width, 3)``; it is not changed.
        result: Faces in pixels of `image`.

    Returns:
        A new image of the same shape.
    """
    canvas = np.ascontiguousarray(image).copy()
    picture = (image.shape[1], image.shape[0])
    marks = [mark for mark in lay_out(result.faces, picture) if not mark.box.is_empty]
    labels = label_marks(picture, marks)
    pairs = list(zip(marks, labels, strict=True))
    # Lines to labels first, below everything else that they may have to cross.
    for mark, label in pairs:
        if label is not None and label.rect.distance(mark.box) > 2 * _frame_px(mark):
            _draw_leader(canvas, mark, label.rect)
    for mark in reversed(marks):
        _draw_box(canvas, mark)
    for mark, label in pairs:
        if label is not None:
            _draw_panel(canvas, label, mark.colour)
    return canvas


def lay_out(faces: Sequence[Face], picture: tuple[int, int]) -> list[Mark]:
    """Choose colour and sizes; faces with answers first, for they choose their places first."""
    long_side = max(picture)
    smallest = max(12.0, 0.017 * long_side)
    marks = []
    for number, face in enumerate(faces):
        box = Rect.around(face.box, picture)
        line = max(1, min(round(long_side / 350), round(face.box.width / 16)))
        if face.skipped is None:
            key = number if face.track_id is None else face.track_id
            colour = PALETTE[key % len(PALETTE)]
            size = min(max(smallest, 0.11 * face.box.width), 1.7 * smallest)
            marks.append(Mark(face, box, colour, max(2, line), round(size)))
        else:
            marks.append(Mark(face, box, GREY, max(1, line // 2), max(10, round(0.8 * smallest))))
    return sorted(marks, key=lambda mark: mark.face.skipped is not None)


def label_marks(picture: tuple[int, int], marks: Sequence[Mark]) -> list[Label | None]:
    """Find a place for every label; see `mien.sinks.layout.place_labels`.

    Args:
        picture: Width and height in pixels.
        marks: The faces, most important first.

    Returns:
        One entry a face; ``None`` where there is nothing to say or no room to say it.
    """
    if not marks:
        return []
    boxes = [Rect.around(mark.face.box, picture, margin=_frame_px(mark)) for mark in marks]
    lines = [face_lines(mark.face) for mark in marks]

    def options(face: int, step: int) -> list[tuple[int, list[str]]]:
        size = max(SMALLEST_PX, round(marks[face].type_px * STEP**step))
        left, right, _ = _padding(size)
        return [(size, way) for way in layouts(lines[face], size, picture[0] - left - right)]

    def sizes(face: int, step: int) -> list[tuple[int, int]]:
        return [_panel_size(way, size) for size, way in options(face, step)]

    largest = max(mark.type_px for mark in marks)
    steps = 1 + max(0, math.ceil(math.log(SMALLEST_PX / largest, STEP)))
    scene = Scene(picture, boxes, gap=max(1, min(mark.line_px for mark in marks) // 2))
    labels: list[Label | None] = [None] * len(marks)
    # Answers first: why a face was left out must not take their room, let alone cover a face.
    for is_skipped in (False, True):
        wanted = [
            k for k, mark in enumerate(marks) if (mark.face.skipped is not None) == is_skipped
        ]
        wanted = [k for k in wanted if lines[k]]
        for k, place in zip(wanted, place_labels(scene, wanted, sizes, steps), strict=True):
            if place is not None and not (is_skipped and _is_odd(place, boxes[k])):
                size, chosen = options(k, place.step)[place.choice]
                labels[k] = Label(place.rect, chosen, size, place.clear)
        scene = scene._replace(labels=[label.rect for label in labels if label is not None])
    return labels


def _is_odd(place: Place, face: Rect) -> bool:
    """Whether a label covers something or stands away from its face."""
    height = place.rect.bottom - place.rect.top
    return not place.clear or place.rect.distance(face) > height


def _frame_px(mark: Mark) -> int:
    """Width of the line around a face with its dark rims."""
    return sum(_rims_px(mark)) + mark.line_px


def _rims_px(mark: Mark) -> tuple[int, int]:
    """Width of the dark rims inside and outside of the line."""
    rim = max(1, mark.line_px // 3)
    return (rim if mark.face.skipped is None else 0), rim


def _padding(type_px: int) -> tuple[int, int, int]:
    """Pixels left of the text (with the colour bar), right of it, and above and below."""
    bar = max(2, round(0.22 * type_px))
    return bar + round(0.45 * type_px), round(0.5 * type_px), round(0.3 * type_px)


def _pitch(type_px: int) -> int:
    return round(1.25 * type_px)


def _panel_size(lines: Sequence[str], type_px: int) -> tuple[int, int]:
    left, right, above = _padding(type_px)
    width = max(text_width(line, type_px) for line in lines)
    return left + width + right, 2 * above + _pitch(type_px) * len(lines)


def _draw_box(canvas: Image, mark: Mark) -> None:
    """A line with dark rims, so that it shows on any ground; it lies outside the face."""
    box = mark.face.box
    left, top = round(box.left), round(box.top)
    right, bottom = round(box.right), round(box.bottom)
    for out, width, colour in (
        (_frame_px(mark), _frame_px(mark), PANEL),
        (_rims_px(mark)[0] + mark.line_px, mark.line_px, mark.colour),
    ):
        outer = (left - out, top - out, right + out, bottom + out)
        _frame(canvas, outer, width, colour)


def _frame(canvas: Image, outer: tuple[int, int, int, int], width: int, colour: Colour) -> None:
    left, top, right, bottom = (max(0, value) for value in outer)
    inner_left, inner_top = max(0, outer[0] + width), max(0, outer[1] + width)
    inner_right, inner_bottom = max(0, outer[2] - width), max(0, outer[3] - width)
    canvas[top:inner_top, left:right] = colour
    canvas[inner_bottom:bottom, left:right] = colour
    canvas[top:bottom, left:inner_left] = colour
    canvas[top:bottom, inner_right:right] = colour


def _draw_leader(canvas: Image, mark: Mark, label: Rect) -> None:
    """A line from a label to its face, when it had to move away."""
    start, end = mark.box.bridge(label)
    for width, colour in ((mark.line_px + 2, PANEL), (max(1, mark.line_px // 2), mark.colour)):
        cv2.line(canvas, start, end, colour, width, cv2.LINE_AA)


def _draw_panel(canvas: Image, label: Label, colour: Colour) -> None:
    """White type on a dark ground, with the colour of the face at its left end."""
    from PIL import Image as PillowImage
    from PIL import ImageDraw

    rect, size = label.rect, label.size_px
    shape = (rect.right - rect.left, rect.bottom - rect.top)
    left, _, above = _padding(size)
    times = oversampling(size)
    mask = PillowImage.new("L", (times * shape[0], times * shape[1]))
    pen = ImageDraw.Draw(mask)
    for number, line in enumerate(label.lines):
        # 0.97: the baseline that centres capitals and figures in a line of 1.25.
        baseline = above + number * _pitch(size) + 0.97 * size
        at = (times * left, round(times * baseline))
        pen.text(
            at,
            line.replace("\N{NO-BREAK SPACE}", " "),
            fill=255,
            font=font(times * size),
            anchor="ls",
        )
    mask = mask.reduce(times)
    ink = np.asarray(mask, np.float32)[..., None] / np.float32(255)
    panel = (1 - ink) * np.array(PANEL, np.float32) + ink * np.array(TEXT, np.float32)
    panel[:, : max(2, round(0.22 * size))] = colour
    target = canvas[rect.top : rect.bottom, rect.left : rect.right]
    _round_corners(panel, target, round(0.25 * size))
    target[:] = np.rint(panel).astype(np.uint8)


def _round_corners(panel: npt.NDArray[np.float32], ground: Image, radius: int) -> None:
    """Let the ground show through at the four corners of the panel."""
    steps = radius - 0.5 - np.arange(radius, dtype=np.float32)
    cover = np.clip(radius + 0.5 - np.hypot(steps[:, None], steps[None]), 0, 1)[..., None]
    for rows, rows_back in ((slice(None, radius), 1), (slice(-radius, None), -1)):
        for columns, columns_back in ((slice(None, radius), 1), (slice(-radius, None), -1)):
            part = cover[::rows_back, ::columns_back]
            panel[rows, columns] = part * panel[rows, columns] + (1 - part) * ground[rows, columns]
