"""Hidden faces stay hidden: no detector finds them, and what was there cannot be computed."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.detect import DetectorSettings, detectors
from mien.results import Box, Face, FrameResult
from mien.sinks.blur import CELLS, blur_faces, hidden_region

PHOTO = Path(__file__).parents[3] / "examples" / "astronaut.jpg"


@pytest.fixture(scope="module")
def detector():
    return detectors["yunet"](DetectorSettings(min_score=0.6))


@pytest.fixture(scope="module")
def photo():
    return cv2.cvtColor(cv2.imread(str(PHOTO)), cv2.COLOR_BGR2RGB)


def blur(image, *boxes):
    faces = tuple(Face(box=Box(*box), score=0.9, skipped="blurred") for box in boxes)
    return blur_faces(image, FrameResult(source="a", faces=faces))


def radius(box, shape):
    """Distance of every pixel from the centre of the ellipse, in its half axes; by hand.

    The ellipse is 1.5 faces wide and 1.62 high, its centre 0.06 of the face above the middle.
    """
    width, height = box[2] - box[0], box[3] - box[1]
    x = np.arange(shape[1]) + 0.5 - (box[0] + box[2]) / 2
    y = np.arange(shape[0]) + 0.5 - (box[1] + box[3]) / 2 + 0.06 * height
    return np.hypot(x[None] / (0.75 * width), y[:, None] / (0.81 * height))


@pytest.mark.parametrize("scale", [0.2, 0.3, 0.5, 1.0, 2.0])
def test_the_detector_no_longer_finds_the_face(detector, photo, scale):
    image = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    (face,) = detector.detect([image])[0]
    assert detector.detect([blur(image, face.box)]) == [[]]


def test_the_detector_no_longer_finds_a_face_at_the_border(detector, photo):
    image = np.ascontiguousarray(photo[90:, 200:])
    (face,) = detector.detect([image])[0]
    assert face.box.left < 0 or face.box.top < 0
    assert detector.detect([blur(image, face.box)]) == [[]]


def test_pixels_elsewhere_are_unchanged(photo):
    box = (179, 63, 269, 174)
    blurred = blur(photo, box)
    far = radius(box, photo.shape) > 1.08 + 0.02
    assert (blurred[far] == photo[far]).all()
    near = radius(box, photo.shape) < 1
    assert (blurred[near] != photo[near]).any(axis=1).mean() > 0.95


def test_the_ellipse_covers_the_whole_face_box():
    for box in [(179, 63, 269, 174), (0, 0, 30, 30), (10, 10, 210, 40)]:
        inside = radius(box, (400, 400))[box[1] : box[3], box[0] : box[2]]
        assert inside.max() < 1


def test_the_image_itself_is_not_changed(photo):
    before = photo.copy()
    blur(photo, (179, 63, 269, 174))
    assert (photo == before).all()


@pytest.mark.parametrize("width", [10, 37, 100, 400])
def test_faces_with_the_same_few_means_become_the_same_picture(width):
    """All that is left of the region are 4 x 4 means: shuffle the pixels of every cell."""
    rng = np.random.default_rng(width)
    # A face whose region is a whole number of cells, to know them without looking at the code.
    cell = math.ceil(1.62 * width / 4)
    side = 4 * cell
    face = (side / 1.62, side / 1.7496)
    left, top = side / 2 - face[0] / 2, side / 2 - face[1] / 2 + 0.06 * face[1]
    box = (left + 1e-6, top + 1e-6, left + face[0] - 1e-6, top + face[1] - 1e-6)
    assert CELLS == 4
    region = hidden_region(Box(*box))
    assert region == pytest.approx((0, 0, side, side), abs=1e-3)

    image = rng.integers(0, 256, (side, side, 3), np.uint8)
    cells = image.reshape(4, cell, 4, cell, 3).swapaxes(1, 2).reshape(16, cell * cell, 3)
    shuffled = np.stack([part[rng.permutation(len(part))] for part in cells])
    other = shuffled.reshape(4, 4, cell, cell, 3).swapaxes(1, 2).reshape(side, side, 3)
    assert (image != other).any()

    hidden = radius(box, image.shape) < 1
    assert (blur(image, box)[hidden] == blur(other, box)[hidden]).all()


def test_a_cut_face_keeps_the_size_of_its_cells():
    """Half a face must not get four finer columns: two are left, so the rank is at most two."""
    rng = np.random.default_rng(3)
    image = rng.integers(0, 32, (400, 400, 3), np.uint8)
    image[:190, 45:] += 200  # a bright corner: the picture itself has rank two at least
    blurred = blur(image, (-60, 120, 60, 260))
    inner = blurred[140:240, 0:55, 0].astype(float)
    values = np.linalg.svd(inner, compute_uv=False)
    assert values[1] > 0.02 * values[0]
    assert values[2] < 0.005 * values[0]  # nothing but the rounding to whole numbers


@settings(deadline=None, max_examples=60)
@given(
    left=st.floats(-60, 130),
    top=st.floats(-60, 100),
    width=st.floats(0.5, 200),
    ratio=st.floats(0.7, 1.6),
)
def test_any_face_anywhere(left, top, width, ratio):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (100, 130, 3), np.uint8)
    box = (left, top, left + width, top + ratio * width)
    blurred = blur(image, box)
    where = radius(box, image.shape)
    far, near = where > 1.08 + 2 / width, where < 1
    assert (blurred[far] == image[far]).all()
    if width >= 30 and near.sum() > 500:
        # Noise of standard deviation 74 averaged over at least 60 pixels.
        assert blurred[near].std(axis=0).max() < 15


def test_overlapping_faces_are_both_hidden(photo):
    boxes = (179, 63, 269, 174), (200, 80, 290, 190)
    blurred = blur(photo, *boxes)
    for box in boxes:
        near = radius(box, photo.shape) < 1
        assert (blurred[near] != photo[near]).any(axis=1).mean() > 0.95


def test_no_faces_no_change(photo):
    assert (blur(photo) == photo).all()
