"""Named things, and what is known about a model file."""

import json

import pytest

from mien.errors import ModelError, UnknownModelError
from mien.images import InputSpec
from mien.models import HeadSpec, ModelSpec, Registry, find_spec, load_manifest
from mien.models.registry import METADATA_KEY

TABLE = {
    "task": "attributes",
    "file": "small.onnx",
    "sha256": "0" * 64,
    "license": "MIT",
    "input": {"size": 64, "colour": "grey", "mean": [0.5], "std": [0.25]},
    "heads": {
        "gender": {"decoder": "softmax", "labels": ["female", "male"], "temperature": 1.5},
        "age": {"decoder": "age", "labels": ["0", "1", "2"], "interval": [0.05, 0.95]},
    },
}


def table(**changes):
    return json.loads(json.dumps(TABLE)) | changes


def without(key):
    return {name: value for name, value in table().items() if name != key}


# --- Registry ---------------------------------------------------------------------------------


@pytest.fixture
def tools():
    registry = Registry("tool")
    registry.register("saw")(len)
    registry.register("hammer")(max)
    return registry


def test_what_was_registered_is_found(tools):
    assert tools["saw"] is len
    assert tools["hammer"] is max


def test_registering_returns_the_thing_itself(tools):
    @tools.register("file")
    def smooth():
        return "smooth"

    assert smooth() == "smooth"
    assert tools["file"] is smooth


def test_names_come_sorted(tools):
    assert list(tools) == ["hammer", "saw"]
    assert len(tools) == 2


def test_an_unknown_name_says_what_there_is(tools):
    with pytest.raises(UnknownModelError) as caught:
        tools["hamer"]
    assert str(caught.value) == (
        "no tool is called 'hamer'. Did you mean 'hammer'? Known: hammer, saw."
    )
    assert caught.value.__suppress_context__  # the KeyError inside would only confuse


def test_a_name_cannot_be_taken_twice(tools):
    with pytest.raises(ValueError, match="tool 'saw' is registered twice"):
        tools.register("saw")(min)
    assert tools["saw"] is len


def test_registries_share_nothing(tools):
    assert len(Registry("other")) == 0


# --- HeadSpec ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"labels": ("one",)}, "at least two different labels"),
        ({"labels": ("a", "a")}, "at least two different labels"),
        ({"temperature": 0}, "temperature must be positive, got 0"),
        ({"temperature": float("nan")}, "temperature must be positive, got nan"),
        ({"interval": (0.9, 0.1)}, "interval must be 0 <= low < high <= 1"),
        ({"interval": (0.1, 1.1)}, "interval must be 0 <= low < high <= 1"),
        ({"interval": (0.5, 0.5)}, "interval must be 0 <= low < high <= 1"),
        ({"interval_by_age": ((5.0, 0.9, 0.1),)}, "interval_by_age must be rows of rising age"),
        ({"interval_by_age": ((9.0, 0.1, 0.9), (5.0, 0.1, 0.9))}, "must be rows of rising age"),
        ({"interval_by_age": ((5.0, 0.1, 0.9), (5.0, 0.2, 0.8))}, "must be rows of rising age"),
    ],
)
def test_a_head_is_checked(setting, message):
    with pytest.raises(ModelError, match=message):
        HeadSpec(**({"decoder": "softmax", "labels": ("a", "b")} | setting))


# --- ModelSpec --------------------------------------------------------------------------------


def test_an_entry_is_read():
    spec = ModelSpec.from_mapping("small", table())
    assert (spec.name, spec.task, spec.file, spec.license) == (
        "small",
        "attributes",
        "small.onnx",
        "MIT",
    )
    assert spec.input == InputSpec(size=64, colour="grey", mean=(0.5,), std=(0.25,))
    assert list(spec.heads) == ["gender", "age"]
    assert spec.heads["gender"] == HeadSpec(
        decoder="softmax", labels=("female", "male"), temperature=1.5, interval=(0.1, 0.9)
    )
    assert spec.heads["age"].interval == (0.05, 0.95)


def test_a_detector_needs_no_input_and_no_heads():
    spec = ModelSpec.from_mapping(
        "d", {"task": "detect", "file": "d.onnx", "sha256": "", "license": "MIT"}
    )
    assert spec.input is None
    assert spec.heads == {}


