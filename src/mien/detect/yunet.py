"""YuNet on ONNX Runtime with our own decode: any image size, batches, five landmarks.

Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research
20, 2023. The graph is the 2023mar version of the OpenCV Zoo with its heads joined
(`scripts/make_yunet.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from mien.detect.base import DetectorSettings, detectors
from mien.geometry import non_maximum_suppression
from mien.interfaces import Detection, Image
from mien.models import Session, find_spec, verified_path
from mien.results import Box, Landmarks, Point

STRIDES = (8, 16, 32)
MAX_IOU = 0.3
MAX_CANDIDATES = 5000
SMALL_FACE_PX = 20.0
"""Faces this narrow in the scaled image are at the edge of what the network can see."""

Array = npt.NDArray[np.float32]


@detectors.register("yunet")
class YuNet:
    """The default detector.

    An image is scaled so that its long side is `long_side` (never enlarged beyond
    `max_upscale`). When nothing is found there, or at least three faces at the edge of what the
    network can see, it is looked at once more at `retry_long_side` and the finer answer counts.

    Args:
        settings: Minimum score, device and threads.
        long_side: Long side of the scaled image in pixels.
        retry_long_side: Long side for the second look; 0 switches it off.
        max_upscale: Small images are enlarged at most this much.
    """

    def __init__(
        self,
        settings: DetectorSettings,
        *,
        long_side: int = 640,
        retry_long_side: int = 1024,
        max_upscale: float = 4.0,
    ) -> None:
        self.settings = settings
        self.long_side = long_side
        self.retry_long_side = retry_long_side
        self.max_upscale = max_upscale
        spec = find_spec("yunet")
        self._session = Session(
            verified_path(spec), device=settings.device, threads=settings.threads
        )

    def detect(self, images: Sequence[Image]) -> list[list[Detection]]:
        """Return the faces of every image, strongest first.

        Args:
            images: RGB ``uint8``, shapes ``(height, width, 3)``; sizes may differ.
        """
        found = self._detect_at(images, self.long_side)
        if not self.retry_long_side:
            return found
        again = [
            k
            for k, (image, faces) in enumerate(zip(images, found, strict=True))
            if self._worth_a_second_look(image, faces)
        ]
        # One by one: a second look is rare and big, a batch of them would only cost memory.
        for k in again:
            finer = self._detect_at([images[k]], self.retry_long_side)[0]
            if len(finer) >= len(found[k]):
                found[k] = finer
        return found

    def _worth_a_second_look(self, image: Image, faces: list[Detection]) -> bool:
        scale, finer = self._scale(image, self.long_side), self._scale(image, self.retry_long_side)
        if finer <= scale * 1.01:
            return False
        small = sum(face.box.width * scale < SMALL_FACE_PX for face in faces)
        return not faces or small >= 3

    def _scale(self, image: Image, long_side: int) -> float:
        return float(min(long_side / max(image.shape[:2]), self.max_upscale))

    def _detect_at(self, images: Sequence[Image], long_side: int) -> list[list[Detection]]:
        """One pass; images whose scaled and padded size agrees share one batch."""
        groups: dict[tuple[int, int], list[int]] = {}
        sizes: list[tuple[int, int]] = []
        for k, image in enumerate(images):
            scale = self._scale(image, long_side)
            height = max(1, round(image.shape[0] * scale))
            width = max(1, round(image.shape[1] * scale))
            sizes.append((height, width))
            groups.setdefault((-(-height // 32) * 32, -(-width // 32) * 32), []).append(k)
        results: list[list[Detection]] = [[] for _ in images]
        for (height, width), members in groups.items():
            batch = np.zeros((len(members), 3, height, width), np.float32)
            for plane, k in zip(batch, members, strict=True):
                _fill(plane, images[k], sizes[k])
            maps = self._session.run(batch)
            for row, k in enumerate(members):
                ratio = (
                    images[k].shape[1] / sizes[k][1],
                    images[k].shape[0] / sizes[k][0],
                )
                results[k] = decode([m[row] for m in maps], self.settings.min_score, ratio)
        return results


def _fill(plane: Array, image: Image, size: tuple[int, int]) -> None:
    """Scale one image into the top left of its slot; YuNet was trained on BGR, 0 to 255."""
    height, width = size
    if image.shape[:2] != size:
        shrinks = height * width < image.shape[0] * image.shape[1]
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)
    for channel in range(3):
        plane[2 - channel, :height, :width] = image[..., channel]


def decode(maps: Sequence[Array], min_score: float, ratio: tuple[float, float]) -> list[Detection]:
    """Turn the three output maps of one image into faces.

    Args:
        maps: One ``(16, rows, columns)`` map a stride: class, objectness, box (4), points (10).
        min_score: Weaker candidates go.
        ratio: Pixels of the source image per pixel of the scaled image, ``(x, y)``.

    Returns:
        Faces in pixels of the source image, strongest first.
    """
    scores, boxes, points = [], [], []
    for stride, raw in zip(STRIDES, maps, strict=True):
        # score = sqrt(sigmoid(class) * sigmoid(objectness)); both must pass for the product to.
        score = np.sqrt(_sigmoid(raw[0]) * _sigmoid(raw[1]))
        row, column = np.nonzero(score >= min_score)
        chosen = raw[2:, row, column].astype(np.float64)
        anchor = np.stack([column, row]).astype(np.float64)
        centre = (anchor + chosen[:2]) * stride
        half = np.exp(chosen[2:4]) * stride / 2
        scores.append(score[row, column])
        boxes.append(np.concatenate([centre - half, centre + half]).T)
        points.append(((anchor[None] + chosen[4:].reshape(5, 2, -1)) * stride).transpose(2, 0, 1))
    all_scores = np.concatenate(scores)
    best = np.argsort(-all_scores, kind="stable")[:MAX_CANDIDATES]
    scale = np.array(ratio)
    all_boxes = np.concatenate(boxes)[best]
    kept = best[non_maximum_suppression(all_boxes, all_scores[best], MAX_IOU)]
    out_boxes = np.concatenate(boxes)[kept] * np.tile(scale, 2)
    out_points = np.concatenate(points)[kept] * scale
    return [
        Detection(
            box=Box(*map(float, box)),
            score=float(score),
            landmarks=Landmarks(*(Point(float(x), float(y)) for x, y in marks)),
        )
        for box, score, marks in zip(out_boxes, all_scores[kept], out_points, strict=True)
    ]


def _sigmoid(values: Array) -> Array:
    # Clipped: beyond +-30 the answer is 0 or 1 anyway and exp would overflow.
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(values, -30, 30))), np.float32)
