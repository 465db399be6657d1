"""The shape of ``deepface.analyze``, key by key."""

import json

import pytest

from mien.adapters import to_deepface
from mien.errors import UnreadableMediaError
from mien.results import Age, Box, Distribution, Face, FrameResult, Landmarks, Point

EIGHT = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
)


def make_age(years):
    return Age(
        years=years,
        low=years - 5,
        high=years + 5,
        group="26-59",
        groups=Distribution(("0-25", "26-59", "60+"), (0.0, 1.0, 0.0)),
        distribution=(0.0,) * 101,
    )


def make_result(**changes):
    values = {
        "box": Box(10.4, 20.6, 60.2, 90.0),
        "score": 0.9172,
        "landmarks": Landmarks(
            right_eye=Point(25.2, 40.0),
            left_eye=Point(45.6, 41.0),
            nose=Point(35.0, 55.0),
            right_mouth=Point(28.0, 70.0),
            left_mouth=Point(43.0, 70.0),
        ),
    }
    return FrameResult(source="a.jpg", width=100, height=100, faces=(Face(**(values | changes)),))


def one(**changes):
    (face,) = to_deepface(make_result(**changes))
    return face


def test_a_whole_face_by_hand():
    # Contempt takes 0.2 away, so 0.1 of the remaining 0.8 is 12.5 %.
    emotion = Distribution(EIGHT, (0.1, 0.4, 0.1, 0.05, 0.05, 0.05, 0.05, 0.2))
    face = one(
        age=make_age(31.6),
        gender=Distribution(("female", "male"), (0.25, 0.75)),
        emotion=emotion,
    )
    assert face == {
        "age": 32,
        "gender": {"Woman": 25.0, "Man": 75.0},
        "dominant_gender": "Man",
        "emotion": pytest.approx(
            {
                "angry": 6.25,
                "disgust": 6.25,
                "fear": 6.25,
                "happy": 50.0,
                "sad": 6.25,
                "surprise": 12.5,
                "neutral": 12.5,
            }
        ),
        "dominant_emotion": "happy",
        "region": {
            "x": 10,
            "y": 21,
            "w": 50,
            "h": 69,
            "left_eye": (46, 41),
            "right_eye": (25, 40),
        },
        "face_confidence": 0.92,
    }
    assert json.loads(json.dumps(face))["age"] == 32


def test_words_come_in_the_order_of_deepface():
    face = one(
        gender=Distribution(("male", "female"), (0.5, 0.5)),
        emotion=Distribution(EIGHT, (0.125,) * 8),
    )
    assert list(face["emotion"]) == [
        "angry",
        "disgust",
        "fear",
        "happy",
        "sad",
        "surprise",
        "neutral",
    ]
    assert list(face["gender"]) == ["Woman", "Man"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("neutral", "neutral"),
        ("happiness", "happy"),
        ("surprise", "surprise"),
        ("sadness", "sad"),
        ("anger", "angry"),
        ("disgust", "disgust"),
        ("fear", "fear"),
    ],
)
def test_every_expression_has_its_word(ours, theirs):
    emotion = Distribution(EIGHT, tuple(0.6 if label == ours else 0.4 / 7 for label in EIGHT))
    face = one(emotion=emotion)
    assert face["dominant_emotion"] == theirs
    assert sum(face["emotion"].values()) == pytest.approx(100)
    assert "contempt" not in face["emotion"]


def test_the_runner_up_wins_when_contempt_is_best():
    emotion = Distribution(EIGHT, (0.1, 0.0, 0.0, 0.0, 0.3, 0.0, 0.0, 0.6))
    face = one(emotion=emotion)
    assert face["dominant_emotion"] == "angry"
    assert face["emotion"]["angry"] == pytest.approx(75)


def test_nothing_but_contempt_has_no_word():
    face = one(emotion=Distribution(("contempt", "neutral"), (1.0, 0.0)))
    assert {"emotion", "dominant_emotion"}.isdisjoint(face)


def test_an_asked_for_subset_still_has_seven_keys():
    face = one(emotion=Distribution(("happiness", "neutral"), (0.25, 0.75)))
    assert len(face["emotion"]) == 7
    assert (face["emotion"]["happy"], face["emotion"]["neutral"]) == (25.0, 75.0)
    assert face["emotion"]["angry"] == 0.0
    assert face["dominant_emotion"] == "neutral"


def test_what_was_not_asked_is_absent():
    assert set(one(age=make_age(40.0))) == {"age", "region", "face_confidence"}
    assert set(one(skipped="blurred")) == {"region", "face_confidence"}


def test_regions_are_cut_at_the_border_and_eyes_outside_are_none():
    marks = Landmarks(Point(-0.8, 5.0), Point(99.4, 99.4), Point(0, 0), Point(0, 0), Point(0, 0))
    region = one(box=Box(-20.0, -5.0, 130.0, 99.6), landmarks=marks)["region"]
    assert region == {
        "x": 0,
        "y": 0,
        "w": 100,
        "h": 100,
        "left_eye": (99, 99),
        "right_eye": None,
    }


def test_a_box_outside_the_image_is_empty():
    region = one(box=Box(-30.0, 110.0, -10.0, 130.0))["region"]
    assert (region["w"], region["h"]) == (0, 0)


def test_a_detector_without_landmarks_gives_no_eyes():
    region = one(landmarks=None)["region"]
    assert (region["left_eye"], region["right_eye"]) == (None, None)


def test_numbers_are_plain_python():
    region = one()["region"]
    assert {type(region[key]) for key in "xywh"} == {int}
    assert {type(value) for value in region["left_eye"]} == {int}


def test_faces_keep_their_order():
    first, second = (make_result(score=score).faces[0] for score in (0.25, 0.75))
    result = FrameResult(source="a.jpg", width=100, height=100, faces=(first, second))
    assert [face["face_confidence"] for face in to_deepface(result)] == [0.25, 0.75]


def test_no_face_is_an_empty_list():
    assert to_deepface(FrameResult(source="a.jpg", width=9, height=9)) == []


def test_an_unreadable_image_raises_as_deepface_does():
    result = FrameResult(source="a.jpg", error="the file is empty")
    with pytest.raises(UnreadableMediaError, match=r"a\.jpg: the file is empty"):
        to_deepface(result)
    with pytest.raises(ValueError, match="the file is empty"):
        to_deepface(result)
