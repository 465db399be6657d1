"""MTCNN: a cascade of three small nets, five landmarks; needs the extra ``mtcnn``.

Zhang, Zhang, Li, Qiao, "Joint Face Detection and Alignment Using Multitask Cascaded
Convolutional Networks", IEEE Signal Processing Letters 23(10), 2016. The first net proposes faces
in every level of an image pyramid, the second throws most proposals away, the third decides and
finds the landmarks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from mien.detect.base import DetectorSettings, detectors
from mien.detect.mtcnn_networks import ONET, PNET, RNET, open_net
from mien.detect.windows import Pyramid, moved
from mien.geometry import non_maximum_suppression
from mien.interfaces import Detection, Image
from mien.models import Session
from mien.results import Box, Landmarks, Point

CELL_PX = 12
"""The first net looks at squares of this size..."""

STRIDE_PX = 2
"""...this far apart."""

PYRAMID_STEP = 0.709
"""Each level has half the area of the one before."""

PROPOSAL_SCORE, REFINED_SCORE = 0.6, 0.7
"""What the first and the second net must say; the third decides by `min_score`."""

MAX_BATCH = 256
"""Windows in one run of the second or third net."""

TINY_SIDE_PX = 192
"""An image is enlarged up to this long side: tight crops of a face are seen best there."""

BORDERED_SIDE_PX = 320
BORDER = 0.15
"""Size of the search with a border, and the border as a fraction of it."""

OUTSIDE_GREY = 127
"""What lies outside the image is 0 to the nets; black would look like an edge."""

Floats = npt.NDArray[np.float64]


@detectors.register("mtcnn")
class Mtcnn:
    """The cascade on ONNX Runtime.

    An image is scaled down to long side `long_side`; a crop of a face is enlarged. When nothing is
    found, it is searched once more with a border drawn around it, then at twice the size if it
    has the pixels.

    Args:
        settings: Minimum score, device and threads.
        long_side: Long side of the scaled image in pixels.
        min_face_px: Smallest face in the scaled image, in pixels.
        max_upscale: Small images are enlarged at most this much.

    Raises:
        MissingExtraError: The extra ``mtcnn`` is not installed.
    """

    DEFAULT_MIN_SCORE = 0.8

    def __init__(
        self,
        settings: DetectorSettings,
        *,
        long_side: int = 640,
        min_face_px: int = 20,
        max_upscale: float = 4.0,
    ) -> None:
        self.settings = settings
        self.long_side = long_side
        self.min_face_px = min_face_px
        self.max_upscale = max_upscale
        self._proposer = open_net(PNET, settings)
        self._refiner = open_net(RNET, settings)
        self._decider = open_net(ONET, settings)

    def detect(self, images: Sequence[Image]) -> list[list[Detection]]:
        """Return the faces of every image, strongest first.

        Args:
            images: RGB ``uint8``, shapes ``(height, width, 3)``; sizes may differ.
        """
        return [self._detect_one(Pyramid(image)) for image in images]

    def _detect_one(self, image: Pyramid) -> list[Detection]:
        long = max(image.size)
        scale = min(self.long_side / long, self.max_upscale, max(1.0, TINY_SIDE_PX / long))
        return self._cascade(image, scale) or self._look_bordered(image) or self._look_finer(image)

    def _look_bordered(self, image: Pyramid) -> list[Detection]:
        """Search for faces that fill the image or are cut by its border."""
        side = min(BORDERED_SIDE_PX, round(max(image.size) * self.max_upscale))
        pixels, border, scale = image.bordered(side, BORDER)
        faces = self._cascade(Pyramid(pixels), 1.0)
        return [moved(face, (-border, -border), (1 / scale, 1 / scale)) for face in faces]

    def _look_finer(self, image: Pyramid) -> list[Detection]:
        long = max(image.size)
        side = min(2 * self.long_side, long)
        return self._cascade(image, side / long) if side > self.long_side else []

    def _cascade(self, image: Pyramid, scale: float) -> list[Detection]:
        """Find the faces that are at least `min_face_px` wide in the image scaled by `scale`."""
        boxes = self._refine(image, self._propose(image, scale * CELL_PX / self.min_face_px))
        answer = _ask(self._decider, image, boxes, 48)
        scores = _face_probability(answer[:, 14:16])
        keep = scores >= self.settings.min_score
        boxes, answer, scores = boxes[keep], answer[keep], scores[keep]
        points = answer[:, 4:14].reshape(-1, 2, 5).transpose(0, 2, 1)
        points = points * (boxes[:, 2:] - boxes[:, :2])[:, None] + boxes[:, None, :2]
        boxes = _moved_edges(boxes, answer[:, :4])
        return [
            Detection(
                box=Box(*map(float, boxes[k])),
                score=float(scores[k]),
                landmarks=Landmarks(*(Point(float(x), float(y)) for x, y in points[k])),
            )
            for k in _without_nested(boxes, scores)
        ]

    def _refine(self, image: Pyramid, boxes: Floats) -> Floats:
        """The proposals that the second net takes for faces, moved to where it sees them."""
        answer = _ask(self._refiner, image, boxes, 24)
        scores = _face_probability(answer[:, 4:6])
        keep = scores > REFINED_SCORE
        boxes = _moved_edges(boxes[keep], answer[keep, :4])
        return _squares(boxes[non_maximum_suppression(boxes, scores[keep], 0.7)])

    def _propose(self, image: Pyramid, scale: float) -> Floats:
        """Squares ``(n, 4)`` that may hold a face, in pixels of the image."""
        boxes, scores = [np.zeros((0, 4))], [np.zeros(0)]
        for size in _levels(image.size, scale):
            level = image.scaled(size)
            maps = self._proposer.run(_normalised(level[None]))[0][0].astype(np.float64)
            found, score = _proposals(maps)
            kept = non_maximum_suppression(found, score, 0.5)
            ratio = np.tile((image.size[1] / size[1], image.size[0] / size[0]), 2)
            boxes.append(found[kept] * ratio)
            scores.append(score[kept])
        together = np.concatenate(boxes)
        return _squares(together[non_maximum_suppression(together, np.concatenate(scores), 0.7)])


def _levels(size: tuple[int, int], scale: float) -> Iterator[tuple[int, int]]:
    """Sizes ``(height, width)`` of the pyramid, from the finest to the last that holds a cell."""
    while True:
        level = round(size[0] * scale), round(size[1] * scale)
        if min(level) < CELL_PX:
            return
        yield level
        scale *= PYRAMID_STEP


def _normalised(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """RGB ``(n, h, w, 3)`` to the nets' input ``(n, 3, h, w)``, about -1 to 1."""
    scaled = (np.moveaxis(images, 3, 1).astype(np.float32) - 127.5) / 128.0
    return np.ascontiguousarray(scaled)


