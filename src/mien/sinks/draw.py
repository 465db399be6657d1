"""Boxes and labels on a picture: legible at any size, and never by colour alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mien.interfaces import Image
from mien.results import Face, FrameResult
from mien.sinks.labels import SMALLEST_PX, STEP, answers, face_lines, layouts
from mien.sinks.layout import Place, Rect, Scene, Sizes, place_labels
from mien.sinks.panels import (
    PANEL,
    Colour,
    Label,
    SetLine,
    draw_panel,
    line_ink,
    padding,
    panel_size,
)

Placer = Callable[[Scene, Sequence[int], Sizes, int], Sequence[Place | None]]
"""Finds places for labels, see `mien.sinks.layout.place_labels`."""

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


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything that is drawn for one face; lengths in pixels."""

    face: Face
    box: Rect
    colour: Colour
    line_px: int
    type_px: int

    @property
    def is_skipped(self) -> bool:
        """Whether nothing is known about the face."""
        return answers(self.face) is None


def draw_faces(image: Image, result: FrameResult) -> Image:
    """Draw a box around every face, and beside it what is known about the face.

    Every face has its own colour, which its label repeats. Faces without attributes have a thin
    grey box and the reason; where there is no room for the reason it is left out. For the frames
    of a clip, `mien.sinks.painter.Painter` does the same with labels that keep still.

    Args:
        image: RGB ``uint8``, shape ``(height, width, 3)``; it is not changed.
        result: Faces in pixels of `image`.

    Returns:
        A new image of the same shape.
    """
    picture = (image.shape[1], image.shape[0])
    marks = lay_out(result.faces, picture)
    return paint(image, marks, label_marks(picture, marks))


def paint(
    image: Image,
    marks: Sequence[Mark],
    labels: Sequence[Label | None],
    set_line: SetLine = line_ink,
) -> Image:
    """Draw boxes and labels that have their places; `image` is not changed.

    Args:
        image: RGB ``uint8``, shape ``(height, width, 3)``.
        marks: The faces.
        labels: One entry a face.
        set_line: Turns a line of text into ink; see `line_ink`.
    """
    canvas = np.ascontiguousarray(image).copy()
    pairs = list(zip(marks, labels, strict=True))
    # Lines to labels first, below everything else that they may have to cross.
    for mark, label in pairs:
        if label is not None and label.rect.distance(mark.box) > 2 * _frame_px(mark):
            _draw_leader(canvas, mark, label.rect)
    for mark in reversed(marks):
        _draw_box(canvas, mark)
    for mark, label in pairs:
        if label is not None:
            draw_panel(canvas, label, mark.colour, set_line)
    return canvas


def lay_out(faces: Sequence[Face], picture: tuple[int, int]) -> list[Mark]:
    """Choose colour and sizes; faces with answers first, for they choose their places first."""
    long_side = max(picture)
    smallest = max(12.0, 0.017 * long_side)
    marks = []
    for number, face in enumerate(faces):
        box = Rect.around(face.box, picture)
        line = max(1, min(round(long_side / 350), round(face.box.width / 16)))
        if answers(face) is not None:
            key = number if face.track_id is None else face.track_id
            colour = PALETTE[key % len(PALETTE)]
            size = min(max(smallest, 0.11 * face.box.width), 1.7 * smallest)
            marks.append(Mark(face, box, colour, max(2, line), round(size)))
        else:
            marks.append(Mark(face, box, GREY, max(1, line // 2), max(10, round(0.8 * smallest))))
    marks = [mark for mark in marks if not mark.box.is_empty]
    return sorted(marks, key=lambda mark: mark.is_skipped)


def label_marks(
    picture: tuple[int, int],
    marks: Sequence[Mark],
    *,
    say: Callable[[Face], list[str]] = face_lines,
    place: Placer = place_labels,
) -> list[Label | None]:
    """Find a place for every label.

    Args:
        picture: Width and height in pixels.
        marks: The faces, most important first.
        say: The lines of a label.
        place: Finds the places; see `mien.sinks.layout.place_labels`.

    Returns:
        One entry a face; ``None`` where there is nothing to say or no room to say it.
    """
    if not marks:
        return []
    boxes = [Rect.around(mark.face.box, picture, margin=_frame_px(mark)) for mark in marks]
    lines = [say(mark.face) for mark in marks]

    def options(face: int, step: int) -> list[tuple[int, list[str]]]:
        size = max(SMALLEST_PX, round(marks[face].type_px * STEP**step))
        left, right, _ = padding(size)
        return [(size, way) for way in layouts(lines[face], size, picture[0] - left - right)]

    def sizes(face: int, step: int) -> list[tuple[int, int]]:
        return [panel_size(way, size) for size, way in options(face, step)]

    largest = max(mark.type_px for mark in marks)
    steps = 1 + max(0, math.ceil(math.log(SMALLEST_PX / largest, STEP)))
    scene = Scene(picture, boxes, gap=max(1, min(mark.line_px for mark in marks) // 2))
    labels: list[Label | None] = [None] * len(marks)
    # Answers first: why a face was left out must not take their room, let alone cover a face.
    for is_skipped in (False, True):
        wanted = [k for k, mark in enumerate(marks) if lines[k] and mark.is_skipped == is_skipped]
        for k, found in zip(wanted, place(scene, wanted, sizes, steps), strict=True):
            if found is not None and not (is_skipped and _is_odd(found, boxes[k])):
                size, chosen = options(k, found.step)[found.choice]
                labels[k] = Label(found.rect, chosen, size, found.clear)
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
    return (0 if mark.is_skipped else rim), rim


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
