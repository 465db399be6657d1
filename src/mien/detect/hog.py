"""dlib's frontal face detector: histograms of gradients; needs the extra ``dlib``; no landmarks.

Dalal, Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005; King, "Max-Margin
Object Detection", 2015.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

from mien.detect.base import DetectorSettings, detectors, strongest_first
from mien.detect.windows import Pyramid, moved, scaled_size
from mien.errors import MissingExtraError
from mien.interfaces import Detection, Image
from mien.results import Box

FACE_IN_WINDOW = (0.064, -0.129, 0.948, 1.027)
"""Left, top, right, bottom of the face in dlib's square of width and height 1.

Measured with YuNet's landmarks on 714 faces of FER2013, UTKFace and FairFace, so that
`mien.align.POINTS_IN_BOX` fits: to 0.002 of the square on average, while single faces scatter by
0.05, an eighth of the eye distance: dlib's squares come in coarse steps of position and size.
"""

SLOPE = 2.0
"""Steepness of the score over the margin of the classifier; a margin of 0 gives 0.5."""

TINY_SIDE_PX = 320
"""An image is enlarged up to this long side: the detector's window is 80 px wide."""


@detectors.register("hog")
class Hog:
    """The detector that many older pipelines used.

    An image is scaled to long side `long_side` (crops of a face are enlarged to 320 px, other
    small images up to `max_upscale` times); faces narrower than about 70 px there are not seen.
    When nothing is found, the image is searched once more at twice that size.

    dlib works in the calling thread; `DetectorSettings.threads` has no effect here.

    Args:
        settings: Minimum score.
        long_side: Long side of the scaled image in pixels.
        max_upscale: Small images are enlarged at most this much.

    Raises:
        MissingExtraError: dlib is not installed.
    """

    DEFAULT_MIN_SCORE = 0.5

    def __init__(
        self, settings: DetectorSettings, *, long_side: int = 640, max_upscale: float = 8.0
    ) -> None:
        try:
            import dlib
        except ImportError as error:
            raise MissingExtraError("the hog detector", "dlib") from error
        self.settings = settings
        self.long_side = long_side
        self.max_upscale = max_upscale
        self._build = dlib.get_frontal_face_detector
        # A detector keeps the features of the image that it works on: one for every thread.
        self._local = threading.local()

    def detect(self, images: Sequence[Image]) -> list[list[Detection]]:
        """Return the faces of every image, strongest first.

        Args:
            images: RGB ``uint8``, shapes ``(height, width, 3)``; sizes may differ.
        """
        return [self._detect_one(Pyramid(image)) for image in images]

    def _detect_one(self, image: Pyramid) -> list[Detection]:
        long = max(image.size)
        first = min(self.long_side / long, self.max_upscale, max(2.0, TINY_SIDE_PX / long))
        finer = min(2 * first, self.max_upscale)
        return self._search(image, first) or self._search(image, finer)

    def _search(self, image: Pyramid, scale: float) -> list[Detection]:
        """Run the detector over the scaled image."""
        size = scaled_size(image.size, scale)
        ratio = (image.size[1] / size[1], image.size[0] / size[0])
        squares, margins, _ = self._detector().run(
            image.scaled(size), 0, _margin(self.settings.min_score)
        )
        faces = [
            Detection(
                box=_face_in(square.left(), square.top(), square.width(), square.height()),
                score=_score(margin),
            )
            for square, margin in zip(squares, margins, strict=True)
        ]
        return strongest_first([moved(face, (0, 0), ratio) for face in faces])

    def _detector(self) -> Any:
        """The detector of this thread."""
        if not hasattr(self._local, "detector"):
            self._local.detector = self._build()
        return self._local.detector


def _face_in(x: int, y: int, width: int, height: int) -> Box:
    left, top, right, bottom = FACE_IN_WINDOW
    return Box(x + left * width, y + top * height, x + right * width, y + bottom * height)


def _score(margin: float) -> float:
    """Map the margin to 0..1."""
    return 1.0 / (1.0 + math.exp(-SLOPE * margin))


def _margin(score: float) -> float:
    """The margin that gets this score; finite for 0 and 1."""
    inside = min(max(score, 1e-3), 1 - 1e-3)
    return math.log(inside / (1 - inside)) / SLOPE
