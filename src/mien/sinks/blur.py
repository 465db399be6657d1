"""Faces made unrecognisable, for good: what is written cannot be turned back into a face."""

from __future__ import annotations

import math

import cv2
import numpy as np

from mien.interfaces import Image
from mien.results import Box, FrameResult

CELLS = 4
"""The hidden region keeps at most this many mean colours across and down.

A face fills less than two thirds of it, so two or three remain across the face; people recognise
a familiar face from some 7 x 10 (Sinha et al., "Face Recognition by Humans", Proceedings of the
IEEE 94(11), 2006, result 1). With six, a head of hair around the blur still looks like a face to
detectors now and then.
"""

WIDER = 1.5
HIGHER = 1.62
LIFTED = 0.06
"""Size and upward shift of the hidden ellipse in face boxes: hair, ears and chin are inside."""

EDGE = 0.08
"""Width of the soft edge around it, as a fraction of its half axes."""


def blur_faces(image: Image, result: FrameResult) -> Image:
    """Hide every face, those without attributes too.

    An ellipse around each face is reduced to at most `CELLS` x `CELLS` mean colours, smoothly
    joined. Nothing else of it is left in the picture: two faces with the same few means give the
    same pixels. Only faces in `result` are hidden; one that the detector missed is not.

    Args:
        image: RGB ``uint8``, shape ``(height, width, 3)``; it is not changed.
        result: Faces in pixels of `image`.

    Returns:
        A new image of the same shape; pixels outside the ellipses are as they were.
    """
    canvas = np.ascontiguousarray(image).copy()
    for face in result.faces:
        _hide(canvas, face.box)
    return canvas


def hidden_region(box: Box) -> Box:
    """The rectangle around the soft edge; it may reach outside the picture."""
    centre_x = (box.left + box.right) / 2
    centre_y = (box.top + box.bottom) / 2 - LIFTED * box.height
    half_x = (1 + EDGE) * WIDER / 2 * box.width
    half_y = (1 + EDGE) * HIGHER / 2 * box.height
    return Box(centre_x - half_x, centre_y - half_y, centre_x + half_x, centre_y + half_y)


def _hide(canvas: Image, box: Box) -> None:
    height, width = canvas.shape[:2]
    region = hidden_region(box)
    left, top = max(0, math.floor(region.left)), max(0, math.floor(region.top))
    right, bottom = min(width, math.ceil(region.right)), min(height, math.ceil(region.bottom))
    if right <= left or bottom <= top:
        return
    ground = canvas[top:bottom, left:right]
    across = _cells(right - left, region.width)
    down = _cells(bottom - top, region.height)
    means = cv2.resize(ground, (across, down), interpolation=cv2.INTER_AREA).astype(np.float32)
    # Smoothed while it is small: the same picture as smoothing it large, at any face size.
    smooth = cv2.resize(means, (8 * across, 8 * down), interpolation=cv2.INTER_LINEAR)
    smooth = cv2.GaussianBlur(smooth, (0, 0), 4, borderType=cv2.BORDER_REPLICATE)
    smooth = cv2.resize(smooth, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    # Radius in half axes of the fully hidden ellipse; that is 0.96 at the corners of the face box.
    x = ((np.arange(left, right) + 0.5 - region.left) / region.width * 2 - 1) * (1 + EDGE)
    y = ((np.arange(top, bottom) + 0.5 - region.top) / region.height * 2 - 1) * (1 + EDGE)
    radius = np.sqrt(x[None] ** 2 + y[:, None] ** 2).astype(np.float32)
    cover = np.clip((1 + EDGE - radius) / np.float32(EDGE), 0, 1)[..., None]
    ground[:] = np.rint(smooth * cover + ground * (1 - cover)).astype(np.uint8)


def _cells(visible_px: int, region_px: float) -> int:
    """How many mean colours are kept along a side of which some pixels are in the picture.

    Cells keep their size when the border cuts the region: fewer of them, not finer ones.
    """
    return max(1, min(int(CELLS * min(1.0, visible_px / region_px)), visible_px // 2))
