"""Quantisation: which nodes stay float32, which faces set the ranges, what it costs."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.attributes import OnnxAttributeModel
from mien.models import Session
from mien.models.registry import COST_KEY, METADATA_KEY
from mien.training.formats import int8 as module
from mien.training.formats.base import compare, prepared, torch_runner
from mien.training.formats.int8 import CHUNK, Int8, answer_nodes, calibration_faces
from mien.training.loader import load_part


@pytest.fixture(scope="module")
def written(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("int8") / "corners.onnx"
    return out, Int8().write(source, out)


def test_its_answers_are_close_to_torch(written, source, faces, expected):
    found = Int8().open(written[0], source.heads)(faces)
    parity = compare(expected, found, source.spec)
    assert 0 < parity.moved < Int8.tolerance
    assert parity.logit > 1e-3  # so it really is another network
    for head in ("gender", "emotion"):
        assert (found[head].argmax(1) == expected[head].argmax(1)).all()


def test_weights_are_small_integers_with_a_scale_a_channel(written):
    graph = onnx.load(written[0]).graph
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    makers = {name: node for node in graph.node for name in node.output}
    assert len(convolutions) > 4
    for node in convolutions:
        maker = makers[node.input[1]]
        assert maker.op_type == "DequantizeLinear"
        weights, scale = tensors[maker.input[0]], tensors[maker.input[1]]
        assert weights.dtype == np.int8
        assert np.abs(weights.astype(int)).max() <= 64  # seven bits: no overflow without VNNI
        assert scale.shape == (len(weights),)


def test_logits_stay_float32(written, source):
    graph = onnx.load(written[0]).graph
    makers = {name: node for node in graph.node for name in node.output}
    tensors = {t.name: t.data_type for t in graph.initializer}
    for head in source.heads:
        node = makers[head]
        assert node.op_type == "Gemm"  # and no step back from integers behind it
        assert tensors[makers[node.input[1]].input[0]] == TensorProto.INT8


def test_the_file_says_what_it_cost(written, source):
    path, lines = written
    metadata = Session(path, threads=1).metadata
    assert set(metadata) == {METADATA_KEY, COST_KEY}
    cost = json.loads(metadata[COST_KEY])
    assert cost["method"] in module.METHODS
    assert (cost["calibration_faces"], cost["faces"]) == (128, 64)
    assert cost["before"].keys() == cost["after"].keys() >= {"age_mae", "gender_accuracy"}
    assert "score" not in cost["before"]
    # The toy network has learned its rule, and eight bits are enough to keep it.
    assert cost["after"]["gender_accuracy"] == cost["before"]["gender_accuracy"] > 0.9
    assert cost["after"]["age_mae"] == pytest.approx(cost["before"]["age_mae"], abs=1)
    assert cost["after"]["age_mae"] != cost["before"]["age_mae"]
    assert lines[0].startswith(f"int8: {cost['method']} calibration on 128 training faces")
    before, after = cost["before"]["age_mae"], cost["after"]["age_mae"]
    assert f"  age_mae: {before:.4f} -> {after:.4f}" in lines


def test_it_needs_plain_onnx_alone(written):
    model = onnx.load(written[0])
    assert [entry.domain for entry in model.opset_import] == [""]
    assert {node.domain for node in model.graph.node} == {""}


def test_mien_runs_it(written, source):
    model = OnnxAttributeModel(str(written[0]), threads=1)
    assert model.spec == source.spec
    answers = model.predict(np.zeros((3, 32, 32, 1), np.uint8))
    assert {head: p.shape for head, p in answers.items()} == {
        head: (3, len(entry.labels)) for head, entry in source.spec.heads.items()
    }


def test_the_mirror_image_can_be_inside(mirrored, faces, tmp_path):
    out = tmp_path / "corners.onnx"
    Int8().write(mirrored, out)
    run = Int8().open(out, mirrored.heads)
    straight, turned = run(faces), run(np.ascontiguousarray(faces[..., ::-1]))
    # Not the same: both halves of the graph have ranges of their own.
    assert compare(straight, turned, mirrored.spec).moved < Int8.tolerance


def test_the_closest_method_wins(source, faces, tmp_path, monkeypatch):
    """Two methods leave files that answer nothing but noise; the third one is right."""
    real = module.quantise

    def spoilt(plain, out, calibration, method):
        real(plain, out, calibration if method == "Entropy" else calibration * 0, method)

    monkeypatch.setattr(module, "quantise", spoilt)
    out = tmp_path / "corners.onnx"
    [first, *_] = Int8().write(source, out)
    assert first.startswith("int8: Entropy calibration")
    assert list(tmp_path.iterdir()) == [out]  # the others are gone


def test_it_says_nothing_by_itself(source, tmp_path, capfd):
    Int8().write(source, tmp_path / "corners.onnx")
    assert capfd.readouterr() == ("", "")


def test_it_names_no_place_on_this_machine(written, tiny_run, packed_faces):
    data = written[0].read_bytes()
    for secret in (str(tiny_run), str(packed_faces), str(written[0].parent), ".py"):
        assert secret.encode() not in data


def test_a_network_with_two_maps_and_a_norm_in_front_of_its_heads(recipe_table, tmp_path):
    """`dlib-resnet`: halvings that pad, batch norm over features."""
    from mien.training.answers import build_model
    from mien.training.export import calibrated
    from mien.training.recipe import Recipe

    network = {"family": "dlib-resnet", "widths": [8, 16, 24], "blocks": [1, 2, 1]}
    recipe = Recipe.from_mapping(recipe_table | {"network": network})
    torch.manual_seed(1)
    source = calibrated(build_model(recipe).eval(), recipe, "corners.onnx")[0]
    out = tmp_path / "corners.onnx"
    Int8().write(source, out)
    faces = prepared(source.held_out[1].chips, recipe.input)
    parity = compare(
        torch_runner(source.network)(faces), Int8().open(out, source.heads)(faces), source.spec
    )
    assert 0 < parity.moved < Int8.tolerance


# --- calibration faces --------------------------------------------------------------------------


def test_calibration_faces_come_from_the_training_split(source):
    recipe = source.recipe
    parts = [load_part(table, "train", recipe.input, recipe.heads) for table in recipe.data]
    every = [prepared(part.chips, recipe.input) for part in parts]
    np.testing.assert_array_equal(calibration_faces(recipe), np.concatenate(every))
    # 64 faces a part: the first, the middle one (31.5 rounds to the even 32) and the last.
    few = calibration_faces(recipe, 6)
    np.testing.assert_array_equal(few, np.concatenate([rows[[0, 32, 63]] for rows in every]))
    assert len(calibration_faces(recipe, 5)) == 5


@pytest.mark.parametrize(("count", "used"), [(3 * CHUNK, 3 * CHUNK), (CHUNK + 1, CHUNK), (5, 5)])
def test_faces_are_handed_over_in_whole_chunks(count, used):
    faces = np.arange(count, dtype=np.float32).reshape(-1, 1, 1, 1)
    reader = module._Faces(faces)
    assert len(reader) % CHUNK == 0  # or onnxruntime refuses
    seen = []
    for start in range(0, len(reader), CHUNK):
        reader.set_range(start, start + CHUNK)
        seen += [rows["image"] for rows in iter(reader.get_next, None)]
    np.testing.assert_array_equal(np.concatenate(seen), faces[:used])


# --- the nodes that stay float32 ----------------------------------------------------------------


def graph_of(nodes, outputs):
    return helper.make_graph(
        [helper.make_node(kind, i, o, name=name) for name, kind, i, o in nodes],
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in outputs],
    )


def test_everything_behind_the_last_weights_stays():
    nodes = [
        ("stem", "Conv", ["image", "w"], ["a"]),
        ("relu", "Relu", ["a"], ["b"]),
        ("one", "Gemm", ["b", "w1"], ["c"]),
        ("two", "MatMul", ["b", "w2"], ["d"]),
        ("mean", "Add", ["c", "d"], ["e"]),
        ("half", "Mul", ["e", "constant"], ["age"]),
        ("head", "Conv", ["b", "w3"], ["f"]),
        ("flat", "Reshape", ["f", "shape"], ["gender"]),
    ]
    found = answer_nodes(graph_of(nodes, ["age", "gender"]))
    assert found == ["flat", "half", "mean"]


def test_an_output_without_weights_is_followed_to_the_input():
    nodes = [("neg", "Neg", ["image"], ["a"]), ("abs", "Abs", ["a"], ["age"])]
    assert answer_nodes(graph_of(nodes, ["age"])) == ["abs", "neg"]


def test_an_ordinal_head_keeps_its_arithmetic(recipe_table, tmp_path):
    """A head whose columns become logits inside the graph: all of that stays float32."""
    from mien.training.answers import build_model
    from mien.training.export import calibrated
    from mien.training.recipe import Recipe

    recipe = Recipe.from_mapping(
        recipe_table
        | {
            "data": recipe_table["data"][1:],
            "heads": {"age": {"objective": "coral"}, "gender": {}},
        }
    )
    torch.manual_seed(1)
    source = calibrated(build_model(recipe).eval(), recipe, "corners.onnx")[0]
    out = tmp_path / "corners.onnx"
    Int8().write(source, out)
    graph = onnx.load(out).graph
    names = answer_nodes(graph)
    kinds = {node.op_type for node in graph.node if node.name in names}
    assert {"Sigmoid", "Log"} <= kinds
    assert not kinds & {"QuantizeLinear", "DequantizeLinear"}
