"""Image in, faces out: one class a detector, chosen by name."""

from mien.detect.base import DetectorSettings, detectors
from mien.detect.yunet import YuNet

__all__ = ["DetectorSettings", "YuNet", "detectors"]
