"""Say which extra is missing before anything starts."""

from __future__ import annotations

from importlib.util import find_spec

from mien.errors import MissingExtraError


def require_training() -> None:
    """Refuse early when the training libraries are not installed.

    Raises:
        MissingExtraError: One of them is not there.
    """
    for module in ("torch", "onnx", "onnxscript", "safetensors"):
        if find_spec(module) is None:
            raise MissingExtraError(f"training (library {module!r})", "train")
