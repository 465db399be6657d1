"""The three nets of MTCNN: weights out of the package `mtcnn`, ONNX graphs built in memory.

The package is found, not imported: importing it would import TensorFlow. Its weight files are
lists of arrays in the order of the layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mien.detect.base import DetectorSettings
from mien.errors import ChecksumError, MissingExtraError, ModelError
from mien.models import Session, file_sha256

Array = npt.NDArray[np.float32]


class NetSpec(NamedTuple):
    """One net of the cascade.

    Attributes:
        file: Weight file in the package.
        sha256: Its checksum; the file is unpickled, so only the known one is read.
        kernels: Kernel size of every convolution that a PReLU follows.
        pools: Max pooling after each of these, as kernel size and padding, stride 2.
        heads: How many outputs follow: box (4), landmarks (10) in the last net, class (2).
    """

    file: str
    sha256: str
    kernels: tuple[int, ...]
    pools: tuple[tuple[int, str] | None, ...]
    heads: tuple[int, ...]


PNET = NetSpec(
    file="pnet.lz4",
    sha256="ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    kernels=(3, 3, 3),
    pools=((2, "SAME_UPPER"), None, None),
    heads=(4, 2),
)
RNET = NetSpec(
    file="rnet.lz4",
    sha256="cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    kernels=(3, 3, 2, 3),
    pools=((3, "SAME_UPPER"), (3, "VALID"), None, None),
    heads=(4, 2),
)
ONET = NetSpec(
    file="onet.lz4",
    sha256="94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
    kernels=(3, 3, 3, 2, 3),
    pools=((3, "SAME_UPPER"), (3, "VALID"), (2, "SAME_UPPER"), None, None),
    heads=(4, 10, 2),
)


def open_net(spec: NetSpec, settings: DetectorSettings) -> Session:
    """Load one net; input ``(n, 3, height, width)``, output ``(n, sum(heads), rows, columns)``.

    Raises:
        MissingExtraError: The package or what reads it is not installed.
        ChecksumError: The weight file is not the one of `mtcnn` 1.0.
        ModelError: The weight file is missing.
    """
    content = build_graph(spec, read_weights(spec))
    return Session(
        Path(spec.file), device=settings.device, threads=settings.threads, content=content
    )


def read_weights(spec: NetSpec) -> list[Array]:
    """Read one weight file of the installed package.

    Raises:
        MissingExtraError: The package or what reads it is not installed.
        ChecksumError: The file is not the one of `mtcnn` 1.0.
        ModelError: The file is missing.
    """
    try:
        package = find_spec("mtcnn")  # does not run the package
    except ValueError:  # a module without a spec stands in its place
        package = None
    if package is None or not package.submodule_search_locations:
        raise MissingExtraError("the mtcnn detector", "mtcnn")
    path = Path(package.submodule_search_locations[0], "assets", "weights", spec.file)
    found = file_sha256(path)
    if found != spec.sha256:
        raise ChecksumError(
            f"{path}: SHA-256 is {found}, expected {spec.sha256}. "
            "Install the release that this detector knows: pip install 'mien[mtcnn]'"
        )
    try:
        import joblib
        import lz4.frame  # noqa: F401 -- joblib needs it and would say so less clearly
    except ImportError as error:
        raise MissingExtraError("the mtcnn detector", "mtcnn") from error
    return [np.asarray(array, np.float32) for array in joblib.load(path)]


def build_graph(spec: NetSpec, weights: Sequence[Array]) -> bytes:
    """Turn weights in Keras' layout into a serialised ONNX model.

    Every layer becomes a convolution: the first dense layer one over its whole input, the others
    one of 1x1. The heads become one convolution, so that there is one output.

    Raises:
        MissingExtraError: `onnx` is not installed.
        ModelError: The arrays do not fit the net.
    """
    try:
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise MissingExtraError("the mtcnn detector", "mtcnn") from error

    layers = len(spec.kernels)
    if len(weights) != 3 * layers + 2 * len(spec.heads):
        raise ModelError(f"{spec.file}: holds {len(weights)} arrays, which do not fit this net")
    nodes: list[Any] = []
    tensors: list[Any] = []

    def add(kind: str, *arrays: Array, **attributes: Any) -> None:
        step = len(nodes)
        names = [f"{kind}{step}_{k}" for k in range(len(arrays))]
        tensors.extend(map(numpy_helper.from_array, arrays, names))
        source = "image" if not nodes else nodes[-1].output[0]
        nodes.append(helper.make_node(kind, [source, *names], [f"out{step}"], **attributes))

    for k, (kernel, pool) in enumerate(zip(spec.kernels, spec.pools, strict=True)):
        weight, bias, slope = weights[3 * k : 3 * k + 3]
        add("Conv", to_kernel(weight, kernel), bias)
        add("PRelu", slope.reshape(-1, 1, 1))
        if pool is not None:
            add("MaxPool", kernel_shape=[pool[0]] * 2, strides=[2, 2], auto_pad=pool[1])
    heads = weights[3 * layers :]
    joined = np.concatenate([to_kernel(head, 1) for head in heads[::2]])
    add("Conv", joined, np.concatenate(heads[1::2]))

    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])
    last = nodes[-1].output[0]
    output = helper.make_tensor_value_info(
        last, TensorProto.FLOAT, ["n", sum(spec.heads), "y", "x"]
    )
    graph = helper.make_graph(nodes, Path(spec.file).stem, [image], [output], tensors)
    # Old enough versions for every onnxruntime that mien supports.
    opset = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    return bytes(model.SerializeToString())


def to_kernel(weight: Array, size: int) -> Array:
    """Weights of a convolution ``(h, w, in, out)`` or dense layer ``(h * w * in, out)`` for ONNX.

    The dense layers were trained on feature maps whose axes were swapped before flattening:
    their rows run over width first, then height, then channels.

    Args:
        weight: As Keras stores it.
        size: Kernel size; for a dense layer the size of the feature map.

    Returns:
        Shape ``(out, in, size, size)``.
    """
    if weight.ndim == 4:
        return np.ascontiguousarray(weight.transpose(3, 2, 0, 1))
    by_width = weight.reshape(size, size, -1, weight.shape[1])
    return np.ascontiguousarray(by_width.transpose(3, 2, 1, 0))
