"""ONNX, the format of mien itself: one graph, any batch size, the manifest entry inside."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from mien.errors import ModelError
from mien.models import Session
from mien.models.registry import METADATA_KEY
from mien.training.formats import formats
from mien.training.formats.base import Format, Runner, Source, entry_text

OPSET = 18


@formats.register("onnx")
class OnnxFile(Format):
    """Float32 ONNX; the manifest entry stands in ``metadata_props``."""

    suffixes = (".onnx",)
    runs_here = True

    def write(self, source: Source, out: Path) -> list[str]:
        """Export with torch's own exporter; see `Format.write`."""
        model = onnx_model(source)
        set_metadata(model, {METADATA_KEY: entry_text(source.spec)})
        onnx.checker.check_model(model)
        out.write_bytes(model.SerializeToString())
        return []

    def open(self, path: Path, heads: Sequence[str], *, threads: int = 0) -> Runner:
        """Open in ONNX Runtime, as mien does."""
        return onnx_runner(path, heads, threads)


class _Ordered(nn.Module):
    """Returns a tuple in head order: ONNX outputs have no names of their own."""

    def __init__(self, network: nn.Module, heads: tuple[str, ...]) -> None:
        super().__init__()
        self.network = network
        self.heads = heads

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        answers = self.network(image)
        return tuple(answers[head] for head in self.heads)


def onnx_model(source: Source) -> onnx.ModelProto:
    """The network as an ONNX graph: input ``image``, one output a head, without metadata.

    Raises:
        ModelError: torch cannot export it.
    """
    with _quiet_exporter():
        program = torch.onnx.export(
            _Ordered(source.network, source.heads).eval(),
            (torch.zeros(2, *source.image_shape),),
            input_names=["image"],
            output_names=list(source.heads),
            opset_version=OPSET,
            dynamic_shapes={"image": {0: torch.export.Dim("n", min=1)}},
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise ModelError("torch.onnx.export returned nothing")
    model: onnx.ModelProto = program.model_proto
    model.doc_string = f"{source.spec.name}: {source.spec.source}. Licence {source.spec.license}."
    for node in model.graph.node:  # stack traces of the exporting machine
        del node.metadata_props[:]
        node.doc_string = ""
    set_metadata(model, {})
    return model


def set_metadata(model: onnx.ModelProto, entries: Mapping[str, str]) -> None:
    """Replace what a file says about itself."""
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, dict(entries))


def onnx_runner(path: Path, heads: Sequence[str], threads: int = 0) -> Runner:
    """Open an ONNX file in ONNX Runtime."""
    session = Session(path, threads=threads)
    return lambda batch: dict(zip(heads, session.run(batch, list(heads)), strict=True))


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence what torch's exporter says about its own insides and about torchvision."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logger.setLevel(level)
