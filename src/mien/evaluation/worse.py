"""Pictures made worse: smaller, blurred, compressed, dark, half hidden.

The face is located in the picture as it is and moves with the pixels, so that alignment and model
see the worse picture at the right place: what is measured is the model and not the detector.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from mien.align import landmark_points
from mien.errors import InputError
from mien.images import decode
from mien.interfaces import Detection, Image
from mien.results import Box, Landmarks, Point

Located: TypeAlias = tuple[Image, Detection]
"""An image and where its face is."""

FULL_WELL, READ_NOISE = 4000.0, 3.0
"""Electrons of white, and of reading a pixel: about those of a webcam's sensor."""

MASK, GLASSES = (198, 214, 222), (24, 22, 22)
"""Colours of what hides a face."""


def shrink(image: Image, face: Detection, width_px: float) -> Located:
    """Shrink the image so that the face box is exactly so wide; landmarks move with it.

    Every new pixel is the mean of the area that it covers, as on a sensor with larger pixels. The
    last row and column may cover a little less.

    Args:
        image: RGB ``uint8``, shape ``(height, width, 3)``.
        face: In pixels of `image`.
        width_px: At most the width of the box: nothing is ever enlarged.

    Raises:
        InputError: The face is narrower already.
    """
    factor = width_px / face.box.width
    if factor > 1:
        raise InputError(
            f"a face of {face.box.width:.1f} px cannot be shrunk to {width_px:g} px: it is narrower"
        )
    # By factor and not by size: rounding to whole pixels must not stretch the face.
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), _scaled(face, factor)


def blur(image: Image, face: Detection, share: float) -> Located:
    """Blur the image by a Gaussian, about what a camera out of focus does.

    Args:
        image: RGB ``uint8``, shape ``(height, width, 3)``.
        face: In pixels of `image`.
        share: Standard deviation in widths of the face box, above 0: the same share hides the same
            details of a small and of a large face.
    """
    sigma = share * face.box.width
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8), face


def compress(image: Image, face: Detection, quality: float) -> Located:
    """Write the image as JPEG and read it back through the decoder that serves.

    Args:
        image: RGB ``uint8``, shape ``(height, width, 3)``.
        face: In pixels of `image`.
        quality: 1 to 100, a whole number; OpenCV's encoder, colour at half the resolution.

    Raises:
        InputError: The image is too large for JPEG.
    """
    flags = [cv2.IMWRITE_JPEG_QUALITY, int(quality)]
    try:
        written, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), flags)
    except cv2.error:
        written = False
    if not written:
        height, width = image.shape[:2]
        raise InputError(f"an image of {width} x {height} px cannot be written as JPEG")
    return decode(data.tobytes()), face


def darken(image: Image, face: Detection, stops: float) -> Located:
    """Take light away, as for a camera that cannot open any further: dark, and grainy with it.

    The electrons of every pixel are drawn from a Poisson distribution, the noise of reading them
    is added (Janesick, "Photon Transfer", SPIE Press 2007), and nothing is brightened.

    Args:
        image: RGB ``uint8``, shape ``(height, width, 3)``, encoded as sRGB.
        face: In pixels of `image`.
        stops: How often the light is halved.
    """
    # Every run sees the same grain.
    generator = np.random.default_rng(0)
    light = _to_linear(np.arange(256) / 255.0)[image] * 2.0**-stops
    electrons = generator.poisson(light * FULL_WELL).astype(np.float64)
    electrons += generator.normal(0.0, READ_NOISE, light.shape)
    shares = _from_linear(np.clip(electrons / FULL_WELL, 0.0, 1.0))
    return np.rint(255.0 * shares).astype(np.uint8), face


def mask(image: Image, face: Detection, share: float) -> Located:
    """Hide the lower part of the face behind something flat and light, as a surgical mask does.

    Args:
        image: RGB ``uint8``, shape ``(height, width, 3)``.
        face: In pixels of `image`; what is hidden is upright, whatever the face is.
        share: Of the height of the face box, from below: 0.2 hides the chin, 0.4 the mouth, 0.5 the
            tip of the nose.
    """
    left, top, right, bottom = face.box
    height = bottom - top
    # The chin of a long face lies below its box.
    area = Box(left, bottom - share * height, right, bottom + 0.1 * height)
    return _painted(image, area, MASK), face


def dark_glasses(image: Image, face: Detection, share: float) -> Located:
    """Hide the eyes behind a dark band.

    Args:
        image: RGB ``uint8``, shape ``(height, width, 3)``.
        face: In pixels of `image`; the band is upright, whatever the face is.
        share: Height of the band in heights of the face box; large sunglasses have 0.25.
    """
    middle = float(landmark_points(face)[:2, 1].mean())
    half = 0.5 * share * (face.box.bottom - face.box.top)
    area = Box(face.box.left, middle - half, face.box.right, middle + half)
    return _painted(image, area, GLASSES), face


def _to_linear(srgb: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Light that sRGB values of 0 to 1 stand for (IEC 61966-2-1)."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _from_linear(light: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The reverse of `_to_linear`."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _painted(image: Image, area: Box, colour: tuple[int, int, int]) -> Image:
    """A copy with a rectangle of one colour, cut off at the edge of the image."""
    left, top, right, bottom = (max(0, round(edge)) for edge in area)
    result = image.copy()
    result[top:bottom, left:right] = colour
    return result


def _scaled(face: Detection, factor: float) -> Detection:
    """The same face in an image whose sides are `factor` times as long.

    Alignment counts from the centre of the first pixel, and that centre moves by half a pixel less
    its share: without this, a face of 16 px would come to lie 2 % beside its place in the chip.
    """
    shift = 0.5 * factor - 0.5
    marks = face.landmarks
    return Detection(
        box=Box(*(factor * edge + shift for edge in face.box)),
        score=face.score,
        landmarks=marks and Landmarks(*(Point(*(factor * x + shift for x in p)) for p in marks)),
    )
