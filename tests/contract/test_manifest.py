"""Promises that every shipped model keeps; a new entry is tested without new test code."""

import re
import tomllib
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from mien.align import AlignSpec
from mien.attributes import OnnxAttributeModel, decoders
from mien.config import ATTRIBUTES, EMOTIONS, GENDERS, MAX_AGE
from mien.models import ModelSpec, Session, bundled_path, card_text, file_sha256, load_manifest

TABLES = tomllib.loads(files("mien.models").joinpath("manifest.toml").read_text("utf-8"))
MANIFEST = load_manifest()
ANSWERING = sorted(name for name, spec in MANIFEST.items() if spec.task == "attributes")

# Code and weights of others, and our own weights trained on research data.
LICENCES = {"MIT", "Apache-2.0", "BSD-3-Clause", "CC-BY-4.0", "CC-BY-NC-4.0"}
LABELS = {
    "age": tuple(map(str, range(MAX_AGE + 1))),
    "gender": GENDERS,
    "emotion": EMOTIONS,
}


@pytest.fixture(params=sorted(MANIFEST))
def spec(request):
    return MANIFEST[request.param]


@pytest.fixture(params=ANSWERING)
def answering(request):
    return MANIFEST[request.param]


# --- every model --------------------------------------------------------------------------------


def test_every_table_is_an_entry():
    assert list(TABLES) == list(MANIFEST)


def test_the_name_fits_a_command_line(spec):
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", spec.name)


def test_the_file_is_the_one_that_is_named(spec):
    assert re.fullmatch(r"[0-9a-f]{64}", spec.sha256)
    assert file_sha256(bundled_path(spec)) == spec.sha256


def test_the_task_is_known(spec):
    assert spec.task in ("attributes", "detect")


def test_the_licence_and_the_source_are_told(spec):
    assert spec.license in LICENCES
    assert spec.source
    assert spec.version


def test_the_card_names_the_licence(spec):
    text = card_text(spec)
    assert text.startswith("# ")
    assert spec.license in text


def test_the_file_runs(spec):
    assert Session(bundled_path(spec), threads=1).output_names


def test_the_model_is_small(spec):
    onnx = pytest.importorskip("onnx", reason="counting parameters needs the extra [train]")
    graph = onnx.load(bundled_path(spec)).graph
    count = sum(int(np.prod(weights.dims)) for weights in graph.initializer)
    assert 0 < count < (1_500_000 if spec.name.startswith("mien-s") else 4_000_000)


def test_the_file_tells_nothing_about_the_machine_it_was_made_on(spec):
    data = bundled_path(spec).read_bytes()
    for trace in (b"/home/", b"/tmp/", b"/work", b"/root", b"site-packages", b"Traceback"):
        assert trace not in data


def test_every_weight_file_and_card_belongs_to_an_entry():
    shipped = {path.name for path in files("mien.models").joinpath("weights").iterdir()}
    assert shipped == {spec.file for spec in MANIFEST.values()}
    cards = {path.name for path in files("mien.models").joinpath("cards").iterdir()}
    assert cards == {spec.card for spec in MANIFEST.values()}


# --- models that answer -------------------------------------------------------------------------


def test_the_file_describes_itself_as_the_manifest_does(answering):
    """So it works by its path alone; only its own checksum cannot stand inside."""
    metadata = Session(bundled_path(answering), threads=1).metadata
    assert ModelSpec.from_metadata("", metadata) == replace(answering, sha256="")


def test_the_input_is_described_in_full(answering):
    assert set(TABLES[answering.name]["input"]) == {"size", "colour", "mean", "std"}
    assert len(answering.input.mean) == len(answering.input.std) == answering.input.channels
    assert AlignSpec(size=answering.input.size, template=answering.template)
    assert answering.min_face_px >= 8
    assert 0 <= answering.min_sharpness < 20  # a sharp face of 24 px must stay above it


def test_every_head_is_one_that_can_be_asked_for(answering):
    assert answering.heads
    assert set(answering.heads) <= set(ATTRIBUTES)


def test_labels_are_unique_and_in_the_common_order(answering):
    for name, head in answering.heads.items():
        assert len(set(head.labels)) == len(head.labels)
        assert head.labels == LABELS[name]


def test_every_head_can_be_decoded(answering):
    for head in answering.heads.values():
        assert head.decoder in set(decoders)


def test_every_head_is_calibrated(answering):
    for name, head in answering.heads.items():
        assert 0.3 < head.temperature < 5
        if name == "age":
            assert sum(head.interval) == pytest.approx(1)
            assert all(low + high == pytest.approx(1) for _, low, high in head.interval_by_age)


def test_answers_are_distributions(answering):
    model = OnnxAttributeModel(answering.name, threads=1)
    rng = np.random.default_rng(0)
    chips = rng.integers(0, 256, (3, model.input.size, model.input.size, 3), np.uint8)
    for n in (0, 1, 3):
        for name, probabilities in model.predict(chips[:n]).items():
            assert probabilities.shape == (n, len(answering.heads[name].labels))
            assert probabilities.sum(axis=1) == pytest.approx(1)


def test_a_batch_answers_like_single_faces(answering):
    model = OnnxAttributeModel(answering.name, threads=1)
    rng = np.random.default_rng(1)
    chips = rng.integers(0, 256, (4, model.input.size, model.input.size, 3), np.uint8)
    together = model.predict(chips)
    for k in range(4):
        for name, alone in model.predict(chips[k : k + 1]).items():
            assert alone[0] == pytest.approx(together[name][k], abs=1e-4)


def test_the_card_says_what_the_model_is_not_for(answering):
    text = card_text(answering)
    assert "Not for" in text
    assert "apparent" in text.lower()
