"""TorchScript: loads without mien, answers by head name, any number of faces."""

import json
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from mien.models import ModelSpec
from mien.training.formats.torchscript import TorchScript


@pytest.fixture(scope="module")
def path(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("torchscript") / "corners.pt"
    assert TorchScript().write(source, out) == []
    return out


def test_it_answers_like_torch(path, source, faces, agrees):
    run = TorchScript().open(path, source.heads)
    assert agrees(run(faces))
    assert run(faces[:0])["age"].shape == (0, 101)
    one = run(faces[:1])["emotion"]
    np.testing.assert_allclose(one, run(faces)["emotion"][:1], atol=1e-5)


def test_the_mirror_image_can_be_inside(mirrored, faces, tmp_path):
    out = tmp_path / "corners.pt"
    TorchScript().write(mirrored, out)
    run = TorchScript().open(out, mirrored.heads)
    straight, turned = run(faces), run(np.ascontiguousarray(faces[..., ::-1]))
    for head in mirrored.heads:
        np.testing.assert_allclose(straight[head], turned[head], atol=1e-4)


def test_another_program_needs_torch_alone(path, source, faces, expected):
    np.save(path.with_name("faces.npy"), faces)
    program = (
        "import json, sys, numpy, torch\n"
        "extra = {'mien.json': ''}\n"
        "module = torch.jit.load(sys.argv[1], _extra_files=extra)\n"
        "answers = module(torch.from_numpy(numpy.load(sys.argv[2])))\n"
        "assert 'mien' not in sys.modules\n"
        "rows = {head: values.tolist() for head, values in answers.items()}\n"
        "print(json.dumps([json.loads(extra['mien.json']), rows]))\n"
    )
    arguments = [sys.executable, "-c", program, str(path), str(path.with_name("faces.npy"))]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    entry, answers = json.loads(done.stdout)
    assert ModelSpec.from_mapping(entry.pop("name"), entry) == source.spec
    for head, values in expected.items():
        np.testing.assert_allclose(answers[head], values, atol=1e-4)


def test_it_names_no_place_on_this_machine(path, tiny_run, packed_faces):
    data = path.read_bytes()
    for secret in (str(tiny_run), str(packed_faces), str(path.parent)):
        assert secret.encode() not in data
