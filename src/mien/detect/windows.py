"""Scaled images and square windows of them, turned and scaled, for detectors to look at."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from mien.interfaces import Detection, Image
from mien.results import Box, Landmarks, Point

Matrix = npt.NDArray[np.float64]


class Pose(NamedTuple):
    """Where a face is and how it is turned.

    Attributes:
        x: Centre in pixels of the image.
        y: Centre in pixels of the image.
        width: Width of the face, measured along its own eyes, in pixels of the image.
        turn_rad: Turn in the image plane, 0 is upright, positive is clockwise.
    """

    x: float
    y: float
    width: float
    turn_rad: float


def scaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Height and width after scaling, at least one pixel."""
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def window_matrix(pose: Pose, size: int, face_px: float) -> Matrix:
    """Transform ``(2, 3)`` that puts the face upright in the middle of a square chip.

    Args:
        pose: The face in the image.
        size: Width and height of the chip in pixels.
        face_px: Width of the face in the chip in pixels.
    """
    scale = face_px / pose.width
    cos, sin = scale * np.cos(pose.turn_rad), scale * np.sin(pose.turn_rad)
    linear = np.array([[cos, sin], [-sin, cos]])
    shift = size / 2 - linear @ (pose.x, pose.y)
    return np.hstack([linear, shift[:, None]])


def moved(face: Detection, shift: tuple[float, float], ratio: tuple[float, float]) -> Detection:
    """Take a face from pixels of a scaled part of an image to pixels of the image.

    Args:
        face: In pixels of the part.
        shift: Where the part begins in the scaled image, as ``(x, y)``.
        ratio: Pixels of the image per pixel of the scaled image, as ``(x, y)``.
    """
    (dx, dy), (rx, ry), box = shift, ratio, face.box
    marks = face.landmarks
    return replace(
        face,
        box=Box(
            (box.left + dx) * rx, (box.top + dy) * ry, (box.right + dx) * rx, (box.bottom + dy) * ry
        ),
        landmarks=marks and Landmarks(*(Point((x + dx) * rx, (y + dy) * ry) for x, y in marks)),
    )


class Pyramid:
    """One image at full size, half, quarter and so on; a level is made when it is asked for.

    Whatever is scaled down comes from the level that is at most twice as fine: nothing aliases,
    halving is much faster than shrinking by an odd factor, and windows in a portrait of 4000 px
    cost no more than in one of 400.

    Args:
        image: RGB ``uint8``, shape ``(height, width, 3)``.
    """

    def __init__(self, image: Image) -> None:
        self._levels = [image]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        return self._levels[0].shape[0], self._levels[0].shape[1]

    def cut(self, matrix: Matrix, size: int, *, outside: int = 0) -> Image:
        """Resample the square that `matrix` maps to ``(0, 0, size, size)``.

        Args:
            matrix: Similarity from pixels of the image to pixels of the chip, shape ``(2, 3)``.
            size: Width and height of the chip in pixels.
            outside: Grey value of what lies outside the image.

        Returns:
            RGB ``uint8``, shape ``(size, size, 3)``.
        """
        factor = 1.0 / math.hypot(matrix[0, 0], matrix[1, 0])  # image pixels per chip pixel
        wanted = int(math.log2(max(1.0, factor)))
        level = self._level(wanted)
        linear = matrix[:, :2] * 2 ** min(wanted, len(self._levels) - 1)
        # Only the part that is seen: OpenCV cannot warp images of more than 32767 px.
        middle = np.linalg.solve(linear, size / 2 - matrix[:, 2])
        reach = size * math.sqrt(0.5) / math.hypot(linear[0, 0], linear[1, 0]) + 2
        limit = level.shape[1::-1]
        low = np.clip(np.floor(middle - reach), 0, limit).astype(int)
        high = np.clip(np.ceil(middle + reach), 0, limit).astype(int)
        if (high <= low).any():
            return np.full((size, size, 3), outside, np.uint8)
        # OpenCV counts from the middle of the first pixel, our points from its edge.
        shift = matrix[:, 2] + linear @ (low + 0.5) - 0.5
        chip = cv2.warpAffine(
            level[low[1] : high[1], low[0] : high[0]],
            np.hstack([linear, shift[:, None]]),
            (size, size),
            flags=cv2.INTER_LINEAR,
            borderValue=(outside, outside, outside),
        )
        return np.asarray(chip, np.uint8)

    def scaled(self, size: tuple[int, int]) -> Image:
        """The whole image resampled to ``(height, width)``: by area when it shrinks."""
        height, width = self.size
        factor = min(height / size[0], width / size[1])
        level = self._level(int(math.log2(max(1.0, factor))))
        if level.shape[:2] == size:
            return level
        shrinks = size[0] * size[1] < level.shape[0] * level.shape[1]
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(level, size[::-1], interpolation=method), np.uint8)

    def bordered(self, long_side: int, fraction: float) -> tuple[Image, int, float]:
        """The image scaled to `long_side` with its edges drawn out on every side.

        For detectors that miss faces which fill a crop or are cut by its border.

        Args:
            long_side: Long side of the scaled image without its border, in pixels.
            fraction: Width of the border as a fraction of `long_side`.

        Returns:
            RGB ``uint8`` pixels, width of the border in pixels, and pixels of the scaled image
            per pixel of the image.
        """
        scale = long_side / max(self.size)
        scaled = self.scaled(scaled_size(self.size, scale))
        border = round(fraction * long_side)
        pixels = cv2.copyMakeBorder(scaled, border, border, border, border, cv2.BORDER_REPLICATE)
        return np.asarray(pixels, np.uint8), border, scale

    def _level(self, wanted: int) -> Image:
        while len(self._levels) <= wanted and min(self._levels[-1].shape[:2]) > 1:
            last = self._levels[-1]
            height, width = last.shape[0] // 2, last.shape[1] // 2
            # Exactly two to one, at the price of an odd last row or column: OpenCV is fast there.
            even = last[: 2 * height, : 2 * width]
            half = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
            self._levels.append(np.asarray(half, np.uint8))
        return self._levels[min(wanted, len(self._levels) - 1)]
