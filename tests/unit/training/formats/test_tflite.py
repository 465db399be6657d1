"""LiteRT: one face a call, named input and outputs, the entry in an archive at its end."""

import json
import zipfile
from importlib.util import find_spec

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")
if find_spec("litert_torch") is None:
    pytest.skip("needs the extra [tflite]", allow_module_level=True)

from mien.models import ModelSpec
from mien.training.formats.tflite import TFLite


@pytest.fixture(scope="module")
def path(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("tflite") / "corners.tflite"
    assert TFLite().write(source, out) == ["it answers one face a call"]
    return out


def test_it_answers_like_torch(path, source, faces, agrees):
    assert agrees(TFLite().open(path, source.heads)(faces))


def test_the_mirror_image_can_be_inside(mirrored, faces, tmp_path):
    out = tmp_path / "corners.tflite"
    TFLite().write(mirrored, out)
    run = TFLite().open(out, mirrored.heads)
    straight, turned = run(faces), run(np.ascontiguousarray(faces[..., ::-1]))
    for head in mirrored.heads:
        np.testing.assert_allclose(straight[head], turned[head], atol=1e-4)


def test_the_entry_is_an_archive_at_the_end(path, source):
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["mien.json"]
        entry = json.loads(archive.read("mien.json"))
    assert ModelSpec.from_mapping(entry.pop("name"), entry) == source.spec


def test_it_says_nothing(source, faces, tmp_path, capfd):
    out = tmp_path / "corners.tflite"
    TFLite().write(source, out)
    TFLite().open(out, source.heads)(faces)
    assert capfd.readouterr() == ("", "")


def test_it_names_no_place_on_this_machine(path, tiny_run, packed_faces):
    data = path.read_bytes()
    for secret in (str(tiny_run), str(packed_faces), str(path.parent)):
        assert secret.encode() not in data
