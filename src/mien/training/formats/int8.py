"""ONNX with 8-bit weights and activations: a quarter of the size, faster, a little less right.

Static quantisation: the range of every activation is measured on training faces. Weights have one
scale a channel and only seven bits, because processors without VNNI instructions would overflow
with eight. Logits, and whatever is computed from them, stay float32: 256 steps are too few there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from mien.models.registry import COST_KEY, METADATA_KEY
from mien.training.formats import formats
from mien.training.formats.base import (
    Batch,
    Format,
    Parity,
    Runner,
    Source,
    answer_all,
    compare,
    entry_text,
    parity_faces,
    prepared,
)
from mien.training.formats.onnx_file import onnx_model, onnx_runner, set_metadata
from mien.training.formats.quiet import quiet_converter
from mien.training.loader import load_part
from mien.training.recipe import Recipe
from mien.training.validate import score

CALIBRATION_FACES = 512
CHUNK = 32
"""Calibration faces whose activations are in memory at the same time."""

METHODS = ("MinMax", "Percentile", "Entropy")
"""Ways to choose the range of an activation, names in onnxruntime; the closest answers win."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What quantisation changed.

    Attributes:
        method: Calibration method that was chosen.
        calibration_faces: Training faces it saw.
        faces: Validation faces behind the metrics.
        before: Validation metrics of the float network.
        after: The same of the quantised one.
    """

    method: str
    calibration_faces: int
    faces: int
    before: dict[str, float]
    after: dict[str, float]

    def lines(self) -> list[str]:
        """What to print, one metric a line."""
        first = (
            f"int8: {self.method} calibration on {self.calibration_faces} training faces; "
            f"float32 -> int8 on all {self.faces} validation faces:"
        )
        return [first, *(f"  {n}: {v:.4f} -> {self.after[n]:.4f}" for n, v in self.before.items())]


@formats.register("onnx-int8")
class Int8(Format):
    """8-bit ONNX for the CPU; carries what it cost in accuracy beside the manifest entry."""

    suffixes = (".onnx",)
    variant = "int8"
    bounded = "moved"
    # Two to three times of what the shipped networks need; docs/export.md has the measurements.
    tolerance = 0.03
    runs_here = True

    def write(self, source: Source, out: Path) -> list[str]:
        """Quantise with every method, keep the closest, measure its cost; see `Format.write`."""
        faces = calibration_faces(source.recipe)
        with TemporaryDirectory(dir=out.parent) as folder:
            plain = Path(folder) / "float32.onnx"
            plain.write_bytes(onnx_model(source).SerializeToString())
            path, method = _closest(source, plain, faces)
            cost = Cost(
                method=method,
                calibration_faces=len(faces),
                faces=sum(len(part.chips) for part in source.held_out),
                before=_metrics(source, plain),
                after=_metrics(source, path),
            )
            model = onnx.load(path)
        _drop_unused_domains(model)
        entries = {METADATA_KEY: entry_text(source.spec), COST_KEY: json.dumps(asdict(cost))}
        set_metadata(model, entries)
        onnx.checker.check_model(model)
        out.write_bytes(model.SerializeToString())
        return cost.lines()

    def open(self, path: Path, heads: Sequence[str], *, threads: int = 0) -> Runner:
        """Open in ONNX Runtime, as mien does."""
        return onnx_runner(path, heads, threads)


def calibration_faces(recipe: Recipe, count: int = CALIBRATION_FACES) -> Batch:
    """Faces of the training split, spread evenly over it, as many from every data set."""
    share = -(-count // len(recipe.data))
    batches = []
    for table in recipe.data:
        chips = load_part(table, "train", recipe.input, recipe.heads).chips
        rows = np.linspace(0, len(chips) - 1, min(share, len(chips))).round().astype(int)
        batches.append(prepared(chips[rows], recipe.input))
    return np.concatenate(batches)[:count]


LINEAR = ("Gemm", "MatMul")
"""Layers whose weights and inputs become integers while their outputs stay float32."""


def answer_nodes(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes that stay float32: those between the last layers and the outputs."""
    makers = {name: node for node in graph.node for name in node.output}
    waiting, found = [output.name for output in graph.output], set[str]()
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.op_type not in (*LINEAR, "Conv") and node.name not in found:
            found.add(node.name)
            waiting.extend(node.input)
    return sorted(found)


def _metrics(source: Source, path: Path) -> dict[str, float]:
    """Validation metrics of an ONNX file."""
    parts, recipe = source.held_out, source.recipe
    answers = answer_all(onnx_runner(path, source.heads), parts, recipe.input)
    found = score(parts, recipe.heads, answers)
    return {name: value for name, value in found.items() if name != "score"}


def _closest(source: Source, plain: Path, faces: Batch) -> tuple[Path, str]:
    """The quantised file whose answers for some validation faces moved least, and its method."""
    batch = parity_faces(source.held_out, source.recipe.input)
    expected = onnx_runner(plain, source.heads)(batch)
    moved: dict[str, Parity] = {}
    paths = {method: plain.with_name(f"{method}.onnx") for method in METHODS}
    for method, path in paths.items():
        with quiet_converter("the quantiser of ONNX Runtime"):
            quantise(plain, path, faces, method)
        found = onnx_runner(path, source.heads)(batch)
        moved[method] = compare(expected, found, source.spec)
    best = min(moved, key=lambda method: moved[method].moved)
    return paths[best], best


def quantise(
    plain: Path,
    out: Path,
    faces: Batch,
    method: str,
    *,
    seven_bits: bool = True,
    float_answers: bool = True,
) -> None:
    """Write the quantised graph.

    Args:
        plain: The float32 graph.
        out: The file to write; files beside it are made, too.
        faces: Calibration faces, ready for the network.
        method: One of `METHODS`.
        seven_bits: Weights use seven bits of the eight.
        float_answers: Outputs of linear layers and what `answer_nodes` names stay float32.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    shaped = out.with_suffix(".shapes.onnx")
    # The shapes of convolutional networks need no symbolic inference.
    quant_pre_process(plain, shaped, skip_symbolic_shape=True)
    model = onnx.load(shaped)
    for number, node in enumerate(model.graph.node):
        node.name = node.name or f"node_{number}"
    onnx.save(model, shaped)
    quantize_static(
        shaped,
        out,
        _Faces(faces),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=seven_bits,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod[method],
        nodes_to_exclude=answer_nodes(model.graph) if float_answers else [],
        extra_options={
            "CalibStridedMinMax": CHUNK,
            "OpTypesToExcludeOutputQuantization": list(LINEAR) if float_answers else [],
        },
    )


def _drop_unused_domains(model: onnx.ModelProto) -> None:
    """The optimiser names every set of operators it knows; other runtimes may not."""
    used = {"", *(node.domain for node in model.graph.node)}
    kept = [(entry.domain, entry.version) for entry in model.opset_import if entry.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(*entry) for entry in kept)


class _Faces:
    """Hands the calibration faces to onnxruntime, chunk by chunk.

    Args:
        faces: ``(n, channels, size, size)``; what exceeds a whole number of chunks is left out.
    """

    def __init__(self, faces: Batch) -> None:
        self.faces = faces
        self.next, self.end = 0, 0

    def __len__(self) -> int:
        return max(CHUNK, len(self.faces) // CHUNK * CHUNK)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Say which faces come next."""
        self.next, self.end = start_index, min(end_index, len(self.faces))

    def get_next(self) -> dict[str, Batch] | None:
        """The faces of this chunk at once, then nothing."""
        if self.next >= self.end:
            return None
        rows = self.faces[self.next : self.end]
        self.next = self.end
        return {"image": rows}
