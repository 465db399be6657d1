"""Results are frozen, plain and JSON-ready, and the published schema describes them exactly."""

import copy
import dataclasses
import json
import pickle

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.results import (
    SCHEMA_VERSION,
    Age,
    Box,
    Distribution,
    Face,
    FrameResult,
    Landmarks,
    Point,
    Quality,
    Smoothed,
    json_schema,
)

VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def make_age(peak=30):
    return Age(
        years=float(peak),
        low=peak - 4.5,
        high=peak + 6.0,
        group="26-59",
        groups=Distribution(("0-25", "26-59", "60+"), (0.25, 0.5, 0.25)),
        distribution=tuple(float(k == peak) for k in range(101)),
    )


def make_face(**changes):
    values = {
        "box": Box(-3.0, 10.0, 47.0, 80.5),
        "score": 0.875,
        "landmarks": Landmarks(*(Point(10.0 + k, 20.5) for k in range(5))),
        "age": make_age(),
        "gender": Distribution(("female", "male"), (0.75, 0.25)),
        "emotion": Distribution(("neutral", "happiness"), (0.125, 0.875)),
        "quality": Quality(
            size_px=50.0, sharpness=120.5, yaw_deg=-4.0, pitch_deg=0.5, roll_deg=2.0
        ),
        "track_id": 7,
        "smoothed": Smoothed(age=make_age(33), gender=Distribution(("female", "male"), (1.0, 0.0))),
    }
    return Face(**(values | changes))


def make_result(**changes):
    values = {"source": "a.jpg", "width": 640, "height": 480, "faces": (make_face(),)}
    return FrameResult(**(values | changes))


# --- generated results ------------------------------------------------------------------------

numbers = st.floats(-1e6, 1e6)
points = st.builds(Point, numbers, numbers)
years = st.floats(0, 100)
angles = st.none() | st.floats(-180, 180)


@st.composite
def distributions(draw, labels):
    names = draw(st.lists(labels, min_size=1, max_size=8, unique=True))
    weights = draw(st.lists(st.floats(0.001, 1), min_size=len(names), max_size=len(names)))
    return Distribution(tuple(names), tuple(weight / sum(weights) for weight in weights))


group_names = st.integers(0, 100).map("{}+".format) | st.tuples(
    st.integers(0, 100), st.integers(0, 100)
).map(lambda pair: f"{min(pair)}-{max(pair)}")


@st.composite
def ages(draw):
    groups = draw(distributions(group_names))
    peak = draw(st.integers(0, 100))
    return Age(
        years=draw(years),
        low=draw(years),
        high=draw(years),
        group=groups.best,
        groups=groups,
        distribution=tuple(0.5 * (k == peak) + 0.5 * (k == 0) for k in range(101)),
    )


genders = distributions(st.sampled_from(["female", "male"]))
emotions = distributions(st.text(max_size=8))
smoothed = st.builds(
    Smoothed, age=st.none() | ages(), gender=st.none() | genders, emotion=st.none() | emotions
)


@st.composite
def faces(draw):
    skipped = draw(st.none() | st.text())

    def answer(strategy):
        return None if skipped is not None else draw(st.none() | strategy)

    return Face(
        box=draw(st.builds(Box, numbers, numbers, numbers, numbers)),
        score=draw(st.floats(0, 1)),
        landmarks=draw(st.none() | st.builds(Landmarks, *[points] * 5)),
        age=answer(ages()),
        gender=answer(genders),
        emotion=answer(emotions),
        quality=draw(
            st.none()
            | st.builds(
                Quality,
                size_px=st.floats(0, 1e5),
                sharpness=st.floats(0, 1e5),
                yaw_deg=angles,
                pitch_deg=angles,
                roll_deg=angles,
            )
        ),
        track_id=draw(st.none() | st.integers(0, 2**40)),
        smoothed=draw(st.none() | smoothed),
        skipped=skipped,
    )


@st.composite
def results(draw):
    error = draw(st.none() | st.text())
    return FrameResult(
        source=draw(st.text()),
        index=draw(st.integers(0, 2**40)),
        time_s=draw(st.none() | st.floats(0, 1e6)),
        width=draw(st.integers(0, 10**5)),
        height=draw(st.integers(0, 10**5)),
        faces=() if error is not None else tuple(draw(st.lists(faces(), max_size=3))),
        error=error,
    )


