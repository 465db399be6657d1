"""Size, sharpness and pose of a face."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.align import FIVE_POINTS
from mien.attributes.quality import head_pose, measure_quality, reason_to_skip
from mien.interfaces import Detection
from mien.results import Box, Landmarks, Point, Quality

TEMPLATE = FIVE_POINTS * 200
EYES_APART = 0.36 * 200


def landmarks(points):
    return Landmarks(*(Point(float(x), float(y)) for x, y in points))


def turned(points, angle_deg):
    """Clockwise as seen on the screen, where y grows downwards."""
    a = np.deg2rad(angle_deg)
    matrix = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return (points - 100) @ matrix.T + 100


def with_nose(dx=0.0, dy=0.0):
    points = TEMPLATE.copy()
    points[2] += (dx, dy)
    return points


def noise(seed=3):
    return np.random.default_rng(seed).integers(0, 256, (112, 112, 3), np.uint8)


# --- pose -------------------------------------------------------------------------------------


def test_the_template_looks_straight_ahead():
    assert head_pose(landmarks(TEMPLATE)) == pytest.approx((0, 0, 0), abs=1e-9)


@pytest.mark.parametrize("angle_deg", [20, -20, 90, 179, -135])
def test_a_tilted_face_has_roll_alone(angle_deg):
    yaw, pitch, roll = head_pose(landmarks(turned(TEMPLATE, angle_deg)))
    assert roll == pytest.approx(angle_deg)
    assert (yaw, pitch) == pytest.approx((0, 0), abs=1e-6)


def test_the_left_eye_lower_is_a_clockwise_tilt():
    # The person's left eye is on the viewer's right; there it is lower on the screen.
    points = TEMPLATE.copy()
    points[1, 1] += 10
    assert head_pose(landmarks(points))[2] > 0


@pytest.mark.parametrize("side", [1, -1])
def test_the_nose_points_where_the_face_turns(side):
    # The nose stands half an eye distance in front; shifted by a quarter of the eye distance
    # that is an angle of asin(1 / 2) = 30 degrees.
    yaw, pitch, roll = head_pose(landmarks(with_nose(dx=side * EYES_APART / 4)))
    assert yaw == pytest.approx(30 * side)
    assert (pitch, roll) == pytest.approx((0, 0), abs=1e-9)


@pytest.mark.parametrize("side", [1, -1])
def test_a_nose_higher_up_looks_up(side):
    yaw, pitch, _ = head_pose(landmarks(with_nose(dy=-side * EYES_APART / 4)))
    assert pitch == pytest.approx(30 * side)
    assert yaw == pytest.approx(0, abs=1e-9)


def test_tilt_does_not_disturb_the_other_angles():
    points = with_nose(dx=9, dy=-5)
    straight = head_pose(landmarks(points))
    tilted = head_pose(landmarks(turned(points, 40)))
    assert tilted == pytest.approx((*straight[:2], 40))


@given(st.floats(0.05, 50), st.floats(-1e4, 1e4), st.floats(-30, 30), st.floats(-30, 30))
def test_size_and_place_do_not_matter(scale, shift, dx, dy):
    points = with_nose(dx, dy)
    assert head_pose(landmarks(points * scale + shift)) == pytest.approx(
        head_pose(landmarks(points)), abs=1e-3
    )


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=5, max_size=5))
def test_any_points_give_angles(points):
    yaw, pitch, roll = head_pose(landmarks(points))
    assert -90 <= yaw <= 90
    assert -90 <= pitch <= 90
    assert -180 <= roll <= 180


# --- everything together ----------------------------------------------------------------------

FACE = Detection(box=Box(10, 20, 70, 100), score=0.9, landmarks=landmarks(turned(TEMPLATE, 20)))


def test_a_face_is_described():
    quality = measure_quality(FACE, noise())
    assert quality.size_px == 60  # the shorter side
    assert (quality.yaw_deg, quality.pitch_deg, quality.roll_deg) == pytest.approx(
        (0, 0, 20), abs=1e-6
    )
    assert {type(value) for value in quality.to_dict().values()} == {float}


def test_a_box_alone_has_no_pose():
    quality = measure_quality(Detection(box=FACE.box, score=0.9), noise())
    assert quality.yaw_deg is quality.pitch_deg is quality.roll_deg is None
    assert quality.sharpness > 0


def test_sharpness_by_hand():
    # One bright dot: the Laplacian is -4 v in its place and v in the four places beside it.
    chip = np.zeros((10, 10, 3), np.uint8)
    chip[5, 5] = 10
    values = np.array([-40.0] + 4 * [10.0] + 95 * [0.0])
    assert measure_quality(FACE, chip).sharpness == pytest.approx(values.var())


def test_sharpness_falls_with_blur():
    chip = noise()
    levels = [chip] + [cv2.GaussianBlur(chip, (0, 0), sigma) for sigma in (0.5, 1, 2, 4)]
    found = [measure_quality(FACE, level).sharpness for level in levels]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 20 < found[0]


def test_a_photographed_face_falls_below_twenty_when_blurred(photo):
    face = cv2.resize(photo[40:260, 120:330], (112, 112), interpolation=cv2.INTER_AREA)
    assert measure_quality(FACE, face).sharpness > 100
    assert measure_quality(FACE, cv2.GaussianBlur(face, (0, 0), 4)).sharpness < 20


@pytest.mark.parametrize("chip", [None, np.full((112, 112, 3), 90, np.uint8)])
def test_nothing_to_see_is_not_sharp(chip):
    assert measure_quality(FACE, chip).sharpness == 0


# --- when to abstain --------------------------------------------------------------------------

SHARP = Quality(size_px=60.0, sharpness=500.0)


@pytest.mark.parametrize(
    ("width", "reason"),
    [(23.9, "face narrower than 24 px"), (24.0, None), (200.0, None)],
)
def test_small_faces_are_skipped_with_the_reason(width, reason):
    face = Detection(box=Box(0, 0, width, 300), score=1.0)
    assert reason_to_skip(face, SHARP, min_face_px=24) == reason


def test_the_limit_stands_in_the_reason():
    face = Detection(box=Box(5, 5, 15, 15), score=1.0)
    assert reason_to_skip(face, SHARP, min_face_px=80) == "face narrower than 80 px"


@pytest.mark.parametrize(
    ("sharpness", "least", "reason"),
    [
        (3.0, 8, "face too blurred (sharpness 3, at least 8)"),
        (3.97, 4.0, "face too blurred (sharpness 3.9, at least 4)"),  # never "4, at least 4"
        (0.0, 0.5, "face too blurred (sharpness 0, at least 0.5)"),
        (4.0, 4.0, None),
        (0.0, 0.0, None),
    ],
)
def test_blurred_faces_are_skipped_with_the_reason(sharpness, least, reason):
    quality = replace(SHARP, sharpness=sharpness)
    assert reason_to_skip(FACE, quality, min_face_px=24, min_sharpness=least) == reason


def test_a_face_that_is_small_and_blurred_is_called_small():
    blurred = replace(SHARP, sharpness=1.0)
    found = reason_to_skip(FACE, blurred, min_face_px=100, min_sharpness=8)
    assert found == "face narrower than 100 px"
