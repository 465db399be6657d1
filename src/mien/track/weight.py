"""How much one frame counts beside the others of the same person."""

from __future__ import annotations

import math

from mien.results import Quality

SHARP = 50.0
"""Sharpness at which a frame counts half."""

LARGE_PX = 48.0
"""Size at which a frame counts half."""

TURNED_DEG = 40.0
"""Angle away from the camera at which a frame counts half."""

FLOOR = 1e-3
"""The worst frame: nothing beside a good one, but an answer when there is no other."""


def frame_weight(quality: Quality, score: float) -> float:
    """Weight of one frame, from size, sharpness, pose and the detector's confidence.

    Weights mean something beside each other only: a clip that is blurred throughout is answered
    as a sharp one is. The slopes follow how far answers stray from those of the same face seen
    well (docs/decisions/014-smoothing.md): motion blur of a tenth of the face moves the age by
    five to ten years and leaves a fifth of the sharpness, hence its third power; up to 35 degrees
    a turn costs nothing, beyond 45 the error grows by half.

    Args:
        quality: What `measure_quality` says of the frame.
        score: Confidence of the detector. As a power, so that two detectors whose scores differ
            by a factor weigh the frames of one person alike.

    Returns:
        Between `FLOOR` and 1.
    """
    angle = math.hypot(quality.yaw_deg or 0.0, quality.pitch_deg or 0.0)
    weight = (
        _rising(quality.sharpness, SHARP, 3)
        * _rising(quality.size_px, LARGE_PX, 2)
        * (1.0 - _rising(angle, TURNED_DEG, 6))
        * min(1.0, max(0.0, score)) ** 4
    )
    return max(FLOOR, weight)


def _rising(value: float, half: float, power: int) -> float:
    """From 0 to 1, one half at `half`, as the power for small values (Hill's function)."""
    ratio = max(0.0, value) / half
    # Above this the answer is 1 to the last digit, and the power could overflow.
    return 1.0 if ratio > 1e6 else ratio**power / (1.0 + ratio**power)
