"""An ONNX file answers with its own preprocessing, labels and calibration."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mien.attributes import OnnxAttributeModel
from mien.attributes.decoders import softmax
from mien.errors import ConfigError, DeviceError, ModelError, UnknownModelError
from mien.images import normalise
from mien.interfaces import AttributeModel
from mien.models import Session, file_sha256
from mien.models.registry import METADATA_KEY

CHIPS = np.random.default_rng(5).integers(0, 256, (6, 112, 112, 3), np.uint8)


@pytest.fixture(scope="module")
def model(tiny_model):
    return OnnxAttributeModel(str(tiny_model), threads=1)


def open_model(path):
    return OnnxAttributeModel(str(path), threads=1)


def test_the_file_describes_itself(model, tiny_model):
    assert model.spec.name == "tiny"
    assert list(model.spec.heads) == ["age", "gender", "emotion"]
    assert (model.input.size, model.input.colour) == (112, "grey")
    assert model.path == tiny_model
    assert model.sha256 == file_sha256(tiny_model)
    assert isinstance(model, AttributeModel)


def test_answers_by_hand(model, tiny_model):
    """Normalise, run, divide by the temperature, softmax: the same without our class."""
    answers = model.predict(CHIPS)
    logits = Session(tiny_model, threads=1).run(normalise(CHIPS, model.input))
    for head, raw, temperature in zip(answers, logits, (1.5, 1.0, 1.0), strict=True):
        assert answers[head] == pytest.approx(softmax(raw, temperature))


def test_probabilities_of_every_head(model):
    answers = model.predict(CHIPS)
    assert {head: p.shape for head, p in answers.items()} == {
        "age": (6, 101),
        "gender": (6, 2),
        "emotion": (6, 8),
    }
    for probabilities in answers.values():
        assert probabilities.sum(axis=1) == pytest.approx(1)
        assert not np.allclose(probabilities[0], probabilities[1])  # faces differ, answers too


def test_only_the_wanted_heads(model):
    answers = model.predict(CHIPS, ["emotion", "age"])
    assert list(answers) == ["age", "emotion"]
    assert (answers["age"] == model.predict(CHIPS)["age"]).all()


def test_no_faces(model):
    answers = model.predict(CHIPS[:0], {"gender", "age"})
    assert {head: p.shape for head, p in answers.items()} == {"age": (0, 101), "gender": (0, 2)}


def test_a_batch_answers_like_single_faces(model):
    together = model.predict(CHIPS)
    for k in range(len(CHIPS)):
        alone = model.predict(CHIPS[k : k + 1])
        for head, probabilities in alone.items():
            assert probabilities[0] == pytest.approx(together[head][k], abs=1e-6)


def test_threads_share_a_model(model):
    expected = model.predict(CHIPS)
    with ThreadPoolExecutor(4) as pool:
        for answers in pool.map(lambda _: model.predict(CHIPS), range(24)):
            assert all((answers[head] == expected[head]).all() for head in expected)


def test_chips_of_another_size_are_refused(model):
    with pytest.raises(ConfigError, match=r"112 px chips, got shape \(1, 64, 64, 3\)"):
        model.predict(np.zeros((1, 64, 64, 3), np.uint8))


# --- files that cannot be used ----------------------------------------------------------------


def test_a_missing_file(tmp_path):
    with pytest.raises(ModelError, match=r"own\.onnx: no such model file"):
        open_model(tmp_path / "own.onnx")


def test_a_name_that_nobody_knows():
    with pytest.raises(UnknownModelError, match="no model is called 'mien-xxl'"):
        OnnxAttributeModel("mien-xxl")


def test_a_detector_does_not_answer():
    with pytest.raises(ModelError, match="yunet: this model does not answer questions"):
        OnnxAttributeModel("yunet")


def test_a_file_that_is_no_model(tmp_path):
    path = tmp_path / "own.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"own\.onnx: onnxruntime cannot load"):
        open_model(path)


def test_a_file_without_our_metadata(make_model, tmp_path):
    path = make_model(tmp_path / "own.onnx", metadata=False)
    with pytest.raises(ModelError, match=r"carries no 'mien' metadata.*`mien export`"):
        open_model(path)


def test_metadata_that_is_not_json(make_model, tmp_path):
    path = make_model(tmp_path / "own.onnx", metadata="{")
    with pytest.raises(ModelError, match="metadata is not JSON"):
        open_model(path)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"task": "detect"}, "does not answer questions about faces"),
        ({"input": None}, "does not answer questions about faces"),
        ({"colour": "red"}, "not usable"),
        ({"input": {"size": 112, "colour": "BGR", "mean": [0], "std": [1]}}, "not usable"),
    ],
)
def test_an_entry_that_cannot_be_used(make_model, tmp_path, changes, problem):
    path = make_model(tmp_path / "own.onnx", **changes)
    with pytest.raises(ModelError, match=problem):
        open_model(path)


def test_a_head_without_an_output(make_model, tmp_path):
    path = make_model(tmp_path / "own.onnx", outputs={"gender": 2, "emotion": 8})
    with pytest.raises(ModelError, match=r"own\.onnx: the file has no output 'age'"):
        open_model(path)


def test_an_output_with_other_columns_than_labels(make_model, tmp_path):
    path = make_model(tmp_path / "own.onnx", outputs={"age": 101, "gender": 3, "emotion": 8})
    model = open_model(path)
    with pytest.raises(ModelError, match=r"'gender' has shape \(6, 3\), expected \(6, 2\)"):
        model.predict(CHIPS)


def test_weights_that_are_no_numbers(tiny_model, tmp_path):
    import onnx
    from onnx import numpy_helper

    model = onnx.load(tiny_model)
    weights = numpy_helper.to_array(model.graph.initializer[0]).copy()
    weights[0] = np.nan
    model.graph.initializer[0].CopyFrom(
        numpy_helper.from_array(weights, model.graph.initializer[0].name)
    )
    path = tmp_path / "own.onnx"
    onnx.save(model, path)
    with pytest.raises(ModelError, match="not finite"):
        open_model(path).predict(CHIPS)


def test_a_device_that_is_not_here(tiny_model):
    with pytest.raises(DeviceError, match="device 'tpu' is not available"):
        OnnxAttributeModel(str(tiny_model), device="tpu")


def test_a_file_keeps_its_name_when_renamed(tiny_model, tmp_path):
    path = tmp_path / "renamed.onnx"
    path.write_bytes(tiny_model.read_bytes())
    assert open_model(path).spec.name == "tiny"
    session = Session(path, threads=1)
    assert json.loads(session.metadata[METADATA_KEY])["file"] == "tiny.onnx"
