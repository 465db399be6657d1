"""The YuNet graph: images in, candidates out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mien.detect.base import DetectorSettings
from mien.geometry import box_iou, non_maximum_suppression
from mien.interfaces import Detection, Image
from mien.models import Session, find_spec, verified_path
from mien.results import Box, Landmarks, Point

STRIDES = (8, 16, 32)
MAX_IOU = 0.3
MAX_CANDIDATES = 5000
LEAST_SCORE = 0.05
"""What scores less is left out whatever is asked for: half of all anchors say 0.01."""

VOTE_IOU = 0.5
"""Candidates that overlap the strongest one by this much have a say in its box and landmarks."""

MAX_BATCH_PIXELS = 4 * 640 * 480
"""Pixels in one run: a batch saves calls on small images, on big ones it only costs memory."""

Array = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]


class Network:
    """The network on ONNX Runtime; safe to use from several threads.

    Args:
        settings: Device and threads.
    """

    def __init__(self, settings: DetectorSettings) -> None:
        path = verified_path(find_spec("yunet"))
        self._session = Session(path, device=settings.device, threads=settings.threads)

    def look(self, images: Sequence[Image], min_score: float) -> list[list[Detection]]:
        """Find faces; images whose padded size agrees share a batch.

        Args:
            images: RGB ``uint8``, shapes ``(height, width, 3)``, in the size to look at them in.
            min_score: Weaker candidates go.

        Returns:
            Faces of every image in its own pixels, strongest first.
        """
        groups: dict[tuple[int, int], list[int]] = {}
        for k, image in enumerate(images):
            height, width = image.shape[:2]
            groups.setdefault((-(-height // 32) * 32, -(-width // 32) * 32), []).append(k)
        results: list[list[Detection]] = [[] for _ in images]
        for (height, width), members in groups.items():
            step = max(1, MAX_BATCH_PIXELS // (height * width))
            for start in range(0, len(members), step):
                part = members[start : start + step]
                batch = np.zeros((len(part), 3, height, width), np.float32)
                for plane, k in zip(batch, part, strict=True):
                    _fill(plane, images[k])
                maps = self._session.run(batch)
                for row, k in enumerate(part):
                    results[k] = decode([m[row] for m in maps], min_score)
        return results


def _fill(plane: Array, image: Image) -> None:
    """Put one image into the top left of its slot; YuNet was trained on BGR, 0 to 255."""
    height, width = image.shape[:2]
    for channel in range(3):
        plane[2 - channel, :height, :width] = image[..., channel]


def decode(maps: Sequence[Array], min_score: float) -> list[Detection]:
    """Turn the three output maps of one image into faces.

    Box and landmarks are the mean over all candidates of a face, weighted by their squared score,
    not those of the strongest alone: neighbouring anchors err independently. On 300 faces that
    were moved by less than a stride and mirrored, this lowered the scatter of the landmarks by a
    fifth (faces of 240 px) to two fifths (110 px).

    Args:
        maps: One ``(16, rows, columns)`` map a stride: class, objectness, box (4), points (10).
        min_score: Weaker candidates go.

    Returns:
        Faces in pixels of the image, strongest first.
    """
    scores, boxes, points = _candidates(maps, min_score)
    best = np.argsort(-scores, kind="stable")[:MAX_CANDIDATES]
    scores, boxes, points = scores[best], boxes[best], points[best]
    kept = non_maximum_suppression(boxes, scores, MAX_IOU)
    if not len(kept):
        return []
    votes = np.where(box_iou(boxes[kept], boxes) >= VOTE_IOU, scores[None] ** 2, 0.0)
    # The strongest votes for itself even if its box is degenerate.
    votes[np.arange(len(kept)), kept] = scores[kept] ** 2
    votes /= votes.sum(axis=1, keepdims=True)
    out_boxes = votes @ boxes
    out_points = np.einsum("kn,nij->kij", votes, points)
    return [
        Detection(box=Box(*map(float, box)), score=float(score), landmarks=to_landmarks(marks))
        for box, score, marks in zip(out_boxes, scores[kept], out_points, strict=True)
    ]


def to_landmarks(points: npt.NDArray[np.floating]) -> Landmarks:
    """Five points, shape ``(5, 2)``, in the order of `Landmarks`."""
    return Landmarks(*(Point(float(x), float(y)) for x, y in points))


def _candidates(maps: Sequence[Array], min_score: float) -> tuple[Floats, Floats, Floats]:
    """Scores ``(n,)``, boxes ``(n, 4)`` and points ``(n, 5, 2)``."""
    scores, boxes, points = [], [], []
    for stride, raw in zip(STRIDES, maps, strict=True):
        # score = sqrt(sigmoid(class) * sigmoid(objectness)); both must pass for the product to.
        score = np.sqrt(_sigmoid(raw[0]) * _sigmoid(raw[1]))
        row, column = np.nonzero(score >= max(min_score, LEAST_SCORE))
        chosen = raw[2:, row, column].astype(np.float64)
        anchor = np.stack([column, row]).astype(np.float64)
        centre = (anchor + chosen[:2]) * stride
        half = np.exp(chosen[2:4]) * stride / 2
        scores.append(score[row, column].astype(np.float64))
        boxes.append(np.concatenate([centre - half, centre + half]).T)
        points.append(((anchor[None] + chosen[4:].reshape(5, 2, -1)) * stride).transpose(2, 0, 1))
    return np.concatenate(scores), np.concatenate(boxes), np.concatenate(points)


def _sigmoid(values: Array) -> Array:
    # Clipped: beyond +-30 the answer is 0 or 1 anyway and exp would overflow.
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(values, -30, 30))), np.float32)
