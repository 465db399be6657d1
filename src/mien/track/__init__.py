"""Frames to people: who is the same face, and what all frames of it say together."""

from mien.track.smooth import Smoother
from mien.track.symmetric import Observation, SymmetricSmoother
from mien.track.tracker import FaceTracker, Tracked
from mien.track.weight import frame_weight

__all__ = [
    "FaceTracker",
    "Observation",
    "Smoother",
    "SymmetricSmoother",
    "Tracked",
    "frame_weight",
]
