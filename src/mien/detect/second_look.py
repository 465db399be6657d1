"""A second look at doubtful faces: upright, and at the size that the network likes best.

YuNet was trained on upright faces. It finds many tilted ones, but with a low score and with
landmarks that lean towards upright: at 30 degrees they are off by 0.22 of the eye distance, at 90
by 0.86, and an upside-down face is read as an upright one. Turning the window, not the network,
brings each of these errors down to 0.06 (docs/detectors.md). The same window shows a face that is
small, cut by the border or larger than the anchors at a good size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mien.detect.windows import Matrix, Pose, Pyramid, window_matrix
from mien.detect.yunet_network import Network, to_landmarks
from mien.geometry import apply_transform, invert_transform
from mien.interfaces import Detection
from mien.results import Box, Landmarks

SURE_SCORE = 0.9
"""Above this the turn that the landmarks show is trusted; below, four turns are tried."""

CANDIDATE_SCORE = 0.3
"""Weaker faces in the first look are not worth a second one."""

UPRIGHT_RAD = math.radians(6.0)
"""Faces that lean less are taken as they are: YuNet underestimates the turn, 10 look like 6."""

LEANS_RAD = math.radians(10.0)
"""A second look that finds the face turned by more than this from its guess is repeated."""

TURN_CHIP = (128, 72.0)
"""Size of the chip and of the face in it, in pixels, for finding out which way is up."""

FINE_CHIP = (256, 160.0)
"""The same for the look at the upright face; larger chips cost more than they gain."""

CLOSE = 0.2
"""Two turns whose scores differ by less are both looked at closely."""

MARGIN = 0.03
"""By so much a turn must beat the one that the landmarks show: of a profile, all look alike."""


def turn_of(landmarks: Landmarks) -> float:
    """Turn of a face in the image plane in radians, positive is clockwise.

    The mean direction of the lines eye to eye, mouth corner to mouth corner and, turned by a
    right angle, eyes to mouth.
    """
    right_eye, left_eye, _, right_mouth, left_mouth = (complex(*p) for p in landmarks)
    across = (left_eye - right_eye) + (left_mouth - right_mouth)
    down = (right_mouth + left_mouth) - (right_eye + left_eye)
    direction = across - 1j * down
    return math.atan2(direction.imag, direction.real)


def look_again(
    network: Network, image: Pyramid, faces: Sequence[Detection]
) -> list[Detection | None]:
    """Look at every face once more.

    Args:
        network: The detector.
        image: The image that the faces are in.
        faces: Candidates with landmarks, in pixels of `image`.

    Returns:
        What is seen there now, ``None`` where there is no face. The box stays parallel to the
        image and encloses the turned face.
    """
    # Every face starts with one or more guesses how it is turned, the likeliest first.
    poses = [[_pose(face)] for face in faces]
    unsure = [k for k, face in enumerate(faces) if face.score < SURE_SCORE]
    for k, turns in zip(
        unsure, _which_way_up(network, image, [poses[k][0] for k in unsure]), strict=True
    ):
        poses[k] = turns
    answers = iter(_look_closely(network, image, [pose for turns in poses for pose in turns]))
    return [_best([next(answers) for _ in turns]) for turns in poses]


def _best(answers: Sequence[_Seen | None]) -> Detection | None:
    """The strongest answer; a later one must win by `MARGIN`."""
    best: Detection | None = None
    for answer in answers:
        if answer is not None and (best is None or answer.detection.score > best.score + MARGIN):
            best = answer.detection
    return best


def leans(face: Detection) -> bool:
    """Whether a face is turned so far that its landmarks cannot be trusted."""
    return face.landmarks is not None and _angle(turn_of(face.landmarks)) > UPRIGHT_RAD


class _Seen(NamedTuple):
    """A face in a window, both as a detection and as a pose in the image."""

    detection: Detection
    pose: Pose


def _angle(difference_rad: float) -> float:
    """Size of a turn, 0 to pi."""
    return abs(math.remainder(difference_rad, math.tau))


def _pose(face: Detection) -> Pose:
    box = face.box
    # The box of a face that lies on its side is wider than high; an upright one is about 0.8.
    width = max(box.width, 0.75 * box.height)
    turn = 0.0 if face.landmarks is None else turn_of(face.landmarks)
    return Pose((box.left + box.right) / 2, (box.top + box.bottom) / 2, width, turn)


def _which_way_up(network: Network, image: Pyramid, poses: Sequence[Pose]) -> list[list[Pose]]:
    """Try four turns of every pose; keep the best and, when it comes close, one more.

    The turn that the pose came with stands first if it is among them.
    """
    quarters = [
        pose._replace(turn_rad=pose.turn_rad + k * math.pi / 2) for pose in poses for k in range(4)
    ]
    seen = _look_at(network, image, quarters, *TURN_CHIP)
    likely = []
    for k in range(0, len(seen), 4):
        scores = np.array([0.0 if f is None else f.detection.score for f in seen[k : k + 4]])
        first, second = np.argsort(-scores, kind="stable")[:2]
        close = scores[second] > max(0.0, scores[first] - CLOSE)
        chosen = sorted([first, second] if close else [first])
        likely.append([f.pose for f in (seen[k + c] for c in chosen) if f is not None])
    return likely


def _look_closely(network: Network, image: Pyramid, poses: Sequence[Pose]) -> list[_Seen | None]:
    """Look at every pose; once more at those that turn out to lean further than they seemed."""
    answers = _look_at(network, image, poses, *FINE_CHIP)
    leaning = {
        k: answer.pose
        for k, (answer, pose) in enumerate(zip(answers, poses, strict=True))
        if answer is not None and _angle(answer.pose.turn_rad - pose.turn_rad) > LEANS_RAD
    }
    again = _look_at(network, image, list(leaning.values()), *FINE_CHIP)
    for k, answer in zip(leaning, again, strict=True):
        answers[k] = answer or answers[k]
    return answers


def _look_at(
    network: Network, image: Pyramid, poses: Sequence[Pose], size: int, face_px: float
) -> list[_Seen | None]:
    """Find the face in the middle of the window of every pose."""
    matrices = [window_matrix(pose, size, face_px) for pose in poses]
    chips = [image.cut(matrix, size) for matrix in matrices]
    found = network.look(chips, CANDIDATE_SCORE)
    answers: list[_Seen | None] = []
    for pose, matrix, faces in zip(poses, matrices, found, strict=True):
        middle = (face for face in faces if _is_the_one(face.box, size, face_px))
        best = next(middle, None)  # they come strongest first
        answers.append(None if best is None else _back(best, pose, matrix))
    return answers


def _is_the_one(box: Box, size: int, face_px: float) -> bool:
    """Whether a face in a chip is the one that the chip was cut for, not a neighbour."""
    away = max(abs(box.left + box.right - size), abs(box.top + box.bottom - size)) / 2
    return away < 0.5 * face_px and 0.4 * face_px < box.width < 2.5 * face_px


def _back(face: Detection, pose: Pose, matrix: Matrix) -> _Seen:
    """Take a face from chip to image."""
    assert face.landmarks is not None  # YuNet always has them
    inverse = invert_transform(matrix)
    scale = math.hypot(inverse[0, 0], inverse[1, 0])
    box = face.box
    middle = np.array([[box.left + box.right, box.top + box.bottom]]) / 2
    x, y = map(float, apply_transform(inverse, middle)[0])
    width, height = box.width * scale, box.height * scale
    # The upright box around the turned ellipse that fills the face's box.
    cos, sin = math.cos(pose.turn_rad), math.sin(pose.turn_rad)
    across, down = math.hypot(width * cos, height * sin), math.hypot(width * sin, height * cos)
    points = to_landmarks(apply_transform(inverse, np.array(face.landmarks)))
    detection = Detection(
        box=Box(x - across / 2, y - down / 2, x + across / 2, y + down / 2),
        score=face.score,
        landmarks=points,
    )
    return _Seen(detection, Pose(x, y, width, turn_of(points)))
