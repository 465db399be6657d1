"""The whole window as one array: the picture with its labels, and the panels around it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from mien.interfaces import Image
from mien.live.history import History
from mien.live.layout import Layout, fitted
from mien.live.mirror import mirrored
from mien.live.panels import (
    State,
    draw_help,
    draw_notice,
    draw_people,
    draw_status,
    draw_timeline,
    draw_waiting,
)
from mien.live.session import Shot
from mien.live.sheet import SOFT, Sheet
from mien.results import Box, FrameResult
from mien.sinks.blur import blur_faces
from mien.sinks.layout import Rect
from mien.sinks.painter import Painter


class View:
    """Draws the window; keeps what makes it calm: places of labels, and the last seconds."""

    def __init__(self) -> None:
        self.history = History()
        self._sheet = Sheet()
        self._painter = Painter()
        self._shot: Shot | None = None

    def take(self, shot: Shot, now_s: float) -> None:
        """The next frame to show, and its time on a clock that stands still in a pause."""
        self._shot = shot
        self.history.add(shot.result, now_s)

    def mirror(self) -> None:
        """Exchange left and right of the frame that is shown: in a pause no other one comes."""
        if self._shot is not None:
            frame, result = mirrored(self._shot.frame, self._shot.result)
            self._shot = replace(self._shot, frame=frame, result=result)

    @property
    def shot(self) -> Shot | None:
        """The frame that is shown."""
        return self._shot

    def draw(
        self,
        size: tuple[int, int],
        state: State,
        *,
        waiting: str = "",
        notice: str | None = None,
        help_wanted: bool = False,
    ) -> Image:
        """Draw everything.

        Args:
            size: Width and height of the window.
            state: What the status line tells.
            waiting: What to say while there is no picture.
            notice: One line over the picture.
            help_wanted: Show the keys.

        Returns:
            RGB ``uint8``, shape ``(height, width, 3)``; drawn over at the next call.
        """
        sheet, shot = self._sheet, self._shot
        image = None if shot is None else shot.frame.image
        aspect = 16 / 9 if image is None else image.shape[1] / image.shape[0]
        layout = Layout.of(size, aspect)
        sheet.clear(size)
        room, unit = layout.picture, layout.unit
        sheet.fill(room, SOFT)
        if shot is None or image is None:
            draw_waiting(sheet, room, unit, waiting)
        else:
            self._draw_picture(fitted(room, (image.shape[1], image.shape[0])), image, shot, state)
        if layout.count:
            draw_people(sheet, layout, self.history)
            draw_timeline(sheet, layout, self.history)
            draw_status(sheet, layout, state)
        if help_wanted:
            draw_help(sheet, room, unit)
        elif notice:
            draw_notice(sheet, room, unit, notice)
        return sheet.canvas

    def _draw_picture(self, place: Rect, image: Image, shot: Shot, state: State) -> None:
        """Scale first and draw then: type is as sharp as the screen."""
        small, result = scaled(image, shot.result, place.right - place.left)
        if state.is_blurred:
            small = blur_faces(small, result)
        small = self._painter.draw(small, result)
        height, width = small.shape[:2]
        top, left = place.top, place.left
        self._sheet.canvas[top : top + height, left : left + width] = small


def scaled(image: Image, result: FrameResult, width: int) -> tuple[Image, FrameResult]:
    """A picture of another width, and its faces where they are in it."""
    times = width / image.shape[1]
    size = (width, max(1, round(times * image.shape[0])))
    way = cv2.INTER_AREA if times < 0.6 else cv2.INTER_LINEAR
    small = image if times == 1 else cv2.resize(image, size, interpolation=way)
    faces = tuple(
        replace(face, box=Box(*(times * side for side in face.box))) for face in result.faces
    )
    return np.asarray(small, np.uint8), replace(result, faces=faces)
