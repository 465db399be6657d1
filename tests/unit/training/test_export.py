"""Checkpoint to ONNX: the same answers, everything inside, one manifest entry."""

import json
import tomllib
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra [train]")

from torch import nn

from mien.attributes import OnnxAttributeModel
from mien.attributes.decoders import softmax
from mien.errors import InputError, ModelError, OutputError
from mien.images import InputSpec
from mien.models import HeadSpec, ModelSpec, Session, file_sha256
from mien.models.registry import METADATA_KEY
from mien.training import export as module
from mien.training.augment import centre_crop, scaled
from mien.training.calibrate import calibrate
from mien.training.checkpoint import load_checkpoint, pick
from mien.training.export import (
    export,
    fold_batch_norm,
    manifest_entry,
    update_manifest,
    with_checksum,
)
from mien.training.loader import load_part
from mien.training.loop import build_network
from mien.training.networks import networks
from mien.training.recipe import HEAD_LABELS, Recipe


@pytest.fixture(scope="module")
def exported(tiny_run, tmp_path_factory):
    return export(tiny_run, tmp_path_factory.mktemp("out") / "corners.onnx")


@pytest.fixture(scope="module")
def trained(tiny_run):
    """The averaged network of the run, its recipe and its validation faces."""
    tensors, meta = load_checkpoint(tiny_run, "best")
    recipe = Recipe.from_mapping(meta["recipe"])
    network = build_network(recipe)
    network.load_state_dict(pick(tensors, "average"))
    parts = [load_part(table, "val", recipe.input) for table in recipe.data]
    return network.eval(), recipe, parts


# --- folding ------------------------------------------------------------------------------------


GREY = InputSpec(size=64, colour="grey", mean=(0.5,), std=(0.25,))


@pytest.mark.parametrize("family", sorted(networks))
def test_folding_changes_no_answer(family):
    torch.manual_seed(0)
    network = networks[family](GREY, {"age": 101, "gender": 2}, {})
    with torch.no_grad():
        for module_ in network.modules():
            if isinstance(module_, nn.BatchNorm2d):  # as if it had been trained
                module_.weight.uniform_(0.5, 1.5)
                module_.bias.uniform_(-0.5, 0.5)
                module_.running_mean.uniform_(-0.2, 0.2)
                module_.running_var.uniform_(0.5, 1.5)
    network.eval()
    folded = fold_batch_norm(network)
    x = torch.randn(4, 1, 64, 64)
    with torch.no_grad():
        before, after = network(x), folded(x)
    for head in before:
        limit = 1e-5 * max(1.0, before[head].abs().max().item())
        assert (before[head] - after[head]).abs().max() < limit
    assert not [m for m in folded.modules() if isinstance(m, nn.BatchNorm2d)]


def test_folding_leaves_the_network_alone(trained):
    network, _, _ = trained
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fold_batch_norm(network)
    after = network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


# --- the file -----------------------------------------------------------------------------------


def test_the_file_answers_like_the_network(exported, trained):
    network, recipe, parts = trained
    chips = parts[0].chips[:10]
    model = OnnxAttributeModel(str(exported.path), threads=1)
    plain = centre_crop(chips, 32)
    answers = model.predict(np.moveaxis(plain.numpy(), 1, 3))
    with torch.no_grad():
        logits = network(scaled(plain, recipe.input))
    for head, probabilities in answers.items():
        expected = softmax(logits[head].numpy(), exported.spec.heads[head].temperature)
        assert probabilities == pytest.approx(expected, abs=1e-4)
    assert answers["emotion"].argmax(1).tolist() == parts[0].labels.emotion[:10].argmax(1).tolist()


@pytest.mark.parametrize("n", [0, 1, 2, 7])
def test_any_number_of_faces(exported, n):
    model = OnnxAttributeModel(str(exported.path), threads=1)
    answers = model.predict(np.zeros((n, 32, 32, 1), np.uint8))
    assert {head: p.shape for head, p in answers.items()} == {
        "age": (n, 101),
        "gender": (n, 2),
        "emotion": (n, 8),
    }


def test_the_entry_stands_in_the_file(exported):
    model = OnnxAttributeModel(str(exported.path), threads=1)
    assert model.spec == exported.spec
    assert model.spec.name == "corners"
    assert (model.spec.license, model.spec.source) == ("MIT", "bright corners")
    assert model.spec.input.size == 32
    assert {head: h.labels for head, h in model.spec.heads.items()} == HEAD_LABELS
    entry = json.loads(Session(exported.path, threads=1).metadata[METADATA_KEY])
    assert entry["sha256"] == ""  # a file cannot hold its own checksum


def test_the_calibration_stands_in_the_file(exported, trained):
    network, recipe, parts = trained
    fitted = calibrate(fold_batch_norm(network), parts, recipe)
    heads = exported.spec.heads
    assert {head: h.temperature for head, h in heads.items()} == fitted.temperature
    assert set(fitted.temperature.values()) != {1.0}
    assert heads["age"].interval == fitted.interval
    assert exported.coverage == fitted.coverage


def test_the_report_says_how_close_it_is(exported, trained):
    assert 0 < exported.difference < 1e-4
    folded = fold_batch_norm(trained[0])
    assert exported.parameters == sum(p.numel() for p in folded.parameters())
    assert 0.8 <= exported.coverage <= 1


