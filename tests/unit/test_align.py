"""Chips: every landmark lands where the template says, sharp, unshifted and without moiré."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.align import (
    FIVE_POINTS,
    POINTS_IN_BOX,
    AlignSpec,
    align_faces,
    chip_matrix,
    landmark_points,
    warp,
)
from mien.errors import ConfigError, InputError
from mien.geometry import apply_transform
from mien.interfaces import Detection
from mien.results import Box, Landmarks, Point

SIZE = 112
SPEC = AlignSpec(size=SIZE)


def make_face(scale, angle_deg=0.0, centre=(300.0, 300.0), size=SIZE):
    """A face whose chip of `size` shows `scale` image pixels per chip pixel."""
    a = np.deg2rad(angle_deg)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    marks = (FIVE_POINTS - 0.5) * size * scale @ turn.T + centre
    return Detection(
        box=Box(0.0, 0.0, 1.0, 1.0), score=1.0, landmarks=Landmarks(*(Point(*p) for p in marks))
    )


def draw_dots(shape, centres, sigma):
    """Soft bright dots with centres known to a fraction of a pixel, RGB ``uint8``."""
    canvas = np.zeros(shape, np.float32)
    for x, y in centres:
        across = np.exp(-((np.arange(shape[1]) - x) ** 2) / (2 * sigma**2))
        down = np.exp(-((np.arange(shape[0]) - y) ** 2) / (2 * sigma**2))
        canvas = np.maximum(canvas, np.outer(down, across))
    return np.repeat(np.round(canvas * 255).astype(np.uint8)[..., None], 3, axis=2)


def centroid(chip, near, radius):
    """Centre of brightness around a point, as ``(x, y)``."""
    x, y = np.round(near).astype(int)
    patch = chip[y - radius : y + radius + 1, x - radius : x + radius + 1, 0].astype(float)
    rows, columns = np.mgrid[y - radius : y + radius + 1, x - radius : x + radius + 1]
    return np.array([(columns * patch).sum(), (rows * patch).sum()]) / patch.sum()


def noise(shape, blur):
    """Smooth random texture that uses the whole range of grey levels."""
    rng = np.random.default_rng(7)
    rough = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(rough, (0, 0), blur), None, 0, 255, cv2.NORM_MINMAX)


# --- where things land ------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    scale=st.floats(0.4, 7),
    angle_deg=st.floats(-180, 180),
    shift=st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
    size=st.sampled_from([96, 112, 160]),
)
def test_landmarks_land_on_the_template(scale, angle_deg, shift, size):
    side = int(size * scale * 1.6) + 60
    face = make_face(scale, angle_deg, np.add(side / 2, shift), size)
    image = draw_dots((side, side), face.landmarks, sigma=max(1.0, 2.0 * scale))
    chip = align_faces(image, [face], AlignSpec(size=size))[0]
    for wanted in AlignSpec(size=size).target_points():
        found = centroid(chip, wanted, radius=8)
        assert np.abs(found - wanted).max() < 0.3


@pytest.mark.parametrize("scale", [2.01, 2.5, 3.0, 4.5, 8.0, 15.0])
@pytest.mark.parametrize("angle_deg", [0, 33, -120])
def test_shrinking_first_does_not_shift_the_chip(scale, angle_deg):
    side = int(SIZE * scale * 1.6) + 60
    face = make_face(scale, angle_deg, (side / 2 + 3.3, side / 2 - 5.7))
    image = draw_dots((side, side), face.landmarks, sigma=3.0 * scale)
    matrix = chip_matrix(face, SPEC)
    shrunk = warp(image, matrix, SIZE)
    # The dots are smooth, so sampling them directly is right here, if nowhere else.
    direct = cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR)
    for wanted in SPEC.target_points():
        shift = centroid(shrunk, wanted, radius=9) - centroid(direct, wanted, radius=9)
        assert np.abs(shift).max() < 0.05


def test_a_face_that_fits_already_is_copied():
    image = noise((200, 220), blur=1.0)
    spec = AlignSpec(size=64)
    marks = np.add(spec.target_points(), (30, 50))
    face = Detection(
        box=Box(0, 0, 1, 1), score=1.0, landmarks=Landmarks(*(Point(*p) for p in marks))
    )
    chip = align_faces(image, [face], spec)[0]
    assert np.abs(chip.astype(int) - image[50:114, 30:94]).max() <= 1


def test_an_upside_down_face_comes_out_upright():
    image = draw_dots((300, 300), make_face(1, 180, (150, 150)).landmarks[:2], sigma=3)
    chip = align_faces(image, [make_face(1, 180, (150, 150))], SPEC)[0]
    assert chip[: SIZE // 2].sum() > 50 * chip[SIZE // 2 :].sum()


def test_colours_keep_their_channels():
    image = np.zeros((300, 300, 3), np.uint8)
    image[:] = (200, 100, 50)
    assert (align_faces(image, [make_face(1.3, 20, (150, 150))], SPEC) == (200, 100, 50)).all()


# --- large faces ------------------------------------------------------------------------------


@pytest.mark.parametrize("angle_deg", [0, 17, 45])
def test_a_checkerboard_of_single_pixels_becomes_flat_grey(angle_deg):
    rows, columns = np.mgrid[:2600, :2600]
    board = ((rows + columns) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    face = make_face(2000 / SIZE, angle_deg, (1300.0, 1300.0))
    chip = align_faces(board, [face], SPEC)[0]
    assert np.abs(chip.astype(int) - 127.5).max() < 8
    # The moiré that this is about is real: sampling without averaging shows it.
    raw = cv2.warpAffine(board, chip_matrix(face, SPEC), (SIZE, SIZE), flags=cv2.INTER_LINEAR)
    assert np.ptp(raw) > 100


@pytest.mark.parametrize("scale", [2.5, 4.0, 9.0])
def test_fine_grain_is_averaged_away(scale):
    rng = np.random.default_rng(0)
    side = int(SIZE * scale * 1.5)
    grain = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    chip = align_faces(grain, [make_face(scale, 10, (side / 2, side / 2))], SPEC)[0]
    # The mean of k independent pixels has 1/sqrt(k) of the spread: 74 grey levels at first.
    assert chip.std() < 1.5 * grain.std() / scale


# --- chips with a border ----------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.3, 1.0, 1.9, 2.5, 3.0, 6.3, 15.0])
@pytest.mark.parametrize("angle_deg", [0, 30, -100])
def test_the_middle_of_a_chip_with_border_is_the_plain_chip(scale, angle_deg):
    side = int(SIZE * scale * 2) + 20
    image = noise((side, side), blur=1.5 * max(1.0, scale))
    face = make_face(scale, angle_deg, (side / 2 + 0.3, side / 2 - 0.2))
    packed = AlignSpec(size=SIZE, border=0.125)
    edge = packed.border_px
    middle = align_faces(image, [face], packed)[0, edge:-edge, edge:-edge]
    difference = np.abs(middle.astype(int) - align_faces(image, [face], SPEC)[0])
    # OpenCV rounds positions to 1/32 px, now and then to the other side; nothing else differs.
    assert difference.max() <= 2
    assert difference.mean() < 0.05


def test_sizes_of_a_chip_with_border_by_hand():
    spec = AlignSpec(size=100, border=0.126)
    assert (spec.border_px, spec.packed_size) == (13, 126)
    assert spec.target_points()[0] == pytest.approx([0.32 * 100 + 13, 0.365 * 100 + 13])
    assert (AlignSpec(size=100).border_px, AlignSpec(size=100).packed_size) == (0, 100)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"size": 15}, "chip size must be at least 16 px, got 15"),
        ({"size": 64, "template": "six-points"}, "no alignment template is called 'six-points'"),
        ({"size": 64, "border": -0.1}, "chip border must lie between 0 and 1, got -0.1"),
        ({"size": 64, "border": 1.5}, "chip border must lie between 0 and 1, got 1.5"),
    ],
)
def test_a_specification_is_checked(setting, message):
    with pytest.raises(ConfigError, match=message):
        AlignSpec(**setting)


# --- detections -------------------------------------------------------------------------------


def test_a_box_alone_uses_typical_points():
    box = Box(10.0, 20.0, 110.0, 220.0)
    typical = POINTS_IN_BOX * (100, 200) + (10, 20)
    bare = Detection(box=box, score=1.0)
    assert landmark_points(bare) == pytest.approx(typical)
    image = noise((300, 300), blur=2.0)
    marked = Detection(box=box, score=1.0, landmarks=Landmarks(*(Point(*p) for p in typical)))
    chips = align_faces(image, [bare, marked], SPEC)
    assert (chips[0] == chips[1]).all()


def test_typical_points_look_like_a_face():
    right_eye, left_eye, nose, right_mouth, left_mouth = POINTS_IN_BOX
    assert right_eye[0] < nose[0] < left_eye[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])
    assert right_mouth[0] < nose[0] < left_mouth[0]
    assert right_eye[0] + left_eye[0] == pytest.approx(1, abs=0.05)


def test_landmarks_count_more_than_the_box():
    face = make_face(1.0, 15, (80, 90))
    assert landmark_points(face) == pytest.approx(np.array(face.landmarks))
    matrix = chip_matrix(face, SPEC)
    assert apply_transform(matrix, np.array(face.landmarks)) == pytest.approx(SPEC.target_points())


def test_no_face_gives_no_chip():
    assert align_faces(np.zeros((50, 50, 3), np.uint8), [], SPEC).shape == (0, SIZE, SIZE, 3)


def test_faces_of_one_image_do_not_touch_each_other():
    image = noise((600, 600), blur=2.0)
    before = image.copy()
    faces = [make_face(1.0), make_face(3.5, 40), make_face(0.5, -70, (100, 500))]
    chips = align_faces(image, faces, SPEC)
    assert chips.shape == (3, SIZE, SIZE, 3)
    assert chips.dtype == np.uint8
    for chip, face in zip(chips, faces, strict=True):
        assert (chip == align_faces(image, [face], SPEC)[0]).all()
    assert (image == before).all()


@pytest.mark.parametrize("centre", [(-400.0, 150.0), (150.0, 900.0)])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_a_face_outside_the_image_is_refused(centre, scale):
    with pytest.raises(InputError, match="outside the image"):
        align_faces(np.zeros((300, 300, 3), np.uint8), [make_face(scale, 0, centre)], SPEC)


def test_coinciding_landmarks_are_refused():
    face = Detection(box=Box(0, 0, 9, 9), score=1.0, landmarks=Landmarks(*[Point(5.0, 5.0)] * 5))
    with pytest.raises(InputError, match="scale is undefined"):
        align_faces(np.zeros((50, 50, 3), np.uint8), [face], SPEC)


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_beyond_the_border_the_image_is_mirrored(scale):
    side = int(300 * scale)
    image = np.full((side, side, 3), 180, np.uint8)
    chip = align_faces(image, [make_face(scale, 25, (0.0, side / 2))], SPEC)[0]
    assert (chip == 180).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 400), (400, 3)])
def test_tiny_and_narrow_images_survive(shape):
    image = np.full((*shape, 3), 90, np.uint8)
    face = make_face(5.0, 10, (shape[1] / 2, shape[0] / 2))
    assert (align_faces(image, [face], SPEC) == 90).all()
