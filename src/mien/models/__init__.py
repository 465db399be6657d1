"""Which ONNX files exist, where they are, how they run."""

from mien.models.registry import HeadSpec, ModelSpec, Registry, find_spec, load_manifest
from mien.models.session import PROVIDERS, Session, available_devices
from mien.models.store import bundled_path, card_text, file_sha256, verified_path

__all__ = [
    "PROVIDERS",
    "HeadSpec",
    "ModelSpec",
    "Registry",
    "Session",
    "available_devices",
    "bundled_path",
    "card_text",
    "file_sha256",
    "find_spec",
    "load_manifest",
    "verified_path",
]
