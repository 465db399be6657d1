"""Apparent age, gender and facial expression of every face, with honest uncertainty.

>>> import mien
>>> result = mien.analyze("examples/astronaut.jpg")[0]
>>> face = result.faces[0]
>>> face.emotion.best
'happiness'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mien.config import AgeGroup, AnalyzeConfig, VideoConfig
from mien.errors import MienError
from mien.results import (
    Age,
    Box,
    Distribution,
    Face,
    FrameResult,
    Landmarks,
    Point,
    Quality,
    Smoothed,
)

if TYPE_CHECKING:
    from mien.pipeline import Analyzer, analyze

__version__ = "0.1.0"

__all__ = [
    "Age",
    "AgeGroup",
    "AnalyzeConfig",
    "Analyzer",
    "Box",
    "Distribution",
    "Face",
    "FrameResult",
    "Landmarks",
    "MienError",
    "Point",
    "Quality",
    "Smoothed",
    "VideoConfig",
    "analyze",
]


def __getattr__(name: str) -> Any:
    """Load the pipeline, and with it OpenCV, only when somebody asks for it."""
    if name in ("Analyzer", "analyze"):
        from mien import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module 'mien' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