def _face_probability(logits: npt.NDArray[np.floating]) -> Floats:
    """Softmax of ``(n, 2)`` logits, not a face and face; only the second column."""
    difference = np.clip(logits[:, 0].astype(np.float64) - logits[:, 1], -60, 60)
    return np.asarray(1.0 / (1.0 + np.exp(difference)))


def _proposals(maps: Floats) -> tuple[Floats, Floats]:
    """Boxes ``(n, 4)`` and scores ``(n,)`` of the first net's map ``(6, rows, columns)``."""
    score = _face_probability(maps[4:].reshape(2, -1).T).reshape(maps.shape[1:])
    row, column = np.nonzero(score > PROPOSAL_SCORE)
    corner = STRIDE_PX * np.stack([column, row], axis=1) + 1
    boxes = np.concatenate([corner, corner + CELL_PX - 1], axis=1).astype(np.float64)
    boxes += maps[:4, row, column].T * (CELL_PX - 1)
    return boxes, score[row, column]


def _ask(net: Session, image: Pyramid, boxes: Floats, size: int) -> Floats:
    """Cut every square, scale it to `size` and run the net: ``(n, outputs)``."""
    answers = [np.zeros((0, 16))]
    for start in range(0, len(boxes), MAX_BATCH):
        part = boxes[start : start + MAX_BATCH]
        chips = np.stack(
            [image.cut(_to_chip(box, size), size, outside=OUTSIDE_GREY) for box in part]
        )
        answers.append(net.run(_normalised(chips))[0].reshape(len(part), -1).astype(np.float64))
    return np.concatenate(answers[1:]) if len(answers) > 1 else answers[0]


def _to_chip(box: Floats, size: int) -> Floats:
    """Transform ``(2, 3)`` that maps a square box onto a chip."""
    scale = size / (box[2] - box[0])
    return np.array([[scale, 0.0, -scale * box[0]], [0.0, scale, -scale * box[1]]])


def _moved_edges(boxes: Floats, offsets: Floats) -> Floats:
    """Move left, top, right and bottom by fractions of the width and height."""
    return boxes + offsets * np.tile(boxes[:, 2:] - boxes[:, :2], 2)


def _squares(boxes: Floats) -> Floats:
    """The square around every box, with the same centre; at least one pixel wide."""
    half = np.maximum((boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True), 1.0) / 2
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.hstack([middle - half, middle + half])


def _without_nested(boxes: Floats, scores: Floats) -> list[int]:
    """Indices of faces, strongest first, without those that lie mostly inside a stronger one."""
    kept: list[int] = []
    for k in np.argsort(-scores, kind="stable"):
        low = np.maximum(boxes[kept, :2], boxes[k, :2])
        high = np.minimum(boxes[kept, 2:], boxes[k, 2:])
        overlap = np.clip(high - low, 0, None).prod(axis=1)
        smaller = np.minimum(_areas(boxes[kept]), _areas(boxes[k : k + 1]))
        if not (overlap > 0.7 * smaller).any():
            kept.append(int(k))
    return kept


def _areas(boxes: Floats) -> Floats:
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1))
