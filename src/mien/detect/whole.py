"""No search: the image already is a crop of one face."""

from __future__ import annotations

from collections.abc import Sequence

from mien.detect.base import DetectorSettings, detectors
from mien.interfaces import Detection, Image
from mien.results import Box

FACE_IN_CROP = (0.102, -0.049, 0.896, 0.990)
"""Left, top, right, bottom of the face in a crop of width and height 1.

Measured with YuNet's landmarks on 300 crops each, so that `mien.align.POINTS_IN_BOX` fits: the
middle between FER2013 on one side and UTKFace and FairFace on the other. They differ: the eyes
stand 0.05 of the crop's height lower in FER2013 and 0.05 higher in the others, a seventh of the
eye distance. That is what `whole` costs in alignment.
"""


@detectors.register("whole")
class Whole:
    """Answers one face an image, without looking.

    The box is where a face lies in a typical crop, in the convention of the other detectors, so
    that size, drawing and alignment mean the same. It may reach over the border of the image.

    Args:
        settings: Nothing of it matters here; every detector takes it.
    """

    DEFAULT_MIN_SCORE = 0.0

    def __init__(self, settings: DetectorSettings) -> None:
        self.settings = settings

    def detect(self, images: Sequence[Image]) -> list[list[Detection]]:
        """Return one face an image, with score 1 and without landmarks.

        Args:
            images: RGB ``uint8``, shapes ``(height, width, 3)``; sizes may differ.
        """
        return [[_face_of_crop(image)] for image in images]


def _face_of_crop(image: Image) -> Detection:
    height, width = image.shape[:2]
    left, top, right, bottom = FACE_IN_CROP
    return Detection(box=Box(left * width, top * height, right * width, bottom * height), score=1.0)
