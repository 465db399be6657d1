"""Aligned faces in, one answer per face out."""

from mien.attributes.decoders import decoders
from mien.attributes.model import OnnxAttributeModel
from mien.attributes.quality import measure_quality, reason_to_skip

__all__ = ["OnnxAttributeModel", "decoders", "measure_quality", "reason_to_skip"]
