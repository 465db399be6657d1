"""The ONNX file: any number of faces, named outputs, the entry inside and nothing else."""

import json

import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.models import ModelSpec, Session
from mien.models.registry import METADATA_KEY
from mien.training.formats.onnx_file import OnnxFile, set_metadata


@pytest.fixture(scope="module")
def path(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("onnx") / "corners.onnx"
    assert OnnxFile().write(source, out) == []
    return out


def test_it_answers_like_torch(path, source, faces, agrees):
    run = OnnxFile().open(path, source.heads)
    assert agrees(run(faces))
    assert run(faces[:0])["age"].shape == (0, 101)


def test_the_mirror_image_can_be_inside(mirrored, faces, tmp_path):
    out = tmp_path / "corners.onnx"
    OnnxFile().write(mirrored, out)
    run = OnnxFile().open(out, mirrored.heads)
    straight, turned = run(faces), run(np.ascontiguousarray(faces[..., ::-1]))
    for head in mirrored.heads:
        np.testing.assert_allclose(straight[head], turned[head], atol=1e-4)


def test_names_and_metadata(path, source):
    session = Session(path, threads=1)
    assert session.input_name == "image"
    assert session.output_names == ["age", "gender", "emotion"]
    assert list(session.metadata) == [METADATA_KEY]
    entry = json.loads(session.metadata[METADATA_KEY])
    assert ModelSpec.from_mapping(entry.pop("name"), entry) == source.spec


def test_it_names_no_place_on_this_machine(path, tiny_run, packed_faces):
    data = path.read_bytes()
    for secret in (str(tiny_run), str(packed_faces), str(path.parent), ".py"):
        assert secret.encode() not in data
    assert onnx.load(path).doc_string == "corners: bright corners. Licence MIT."


def test_metadata_are_replaced():
    model = onnx.ModelProto()
    set_metadata(model, {"a": "1", "b": "2"})
    set_metadata(model, {"c": "größe"})
    assert [(entry.key, entry.value) for entry in model.metadata_props] == [("c", "größe")]
