"""What several test folders share: the photo, the data beside the repository, a model to run."""

import json
from pathlib import Path

import hypothesis
import numpy as np
import pytest

# A busy machine makes any example slow once in a while; no test is about time.
hypothesis.settings.register_profile("mien", deadline=None)
hypothesis.settings.load_profile("mien")

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
HEADS = {
    "age": {
        "decoder": "age-distribution",
        "labels": [str(age) for age in range(101)],
        "temperature": 1.5,
        "interval": [0.05, 0.95],
    },
    "gender": {"decoder": "softmax", "labels": ["female", "male"]},
    "emotion": {
        "decoder": "emotion",
        "labels": [
            "neutral",
            "happiness",
            "surprise",
            "sadness",
            "anger",
            "disgust",
            "fear",
            "contempt",
        ],
    },
}


SMALL_NETWORKS = {
    "age-group": {"widths": [8, 8, 16], "dense": 32},
    "cnn-blocks": {"widths": [8, 16, 16], "dense": 32},
    "cnn-small": {"widths": [8, 8, 16, 16], "dense": 32},
    "dlib-resnet": {"widths": [8, 16, 24], "blocks": [1, 2, 1]},
    "facenet-trunk": {"stem": 8, "inner": [8] * 15},
    "mobilefacenet": {"alpha": 0.25},
    "mobilenet": {"alpha": 0.25},
    "resnet50": {"layers": [1, 1, 1, 1], "width": 8},
    "wide-resnet-16-8": {"depth": 10, "widen": 1},
}
"""Options that make a network family quick to test; others are tested as they are."""


@pytest.fixture(scope="session")
def small_networks():
    """Options by network family, see `SMALL_NETWORKS`."""
    return SMALL_NETWORKS


@pytest.fixture(scope="session")
def photo_path():
    """The portrait in the repository: one frontal, smiling face."""
    return ROOT / "examples" / "astronaut.jpg"


@pytest.fixture(scope="session")
def photo(photo_path):
    """The same as RGB ``uint8``, read-only."""
    from mien.images import decode

    image = decode(photo_path.read_bytes())
    image.setflags(write=False)
    return image


@pytest.fixture(scope="session")
def shared_data():
    """Folder of the labelled data sets, which are no part of the repository."""
    if not DATA.is_dir():
        pytest.skip(f"no labelled data: {DATA} does not exist")
    return DATA


def write_model(path, heads=HEADS, *, outputs=None, size=112, metadata=True, **changes):
    """Write an attribute model whose logits are random mixtures of 7x7 average brightnesses.

    Args:
        path: The ONNX file.
        heads: Heads as in a manifest entry.
        outputs: Columns of every output by name; those of `heads` when omitted.
        size: Width of the grey input, a multiple of 7.
        metadata: False leaves the file without an entry, text is written as it is.
        **changes: Other values in the entry.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    if outputs is None:
        outputs = {name: len(head["labels"]) for name, head in heads.items()}
    rng = np.random.default_rng(11)
    tile = size // 7
    nodes = [
        helper.make_node(
            "AveragePool", ["image"], ["tiles"], kernel_shape=[tile, tile], strides=[tile, tile]
        ),
        helper.make_node("Flatten", ["tiles"], ["row"]),
    ]
    weights = []
    for name, columns in outputs.items():
        matrix = rng.normal(size=(49, columns)).astype(np.float32)
        weights.append(numpy_helper.from_array(matrix, f"{name}_weights"))
        nodes.append(helper.make_node("MatMul", ["row", f"{name}_weights"], [name]))
    graph = helper.make_graph(
        nodes,
        "mixtures",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, size, size])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", columns])
            for name, columns in outputs.items()
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    entry = {
        "name": "tiny",
        "task": "attributes",
        "file": path.name,
        "sha256": "",
        "license": "MIT",
        "source": "random numbers",
        "card": "tiny.md",
        "input": {"size": size, "colour": "grey", "mean": [0.5], "std": [0.25]},
        "heads": heads,
        "min_face_px": 24,
        **changes,
    }
    if metadata:
        text = metadata if isinstance(metadata, str) else json.dumps(entry)
        helper.set_model_props(model, {"mien": text})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


@pytest.fixture(scope="session")
def make_model():
    """The function that writes attribute models, see `write_model`."""
    return write_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """File of a small attribute model with the heads age, gender and emotion; untrained."""
    return write_model(tmp_path_factory.mktemp("tiny") / "tiny.onnx")
