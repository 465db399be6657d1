"""YuNet on ONNX Runtime with our own decode: any image size, batches, five landmarks.

Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research
20, 2023. The graph is the 2023mar version of the OpenCV Zoo with its heads joined
(`scripts/make_yunet.py`). `yunet_network` runs it; here stands where and how often to look.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from mien.detect.base import DetectorSettings, detectors
from mien.detect.second_look import CANDIDATE_SCORE, SURE_SCORE, leans, look_again
from mien.detect.windows import Pyramid, moved, scaled_size
from mien.detect.yunet_network import MAX_IOU, Network, to_landmarks
from mien.geometry import box_iou, non_maximum_suppression
from mien.interfaces import Detection, Image
from mien.results import Box

SMALL_FACE_PX = 32.0
"""Where faces this narrow in the scaled image are seen, narrower ones may be overlooked."""

CROWD = 3
"""So many small faces are worth a finer look at the whole image."""

TINY_SIDE_PX = 192
"""An image is enlarged beyond double only up to this long side: tight crops are seen best there."""

PROVEN_SCORE, PROVEN_EXTRA = 0.85, 0.25
"""What a second look must say of a face that the first one was too weak for.

Upright and at a good size, nearly all real faces reach 0.85, most false alarms do not: on 36 photos
without people 0.06 faces an image are seen with it, 0.19 without. Who asks for faces of a low score
gets them with `PROVEN_EXTRA` above it.
"""

MAX_SECOND_LOOKS = 24
"""Faces of one image that are looked at again; in a crowd the strongest of the doubtful."""

EMPTY_SIDE_PX = 2048
"""Where nothing is found, the image is not searched finer than this."""

TILE_PX = 1024
TILE_OVERLAP_PX = 128
"""Looks beyond one tile are tiled; faces wider than the overlap were seen at a coarser look."""


@detectors.register("yunet")
class YuNet:
    """The default detector.

    The first look is at long side `long_side`. Faces that it is not sure of, or that lean, get a
    second look, upright and at a good size (`mien.detect.second_look`). When nothing is found, or
    a crowd of small faces, the image is searched finer: at `retry_long_side`, then doubling up to
    its own size. When nothing is found even so, it is searched on its side.

    Args:
        settings: Minimum score, device and threads.
        long_side: Long side of the scaled image in pixels.
        retry_long_side: Long side of the first finer search; 0 switches all further searches of
            the image off.
        max_upscale: Small images are enlarged at most this much.
        second_look: Look at doubtful and tilted faces again.
    """

    DEFAULT_MIN_SCORE = 0.6

    def __init__(
        self,
        settings: DetectorSettings,
        *,
        long_side: int = 640,
        retry_long_side: int = 1024,
        max_upscale: float = 4.0,
        second_look: bool = True,
    ) -> None:
        self.settings = settings
        self.long_side = long_side
        self.retry_long_side = retry_long_side
        self.max_upscale = max_upscale
        self.second_look = second_look
        self._network = Network(settings)
        weakest = min(CANDIDATE_SCORE, settings.min_score)
        self._candidate_score = weakest if second_look else settings.min_score

    def detect(self, images: Sequence[Image]) -> list[list[Detection]]:
        """Return the faces of every image, strongest first.

        Args:
            images: RGB ``uint8``, shapes ``(height, width, 3)``; sizes may differ.
        """
        pyramids = [Pyramid(image) for image in images]
        results = []
        for image, candidates in zip(pyramids, self._first_look(pyramids), strict=True):
            faces = self._settle(image, candidates)
            if self.retry_long_side and self.settings.thorough:
                faces = self._search_on(image, faces)
            results.append(faces)
        return results

    def _first_look(self, images: Sequence[Pyramid]) -> list[list[Detection]]:
        sizes = [scaled_size(image.size, self._first_scale(image)) for image in images]
        scaled = [image.scaled(size) for image, size in zip(images, sizes, strict=True)]
        looks = self._network.look(scaled, self._candidate_score)
        return [
            [moved(face, (0, 0), _ratio(image, size)) for face in faces]
            for image, size, faces in zip(images, sizes, looks, strict=True)
        ]

    def _first_scale(self, image: Pyramid) -> float:
        scale = self._scale(image, self.long_side)
        return float(min(scale, max(2.0, TINY_SIDE_PX / max(image.size))))

    def _scale(self, image: Pyramid, long_side: int) -> float:
        short, long = min(image.size), max(image.size)
        scale: float = long_side / long
        if long > 2 * short:
            # A panorama: as many pixels as a 4:3 image of this long side has, but none made up.
            scale = max(scale, min(1.0, long_side * math.sqrt(0.75 / (short * long))))
        return float(min(scale, self.max_upscale))

    def _settle(
        self, image: Pyramid, candidates: Sequence[Detection], *, confirm: bool = False
    ) -> list[Detection]:
        """Decide which candidates are faces; look again at the doubtful ones.

        Args:
            image: The image.
            candidates: What the network saw, strongest first.
            confirm: Strong candidates need a second look, too. Finer and turned searches see
                faces in textures more often than the first look does.
        """
        enough = self.settings.min_score
        proven = max(enough, min(PROVEN_SCORE, enough + PROVEN_EXTRA))
        if not self.second_look:
            return [face for face in candidates if face.score >= enough]
        sure = [f for f in candidates if f.score >= SURE_SCORE and not leans(f) and not confirm]
        doubtful = [face for face in candidates if face not in sure]
        asked, rest = doubtful[:MAX_SECOND_LOOKS], doubtful[MAX_SECOND_LOOKS:]
        kept = [face for face in sure + rest if face.score >= enough]
        for first, second in zip(asked, look_again(self._network, image, asked), strict=True):
            if first.score >= enough and not confirm:
                kept.append(first if second is None else _joined(first, second))
            elif second is not None and second.score >= proven:
                kept.append(second)
        return _merged(kept)

    def _search_on(self, image: Pyramid, faces: list[Detection]) -> list[Detection]:
        """Search finer while it is worth it, and turned when there is still nothing."""
        scale = self._first_scale(image)
        for side in self._finer_sides(image):
            finer = self._scale(image, side)
            crowd = sum(face.box.width * scale < SMALL_FACE_PX for face in faces)
            if (faces and crowd < CROWD) or (not faces and side > EMPTY_SIDE_PX):
                break
            if finer > scale * 1.01:
                new = _apart_from(faces, self._look_in_tiles(image, finer))
                faces = _merged(faces + self._settle(image, new, confirm=True))
                scale = finer
        return faces or self._look_turned(image)

    def _finer_sides(self, image: Pyramid) -> Iterator[int]:
        """Long sides to search at: `retry_long_side`, doubling, at last the image's own."""
        own = max(image.size)
        side = self.retry_long_side
        yield side
        while side < own:
            side = 2 * side if 3 * side < own else own
            yield side

    def _look_in_tiles(self, image: Pyramid, scale: float) -> list[Detection]:
        size = scaled_size(image.size, scale)
        ratio = _ratio(image, size)
        scaled = image.scaled(size)
        tiled = size[0] * size[1] > TILE_PX**2
        found: list[Detection] = []
        for top in _tile_starts(size[0]) if tiled else (0,):
            for left in _tile_starts(size[1]) if tiled else (0,):
                tile = scaled[top : top + TILE_PX, left : left + TILE_PX] if tiled else scaled
                faces = self._network.look([tile], self._candidate_score)[0]
                limit = TILE_OVERLAP_PX if tiled else math.inf
                seen = (face for face in faces if face.box.width < limit)
                found += [moved(face, (left, top), ratio) for face in seen]
        return _merged(found)

    def _look_turned(self, image: Pyramid) -> list[Detection]:
        """Search the image lying on its left and on its right side."""
        size = scaled_size(image.size, self._first_scale(image))
        scaled = image.scaled(size)
        turned = [np.ascontiguousarray(np.rot90(scaled, k)) for k in (1, 3)]
        left, right = self._network.look(turned, self._candidate_score)
        # Counter-clockwise: (x, y) went to (y, width - x); clockwise: to (height - y, x).
        back = [_turned_back(face, np.array([[0.0, -1], [1, 0]]), (size[1], 0)) for face in left]
        back += [_turned_back(face, np.array([[0.0, 1], [-1, 0]]), (0, size[0])) for face in right]
        ratio = _ratio(image, size)
        return self._settle(
            image, _merged([moved(face, (0, 0), ratio) for face in back]), confirm=True
        )