def test_the_file_names_no_place_on_this_machine(exported, tiny_run, packed_faces):
    data = exported.path.read_bytes()
    for secret in (str(tiny_run), str(packed_faces), str(exported.path.parent), ".py"):
        assert secret.encode() not in data
    assert [path.name for path in exported.path.parent.iterdir()] == ["corners.onnx"]


def test_the_last_checkpoint_can_be_exported_too(tiny_run, tmp_path):
    report = export(tiny_run, tmp_path / "last.onnx", checkpoint="last")
    assert report.path.is_file()
    assert report.spec.file == "last.onnx"


def test_too_large_a_difference_keeps_the_old_file(tiny_run, tmp_path):
    path = tmp_path / "corners.onnx"
    path.write_bytes(b"the old file")
    with pytest.raises(ModelError, match=r"torch and ONNX Runtime differ by .* allowed is 1e-12"):
        export(tiny_run, path, tolerance=1e-12)
    assert path.read_bytes() == b"the old file"
    assert list(tmp_path.iterdir()) == [path]


def test_no_number_is_no_agreement(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "parity", lambda *_: float("nan"))
    with pytest.raises(ModelError, match="differ by nan"):
        export(tiny_run, tmp_path / "corners.onnx")


def test_mirrored_answers_do_not_depend_on_the_side(tiny_run, trained, tmp_path):
    path = tmp_path / "mirrored.onnx"
    export(tiny_run, path, mirror=True)
    network, recipe, parts = trained
    x = scaled(centre_crop(parts[0].chips[:5], recipe.input.size), recipe.input)
    session = Session(path)
    straight = session.run(x.numpy())
    mirrored = session.run(np.ascontiguousarray(x.numpy()[..., ::-1]))
    with torch.no_grad():
        left, right = network(x), network(x.flip(3))
    for head, one, other in zip(recipe.heads, straight, mirrored, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
        np.testing.assert_allclose(one, (left[head] + right[head]) / 2, atol=1e-4)
        assert np.abs(one - left[head].numpy()).max() > 1e-4  # it is not just the first half


def test_a_missing_run(tmp_path):
    with pytest.raises(InputError, match="checkpoint 'best' cannot be read"):
        export(tmp_path, tmp_path / "x.onnx")


def test_a_missing_folder_is_noticed_first(tmp_path):
    with pytest.raises(OutputError, match="nowhere: no such folder"):
        export(tmp_path, tmp_path / "nowhere" / "x.onnx")


# --- the manifest -------------------------------------------------------------------------------

SPEC = ModelSpec(
    name="small",
    task="attributes",
    file="small.onnx",
    sha256="ab" * 32,
    license="MIT",
    source='quotes " and größe 😀',
    card="small.md",
    heads={"gender": HeadSpec(decoder="softmax", labels=("female", "male"), temperature=1.25)},
)
OTHERS = """\
# Every file in weights/.

[yunet]
task = "detect"   # by hand
file = "yunet.onnx"

[yunet.more]
x = 1

# The next one is older.
[small-old]
task = "attributes"
"""


def manifest(tmp_path, text):
    path = tmp_path / "manifest.toml"
    path.write_text(text, "utf-8")
    return path


def read(path):
    table = tomllib.loads(path.read_text("utf-8"))
    return ModelSpec.from_mapping("small", table["small"])


def test_an_entry_is_read_back_as_it_was():
    table = tomllib.loads(manifest_entry(SPEC))
    assert list(table) == ["small"]
    assert ModelSpec.from_mapping("small", table["small"]) == SPEC


def test_the_exported_entry_is_read_back_as_it_was(exported):
    spec = with_checksum(exported.spec, file_sha256(exported.path))
    table = tomllib.loads(manifest_entry(spec))
    assert ModelSpec.from_mapping("corners", table["corners"]) == spec
    assert spec.sha256 == file_sha256(exported.path)


def test_an_entry_is_added_behind_the_others(tmp_path):
    path = manifest(tmp_path, OTHERS)
    update_manifest(path, SPEC)
    assert path.read_text("utf-8") == f"{OTHERS}\n{manifest_entry(SPEC)}"
    assert read(path) == SPEC
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_an_entry_is_replaced_and_the_others_stay(tmp_path, place):
    head, tail = OTHERS.split("# The next")
    tail = f"# The next{tail}"
    old = manifest_entry(replace(SPEC, version="0", license="other")) + "\n"
    texts = {
        "first": old + head + tail,
        "middle": head + old + tail,
        "last": head + tail + "\n" + old,
    }
    path = manifest(tmp_path, texts[place])
    update_manifest(path, SPEC)
    assert path.read_text("utf-8") == f"{OTHERS}\n{manifest_entry(SPEC)}"


def test_replacing_twice_changes_nothing(tmp_path):
    path = manifest(tmp_path, OTHERS)
    update_manifest(path, SPEC)
    once = path.read_bytes()
    update_manifest(path, SPEC)
    assert path.read_bytes() == once


def test_an_empty_manifest(tmp_path):
    path = manifest(tmp_path, "")
    update_manifest(path, SPEC)
    assert read(path) == SPEC


def test_a_missing_manifest(tmp_path):
    with pytest.raises(InputError, match=r"manifest\.toml: cannot be read"):
        update_manifest(tmp_path / "manifest.toml", SPEC)