@settings(max_examples=60, deadline=None)
@given(results())
def test_every_result_fits_the_schema_and_survives_json_and_pickle(result):
    mapping = result.to_dict()
    VALIDATOR.validate(mapping)
    assert json.loads(json.dumps(mapping, allow_nan=False)) == mapping
    assert pickle.loads(pickle.dumps(result)) == result
    assert len({result, copy.deepcopy(result)}) == 1


# --- values -----------------------------------------------------------------------------------


def test_box_sides_by_hand():
    box = Box(-2.0, 3.0, 10.5, 4.0)
    assert (box.width, box.height) == (12.5, 1.0)


def test_best_label_and_its_probability():
    emotion = Distribution(("neutral", "anger", "fear"), (0.2, 0.5, 0.3))
    assert (emotion.best, emotion.probability) == ("anger", 0.5)


@pytest.mark.parametrize("labels", [("b", "a", "c"), ("a", "b", "c")])
def test_a_tie_goes_to_the_label_that_comes_first(labels):
    assert Distribution(labels, (0.4, 0.4, 0.2)).best == labels[0]


def test_probability_of_one_label():
    gender = Distribution(("female", "male"), (0.75, 0.25))
    assert gender["male"] == 0.25


def test_unknown_label_is_a_key_error():
    with pytest.raises(KeyError, match="boredom"):
        Distribution(("female", "male"), (0.75, 0.25))["boredom"]


def test_labels_and_probabilities_must_pair_up():
    with pytest.raises(ValueError, match="2 labels but 1 probabilities"):
        Distribution(("female", "male"), (1.0,))


def test_age_years_is_a_shortcut():
    assert make_face().age_years == 30.0
    assert make_face(age=None).age_years is None


@pytest.mark.parametrize(
    "thing",
    [
        make_result(),
        make_face(),
        make_age(),
        make_face().quality,
        make_face().gender,
        make_face().smoothed,
    ],
)
def test_results_are_frozen_and_carry_nothing_else(thing):
    name = dataclasses.fields(thing)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(thing, name, None)
    assert not hasattr(thing, "__dict__")


def test_equality_and_hash_follow_the_values():
    assert make_result() == make_result()
    assert hash(make_result()) == hash(make_result())
    other = make_result(faces=(make_face(track_id=8),))
    assert make_result() != other
    assert len({make_result(), make_result(), other}) == 2


def test_to_dict_by_hand():
    result = make_result(source="clip.mp4", index=3, time_s=0.1)
    mapping = result.to_dict()
    face = mapping.pop("faces")[0]
    assert mapping == {
        "schema": 2,
        "source": "clip.mp4",
        "index": 3,
        "time_s": 0.1,
        "width": 640,
        "height": 480,
        "error": None,
    }
    assert face["box"] == {"left": -3.0, "top": 10.0, "right": 47.0, "bottom": 80.5}
    assert face["landmarks"]["nose"] == [12.0, 20.5]
    assert face["gender"] == {
        "label": "female",
        "probability": 0.75,
        "probabilities": {"female": 0.75, "male": 0.25},
    }
    assert face["age"]["distribution"].index(1.0) == 30
    assert {name: value for name, value in face["age"].items() if name != "distribution"} == {
        "years": 30.0,
        "low": 25.5,
        "high": 36.0,
        "group": "26-59",
        "groups": {"0-25": 0.25, "26-59": 0.5, "60+": 0.25},
    }
    assert face["quality"] == {
        "size_px": 50.0,
        "sharpness": 120.5,
        "yaw_deg": -4.0,
        "pitch_deg": 0.5,
        "roll_deg": 2.0,
    }
    assert list(face["landmarks"]) == [
        "right_eye",
        "left_eye",
        "nose",
        "right_mouth",
        "left_mouth",
    ]
    assert (face["track_id"], face["skipped"]) == (7, None)
    assert face["smoothed"] == {
        "age": make_age(33).to_dict(),
        "gender": {
            "label": "female",
            "probability": 1.0,
            "probabilities": {"female": 1.0, "male": 0.0},
        },
        "emotion": None,
    }


def test_to_dict_of_the_unknown_is_null():
    face = Face(box=Box(0, 0, 9, 9), score=1.0, skipped="face narrower than 24 px").to_dict()
    missing = ("landmarks", "age", "gender", "emotion", "quality", "track_id", "smoothed")
    assert [face[name] for name in missing] == [None] * 7
    assert face["skipped"] == "face narrower than 24 px"


# --- the published schema ---------------------------------------------------------------------

