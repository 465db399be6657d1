"""One row a face, fixed columns, and nothing lost."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import ConfigError
from mien.results import (
    Age,
    Box,
    Distribution,
    Face,
    FrameResult,
    Landmarks,
    Point,
    Quality,
    Smoothed,
)
from mien.rows import EMOTIONS, TableColumns, flat_rows

SMALL = TableColumns(emotions=("calm", "joy"), age_groups=("0-59", "60+"))

AGE = Age(
    years=31.5,
    low=26.0,
    high=37.25,
    group="0-59",
    groups=Distribution(("0-59", "60+"), (0.75, 0.25)),
    distribution=tuple(1.0 if year == 31 else 0.0 for year in range(101)),
)

FULL = Face(
    box=Box(1.5, 2.0, 30.0, 40.0),
    score=0.5,
    landmarks=Landmarks(Point(1, 2), Point(3, 4), Point(5, 6), Point(7, 8), Point(9, 10)),
    age=AGE,
    gender=Distribution(("female", "male"), (0.25, 0.75)),
    emotion=Distribution(("calm", "joy"), (0.125, 0.875)),
    quality=Quality(size_px=28.5, sharpness=100.0, yaw_deg=-3.0),
    track_id=7,
)

TRACKED = replace(
    FULL,
    smoothed=Smoothed(
        age=replace(AGE, years=33.0, low=30.5, high=36.0, distribution=(0.0,) * 100 + (1.0,)),
        gender=Distribution(("female", "male"), (0.0, 1.0)),
        emotion=Distribution(("calm", "joy"), (0.5, 0.5)),
    ),
)


def test_a_full_face_by_hand():
    result = FrameResult(source="a.jpg", index=2, time_s=0.5, width=64, height=48, faces=(FULL,))
    assert flat_rows(result, SMALL) == [
        {
            "source": "a.jpg",
            "index": 2,
            "time_s": 0.5,
            "width": 64,
            "height": 48,
            "error": None,
            "face": 0,
            "left": 1.5,
            "top": 2.0,
            "right": 30.0,
            "bottom": 40.0,
            "score": 0.5,
            "right_eye_x": 1,
            "right_eye_y": 2,
            "left_eye_x": 3,
            "left_eye_y": 4,
            "nose_x": 5,
            "nose_y": 6,
            "right_mouth_x": 7,
            "right_mouth_y": 8,
            "left_mouth_x": 9,
            "left_mouth_y": 10,
            "age_years": 31.5,
            "age_low": 26.0,
            "age_high": 37.25,
            "age_group": "0-59",
            "age_group_0-59": 0.75,
            "age_group_60+": 0.25,
            "gender": "male",
            "gender_probability": 0.75,
            "gender_female": 0.25,
            "gender_male": 0.75,
            "emotion": "joy",
            "emotion_probability": 0.875,
            "emotion_calm": 0.125,
            "emotion_joy": 0.875,
            "quality_size_px": 28.5,
            "quality_sharpness": 100.0,
            "quality_yaw_deg": -3.0,
            "quality_pitch_deg": None,
            "quality_roll_deg": None,
            "track_id": 7,
            "skipped": None,
        }
    ]


def test_columns_keep_the_documented_order():
    (row,) = flat_rows(FrameResult(source="a", faces=(FULL,)), SMALL)
    assert tuple(row) == SMALL.names == tuple(SMALL.kinds)
    assert SMALL.names[:7] == ("source", "index", "time_s", "width", "height", "error", "face")
    assert SMALL.names[-2:] == ("track_id", "skipped")


def test_kinds_fit_the_values():
    kinds = {"text": str, "integer": int, "number": (int, float), "numbers": tuple}
    columns = TableColumns(
        emotions=SMALL.emotions, age_groups=SMALL.age_groups, age_distribution=True
    )
    (row,) = flat_rows(FrameResult(source="a", faces=(FULL,)), columns)
    filled = {name: value for name, value in row.items() if value is not None}
    assert len(filled) >= 38
    assert all(isinstance(value, kinds[columns.kinds[name]]) for name, value in filled.items())


@pytest.mark.parametrize("error", [None, "the file is empty"])
def test_an_image_without_faces_still_has_a_row(error):
    (row,) = flat_rows(FrameResult(source="a.jpg", width=3, error=error), SMALL)
    assert tuple(row) == SMALL.names
    kept = {name: value for name, value in row.items() if value is not None}
    expected = {"source": "a.jpg", "index": 0, "width": 3, "height": 0}
    assert kept == expected | ({"error": error} if error else {})


def test_a_skipped_face_keeps_its_box_and_reason():
    face = Face(box=Box(0.0, 0.0, 9.0, 9.0), score=0.75, skipped="face narrower than 24 px")
    (row,) = flat_rows(FrameResult(source="a", faces=(face,)), SMALL)
    assert (row["right"], row["skipped"]) == (9.0, "face narrower than 24 px")
    assert row["age_years"] is row["gender"] is row["emotion_joy"] is None


def test_the_age_distribution_only_when_asked_for():
    wide = TableColumns(emotions=SMALL.emotions, age_groups=SMALL.age_groups, age_distribution=True)
    result = FrameResult(source="a", faces=(FULL, Face(box=FULL.box, score=0.5)))
    first, second = flat_rows(result, wide)
    assert first["age_distribution"] == AGE.distribution
    assert second["age_distribution"] is None
    assert "age_distribution" not in flat_rows(result, SMALL)[0]


def test_smoothed_answers_by_hand():
    columns = replace(SMALL, smoothed=True)
    (row,) = flat_rows(FrameResult(source="a", faces=(TRACKED,)), columns)
    smoothed = {
        "smoothed_age_years": 33.0,
        "smoothed_age_low": 30.5,
        "smoothed_age_high": 36.0,
        "smoothed_age_group": "0-59",
        "smoothed_age_group_0-59": 0.75,
        "smoothed_age_group_60+": 0.25,
        "smoothed_gender": "male",
        "smoothed_gender_probability": 1.0,
        "smoothed_gender_female": 0.0,
        "smoothed_gender_male": 1.0,
        "smoothed_emotion": "calm",
        "smoothed_emotion_probability": 0.5,
        "smoothed_emotion_calm": 0.5,
        "smoothed_emotion_joy": 0.5,
    }
    assert {name: row[name] for name in row if name.startswith("smoothed")} == smoothed
    (plain,) = flat_rows(FrameResult(source="a", faces=(FULL,)), SMALL)
    assert {name: row[name] for name in row if name not in smoothed} == plain


def test_smoothed_columns_stand_before_the_track():
    names = replace(SMALL, smoothed=True).names
    smoothed = [name for name in names if name.startswith("smoothed")]
    assert names == (*SMALL.names[:-2], *smoothed, "track_id", "skipped")
    assert "smoothed_age_distribution" not in names


def test_smoothed_columns_of_a_face_without_smoothed_answers_are_empty():
    columns = replace(SMALL, smoothed=True, age_distribution=True)
    (row,) = flat_rows(FrameResult(source="a", faces=(FULL,)), columns)
    assert tuple(row) == columns.names
    assert {row[name] for name in row if name.startswith("smoothed")} == {None}
    assert row["age_years"] == 31.5


def test_a_skipped_face_keeps_its_smoothed_answers():
    face = Face(box=FULL.box, score=0.5, smoothed=TRACKED.smoothed, skipped="blurred")
    (row,) = flat_rows(FrameResult(source="a", faces=(face,)), replace(SMALL, smoothed=True))
    assert (row["age_years"], row["smoothed_age_years"], row["skipped"]) == (None, 33.0, "blurred")


def test_both_age_distributions():
    columns = replace(SMALL, smoothed=True, age_distribution=True)
    (row,) = flat_rows(FrameResult(source="a", faces=(TRACKED,)), columns)
    assert columns.names[-2:] == ("age_distribution", "smoothed_age_distribution")
    assert row["age_distribution"] == AGE.distribution
    assert row["smoothed_age_distribution"] == (0.0,) * 100 + (1.0,)


def test_a_smoothed_label_without_a_column_is_an_error():
    smoothed = Smoothed(gender=Distribution(("female", "other"), (0.25, 0.75)))
    result = FrameResult(source="a", faces=(replace(FULL, smoothed=smoothed),))
    with pytest.raises(ConfigError, match="no column 'smoothed_gender_other'"):
        flat_rows(result, replace(SMALL, smoothed=True))


def test_a_label_without_a_column_is_an_error():
    face = Face(box=FULL.box, score=0.5, emotion=Distribution(("calm", "bored"), (0.25, 0.75)))
    with pytest.raises(ConfigError, match="no column 'emotion_bored'"):
        flat_rows(FrameResult(source="a", faces=(face,)), SMALL)


def test_a_subset_of_the_labels_leaves_the_other_columns_empty():
    face = Face(box=FULL.box, score=0.5, emotion=Distribution(("joy",), (1.0,)))
    (row,) = flat_rows(FrameResult(source="a", faces=(face,)), SMALL)
    assert (row["emotion_joy"], row["emotion_calm"]) == (1.0, None)


@pytest.mark.parametrize("emotions", [("joy", "joy"), ("joy", "probability")])
def test_column_names_are_unique(emotions):
    with pytest.raises(ConfigError, match="two columns would be called 'emotion_"):
        TableColumns(emotions=emotions)


def test_columns_of_known_results():
    columns = TableColumns.from_results(
        [FrameResult(source="a"), FrameResult(source="b", faces=(FULL,))], age_distribution=True
    )
    assert columns.emotions == ("calm", "joy")
    assert columns.age_groups == ("0-59", "60+")
    assert columns.age_distribution
    assert not columns.smoothed


def test_columns_of_known_results_with_smoothed_answers():
    hidden = Face(box=FULL.box, score=0.5, smoothed=TRACKED.smoothed, skipped="blurred")
    columns = TableColumns.from_results([FrameResult(source="a", faces=(hidden,))])
    assert columns == replace(SMALL, smoothed=True)


def test_columns_of_results_without_answers_are_the_defaults():
    assert TableColumns.from_results([FrameResult(source="a")]) == TableColumns()
    assert TableColumns().emotions == EMOTIONS
    assert TableColumns().age_groups == ("0-12", "13-25", "26-59", "60+")


@given(count=st.integers(0, 5), source=st.text(), error=st.none() | st.text())
def test_as_many_rows_as_faces_but_at_least_one(count, source, error):
    rows = flat_rows(FrameResult(source=source, faces=(FULL,) * count, error=error), SMALL)
    assert len(rows) == max(1, count)
    assert [row["face"] for row in rows] == ([*range(count)] or [None])
    assert all(row["source"] == source and row["error"] == error for row in rows)
