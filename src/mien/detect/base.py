"""What all detectors share: their settings and the registry that finds them by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mien.interfaces import Detector
from mien.models import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSettings:
    """Settings that every detector understands.

    Attributes:
        min_score: Weaker faces are left out; the scale differs between detectors.
        device: Key of `mien.models.PROVIDERS`; only detectors on ONNX Runtime use it.
        threads: Threads inside one call; 0 means all cores.
    """

    min_score: float
    device: str = "cpu"
    threads: int = 0


detectors: Registry[Callable[[DetectorSettings], Detector]] = Registry("detector")
"""Detector classes by their public name; filled by the modules of `mien.detect`."""