DESCRIBED = {
    "box": Box._fields,
    "landmarks": Landmarks._fields,
    "age": tuple(field.name for field in dataclasses.fields(Age)),
    "quality": tuple(field.name for field in dataclasses.fields(Quality)),
    "smoothed": tuple(field.name for field in dataclasses.fields(Smoothed)),
    "face": tuple(field.name for field in dataclasses.fields(Face)),
    "distribution": ("label", "probability", "probabilities"),
}


def test_the_schema_itself_is_valid():
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_the_schema_names_its_version():
    schema = json_schema()
    assert schema["properties"]["schema"] == {
        "const": SCHEMA_VERSION,
        "description": schema["properties"]["schema"]["description"],
    }
    assert schema["$id"].endswith(f":{SCHEMA_VERSION}")


def test_callers_cannot_spoil_the_schema():
    json_schema().clear()
    assert json_schema()["title"] == "FrameResult"


@pytest.mark.parametrize("name", DESCRIBED)
def test_schema_and_fields_cannot_drift_apart(name):
    part = json_schema()["$defs"][name]
    assert set(part["properties"]) == set(part["required"]) == set(DESCRIBED[name])
    assert part["additionalProperties"] is False


def test_schema_and_frame_cannot_drift_apart():
    schema = json_schema()
    names = {field.name for field in dataclasses.fields(FrameResult)} | {"schema"}
    assert set(schema["properties"]) == set(schema["required"]) == names
    assert list(make_result().to_dict()) == list(schema["properties"])
    assert schema["additionalProperties"] is False


def described_parts(schema, path="$"):
    """Every key of the mapping with its part of the schema; helpers without keys are passed by."""
    for name, part in schema.get("properties", {}).items():
        yield f"{path}.{name}", part
    for name, part in schema.get("$defs", {}).items():
        yield from described_parts(part, f"{path}.{name}")


def test_every_key_is_explained():
    parts = dict(described_parts(json_schema()))
    assert len(parts) == 8 + sum(map(len, DESCRIBED.values()))
    assert [path for path, part in parts.items() if not part.get("description")] == []


def broken(**changes):
    """A valid mapping with one value replaced; the key is a path such as ``face.age.years``."""
    mapping = make_result().to_dict()
    ((path, value),) = changes.items()
    *parents, last = path.split("__")
    node = mapping
    for name in parents:
        node = node["faces"][0] if name == "face" else node[name]
    node[last] = value
    return mapping


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 1},
        {"surprise": 1},
        {"source": None},
        {"index": -1},
        {"width": 3.5},
        {"time_s": "0:01"},
        {"error": "cannot be decoded"},  # an unreadable image has no faces
        {"face__score": 1.01},
        {"face__race": "none"},
        {"face__box__left": None},
        {"face__landmarks__nose": [1.0, 2.0, 3.0]},
        {"face__landmarks__nose": [1.0]},
        {"face__age__years": 101},
        {"face__age__distribution": [0.01] * 100},
        {"face__age__group": "old"},
        {"face__age__groups": {"old": 1.0}},
        {"face__gender__probabilities": {"female": -0.1, "male": 1.1}},
        {"face__emotion__probabilities": {}},
        {"face__emotion": {"label": "fear", "probability": 1.0}},
        {"face__quality__sharpness": -1},
        {"face__quality__yaw_deg": 181},
        {"face__track_id": 1.5},
        {"face__smoothed": {"age": None, "gender": None}},
        {"face__smoothed__age__years": 101},
        {"face__smoothed__quality": None},
        {"face__skipped": "blurred"},  # a skipped face has no attributes
    ],
    ids=lambda change: "-".join(change),
)
def test_the_schema_refuses(change):
    assert not VALIDATOR.is_valid(broken(**change))


def test_the_untouched_mapping_is_accepted():
    assert VALIDATOR.is_valid(broken(source="b.jpg"))


def test_a_skipped_face_may_have_smoothed_answers():
    face = make_face(age=None, gender=None, emotion=None, skipped="blurred")
    mapping = make_result(faces=(face,)).to_dict()
    VALIDATOR.validate(mapping)
    assert mapping["faces"][0]["smoothed"]["age"]["years"] == 33.0


@pytest.mark.parametrize("missing", ["schema", "faces", "error"])
def test_no_key_may_be_left_out(missing):
    mapping = make_result().to_dict()
    del mapping[missing]
    assert not VALIDATOR.is_valid(mapping)
