"""Promises every detector keeps. A new one is tested without new test code."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mien.detect import create_detector, detectors
from mien.errors import MissingExtraError
from mien.geometry import box_iou
from mien.interfaces import Detector

FACE = np.array([[179.0, 63.0, 269.0, 174.0]])
"""The astronaut's face in the photo of 512x512."""

FOR_CROPS = {"whole", "crop"}
"""They take every image for a face, so they cannot find that there is none."""


def build(name, **settings):
    try:
        return create_detector(name, threads=1, **settings)
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module", params=sorted(detectors))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def detector(name):
    return build(name)


@pytest.fixture
def searching(name, detector):
    if name in FOR_CROPS:
        pytest.skip(f"{name} is for images that are known to be a face")
    return detector


def grey(height, width):
    return np.full((height, width, 3), 128, np.uint8)


def test_fits_the_interface(detector):
    assert isinstance(detector, Detector)


def test_default_score_is_a_score(name):
    assert 0 <= detectors[name].DEFAULT_MIN_SCORE <= 1


def test_no_images_no_answers(detector):
    assert detector.detect([]) == []


def test_one_list_an_image_in_order(searching, photo):
    found = searching.detect([grey(90, 120), photo, grey(1, 1), photo[:256]])
    assert [len(faces) for faces in found] == [0, 1, 0, 1]


def test_finds_the_face(searching, photo):
    [face] = searching.detect([photo])[0]
    assert box_iou(np.array([face.box]), FACE)[0, 0] > 0.4


def test_coordinates_are_pixels_of_the_given_image(searching, photo):
    # 100 px further right and 50 further down, and at half the size.
    moved = np.zeros((562, 612, 3), np.uint8)
    moved[50:, 100:] = photo
    [face] = searching.detect([moved])[0]
    assert box_iou(np.array([face.box]), FACE + np.array([100, 50, 100, 50]))[0, 0] > 0.4
    [half] = searching.detect(
        [photo.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3)).astype(np.uint8)]
    )[0]
    assert box_iou(np.array([half.box]), FACE / 2)[0, 0] > 0.4


def test_flat_grey_has_no_face(searching):
    assert searching.detect([grey(480, 640)]) == [[]]


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (7, 11), (30, 2000)])
def test_any_size_is_an_answer(detector, shape):
    [faces] = detector.detect([grey(*shape)])
    assert isinstance(faces, list)


def test_scores_are_scores_and_sorted(name, photo):
    eager = build(name, min_score=0.0)
    both = np.concatenate([photo, photo[::-1]], axis=1)
    scores = [face.score for face in eager.detect([both])[0]]
    assert scores
    assert all(0 <= score <= 1 for score in scores)
    assert scores == sorted(scores, reverse=True)


def test_results_are_plain_numbers(detector, photo):
    for face in detector.detect([photo])[0]:
        assert all(type(value) is float for value in (*face.box, face.score))
        assert face.box.left < face.box.right
        assert face.box.top < face.box.bottom
        for point in face.landmarks or ():
            assert type(point.x) is type(point.y) is float


def test_the_image_is_left_alone(detector, photo):
    image = photo.copy()
    detector.detect([image])
    assert (image == photo).all()


def test_threads_do_not_disturb_each_other(detector, photo):
    images = [photo, np.ascontiguousarray(photo[:, ::-1]), photo[:300, :400].copy()]
    expected = [detector.detect([image]) for image in images]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda k: detector.detect([images[k % 3]]), range(9)))
    assert found == [expected[k % 3] for k in range(9)]
