"""What all detectors share: their settings and the registry that finds them by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mien.errors import ConfigError
from mien.interfaces import Detection, Detector
from mien.models import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSettings:
    """Settings that every detector understands.

    Attributes:
        min_score: Weaker faces are left out, 0 to 1; the scale differs between detectors.
        device: Key of `mien.models.PROVIDERS`; only detectors on ONNX Runtime use it.
        threads: Threads inside one call; 0 means all cores.
        thorough: Search on where little is found; off for frames of a clip, where the next one is
            another chance. Only detectors that can search on use it.

    Raises:
        ConfigError: A number is out of range.
    """

    min_score: float
    device: str = "cpu"
    threads: int = 0
    thorough: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.min_score <= 1:
            raise ConfigError(f"min_score must lie between 0 and 1, got {self.min_score}")
        if self.threads < 0:
            raise ConfigError(f"threads must be at least 0, got {self.threads}")


class DetectorClass(Protocol):
    """What stands in the registry: a class that is built from settings."""

    DEFAULT_MIN_SCORE: float
    """Weakest face that counts when the user does not say."""

    def __call__(self, settings: DetectorSettings) -> Detector:
        """Build the detector."""
        ...


detectors: Registry[DetectorClass] = Registry("detector")
"""Detector classes by their public name; filled by the modules of `mien.detect`."""


def create_detector(
    name: str,
    *,
    min_score: float | None = None,
    device: str = "cpu",
    threads: int = 0,
    thorough: bool = True,
) -> Detector:
    """Build the detector of this name.

    Args:
        name: Key of `detectors`.
        min_score: Weaker faces are left out, 0 to 1; ``None`` takes the detector's own default.
        device: Key of `mien.models.PROVIDERS`.
        threads: Threads inside one call; 0 means all cores.
        thorough: Search on where little is found.

    Raises:
        UnknownModelError: There is no such detector.
        ConfigError: A number is out of range.
        MissingExtraError: The detector needs a library that is not installed.
        DeviceError: The device is not there.
        ModelError: A model file is missing or damaged.
    """
    entry = detectors[name]
    score = entry.DEFAULT_MIN_SCORE if min_score is None else min_score
    return entry(
        DetectorSettings(min_score=score, device=device, threads=threads, thorough=thorough)
    )


def strongest_first(faces: Sequence[Detection]) -> list[Detection]:
    """Sort faces by score; ties keep their order."""
    return sorted(faces, key=lambda face: -face.score)
