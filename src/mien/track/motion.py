"""How a face moved from one frame to the next: optical flow on a small patch around it.

Every face has a patch of its own, scaled so that the face has the same size in it. So the cost
does not depend on the size of the frame, and a small face is followed as well as a large one.

Bouguet, "Pyramidal Implementation of the Lucas Kanade Feature Tracker", 2000; the check forward and
backward is that of Kalal, Mikolajczyk, Matas, "Forward-Backward Error", ICPR 2010.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from mien.geometry import apply_transform
from mien.interfaces import Detection, Image
from mien.results import Box, Landmarks, Point

PATCH_PX = 96
"""Width and height of a patch."""

PATCH_SIDES = 2.2
"""The patch is so many times as wide as the longer side of the face: room for it to move."""

SAMPLES = 192
"""Pixels a side that a patch is averaged from where a face is large: reading all costs more."""

CENTRED = 0.08
"""A patch is good for the next frame while its face is no further from the middle, in sides."""

WINDOW = (13, 13)
LEVELS = 2
STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)

MAX_RETURN_PX = 0.7
"""A point that does not come back to where it started, in pixels of the patch, has been lost."""

MAX_RESIDUAL_PX = 1.2
"""A point further from where the motion of the face puts it moves on its own."""

MIN_POINTS = 8
"""With fewer points the motion is a guess."""

MAX_SCALE_CHANGE, MAX_TURN = 1.25, 0.35
"""No face grows or turns (radians) so much between two frames; points that say so are confused."""

GENTLE_PULL, FULL_PULL = 0.35, 0.08
"""How far the detector pulls a face that the flow leads, 0 to 1, and at which mean difference, in
widths of the face, it pulls all the way."""

FACE_PX = 20
"""Width and height of the thumbnail that shows whether the face is still what moves."""

_COLUMNS, _ROWS = np.meshgrid(np.linspace(0.14, 0.86, 5), np.linspace(0.1, 0.9, 5))
GRID = np.stack([_COLUMNS.ravel(), _ROWS.ravel()], axis=1)
"""Points within the face box that are followed besides the landmarks."""

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


class Patch(NamedTuple):
    """Luma of a square window of one frame.

    Attributes:
        pixels: ``uint8``, shape ``(PATCH_PX, PATCH_PX)``.
        left: First column of the window in the frame; may lie outside.
        top: First row of the window in the frame; may lie outside.
        side: Width and height of the window in pixels of the frame.
    """

    pixels: Pixels
    left: int
    top: int
    side: int

    def to_patch(self, points: Floats) -> Floats:
        """From pixels of the frame to pixels of the patch."""
        return (points - (self.left, self.top)) * (PATCH_PX / self.side)


class Motion(NamedTuple):
    """How one face moved.

    Attributes:
        matrix: Similarity ``(2, 3)`` from pixels of the frame before to pixels of this frame.
        agreement: Share of the points that moved like that, 0 to 1.
        patch: The window of this frame in which the face was found.
    """

    matrix: Floats
    agreement: float
    patch: Patch


def patch_around(image: Image, box: Box, old: Patch | None = None) -> Patch:
    """Cut the window around a face, or return `old` if it shows the face well enough."""
    side = max(8, round(PATCH_SIDES * max(box.width, box.height)))
    left = round((box.left + box.right - side) / 2)
    top = round((box.top + box.bottom - side) / 2)
    if old is not None and abs(old.side - side) < CENTRED * side:
        away = max(abs(old.left - left), abs(old.top - top))
        if away < CENTRED * side:
            return old
    return Patch(_cut(image, left, top, side), left, top, side)


def _cut(image: Image, left: int, top: int, side: int) -> Pixels:
    """Luma of a window; beyond the border the outermost pixels are repeated."""
    height, width = image.shape[:2]
    count = min(side, SAMPLES)
    if left >= 0 and top >= 0 and left + side <= width and top + side <= height:
        inside = image[top : top + side, left : left + side]
        resized = cv2.resize(inside, (count, count), interpolation=cv2.INTER_NEAREST)
        window = np.asarray(resized, np.uint8)
    else:
        away = np.arange(count) * side // count
        rows, columns = np.clip(top + away, 0, height - 1), np.clip(left + away, 0, width - 1)
        window = image[rows[:, None], columns]
    grey = cv2.cvtColor(window, cv2.COLOR_RGB2GRAY)
    way = cv2.INTER_AREA if len(grey) > PATCH_PX else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (PATCH_PX, PATCH_PX), interpolation=way), np.uint8)


def follow_face(
    patch: Patch, face: Detection, image: Image, shift: tuple[float, float]
) -> Motion | None:
    """Find out how a face moved.

    Args:
        patch: The window around the face in the frame before.
        face: Where the face was in the frame before.
        image: This frame.
        shift: How far it has probably moved, in pixels.

    Returns:
        The motion, ``None`` when too few points can be followed.
    """
    left, top = patch.left + round(shift[0]), patch.top + round(shift[1])
    now = Patch(_cut(image, left, top, patch.side), left, top, patch.side)
    points = _points(face, image)
    if len(points) < MIN_POINTS:
        return None
    starts = patch.to_patch(points).astype(np.float32)
    ends, found = _lucas_kanade(patch.pixels, now.pixels, starts)
    back, found_back = _lucas_kanade(now.pixels, patch.pixels, ends)
    good = found & found_back & (np.abs(back - starts).max(axis=1) < MAX_RETURN_PX)
    if good.sum() < MIN_POINTS:
        return None
    matrix, inliers = cv2.estimateAffinePartial2D(
        starts[good], ends[good], method=cv2.RANSAC, ransacReprojThreshold=MAX_RESIDUAL_PX
    )
    if matrix is None or not _is_plausible(matrix):
        return None
    return Motion(_in_frame(matrix, patch, now), float(inliers.sum() / len(points)), now)


def _lucas_kanade(
    before: Pixels, now: Pixels, points: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Where points ``(n, 2)`` have gone, and whether they could be followed."""
    ends, found, _ = cv2.calcOpticalFlowPyrLK(
        before, now, points, points.copy(), winSize=WINDOW, maxLevel=LEVELS, criteria=STOP
    )
    return np.asarray(ends, np.float32), np.asarray(found)[:, 0] > 0


