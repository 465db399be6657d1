"""OpenVINO: two files, the entry in rt_info, and nothing sent over the network."""

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra [train]")
if find_spec("openvino") is None:  # not imported here: that would report itself
    pytest.skip("needs the extra [openvino]", allow_module_level=True)

from mien.errors import ModelError
from mien.models import ModelSpec
from mien.training.formats import openvino as module
from mien.training.formats.openvino import OpenVino, load_openvino


@pytest.fixture(scope="module")
def path(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("openvino") / "corners.xml"
    assert OpenVino().write(source, out) == ["the weights lie beside it, in corners.bin"]
    return out


def test_it_answers_like_torch(path, source, faces, agrees):
    run = OpenVino().open(path, source.heads)
    assert agrees(run(faces))
    assert agrees(run(np.concatenate([faces, faces])[: len(faces)]))
    assert run(faces[:1])["age"].shape == (1, 101)


def test_it_is_computed_in_float32(path, source):
    compiled = load_openvino().Core().compile_model(path, "CPU", module.EXACT)
    assert compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"


def test_the_mirror_image_can_be_inside(mirrored, faces, tmp_path):
    out = tmp_path / "corners.xml"
    OpenVino().write(mirrored, out)
    run = OpenVino().open(out, mirrored.heads)
    straight, turned = run(faces), run(np.ascontiguousarray(faces[..., ::-1]))
    for head in mirrored.heads:
        np.testing.assert_allclose(straight[head], turned[head], atol=1e-4)


def test_the_entry_and_both_files(path, source):
    assert sorted(path.parent.iterdir()) == OpenVino().files(path)
    model = load_openvino().Core().read_model(path)
    entry = json.loads(model.get_rt_info("mien").astype(str))
    assert ModelSpec.from_mapping(entry.pop("name"), entry) == source.spec
    assert [name for output in model.outputs for name in output.names] == list(source.heads)


def test_it_names_no_place_on_this_machine(path, tiny_run, packed_faces):
    data = path.read_bytes()
    for secret in (str(tiny_run), str(packed_faces), str(path.parent), ".py"):
        assert secret.encode() not in data


def test_importing_it_reports_nothing(tmp_path):
    program = (
        "import sys\n"
        "from mien.training.formats.openvino import load_openvino\n"
        "load_openvino()\n"
        "assert 'openvino.tools.ovc' in sys.modules\n"
        "assert not [name for name in sys.modules if name.startswith('openvino_telemetry')]\n"
    )
    arguments = [sys.executable, "-c", program]
    done = subprocess.run(
        arguments, capture_output=True, text=True, env={"HOME": str(tmp_path)}, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []  # its telemetry keeps an identifier in the home folder


def test_what_was_imported_before_stays(monkeypatch):
    marker = object()
    monkeypatch.setitem(sys.modules, "openvino_telemetry", marker)
    load_openvino()
    assert sys.modules["openvino_telemetry"] is marker


def test_a_failing_converter_is_one_line(source, tmp_path, monkeypatch):
    class Core:
        def read_model(self, *_):
            raise RuntimeError("Check failed\n  at node X")

    fake = type("fake", (), {"Core": Core})
    monkeypatch.setattr(module, "load_openvino", lambda: fake)
    with pytest.raises(ModelError, match="OpenVINO cannot convert this network: Check failed at"):
        OpenVino().write(source, tmp_path / "corners.xml")
