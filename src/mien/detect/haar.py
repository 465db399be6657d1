"""OpenCV's Haar cascade: no network at all, frontal faces, no landmarks.

Viola, Jones, "Rapid Object Detection using a Boosted Cascade of Simple Features", CVPR 2001;
Lienhart, Kuranov, Pisarevsky, DAGM 2003, trained the cascade that comes with OpenCV.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from pathlib import Path

import cv2
import cv2.data
import numpy as np

from mien.detect.base import DetectorSettings, detectors, strongest_first
from mien.detect.windows import Pyramid, moved, scaled_size
from mien.errors import ModelError
from mien.geometry import non_maximum_suppression
from mien.interfaces import Detection, Image
from mien.results import Box

CASCADE = "haarcascade_frontalface_alt2.xml"
"""Of the frontal cascades in OpenCV the one with the fewest false alarms at the same rate."""

FACE_IN_WINDOW = (0.093, -0.017, 0.922, 1.067)
"""Left, top, right, bottom of the face in a window of the cascade of width and height 1.

The square window is another part of the head than the box of the other detectors. Measured with
YuNet's landmarks on 756 faces of FER2013, UTKFace and FairFace, so that
`mien.align.POINTS_IN_BOX` fits: to 0.003 of the window on average, while single faces scatter by
0.04, a tenth of the eye distance.
"""

WEIGHT_HALF, WEIGHT_SLOPE = 55.0, 2.2
"""Score 0.5 and steepness of the score over the weight that the last stage gives a window.

At 0.5, 19 in 20 of the faces that the cascade finds at all are kept and nine in ten of its false
alarms are not.
"""

SCALE_STEP = 1.15
MIN_WINDOW_PX = 24
TINY_SIDE_PX = 320
BORDERED_SIDE_PX = 320
BORDER = 0.2


@detectors.register("haar")
class Haar:
    """The classic, for comparison with older work.

    An image is scaled down to long side `long_side`; a crop of a face is enlarged to 320 px, at
    most `max_upscale` times. When nothing is found, it is searched once more with a border drawn
    around it: the cascade needs the whole head inside the image.

    OpenCV sets the number of threads for the whole process; `DetectorSettings.threads` has no
    effect here.

    Args:
        settings: Minimum score.
        long_side: Long side of the scaled image in pixels.
        max_upscale: Small images are enlarged at most this much.
    """

    DEFAULT_MIN_SCORE = 0.5

    def __init__(
        self, settings: DetectorSettings, *, long_side: int = 640, max_upscale: float = 8.0
    ) -> None:
        self.settings = settings
        self.long_side = long_side
        self.max_upscale = max_upscale
        # A cascade keeps the image that it works on: every thread needs its own.
        self._local = threading.local()
        self._cascade()

    def detect(self, images: Sequence[Image]) -> list[list[Detection]]:
        """Return the faces of every image, strongest first.

        Args:
            images: RGB ``uint8``, shapes ``(height, width, 3)``; sizes may differ.
        """
        return [self._detect_one(Pyramid(image)) for image in images]

    def _detect_one(self, image: Pyramid) -> list[Detection]:
        long = max(image.size)
        scale = min(self.long_side / long, self.max_upscale, max(1.0, TINY_SIDE_PX / long))
        size = scaled_size(image.size, scale)
        ratio = (image.size[1] / size[1], image.size[0] / size[0])
        faces = [moved(face, (0, 0), ratio) for face in self._search(image.scaled(size))]
        return faces or self._look_bordered(image)

    def _look_bordered(self, image: Pyramid) -> list[Detection]:
        """Search for faces that fill the image or are cut by its border."""
        side = min(BORDERED_SIDE_PX, round(max(image.size) * self.max_upscale))
        pixels, border, scale = image.bordered(side, BORDER)
        faces = self._search(pixels)
        return [moved(face, (-border, -border), (1 / scale, 1 / scale)) for face in faces]

    def _search(self, pixels: Image) -> list[Detection]:
        """Run the cascade over one image in the size it has."""
        if min(pixels.shape[:2]) < MIN_WINDOW_PX:
            return []
        windows, _, weights = self._cascade().detectMultiScale3(
            cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY),
            scaleFactor=SCALE_STEP,
            minNeighbors=1,
            minSize=(MIN_WINDOW_PX, MIN_WINDOW_PX),
            outputRejectLevels=True,
        )
        faces = [
            Detection(box=_face_in(*map(int, window)), score=_score(float(weight)))
            for window, weight in zip(windows, np.ravel(weights), strict=True)
        ]
        good = strongest_first([face for face in faces if face.score >= self.settings.min_score])
        if not good:
            return []
        boxes = np.array([face.box for face in good])
        scores = np.array([face.score for face in good])
        return [good[k] for k in non_maximum_suppression(boxes, scores, 0.3)]

    def _cascade(self) -> cv2.CascadeClassifier:
        """The cascade of this thread.

        Raises:
            ModelError: OpenCV comes without the file.
        """
        cascade: cv2.CascadeClassifier | None = getattr(self._local, "cascade", None)
        if cascade is None:
            path = Path(cv2.data.haarcascades, CASCADE)
            cascade = cv2.CascadeClassifier(str(path))
            if cascade.empty():
                raise ModelError(f"{path}: cannot be read; reinstall opencv-python-headless")
            self._local.cascade = cascade
        return cascade


def _face_in(x: int, y: int, width: int, height: int) -> Box:
    left, top, right, bottom = FACE_IN_WINDOW
    return Box(x + left * width, y + top * height, x + right * width, y + bottom * height)


def _score(weight: float) -> float:
    """Map the weight of the last stage to 0..1."""
    return 1.0 / (1.0 + math.exp(-WEIGHT_SLOPE * (weight - WEIGHT_HALF)))
