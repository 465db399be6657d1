"""TensorFlow Lite, now LiteRT, for phones and small devices: one face at a time."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mien.training.formats import formats
from mien.training.formats.base import ENTRY_FILE, Batch, Format, Runner, Source, entry_text
from mien.training.formats.quiet import quiet_converter


@formats.register("tflite")
class TFLite(Format):
    """Float32 LiteRT model of one image; the manifest entry is an associated file at its end."""

    suffixes = (".tflite",)
    extra = "tflite"
    libraries = ("litert_torch", "ai_edge_litert")

    def write(self, source: Source, out: Path) -> list[str]:
        """Convert with litert-torch; see `Format.write`."""
        network = _Named(source.network).eval()
        example = torch.zeros(1, *source.image_shape)
        with quiet_converter("litert-torch"):
            litert: Any = import_module("litert_torch")
            litert.convert(network, sample_kwargs={"image": example}).export(str(out))
        # The format's own way to carry files: a zip archive behind the model, which the
        # interpreter does not look at.
        with zipfile.ZipFile(out, "a") as archive:
            archive.writestr(ENTRY_FILE, entry_text(source.spec))
        return ["it answers one face a call"]

    def open(self, path: Path, heads: Sequence[str], *, threads: int = 0) -> Runner:
        """Open in the LiteRT interpreter."""
        with quiet_converter("LiteRT"):
            module: Any = import_module("ai_edge_litert.interpreter")
            interpreter = module.Interpreter(str(path), num_threads=threads or None)
            answer = interpreter.get_signature_runner()
            # The first call says which accelerator it found.
            answer(image=np.zeros(answer.get_input_details()["image"]["shape"], np.float32))

        def run(batch: Batch) -> dict[str, Batch]:
            rows = [answer(image=image[None]) for image in batch]
            return {head: np.concatenate([row[head] for row in rows]) for head in heads}

        return run


class _Named(nn.Module):
    """Calls the input ``image``, as in every other format."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        answers: dict[str, Tensor] = self.network(image)
        return answers
