"""`supervision.Detections` that annotators, filters and merging accept."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from mien.adapters import to_supervision
from mien.errors import MissingExtraError
from mien.results import Age, Box, Distribution, Face, FrameResult, Landmarks, Point

AGE = Age(
    years=31.5,
    low=27.0,
    high=37.0,
    group="26-59",
    groups=Distribution(("0-25", "26-59", "60+"), (0.0, 1.0, 0.0)),
    distribution=(0.0,) * 101,
)
FULL = Face(
    box=Box(10.0, 20.0, 50.0, 80.0),
    score=0.75,
    landmarks=Landmarks(*(Point(20.0 + k, 30.0 + k) for k in range(5))),
    age=AGE,
    gender=Distribution(("female", "male"), (0.875, 0.125)),
    emotion=Distribution(("neutral", "anger"), (0.25, 0.75)),
    track_id=4,
)
BARE = Face(box=Box(-5.0, 0.0, 8.0, 12.0), score=0.5, skipped="blurred")


def frame(*faces, **changes):
    values = {"source": "clip.mp4", "index": 2, "time_s": 0.5, "width": 100, "height": 90}
    return FrameResult(**(values | changes), faces=faces)


def test_without_supervision_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mien\[supervision\]'"):
        to_supervision(frame())


@pytest.fixture(scope="module")
def sv():
    return pytest.importorskip("supervision", reason="the extra [supervision] is not installed")


def test_two_faces_by_hand(sv):
    found = to_supervision(frame(FULL, BARE))
    assert isinstance(found, sv.Detections)
    assert found.xyxy.dtype == np.float32
    assert found.xyxy.tolist() == [[10, 20, 50, 80], [-5, 0, 8, 12]]
    assert found.confidence.tolist() == [0.75, 0.5]
    assert found.class_id.tolist() == [0, 0]
    assert found["class_name"].tolist() == ["face", "face"]
    assert found["age_group"].tolist() == ["26-59", None]
    assert found["gender"].tolist() == ["female", None]
    assert found["emotion"].tolist() == ["anger", None]
    assert found["skipped"].tolist() == [None, "blurred"]
    for name, value in [
        ("age_years", 31.5),
        ("age_low", 27.0),
        ("age_high", 37.0),
        ("gender_probability", 0.875),
        ("emotion_probability", 0.75),
    ]:
        np.testing.assert_array_equal(found[name], [value, np.nan])
    assert found["landmarks"].shape == (2, 5, 2)
    assert found["landmarks"][0].tolist() == [[20 + k, 30 + k] for k in range(5)]
    assert np.isnan(found["landmarks"][1]).all()


def test_metadata_names_the_frame(sv):
    assert to_supervision(frame(FULL)).metadata == {
        "source": "clip.mp4",
        "index": 2,
        "time_s": 0.5,
        "width": 100,
        "height": 90,
        "error": None,
    }


def test_tracker_ids_only_when_every_face_has_one(sv):
    assert to_supervision(frame(FULL, FULL)).tracker_id.tolist() == [4, 4]
    assert to_supervision(frame(FULL, BARE)).tracker_id is None
    assert to_supervision(frame()).tracker_id is None


def test_no_faces_is_empty_with_the_same_keys(sv):
    none = to_supervision(frame())
    assert none.is_empty()
    assert none.xyxy.shape == (0, 4)
    assert none.data.keys() == to_supervision(frame(FULL)).data.keys()
    assert none["landmarks"].shape == (0, 5, 2)


def test_an_unreadable_image_keeps_its_error(sv):
    found = to_supervision(FrameResult(source="a.jpg", error="not an image"))
    assert len(found) == 0
    assert found.metadata["error"] == "not an image"


def test_filters_take_the_data_along(sv):
    found = to_supervision(frame(FULL, BARE))
    women = found[found["gender"] == "female"]
    assert women["age_years"].tolist() == [31.5]
    unknown = found[np.isnan(found["age_years"])]
    assert unknown["skipped"].tolist() == ["blurred"]
    assert [row[5]["gender"] for row in found] == ["female", None]


def test_pieces_of_one_frame_merge(sv):
    still = replace(FULL, track_id=None)
    whole = to_supervision(frame(still, BARE))
    merged = sv.Detections.merge([to_supervision(frame(still)), to_supervision(frame(BARE))])
    assert merged.xyxy.tolist() == whole.xyxy.tolist()
    assert merged["gender"].tolist() == ["female", None]
    assert merged["landmarks"].shape == (2, 5, 2)


def test_annotators_draw_without_further_settings(sv):
    scene = np.zeros((90, 100, 3), np.uint8)
    found = to_supervision(frame(FULL, BARE))
    boxed = sv.BoxAnnotator().annotate(scene.copy(), found)
    labelled = sv.LabelAnnotator().annotate(scene.copy(), found)
    assert boxed.any()
    assert labelled.any()
