"""The image already is a crop of one face: find that face in it, always with an answer.

Data sets of face crops (FER2013, UTKFace, FairFace) and cut-out portraits need other settings
than photos: crops are small, so they are enlarged more; something must be there, so a low score
is enough; neighbours may reach into the picture, so the central face counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mien.detect.base import DetectorSettings, detectors
from mien.detect.whole import Whole
from mien.detect.yunet import YuNet
from mien.interfaces import Detection, Image


@detectors.register("crop")
class Crop:
    """YuNet tuned for crops of one face; falls back to the whole image.

    Args:
        settings: Minimum score, device and threads.
    """

    DEFAULT_MIN_SCORE = 0.3

    def __init__(self, settings: DetectorSettings) -> None:
        # A face fills its crop, so half the usual resolution is enough.
        self._finder = YuNet(settings, long_side=320, retry_long_side=640, max_upscale=6.0)
        self._whole = Whole(replace(settings, min_score=0.0))

    def find(self, images: Sequence[Image]) -> list[Detection | None]:
        """The central face of every image, or ``None`` where none is found."""
        found = self._finder.detect(images)
        return [central_face(image, faces) for image, faces in zip(images, found, strict=True)]

    def detect(self, images: Sequence[Image]) -> list[list[Detection]]:
        """Exactly one face an image; the whole image, with score 0, where none is found."""
        answers = []
        for image, face in zip(images, self.find(images), strict=True):
            if face is None:
                answers.append([replace(f, score=0.0) for f in self._whole.detect([image])[0]])
            else:
                answers.append([face])
        return answers


def central_face(image: Image, faces: Sequence[Detection]) -> Detection | None:
    """The face a crop is about: nearest to the centre among those not much smaller than others."""
    if not faces:
        return None
    largest = max(face.box.width for face in faces)
    centre = np.array([image.shape[1], image.shape[0]]) / 2

    def distance(face: Detection) -> float:
        box = face.box
        middle = np.array([box.left + box.right, box.top + box.bottom]) / 2
        return float(np.hypot(*(middle - centre)))

    return min((f for f in faces if f.box.width > 0.4 * largest), key=distance)