def _points(face: Detection, image: Image) -> Floats:
    """Grid and landmarks that lie in the frame, in pixels of the frame before."""
    left, top, right, bottom = face.box
    points = GRID * (right - left, bottom - top) + (left, top)
    if face.landmarks is not None:
        points = np.concatenate([points, np.array(face.landmarks)])
    size = (image.shape[1], image.shape[0])
    inside: Floats = points[((points >= 0) & (points < size)).all(axis=1)]
    return inside


def _is_plausible(matrix: Floats) -> bool:
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    turn = float(np.arctan2(matrix[1, 0], matrix[0, 0]))
    return 1 / MAX_SCALE_CHANGE < scale < MAX_SCALE_CHANGE and abs(turn) < MAX_TURN


def _in_frame(matrix: Floats, before: Patch, now: Patch) -> Floats:
    """The same motion in pixels of the frame."""
    factor = before.side / PATCH_PX
    linear = matrix[:, :2]
    shift = factor * matrix[:, 2] + (now.left, now.top) - linear @ (before.left, before.top)
    return np.hstack([linear, shift[:, None]])


def moved(face: Detection, matrix: Floats) -> Detection:
    """Move a face; its box stays parallel to the frame."""
    box = face.box
    half = np.array([box.width, box.height]) * float(np.hypot(matrix[0, 0], matrix[1, 0])) / 2
    middle = np.array([[box.left + box.right, box.top + box.bottom]]) / 2
    points = middle if face.landmarks is None else np.concatenate([middle, face.landmarks])
    centre, *marks = apply_transform(matrix, points)
    return _with_coordinates(face, np.concatenate([centre - half, centre + half, *marks]))


def steadied(led: Detection, seen: Detection) -> Detection:
    """Join where the flow has led with where the detector sees the same face.

    The detector trembles by a hundredth of the face from look to look; the flow does not, but
    drifts. So the detector pulls gently, and the harder the more the two differ: a turned head
    moves the landmarks against each other, which the flow of a flat face cannot follow.
    """
    one, other = _coordinates(led), _coordinates(seen)
    if len(one) != len(other):
        return seen
    away = float(np.abs(one - other).mean()) / max(1.0, seen.box.width)
    pull = min(1.0, max(GENTLE_PULL, away / FULL_PULL))
    return _with_coordinates(seen, one + pull * (other - one))


def _coordinates(face: Detection) -> Floats:
    marks = [] if face.landmarks is None else [x for point in face.landmarks for x in point]
    return np.array([*face.box, *marks], np.float64)


def _with_coordinates(face: Detection, values: Floats) -> Detection:
    left, top, right, bottom, *rest = map(float, values)
    points = (Point(x, y) for x, y in zip(rest[::2], rest[1::2], strict=True))
    marks = None if face.landmarks is None else Landmarks(*points)
    return Detection(box=Box(left, top, right, bottom), score=face.score, landmarks=marks)


def thumbnail(patch: Patch, box: Box) -> Floats:
    """The face within a patch, tiny, with brightness and contrast taken out.

    Returns:
        Shape ``(FACE_PX**2,)`` with length 1, so that a product of two is their correlation; all
        zero for a face without any structure.
    """
    (left, top), (right, bottom) = patch.to_patch(np.array(box).reshape(2, 2))
    scale = np.array([FACE_PX / max(1.0, right - left), FACE_PX / max(1.0, bottom - top)])
    matrix = np.array([[scale[0], 0, -left * scale[0]], [0, scale[1], -top * scale[1]]])
    face = cv2.warpAffine(
        patch.pixels, matrix, (FACE_PX, FACE_PX), flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.float64).ravel()  # fmt: skip
    face -= face.mean()
    length = float(np.linalg.norm(face))
    return face / length if length > FACE_PX else np.zeros_like(face)
