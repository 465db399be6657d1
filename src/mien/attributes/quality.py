"""How much a picture of a face lets anybody say: size, sharpness, pose, and when to abstain."""

from __future__ import annotations

import math

import cv2
import numpy as np

from mien.images import to_grey
from mien.interfaces import Detection, Image
from mien.results import Landmarks, Quality

NOSE_DEPTH = 0.5
"""How far the nose tip stands before the line between the eyes, in eye distances."""

EYES_TO_MOUTH = 1.15
"""Height of the eye line over the mouth line, in eye distances."""


def measure_quality(detection: Detection, chip: Image | None) -> Quality:
    """Describe one face.

    Args:
        detection: Box and landmarks in pixels of the source image.
        chip: Aligned RGB chip, or ``None`` when the face could not be aligned.
    """
    yaw = pitch = roll = None
    if detection.landmarks is not None:
        yaw, pitch, roll = head_pose(detection.landmarks)
    sharpness = 0.0
    if chip is not None:
        sharpness = float(cv2.Laplacian(to_grey(chip), cv2.CV_32F).var())
    return Quality(
        size_px=float(min(detection.box.width, detection.box.height)),
        sharpness=sharpness,
        yaw_deg=yaw,
        pitch_deg=pitch,
        roll_deg=roll,
    )


def head_pose(landmarks: Landmarks) -> tuple[float, float, float]:
    """Rough yaw, pitch and roll in degrees from five landmarks.

    The face is taken as a plane of eyes and mouth with the nose `NOSE_DEPTH` in front of it; the
    shift of the nose against that plane gives the turn. Good to about ten degrees up to a
    half profile, which is enough to say "turned away".

    Returns:
        Yaw (positive: nose towards the viewer's right), pitch (positive: looks up), roll
        (positive: clockwise).
    """
    points = np.array(landmarks, np.float64)
    right_eye, left_eye, nose, right_mouth, left_mouth = points
    across = left_eye - right_eye
    roll = math.atan2(across[1], across[0])
    turn = np.array([[math.cos(-roll), -math.sin(-roll)], [math.sin(-roll), math.cos(-roll)]])
    eyes = (right_eye + left_eye) / 2
    to_nose = turn @ (nose - eyes)
    to_mouth = turn @ ((right_mouth + left_mouth) / 2 - eyes)
    # Turning shrinks the eye distance, nodding the height: the larger one is the scale.
    scale = max(math.hypot(*across), abs(float(to_mouth[1])) / EYES_TO_MOUTH, 1e-6)
    middle = float(to_mouth[0]) / 2
    yaw = math.asin(float(np.clip((to_nose[0] - middle) / (NOSE_DEPTH * scale), -1, 1)))
    lift = float(to_mouth[1]) / 2 - float(to_nose[1])
    pitch = math.asin(float(np.clip(lift / (NOSE_DEPTH * scale), -1, 1)))
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)


def reason_to_skip(
    detection: Detection, quality: Quality, *, min_face_px: int, min_sharpness: float = 0.0
) -> str | None:
    """Why a face gets no attributes, or ``None`` when it does.

    Args:
        detection: Box in pixels of the source image.
        quality: From `measure_quality`.
        min_face_px: Narrower faces are skipped.
        min_sharpness: Faces that are less sharp are skipped, too.
    """
    if detection.box.width < min_face_px:
        return f"face narrower than {min_face_px} px"
    if quality.sharpness < min_sharpness:
        # Rounded down: 3.96 must not read as "4, at least 4".
        sharpness = math.floor(10 * quality.sharpness) / 10
        return f"face too blurred (sharpness {sharpness:g}, at least {min_sharpness:g})"
    return None
