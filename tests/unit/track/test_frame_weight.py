"""How much one frame counts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.results import Quality
from mien.track.weight import FLOOR, frame_weight

GOOD = Quality(size_px=120, sharpness=150, yaw_deg=4, pitch_deg=7, roll_deg=0)


def test_a_good_frame_counts():
    assert frame_weight(GOOD, 0.95) > 0.6


@pytest.mark.parametrize(
    ("change", "most"),
    [
        ({"sharpness": 20.0}, 0.10),  # a face that looks blurred
        ({"sharpness": 8.0}, 0.01),
        ({"sharpness": 0.0}, 0.002),
        ({"size_px": 24.0}, 0.25),
        ({"yaw_deg": 60.0}, 0.10),
        ({"yaw_deg": -60.0}, 0.10),
        ({"pitch_deg": 60.0}, 0.10),
        ({"yaw_deg": 80.0}, 0.02),
    ],
)
def test_a_bad_frame_counts_little_beside_a_good_one(change, most):
    assert frame_weight(replace(GOOD, **change), 0.95) < most * frame_weight(GOOD, 0.95)


@pytest.mark.parametrize("yaw_deg", [-20.0, 0.0, 10.0, 20.0])
def test_a_small_turn_costs_nothing(yaw_deg):
    straight = frame_weight(replace(GOOD, yaw_deg=0.0), 0.95)
    assert frame_weight(replace(GOOD, yaw_deg=yaw_deg), 0.95) > 0.97 * straight


def test_a_face_without_landmarks_is_taken_as_frontal():
    blind = replace(GOOD, yaw_deg=None, pitch_deg=None, roll_deg=None)
    frontal = replace(GOOD, yaw_deg=0.0, pitch_deg=0.0)
    assert frame_weight(blind, 0.9) == frame_weight(frontal, 0.9)


def test_scores_of_another_scale_give_the_same_shares():
    high = frame_weight(GOOD, 0.9) / frame_weight(GOOD, 0.8)
    assert frame_weight(GOOD, 0.45) / frame_weight(GOOD, 0.4) == pytest.approx(high)


@given(
    size_px=st.floats(0, 1e5),
    sharpness=st.floats(0, 1e9),
    yaw_deg=st.floats(-90, 90),
    pitch_deg=st.floats(-90, 90),
    score=st.floats(-1, 50),
)
def test_any_frame_counts_a_little_and_none_more_than_one(
    size_px, sharpness, yaw_deg, pitch_deg, score
):
    quality = Quality(
        size_px=size_px, sharpness=sharpness, yaw_deg=yaw_deg, pitch_deg=pitch_deg, roll_deg=0
    )
    assert FLOOR <= frame_weight(quality, score) <= 1


@given(st.floats(1, 500), st.floats(1, 500))
def test_a_sharper_frame_never_counts_less(one, other):
    low, high = sorted((one, other))
    assert frame_weight(replace(GOOD, sharpness=low), 0.9) <= frame_weight(
        replace(GOOD, sharpness=high), 0.9
    )
