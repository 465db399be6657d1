"""OpenVINO's intermediate representation: an ``.xml`` graph beside a ``.bin`` of weights."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from mien.training.formats import formats
from mien.training.formats.base import Batch, Format, Runner, Source, entry_text
from mien.training.formats.onnx_file import onnx_model
from mien.training.formats.quiet import quiet_converter

RT_INFO = "mien"
"""Key of the manifest entry in the graph's ``rt_info``."""

EXACT: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
"""OpenVINO computes in bfloat16 where the processor can, which is no test of the file."""


@formats.register("openvino")
class OpenVino(Format):
    """Float32 OpenVINO model; the manifest entry stands in its ``rt_info``."""

    suffixes = (".xml",)
    extra = "openvino"
    libraries = ("openvino",)

    def write(self, source: Source, out: Path) -> list[str]:
        """Read our ONNX graph and save it; see `Format.write`."""
        graph = onnx_model(source).SerializeToString()
        openvino = load_openvino()
        with quiet_converter("OpenVINO"):
            model = openvino.Core().read_model(graph, b"")
            model.set_rt_info(entry_text(source.spec), RT_INFO)
            openvino.save_model(model, out, compress_to_fp16=False)
        return [f"the weights lie beside it, in {out.with_suffix('.bin').name}"]

    def files(self, out: Path) -> list[Path]:
        """Weights and graph."""
        return [out.with_suffix(".bin"), out]

    def open(self, path: Path, heads: Sequence[str], *, threads: int = 0) -> Runner:
        """Compile for the CPU, in float32."""
        settings = EXACT | ({"INFERENCE_NUM_THREADS": threads} if threads else {})
        compiled = load_openvino().Core().compile_model(path, "CPU", settings)

        def run(batch: Batch) -> dict[str, Batch]:
            found = compiled(batch)
            return {head: np.array(found[head]) for head in heads}

        return run


def load_openvino() -> Any:
    """Import openvino without its telemetry, which reports every import over the network."""
    with _without_telemetry():
        return import_module("openvino")


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Make openvino believe that `openvino_telemetry` is not installed; it has a stub for that."""
    missing = object()
    before = sys.modules.get("openvino_telemetry", missing)
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # how Python says "absent"
    try:
        yield
    finally:
        if before is missing:
            del sys.modules["openvino_telemetry"]
        else:
            sys.modules["openvino_telemetry"] = before  # type: ignore[assignment]
