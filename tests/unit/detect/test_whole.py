import numpy as np
import pytest

from mien.align import landmark_points
from mien.detect import DetectorSettings, Whole
from mien.results import Box


@pytest.fixture
def whole():
    return Whole(DetectorSettings(min_score=0.0))


def test_every_image_is_one_face(whole):
    images = [np.zeros((48, 48, 3), np.uint8), np.zeros((1, 1, 3), np.uint8)]
    found = whole.detect(images)
    assert [len(faces) for faces in found] == [1, 1]
    assert found[0][0].score == 1.0
    assert found[0][0].landmarks is None


def test_the_box_is_the_face_in_a_typical_crop(whole):
    [face] = whole.detect([np.zeros((200, 100, 3), np.uint8)])[0]
    assert face.box == pytest.approx(Box(10.2, -9.8, 89.6, 198.0))


def test_typical_points_are_those_of_face_crops(whole):
    # Mean of FER2013 against UTKFace and FairFace: eyes at a third, mouth at 0.725 of the height.
    [face] = whole.detect([np.zeros((100, 100, 3), np.uint8)])[0]
    points = landmark_points(face)
    assert points[0] == pytest.approx((31.4, 33.8), abs=1)
    assert points[1] == pytest.approx((68.1, 33.2), abs=1)
    assert points[3:, 1] == pytest.approx([72.5, 72.5], abs=1)
