"""Left and right exchanged, in the picture and in what was found in it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from mien.interfaces import Frame
from mien.results import Box, Face, FrameResult, Landmarks, Point


def mirrored(frame: Frame, result: FrameResult) -> tuple[Frame, FrameResult]:
    """Turn a frame and its faces into what a mirror shows.

    People keep their numbers and answers, so that nothing begins anew when the mirror is switched.

    Args:
        frame: With pixels.
        result: Faces in pixels of the frame.

    Returns:
        New ones.
    """
    if frame.image is None:
        return frame, result
    image = np.asarray(cv2.flip(frame.image, 1), np.uint8)
    width = frame.image.shape[1]
    faces = tuple(_mirror_face(face, width) for face in result.faces)
    return replace(frame, image=image), replace(result, faces=faces)


def _mirror_face(face: Face, width: int) -> Face:
    left, top, right, bottom = face.box
    marks, quality = face.landmarks, face.quality
    if marks is not None:
        # As a detector would name them in this picture.
        order = (marks.left_eye, marks.right_eye, marks.nose, marks.left_mouth, marks.right_mouth)
        marks = Landmarks(*(Point(width - x, y) for x, y in order))
    if quality is not None:
        quality = replace(
            quality,
            yaw_deg=None if quality.yaw_deg is None else -quality.yaw_deg,
            roll_deg=None if quality.roll_deg is None else -quality.roll_deg,
        )
    box = Box(width - right, top, width - left, bottom)
    return replace(face, box=box, landmarks=marks, quality=quality)
