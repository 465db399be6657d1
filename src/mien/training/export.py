"""Checkpoint to ONNX: batch norm folded, preprocessing and labels inside, parity checked."""

from __future__ import annotations

import copy
import json
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mien.errors import InputError, ModelError, OutputError
from mien.images import normalise
from mien.models import HeadSpec, ModelSpec, Session
from mien.models.registry import METADATA_KEY
from mien.sinks.files import write_whole
from mien.training.answers import Answering
from mien.training.augment import centre_crop, scaled
from mien.training.calibrate import Calibration, calibrate
from mien.training.loader import Part, load_parts
from mien.training.recipe import Recipe
from mien.training.state import load_run

DECODERS = {"age": "age-distribution", "gender": "softmax", "emotion": "emotion"}
PARITY_FACES = 256
OPSET = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What came out.

    Attributes:
        path: The ONNX file.
        spec: Its manifest entry.
        difference: Largest difference of a logit between torch and ONNX Runtime.
        parameters: Number of trained numbers after folding.
        coverage: Share of validation ages inside their interval.
    """

    path: Path
    spec: ModelSpec
    difference: float
    parameters: int
    coverage: float | None


class _Ordered(nn.Module):
    """Returns a tuple in head order: ONNX outputs have no names of their own."""

    def __init__(self, network: nn.Module, heads: tuple[str, ...]) -> None:
        super().__init__()
        self.network = network
        self.heads = heads

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        answers = self.network(image)
        return tuple(answers[head] for head in self.heads)


class Mirrored(nn.Module):
    """Averages the logits of a face and of its mirror image: twice the work, fewer mistakes.

    Args:
        network: Maps images to logits by head.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Map ``(n, channels, size, size)`` to averaged logits ``(n, classes)`` by head name."""
        straight, mirrored = self.network(image), self.network(torch.flip(image, dims=[3]))
        return {head: (straight[head] + mirrored[head]) / 2 for head in straight}


def export(
    run: Path,
    out: Path,
    *,
    checkpoint: str = "best",
    mirror: bool = False,
    tolerance: float = 1e-3,
) -> ExportReport:
    """Write the averaged weights of a training run as ONNX.

    The file carries its manifest entry as JSON in ``metadata_props``, so it works by its path
    alone. Temperatures and the age interval are fitted on the validation splits.

    Args:
        run: Folder written by `mien train`.
        out: The file to write.
        checkpoint: ``"best"`` or ``"last"``.
        mirror: Average the answers for every face and its mirror image inside the graph.
        tolerance: Largest allowed difference of a logit on 256 validation faces.

    Raises:
        InputError: The run or its data are missing.
        OutputError: The file cannot be written.
        ModelError: ONNX Runtime disagrees with torch by more than `tolerance`.
    """
    if not out.parent.is_dir():
        raise OutputError(f"{out.parent}: no such folder")
    model, recipe = load_run(run, checkpoint)
    network = fold_batch_norm(Answering(model).eval())
    if mirror:
        network = Mirrored(network).eval()
    held_out = load_parts(recipe, "val")

    logits = [predict(network, part, recipe) for part in held_out]
    fitted = calibrate(logits, held_out, recipe)
    spec = _describe(recipe, fitted, out.name)
    # Under its final name only once it is known to be right.
    part = out.with_name(f".{out.name}.part")
    try:
        _write(network, recipe, spec, part)
        difference = parity(network, recipe, held_out, part)
        if not difference <= tolerance:
            raise ModelError(
                f"{out}: torch and ONNX Runtime differ by {difference:.2g} on "
                f"validation faces, allowed is {tolerance:.2g}"
            )
        part.replace(out)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    parameters = sum(p.numel() for p in network.parameters())
    return ExportReport(
        path=out,
        spec=spec,
        difference=difference,
        parameters=parameters,
        coverage=fitted.coverage,
    )


def _describe(recipe: Recipe, fitted: Calibration, file: str) -> ModelSpec:
    """The manifest entry, without a checksum."""
    return ModelSpec(
        name=recipe.name,
        task="attributes",
        file=file,
        sha256="",
        license=recipe.license,
        source=recipe.source,
        card=f"{recipe.name}.md",
        input=recipe.input,
        heads={
            head: HeadSpec(
                decoder=DECODERS[head],
                labels=recipe.heads[head].labels,
                temperature=fitted.temperature[head],
                interval=fitted.interval if head == "age" else (0.1, 0.9),
            )
            for head in recipe.heads
        },
    )


@torch.no_grad()
def predict(network: nn.Module, part: Part, recipe: Recipe, batch: int = 256) -> dict[str, Tensor]:
    """Logits over the labels of every head for one part, from what will be exported, in fp32."""
    rows: dict[str, list[Tensor]] = {}
    for start in range(0, len(part.chips), batch):
        chips = centre_crop(part.chips[start : start + batch], recipe.input.size)
        for head, logits in network(scaled(chips, recipe.input)).items():
            rows.setdefault(head, []).append(logits)
    return {head: torch.cat(parts) for head, parts in rows.items()}


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """Return a copy in which every convolution has swallowed the batch norm behind it."""
    network = copy.deepcopy(network)
    for module in network.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for index in range(len(module) - 1):
            first, second = module[index], module[index + 1]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                module[index] = fuse_conv_bn_eval(first, second)
                module[index + 1] = nn.Identity()
    return network


def _write(network: nn.Module, recipe: Recipe, spec: ModelSpec, out: Path) -> None:
    size, channels = recipe.input.size, recipe.input.channels
    example = torch.zeros(2, channels, size, size)
    with _quiet_exporter():
        program = torch.onnx.export(
            _Ordered(network, tuple(recipe.heads)).eval(),
            (example,),
            input_names=["image"],
            output_names=list(recipe.heads),
            opset_version=OPSET,
            dynamic_shapes={"image": {0: torch.export.Dim("n", min=1)}},
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise ModelError("torch.onnx.export returned nothing")
    model = program.model_proto
    del model.metadata_props[:]
    note = model.metadata_props.add()
    note.key = METADATA_KEY
    table = {"name": spec.name, **spec.to_mapping(), "sha256": ""}
    note.value = json.dumps(table, separators=(",", ":"))
    model.doc_string = f"{spec.name}: {spec.source}. Licence {spec.license}."
    for node in model.graph.node:  # stack traces of the exporting machine
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.checker.check_model(model)
    out.write_bytes(model.SerializeToString())


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


@torch.no_grad()
def parity(network: nn.Module, recipe: Recipe, parts: list[Part], path: Path) -> float:
    """Largest difference of a logit between torch and ONNX Runtime on validation faces."""
    count = -(-PARITY_FACES // len(parts))
    chips = torch.cat([centre_crop(part.chips[:count], recipe.input.size) for part in parts])
    chips = chips[:PARITY_FACES]
    batch = normalise(np.moveaxis(chips.numpy(), 1, 3), recipe.input)
    expected = network.float().eval()(torch.from_numpy(batch))
    found = Session(path).run(batch, list(recipe.heads))
    # NumPy's maximum, because Python's overlooks what is not a number.
    return float(
        np.max(
            [
                np.abs(expected[head].numpy() - values).max()
                for head, values in zip(recipe.heads, found, strict=True)
            ]
        )
    )


def update_manifest(path: Path, spec: ModelSpec) -> None:
    """Add or replace one model's table in a manifest; everything else stays as it is.

    Raises:
        InputError: The manifest cannot be read.
        OutputError: It cannot be written.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    # A model's entry runs from its table header to the next one that is not below it; comments
    # above that next one belong to it.
    name = re.escape(spec.name)
    pattern = rf"(?ms)^\[{name}\]\n.*?(?=(?:^#[^\n]*\n\n*)*^\[(?!{name}\.)|\Z)"
    text = re.sub(pattern, "", text).rstrip("\n")
    write_whole(path, f"{text}\n\n{manifest_entry(spec)}".encode())


def manifest_entry(spec: ModelSpec) -> str:
    """The TOML text of one model's entry."""
    table = spec.to_mapping()
    heads, net_input = table.pop("heads"), table.pop("input", None)
    lines = [f"[{spec.name}]"]
    lines += [f"{key} = {_toml(value)}" for key, value in table.items()]
    if net_input is not None:
        values = ", ".join(f"{key} = {_toml(value)}" for key, value in net_input.items())
        lines.append(f"input = {{ {values} }}")
    for name, head in heads.items():
        lines.append(f"\n[{spec.name}.heads.{name}]")
        lines += [f"{key} = {_toml(value)}" for key, value in head.items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """Text, numbers and lists of them look the same in JSON, except that TOML has no surrogates."""
    return json.dumps(value, ensure_ascii=False)


def with_checksum(spec: ModelSpec, sha256: str) -> ModelSpec:
    """The entry for the manifest, which names the checksum of the finished file."""
    return replace(spec, sha256=sha256)
