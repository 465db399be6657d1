"""Chips in, probabilities out: the ONNX file with its own preprocessing and calibration."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mien.attributes.decoders import softmax
from mien.errors import ModelError
from mien.images import InputSpec, normalise
from mien.interfaces import Image
from mien.models import ModelSpec, Session, file_sha256, find_spec, verified_path


class OnnxAttributeModel:
    """An attribute model, shipped or the user's own; safe to use from several threads.

    Args:
        name: Name of a shipped model, or the path of a file written by `mien export`.
        device: Key of `mien.models.PROVIDERS`.
        threads: Threads inside one call; 0 means all cores.

    Raises:
        UnknownModelError: No shipped model has this name, and no file either.
        ModelError: The file is missing, damaged, or was not written by `mien export`.
    """

    def __init__(self, name: str, *, device: str = "cpu", threads: int = 0) -> None:
        path = Path(name)
        if path.suffix == ".onnx":
            if not path.is_file():
                raise ModelError(f"{path}: no such model file")
            self._session = Session(path, device=device, threads=threads)
            self.spec = ModelSpec.from_metadata(path.stem, self._session.metadata)
        else:
            self.spec = find_spec(name)
            path = verified_path(self.spec)
            self._session = Session(path, device=device, threads=threads)
        if self.spec.task != "attributes" or self.spec.input is None:
            raise ModelError(f"{name}: this model does not answer questions about faces")
        self.path = path
        self.input: InputSpec = self.spec.input
        missing = [head for head in self.spec.heads if head not in self._session.output_names]
        if missing:
            raise ModelError(f"{path}: the file has no output {missing[0]!r}")

    @property
    def sha256(self) -> str:
        """Checksum of the ONNX file that is running."""
        return self.spec.sha256 or file_sha256(self.path)

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says about itself, by key."""
        return self._session.metadata

    def predict(
        self, chips: Image, heads: Collection[str] | None = None
    ) -> dict[str, npt.NDArray[np.float64]]:
        """Answer for a batch of chips.

        Args:
            chips: RGB ``uint8``, shape ``(n, size, size, 3)``; ``n`` may be 0.
            heads: Wanted heads; all by default.

        Returns:
            Calibrated probabilities ``(n, k)`` by head.

        Raises:
            ModelError: The model fails or answers with numbers that are not finite.
        """
        answers = self.logits(normalise(chips, self.input), heads)
        return {
            head: softmax(logits, self.spec.heads[head].temperature)
            for head, logits in answers.items()
        }

    def logits(
        self, images: npt.NDArray[np.float32], heads: Collection[str] | None = None
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Answer for images that are normalised already, before calibration.

        Args:
            images: As `mien.images.normalise` returns them, shape ``(n, channels, size, size)``;
                ``n`` may be 0.
            heads: Wanted heads; all by default.

        Returns:
            Logits ``(n, k)`` by head.

        Raises:
            ModelError: The model fails.
        """
        shapes = {
            head: (len(images), len(spec.labels))
            for head, spec in self.spec.heads.items()
            if heads is None or head in heads
        }
        if not len(images):
            return {head: np.zeros(shape, np.float32) for head, shape in shapes.items()}
        answers = dict(zip(shapes, self._session.run(images, list(shapes)), strict=True))
        for head, logits in answers.items():
            if logits.shape != shapes[head]:
                raise ModelError(
                    f"{self.path}: output {head!r} has shape {logits.shape}, "
                    f"expected {shapes[head]}"
                )
        return answers