def _ratio(image: Pyramid, size: tuple[int, int]) -> tuple[float, float]:
    """Pixels of the image per pixel of the scaled image, ``(x, y)``."""
    return image.size[1] / size[1], image.size[0] / size[0]


def _tile_starts(length: int) -> list[int]:
    """Where tiles begin so that they cover `length` and overlap by at least `TILE_OVERLAP_PX`."""
    count = max(1, -(-(length - TILE_OVERLAP_PX) // (TILE_PX - TILE_OVERLAP_PX)))
    return [round(k * (length - TILE_PX) / max(1, count - 1)) for k in range(count)]


def _joined(first: Detection, second: Detection) -> Detection:
    """What two looks at a face say together: the second one has seen the landmarks better."""
    # The first look sees a lying face too small; of an upright one it sees more surroundings.
    box = second.box if leans(second) else first.box
    return replace(second, box=box, score=max(first.score, second.score))


def _merged(faces: Sequence[Detection]) -> list[Detection]:
    """Drop what overlaps a stronger face; strongest first."""
    if not faces:
        return []
    boxes = np.array([face.box for face in faces])
    scores = np.array([face.score for face in faces])
    return [faces[k] for k in non_maximum_suppression(boxes, scores, MAX_IOU)]


def _apart_from(known: Sequence[Detection], faces: Sequence[Detection]) -> list[Detection]:
    """Those of `faces` that no known face overlaps."""
    if not known or not faces:
        return list(faces)
    overlap = box_iou(np.array([f.box for f in faces]), np.array([f.box for f in known]))
    return [f for f, most in zip(faces, overlap.max(axis=1), strict=True) if most <= MAX_IOU]


def _turned_back(
    face: Detection, turn: npt.NDArray[np.float64], shift: tuple[int, int]
) -> Detection:
    """From pixels of the turned image to pixels of the image."""
    corners = np.array(face.box).reshape(2, 2) @ turn.T + shift
    low, high = corners.min(axis=0), corners.max(axis=0)
    points = np.array(face.landmarks) @ turn.T + shift
    box = Box(*map(float, (*low, *high)))
    return replace(face, box=box, landmarks=to_landmarks(points))
