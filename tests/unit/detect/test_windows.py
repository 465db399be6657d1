import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.detect.windows import Pose, Pyramid, moved, scaled_size, window_matrix
from mien.geometry import apply_transform
from mien.interfaces import Detection
from mien.results import Box, Landmarks, Point


def ramp(height, width):
    """Brightness grows by one a column in red and by one a row in green."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width)[None] % 256
    image[..., 1] = np.arange(height)[:, None] % 256
    return image


def test_an_upright_face_goes_to_the_middle():
    # 40 px wide, 80 px in the chip: everything doubles, (30, 50) goes to (64, 64).
    matrix = window_matrix(Pose(30.0, 50.0, 40.0, 0.0), 128, 80.0)
    assert matrix == pytest.approx(np.array([[2.0, 0.0, 4.0], [0.0, 2.0, -36.0]]))


def test_a_face_on_its_side_is_set_upright():
    # Turned clockwise by a right angle: what points down in the image points right in the chip.
    matrix = window_matrix(Pose(0.0, 0.0, 10.0, math.pi / 2), 100, 10.0)
    points = apply_transform(matrix, np.array([[0.0, 0.0], [0.0, 10.0]]))
    assert points == pytest.approx(np.array([[50.0, 50.0], [60.0, 50.0]]))


@given(st.floats(-100, 400), st.floats(-100, 400), st.floats(1, 500), st.floats(-math.pi, math.pi))
def test_the_face_has_its_size_whatever_the_pose(x, y, width, turn):
    matrix = window_matrix(Pose(x, y, width, turn), 256, 160.0)
    centre = np.array([x, y])
    half = np.array([math.cos(turn), math.sin(turn)]) * width / 2
    ends = apply_transform(matrix, np.stack([centre - half, centre + half]))
    assert ends == pytest.approx(np.array([[48.0, 128.0], [208.0, 128.0]]), abs=1e-6)


def test_a_window_of_the_same_size_is_the_same_pixels():
    image = ramp(40, 60)
    matrix = np.array([[1.0, 0.0, -20.0], [0.0, 1.0, -5.0]])
    assert (Pyramid(image).cut(matrix, 30) == image[5:35, 20:50]).all()


def test_a_shrunk_window_averages():
    # A checkerboard of black and white pixels is grey when it is seen at a quarter of its size.
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    image = np.repeat(board[..., None], 3, axis=2)
    chip = Pyramid(image).cut(np.array([[0.25, 0.0, 0.0], [0.0, 0.25, 0.0]]), 16)
    assert np.abs(chip.astype(int) - 127).max() <= 1


@pytest.mark.parametrize("size", [(400, 200), (401, 203)])
def test_shrunk_windows_stay_in_place(size):
    # One bright spot of 8x8 px around (104, 52): seen at an eighth, it lights the pixel (13, 6).
    image = np.zeros((*size, 3), np.uint8)
    image[48:56, 104:112] = 255
    chip = Pyramid(image).cut(np.array([[0.125, 0.0, 0.0], [0.0, 0.125, 0.0]]), 20)
    assert np.unravel_index(chip[..., 0].argmax(), (20, 20)) == (6, 13)
    assert chip[6, 13, 0] == 255


def test_outside_the_image_is_the_asked_for_grey():
    chip = Pyramid(np.full((10, 10, 3), 200, np.uint8)).cut(np.eye(2, 3), 20, outside=127)
    assert (chip[:9, :9] == 200).all()
    assert (chip[11:] == 127).all()
    assert (Pyramid(np.full((10, 10, 3), 200, np.uint8)).cut(np.eye(2, 3), 20)[11:] == 0).all()


def test_windows_of_an_image_too_wide_for_opencv():
    image = np.zeros((50, 40000, 3), np.uint8)
    image[20:30, 39000:39010] = 255
    chip = Pyramid(image).cut(np.array([[1.0, 0.0, -38990.0], [0.0, 1.0, -10.0]]), 30)
    assert (chip[10:20, 10:20] == 255).all()
    assert chip.sum() == 100 * 3 * 255


def test_a_window_far_outside_is_empty():
    chip = Pyramid(ramp(40, 60)).cut(np.array([[1.0, 0.0, 500.0], [0.0, 1.0, 0.0]]), 16, outside=9)
    assert (chip == 9).all()


@pytest.mark.parametrize("wanted", [(40, 60), (20, 30), (13, 17), (1, 1), (80, 120), (5, 90)])
def test_scaling_gives_the_asked_for_size(wanted):
    assert Pyramid(ramp(40, 60)).scaled(wanted).shape == (*wanted, 3)


def test_scaling_to_the_same_size_costs_nothing():
    image = ramp(40, 60)
    assert Pyramid(image).scaled((40, 60)) is image


def test_scaling_down_averages():
    assert Pyramid(ramp(64, 64)).scaled((4, 4))[0, :, 0] == pytest.approx(
        [7.5, 23.5, 39.5, 55.5], abs=1
    )


def test_a_border_repeats_the_edge():
    pixels, border, scale = Pyramid(ramp(40, 60)).bordered(60, 0.1)
    assert (border, scale) == (6, 1.0)
    assert pixels.shape == (52, 72, 3)
    assert (pixels[6:-6, 6:-6] == ramp(40, 60)).all()
    assert (pixels[:6, 6:-6] == pixels[6, 6:-6]).all()


def test_one_pixel_has_no_smaller_level():
    pyramid = Pyramid(np.full((1, 1, 3), 7, np.uint8))
    assert pyramid.size == (1, 1)
    assert (pyramid.scaled((3, 5)) == 7).all()


@pytest.mark.parametrize(
    ("size", "scale", "expected"), [((480, 640), 0.5, (240, 320)), ((1, 5000), 0.01, (1, 50))]
)
def test_scaled_size_is_at_least_a_pixel(size, scale, expected):
    assert scaled_size(size, scale) == expected


def test_moving_a_face_takes_box_and_landmarks_along():
    face = Detection(
        box=Box(1, 2, 3, 4), score=0.5, landmarks=Landmarks(*(Point(k, 2 * k) for k in range(5)))
    )
    there = moved(face, (10, 20), (2.0, 3.0))
    assert there.box == Box(22, 66, 26, 72)
    assert there.landmarks[3] == Point(26, 78)
    assert there.score == 0.5
    assert moved(Detection(box=face.box, score=0.5), (0, 0), (1, 1)).landmarks is None