def test_reading_leaves_the_table_alone():
    entry = table()
    ModelSpec.from_mapping("small", entry)
    assert entry == TABLE


BY_AGE = {
    "age": {
        "decoder": "age-distribution",
        "labels": ["0", "1"],
        "interval_by_age": [[2.5, 0.3, 0.7], [30.0, 0.1, 0.9]],
    }
}


def test_levels_by_age_are_read():
    spec = ModelSpec.from_mapping("small", table(heads=BY_AGE))
    assert spec.heads["age"].interval_by_age == ((2.5, 0.3, 0.7), (30.0, 0.1, 0.9))
    assert (
        "interval_by_age"
        not in ModelSpec.from_mapping("small", table()).to_mapping()["heads"]["age"]
    )


@pytest.mark.parametrize(
    "entry", [table(), without("input"), without("heads"), table(heads=BY_AGE)]
)
def test_writing_is_the_inverse_of_reading(entry):
    spec = ModelSpec.from_mapping("small", entry)
    written = spec.to_mapping()
    assert ModelSpec.from_mapping("small", json.loads(json.dumps(written))) == spec
    assert {key: written[key] for key in ("task", "file", "sha256", "license")} == {
        key: entry[key] for key in ("task", "file", "sha256", "license")
    }


@pytest.mark.parametrize(
    "entry",
    [
        without("file"),
        without("sha256"),
        without("license"),
        table(colour="RGB"),
        table(input={"size": 64, "colour": "grey", "mean": [0.5]}),
        table(input={"size": 64, "colour": "BGR", "mean": [0.5], "std": [0.5]}),
        table(input={"size": "big", "colour": "grey", "mean": [0.5], "std": [0.5]}),
        table(input=[64]),
        table(heads=["age"]),
        table(min_sharpness="high"),
        table(heads={"age": {"decoder": "age"}}),
        table(heads={"age": {"decoder": "age", "labels": ["0", "1"], "colour": "red"}}),
        table(heads={"age": {"decoder": "age", "labels": ["0", "1"], "interval": [0.5]}}),
    ],
    ids=range(13),
)
def test_an_unusable_entry_names_the_model(entry):
    with pytest.raises(ModelError, match="model entry 'small' is not usable"):
        ModelSpec.from_mapping("small", entry)


def test_an_entry_of_an_older_version_never_abstains_from_blur():
    assert ModelSpec.from_mapping("small", table()).min_sharpness == 0
    spec = ModelSpec.from_mapping("small", table(min_sharpness=4.5))
    assert spec.min_sharpness == 4.5
    assert spec.to_mapping()["min_sharpness"] == 4.5


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_a_sharpness_out_of_range_names_the_model(value):
    with pytest.raises(ModelError, match="small: min_sharpness must be a number from 0 on, got"):
        ModelSpec.from_mapping("small", table(min_sharpness=value))


# --- metadata of an ONNX file -----------------------------------------------------------------


def test_metadata_is_read_and_carries_its_own_name():
    spec = ModelSpec.from_mapping("small", table())
    assert ModelSpec.from_metadata("small", {METADATA_KEY: json.dumps(spec.to_mapping())}) == spec
    named = {METADATA_KEY: json.dumps(table(name="tiny"))}
    assert ModelSpec.from_metadata("file.onnx", named).name == "tiny"


def test_a_foreign_file_is_refused():
    with pytest.raises(ModelError, match="Use a file written by `mien export`"):
        ModelSpec.from_metadata("yolo.onnx", {"author": "somebody"})


@pytest.mark.parametrize("text", ["", "{", "3", "[1]", "null", '"text"'])
def test_broken_metadata_names_the_file(text):
    with pytest.raises(ModelError, match=r"own\.onnx: the 'mien' metadata is not"):
        ModelSpec.from_metadata("own.onnx", {METADATA_KEY: text})


# --- the shipped manifest ---------------------------------------------------------------------


def test_the_default_detector_is_shipped():
    assert find_spec("yunet").task == "detect"
    assert find_spec("yunet") == load_manifest()["yunet"]


def test_an_unknown_model_says_what_there_is():
    with pytest.raises(
        UnknownModelError, match=r"no model is called 'yunett'. Did you mean 'yunet'"
    ):
        find_spec("yunett")


def test_every_call_reads_a_manifest_of_its_own():
    load_manifest().clear()
    assert "yunet" in load_manifest()
