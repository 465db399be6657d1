"""Pictures made worse in steps: smaller faces, blur, JPEG. Pure functions of image and face.

The face is located in the picture as it is and moves with the pixels, so that alignment and model
see the worse picture at the right place: what is measured is the model and not the detector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

from mien.errors import InputError
from mien.images import decode
from mien.interfaces import Detection, Image
from mien.models import Registry
from mien.results import Box, Landmarks, Point

Located: TypeAlias = tuple[Image, Detection]
"""An image and where its face is."""


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


def _always(face: Detection, level: float) -> bool:
    del face, level
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One way to make pictures worse.

    Attributes:
        name: What `--degrade` calls it.
        heading: What is varied, e.g. ``"JPEG quality"``.
        axis: The same with its unit, below an axis.
        scale: Of that axis, as matplotlib calls it.
        levels: Numbers for `apply`, from a good picture to a bad one.
        apply: From image, face and level to the worse picture.
        says: Template of what a protocol says about a level.
        undone: What it says about the picture as it is.
        short: Template of a level where the axis or the table says what it is.
        fits: Whether a face can be had at a level.
    """

    name: str
    heading: str
    axis: str
    scale: str
    levels: tuple[float, ...]
    apply: Callable[[Image, Detection, float], Located]
    says: str
    undone: str
    short: str
    fits: Callable[[Detection, float], bool] = _always

    def describe(self, level: float | None) -> str:
        """What a protocol says about a level; ``None`` is the picture as it is."""
        return self.undone if level is None else self.says.format(level)


kinds: Registry[Kind] = Registry("way to degrade pictures")
"""What `--degrade` knows, by name."""

kinds.register("size")(
    Kind(
        name="size",
        heading="face size",
        axis="width of the face box, px",
        scale="log",
        levels=(96, 64, 48, 32, 24, 16),
        apply=shrink,
        says="faces {:g} px wide",
        undone="faces as wide as found",
        short="{:g}",
        fits=lambda face, level: face.box.width >= level,
    )
)
kinds.register("blur")(
    Kind(
        name="blur",
        heading="blur",
        axis="Gaussian blur, sigma in box widths",
        scale="linear",
        levels=(0.01, 0.02, 0.03, 0.04, 0.06, 0.08),
        apply=blur,
        says="blur of {:g} box widths",
        undone="not blurred",
        short="{:g}",
    )
)
kinds.register("jpeg")(
    Kind(
        name="jpeg",
        heading="JPEG quality",
        axis="JPEG quality",
        scale="log",
        levels=(95, 70, 50, 30, 20, 10, 5),
        apply=compress,
        says="JPEG quality {:g}",
        undone="not compressed",
        short="{:g}",
    )
)


def parse_kinds(text: str) -> tuple[Kind, ...]:
    """Read ``"size,blur,jpeg"``; a name that comes twice counts once.

    Raises:
        UnknownModelError: A name is unknown.
    """
    return tuple(kinds[name] for name in dict.fromkeys(part.strip() for part in text.split(",")))
