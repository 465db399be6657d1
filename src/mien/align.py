"""From a detected face to an upright chip of fixed size: the one place where faces are cut out.

Training, evaluation and serving all call `align_faces`; a model's `AlignSpec` stands in its
manifest entry and in the ONNX file, so a chip can never be cut in another way than the model
was trained with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mien.errors import ConfigError, InputError
from mien.geometry import apply_transform, invert_transform, similarity_transform
from mien.interfaces import Detection, Image

FIVE_POINTS = np.array([[0.32, 0.365], [0.68, 0.365], [0.5, 0.572], [0.353, 0.779], [0.647, 0.779]])
"""Where right eye, left eye, nose and mouth corners land, as fractions of the chip.

The shape is the mean frontal face that most recognition templates use; the eyes stand 0.36 of the
width apart, so that forehead, cheeks and chin are inside: wrinkles and jaw carry the age.
"""

POINTS_IN_BOX = np.array([[0.27, 0.37], [0.73, 0.37], [0.5, 0.575], [0.307, 0.745], [0.693, 0.745]])
"""Typical position of the same points inside a face box, for detectors without landmarks.

Measured inside YuNet's boxes on FER2013, UTKFace and FairFace crops (888 faces). Detectors whose
boxes lie differently around a face report them in this convention.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignSpec:
    """How a model wants its faces cut.

    Attributes:
        size: Width and height of the chip in pixels.
        template: Name of the landmark template; only ``"five-points-36"`` exists.
        border: Extra context on every side, as a fraction of `size`; 0 for serving. Training
            packs chips with a border so that shifts and rotations find real pixels.
    """

    size: int
    template: str = "five-points-36"
    border: float = 0.0

    def __post_init__(self) -> None:
        if self.size < 16:
            raise ConfigError(f"chip size must be at least 16 px, got {self.size}")
        if self.template != "five-points-36":
            raise ConfigError(
                f"no alignment template is called {self.template!r}. Known: five-points-36."
            )
        if not 0 <= self.border <= 1:
            raise ConfigError(f"chip border must lie between 0 and 1, got {self.border}")

    @property
    def border_px(self) -> int:
        """Width of the border in pixels of the chip."""
        return round(self.border * self.size)

    @property
    def packed_size(self) -> int:
        """Width and height of the chip with its border."""
        return self.size + 2 * self.border_px

    def target_points(self) -> npt.NDArray[np.float64]:
        """Template in pixels of the packed chip, shape ``(5, 2)``."""
        return FIVE_POINTS * self.size + self.border_px


def landmark_points(detection: Detection) -> npt.NDArray[np.float64]:
    """Five points of a detection, shape ``(5, 2)``; typical ones when it has only a box."""
    if detection.landmarks is not None:
        return np.array(detection.landmarks, np.float64)
    left, top, right, bottom = detection.box
    return POINTS_IN_BOX * (right - left, bottom - top) + (left, top)


def chip_matrix(detection: Detection, spec: AlignSpec) -> npt.NDArray[np.float64]:
    """Transform ``(2, 3)`` from image pixels to chip pixels.

    Raises:
        InputError: The landmarks coincide, so no scale exists.
    """
    return similarity_transform(landmark_points(detection), spec.target_points())


def align_faces(image: Image, detections: Sequence[Detection], spec: AlignSpec) -> Image:
    """Cut every face out of one image.

    Args:
        image: RGB ``uint8``, shape ``(height, width, 3)``.
        detections: Faces in pixels of `image`.
        spec: Size and template.

    Returns:
        RGB ``uint8`` chips, shape ``(n, size, size, 3)``.

    Raises:
        InputError: The landmarks of a face coincide.
    """
    size = spec.packed_size
    chips = np.empty((len(detections), size, size, 3), np.uint8)
    for chip, detection in zip(chips, detections, strict=True):
        chip[:] = warp(image, chip_matrix(detection, spec), size)
    return chips


def warp(image: Image, matrix: npt.NDArray[np.float64], size: int) -> Image:
    """Resample the square that `matrix` maps to ``(0, 0, size, size)``.

    Pixels outside the image are mirrored at the border, which looks like a face to the network
    where a flat colour would look like a frame. A face much larger than the chip is shrunk by
    area averaging first: bilinear sampling alone would alias wrinkles into noise.

    Raises:
        InputError: The transform has no area.
    """
    corners = apply_transform(
        invert_transform(matrix), np.array([[0, 0], [size, 0], [size, size], [0, size]])
    )
    # Image pixels per chip pixel; rounded, so that noise in the last digit decides nothing.
    factor = round(1.0 / float(np.hypot(matrix[0, 0], matrix[1, 0])), 6)
    step = math.ceil(factor / 1.5) if factor > 2.0 else 1
    # Blocks of step x step pixels start at multiples of it, whatever the chip's size and border:
    # so the middle of a chip with a border is the chip without one.
    low = (np.floor(corners.min(axis=0) / step).astype(int) - 2) * step
    high = (np.ceil(corners.max(axis=0) / step).astype(int) + 2) * step
    height, width = image.shape[:2]
    left, top = int(np.clip(low[0], 0, width)), int(np.clip(low[1], 0, height))
    right, bottom = int(np.clip(high[0], 0, width)), int(np.clip(high[1], 0, height))
    if right <= left or bottom <= top:
        raise InputError("the face lies outside the image")
    region = image[top:bottom, left:right]
    matrix = matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ (left, top)
    if step > 1:
        region = _shrink(region, step)
        # Pixel centres sit at +0.5: without this shift the chip moves by half a pixel.
        matrix[:, 2] += matrix[:, :2].sum(axis=1) * (0.5 * step - 0.5)
        matrix[:, :2] *= step
    chip = cv2.warpAffine(
        region, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return np.asarray(chip, np.uint8)


def _shrink(region: Image, step: int) -> Image:
    """Average blocks of ``step`` x ``step`` pixels; the last ones are filled up if incomplete."""
    below, right = -region.shape[0] % step, -region.shape[1] % step
    if below or right:
        region = np.asarray(
            cv2.copyMakeBorder(region, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8
        )
    small = (region.shape[1] // step, region.shape[0] // step)
    return np.asarray(cv2.resize(region, small, interpolation=cv2.INTER_AREA), np.uint8)
