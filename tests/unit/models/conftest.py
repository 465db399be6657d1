"""A tiny ONNX model, so that no test here needs a shipped one."""

import onnx
import pytest
from onnx import TensorProto, helper


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """File of a model that maps ``pixels`` (n, 3) to ``double`` (n, 3) and ``total`` (n, 1)."""
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["pixels", "pixels"], ["double"]),
            helper.make_node("ReduceSum", ["pixels", "axes"], ["total"], keepdims=1),
        ],
        "tiny",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3])],
        [
            helper.make_tensor_value_info("double", TensorProto.FLOAT, ["n", 3]),
            helper.make_tensor_value_info("total", TensorProto.FLOAT, ["n", 1]),
        ],
        [helper.make_tensor("axes", TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"mien": '{"task": "attributes"}', "note": "for tests"})
    onnx.checker.check_model(model)
    path = tmp_path_factory.mktemp("model") / "tiny.onnx"
    onnx.save(model, path)
    return path
